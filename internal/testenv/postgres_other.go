//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package testenv

import (
	"net/url"
	"runtime"
)

// A privatePostgres cannot exist on this system.
type privatePostgres struct{}

func startPrivatePostgres() (*privatePostgres, error) {
	return nil, &missingError{what: "no private servers on " + runtime.GOOS}
}

func (*privatePostgres) url() *url.URL { return nil }
func (*privatePostgres) stop() error   { return nil }
