// Package service is what the services of the system have in common: how one is
// served, and how one is called.
//
// A service is HTTP with JSON, at a port of its own on this machine. It has no
// clients but this program, so it refuses whatever it does not know. Whoever
// calls it does so with a [Client], under a policy: a timeout, retries and a
// circuit breaker. An answer may be a refusal; that the service is at fault, or
// not there, is an [UnavailableError].
package service
