package policy

import (
	"net/http"

	"github.com/parlance-go/parlance/breaker"
)

// Client returns an http.Client whose requests go through [Transport], with name
// as the key in a breaker.Group in place of the request's host. Its Timeout is not
// set: that of the policy holds.
//
// It shares the connections of http.DefaultTransport with all who use them. For
// connections of its own, or another setting of them, make a client with
// [Transport].
func (p *Policy) Client(name string) *http.Client {
	if p != nil && p.breakers != nil {
		named := *p
		named.breakers = one{p.breakers, name}
		p = &named
	}
	return &http.Client{Transport: Transport(p, nil)}
}

// one is the breaker of one key, asked for anew with each call, since a group drops
// breakers that are not asked for.
type one struct {
	breakers breaker.Breakers
	key      string
}

func (o one) For(string) *breaker.Breaker { return o.breakers.For(o.key) }
