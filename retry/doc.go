// Package retry runs a call again when that may help, and stops when it cannot.
//
//	policy, err := retry.New(retry.Config{AttemptTimeout: time.Second})
//	user, err := retry.Do(ctx, policy, func(ctx context.Context) (User, error) {
//		return users.Get(ctx, id)
//	})
//
// The zero Config, and a nil [*Policy], make up to 3 attempts with delays of full
// jitter below 100 ms and 200 ms. [Transport] does the same for an http.Client.
//
// Do not retry what is not idempotent, and do not retry in every layer: three
// layers of three attempts are 27 calls. A [Budget] bounds what all calls of a
// process retry together, and an error of this package is not retried by the
// layer above.
//
// # What is retried
//
// The first of these that applies decides:
//
//   - Nothing is retried when the caller's context has ended.
//   - An error marked with [Permanent], or with a method Retryable() bool that
//     returns false, is not retried: an open breaker has it.
//   - An error marked with [After], or with a method RetryAfter() time.Duration, is
//     not retried before that delay is over. A negative one forbids it.
//   - An error marked with [After], or whose method Retryable() returns true, is
//     retried.
//   - An attempt that ran into AttemptTimeout is retried.
//   - For all others [Config.RetryIf] is asked, by default [Transient].
//
// Marks and methods count however deep they are wrapped. Of errors that wrap each
// other the outermost one with the method has the say, and [Permanent] at any
// depth. Of joined errors each has: one that forbids another attempt forbids it
// for all, and the longest delay counts.
//
// # When it stops
//
// After the last attempt; when the error is not to be retried; when the budget is
// used up; when [Config.Ready] knows that the next attempt could not be made; and when the delay, or the next attempt with [Config.MinAttempt], would
// not end before the deadline. Then it returns at once, with the last error: it
// never sleeps in vain. It stops, too, when the other side asks for a longer delay
// than [Config.MaxRetryAfter], which is never cut short.
//
// [Error] tells which of these it was. If a context ended, errors.Is finds both its
// cause and its error.
package retry
