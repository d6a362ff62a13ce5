package retry

import "time"

// judge reports whether err is worth another attempt, and how long it asks to
// wait before that. The package comment has the rules.
func judge(err error, retryIf func(error) bool) (worth bool, after time.Duration) {
	if forbids(err) {
		return false, 0
	}
	after = retryAfter(err)
	if after < 0 {
		return false, after
	}
	return demands(err) || retryIf(err), after
}

// forbids reports whether err has the mark of Permanent or says of itself that it
// is not to be retried.
func forbids(err error) (no bool) {
	walk(err, func(*permanentError) bool {
		no = true
		return false
	})
	walk(err, func(e retryable) bool {
		no = no || !e.Retryable()
		return false
	})
	return no
}

// demands reports whether err has the mark of After, says of itself that it is to
// be retried, or tells of an attempt that ran out of time.
func demands(err error) (yes bool) {
	walk(err, func(*afterError) bool {
		yes = true
		return false
	})
	walk(err, func(*TimeoutError) bool {
		yes = true
		return false
	})
	walk(err, func(e retryable) bool {
		yes = yes || e.Retryable()
		return false
	})
	return yes
}

// retryAfter returns the longest time that err asks to wait, or a negative one if
// any is.
func retryAfter(err error) (after time.Duration) {
	walk(err, func(e interface{ RetryAfter() time.Duration }) bool {
		if d := e.RetryAfter(); d < 0 || after >= 0 && d > after {
			after = d
		}
		return false
	})
	return after
}

type retryable interface{ Retryable() bool }

// walk calls visit for the errors in err's tree that are an E, from the outside to
// the inside. Below one for which visit returns false it does not look: of errors
// that wrap each other the outermost has the say. Of errors that are joined each
// has, unlike with errors.As, which stops at the first: a Join must not hide that
// one of them forbids another attempt.
func walk[E any](err error, visit func(E) (deeper bool)) {
	if found, ok := err.(E); ok && !visit(found) {
		return
	}
	switch err := err.(type) { //nolint:errorlint // this is the walk
	case interface{ Unwrap() error }:
		walk(err.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, err := range err.Unwrap() {
			walk(err, visit)
		}
	}
}
