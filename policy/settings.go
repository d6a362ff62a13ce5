package policy

import (
	"fmt"
	"net/http"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// Settings are what a file says about the calls of a service; see [LoadYAML]. They
// are plain data, which may be changed before the first policy is made. The zero
// Settings have the defaults of the packages.
type Settings struct {
	// Timeouts bound a call with all its attempts and delays, by its hop.
	Timeouts retry.Timeouts

	// AttemptTimeout bounds each attempt.
	// Defaults to no bound.
	AttemptTimeout time.Duration

	// Retry says when a call is tried again. Its Budget, if there is one, is shared
	// by all policies of these Settings.
	Retry retry.Config

	// Breaker is the Config of the breaker that each policy has for itself.
	Breaker breaker.Config

	// Bulkhead is the Config of the bulkhead that each policy has for itself.
	// Defaults to none.
	Bulkhead *BulkheadConfig
}

// Policy returns a policy for calls of one kind to one other side: with the timeout
// of the hop, the retries, and a breaker and a bulkhead of its own, which have its
// name. Make one for each other side, and keep it. The error says what does not fit
// together, such as delays that are longer than the timeout of the hop.
//
// Policy panics if hop is none of the constants.
func (s *Settings) Policy(name string, hop retry.Hop) (*Policy, error) {
	p, err := s.policy(name, hop)
	if err != nil {
		return nil, fmt.Errorf("policy: settings for %q, %s: %w", name, hop, err)
	}
	return p, nil
}

func (s *Settings) policy(name string, hop retry.Hop) (*Policy, error) {
	c := Config{Name: name, Timeout: s.Timeouts.For(hop), AttemptTimeout: s.AttemptTimeout}
	var err error
	if c.Retry, err = retry.New(s.Retry); err != nil {
		return nil, err
	}
	guard := s.Breaker
	guard.Name = name
	if c.Breaker, err = breaker.New(guard); err != nil {
		return nil, err
	}
	if s.Bulkhead != nil {
		bulkhead := *s.Bulkhead
		bulkhead.Name = name
		if c.Bulkhead, err = NewBulkhead(bulkhead); err != nil {
			return nil, err
		}
	}
	return New(c)
}

// Client returns an http.Client for calls of one kind to one other side, whose
// requests go through [Settings.Policy] as [Policy.Client] says. Make one for each
// other side, and keep it.
func (s *Settings) Client(name string, hop retry.Hop) (*http.Client, error) {
	p, err := s.Policy(name, hop)
	if err != nil {
		return nil, err
	}
	return p.Client(name), nil
}
