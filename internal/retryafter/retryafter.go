// Package retryafter reads the HTTP header Retry-After.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Max is the longest delay that Parse returns, about 100 years. Two of them fit
// into a [time.Duration], so a caller may add to one without overflow.
const Max = 100 * 365 * 24 * time.Hour

// Parse returns how long a value of Retry-After (RFC 9110, section 10.2.3) asks
// to wait, counted from now: a number of seconds, or a date in any of the three
// forms of HTTP. A date in the past is 0, and what is beyond Max is Max. A value
// of neither form is not ok.
func Parse(value string, now time.Time) (delay time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if isDigits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(Max/time.Second) { // err: too large for an int64
			return Max, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), Max), true
}

func isDigits(value string) bool {
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
