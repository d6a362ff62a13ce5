package policy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/parlance-go/parlance/retry"
)

// A condition is a reason why a call fails: an HTTP status from 400 to 599, or one
// of the constants.
type condition int

const (
	otherFailure condition = iota
	networkTimeout
	connectionFailure
)

// parseCondition reads a condition: a name, which an HTTP status may have after it
// in parentheses, as in "service_unavailable (503)".
func parseCondition(text string) (condition, error) {
	name, code, hasCode := strings.Cut(text, " (")
	switch name {
	case "network_timeout", "connection_failure":
		if hasCode {
			return 0, fmt.Errorf("is %s, but %s is no HTTP status and has no code", shorten(text), name)
		}
		if name == "network_timeout" {
			return networkTimeout, nil
		}
		return connectionFailure, nil
	}
	for status := http.StatusBadRequest; status < 600; status++ {
		if name == "" || statusName(status) != name {
			continue
		}
		if want := strconv.Itoa(status) + ")"; hasCode && code != want {
			return 0, fmt.Errorf("is %s, want the name alone or %q", shorten(text), name+" ("+want)
		}
		return condition(status), nil
	}
	return 0, fmt.Errorf("is %s, want network_timeout, connection_failure, "+
		`or an HTTP status such as "service_unavailable (503)"`, shorten(text))
}

// statusName returns the name of a status as in "not_found", or nothing if it has
// none.
func statusName(status int) string {
	return strings.NewReplacer(" ", "_", "-", "_", "'", "").Replace(strings.ToLower(http.StatusText(status)))
}

// conditions are what a file says about which errors to retry.
type conditions struct {
	only, never []condition
}

// retryIf is the RetryIf of these conditions, or nil if there are none.
func (c conditions) retryIf() func(error) bool {
	if len(c.only) == 0 && len(c.never) == 0 {
		return nil
	}
	return func(err error) bool {
		is := conditionOf(err)
		switch {
		case slices.Contains(c.never, is):
			return false
		case len(c.only) > 0:
			return slices.Contains(c.only, is)
		default:
			return retry.Transient(err)
		}
	}
}

// conditionOf returns why a call failed with err. An answer with a status is not a
// failure of the network, whatever else err wraps.
func conditionOf(err error) condition {
	if answer, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err); ok && answer.StatusCode() >= http.StatusBadRequest {
		return condition(answer.StatusCode())
	}
	switch {
	case timedOutIn(err):
		return networkTimeout
	case retry.Transient(err): // then it is the connection
		return connectionFailure
	default:
		return otherFailure
	}
}

// timedOutIn reports whether err holds a timeout. Of several network errors the
// outer ones may not know of the inner ones.
func timedOutIn(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	for {
		e, ok := errors.AsType[net.Error](err)
		if !ok || e.Timeout() {
			return ok
		}
		err = errors.Unwrap(e)
	}
}
