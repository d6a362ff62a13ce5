package breaker

import "strconv"

// State is what a breaker does with calls.
type State uint8

// The states of a breaker.
const (
	Closed   State = iota // every call passes
	Open                  // no call passes
	HalfOpen              // probes pass
)

// String returns "closed", "open" or "half-open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	default:
		return "State(" + strconv.Itoa(int(s)) + ")"
	}
}

// Mode is who decides what a breaker does.
type Mode uint8

// The modes of a breaker. SetMode changes them.
const (
	Automatic  Mode = iota // its rules decide
	ForcedOpen             // it rejects every call
	Disabled               // it admits every call and records nothing
	Shadow                 // its rules decide and hooks are told, but it rejects nothing
)

// String returns "automatic", "forced-open", "disabled" or "shadow".
func (m Mode) String() string {
	switch m {
	case Automatic:
		return "automatic"
	case ForcedOpen:
		return "forced-open"
	case Disabled:
		return "disabled"
	case Shadow:
		return "shadow"
	default:
		return "Mode(" + strconv.Itoa(int(m)) + ")"
	}
}

// Outcome is what a call says about the other side.
type Outcome uint8

// The outcomes of a call. Any other value counts as a Failure.
const (
	Neutral Outcome = iota // nothing
	Success
	Failure
)

// String returns "neutral", "success" or "failure".
func (o Outcome) String() string {
	switch o {
	case Neutral:
		return "neutral"
	case Success:
		return "success"
	case Failure:
		return "failure"
	default:
		return "Outcome(" + strconv.Itoa(int(o)) + ")"
	}
}
