package retryafter_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/retryafter"
)

// The example of RFC 9110, section 5.6.7.
var now = time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":                  {"120", 2 * time.Minute},
		"at once":                  {"0", 0},
		"leading zeros":            {"007", 7 * time.Second},
		"spaces around":            {" \t5 ", 5 * time.Second},
		"as long as a delay is":    {"3153600000", retryafter.Max},
		"a second longer":          {"3153600001", retryafter.Max},
		"more than a duration has": {"9223372037", retryafter.Max},
		"more than an int64 has":   {"9223372036854775808", retryafter.Max},
		"a number without end":     {strings.Repeat("9", 1000), retryafter.Max},

		"date":                    {"Sun, 06 Nov 1994 08:50:07 GMT", 30 * time.Second},
		"date of RFC 850":         {"Sunday, 06-Nov-94 08:50:07 GMT", 30 * time.Second},
		"date of asctime":         {"Sun Nov  6 08:50:07 1994", 30 * time.Second},
		"spaces around a date":    {" Sun, 06 Nov 1994 08:50:07 GMT ", 30 * time.Second},
		"this moment":             {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		"date in the past":        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
		"date long ago":           {"Mon, 01 Jan 0001 00:00:00 GMT", 0},
		"date beyond a duration":  {"Fri, 31 Dec 9999 23:59:59 GMT", retryafter.Max},
		"date as far as we go":    {now.Add(retryafter.Max).Format("Mon, 02 Jan 2006 15:04:05 GMT"), retryafter.Max},
		"date a second less far":  {now.Add(retryafter.Max - time.Second).Format("Mon, 02 Jan 2006 15:04:05 GMT"), retryafter.Max - time.Second},
		"date with a wrong day":   {"Mon, 06 Nov 1994 08:50:07 GMT", 30 * time.Second},
		"date of a century later": {"Sat, 06 Nov 2094 08:49:37 GMT", retryafter.Max},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := retryafter.Parse(test.value, now)
			assert.True(t, ok, "Parse(%q) is ok", test.value)
			assert.Equal(t, got, test.want)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"nothing":             "",
		"spaces":              " \t",
		"a negative number":   "-1",
		"a sign":              "+1",
		"a fraction":          "1.5",
		"an exponent":         "1e3",
		"a unit":              "5s",
		"hexadecimal":         "0x10",
		"digits not of ASCII": "\u0665",
		"two numbers":         "1 2",
		"a list":              "1, 2",
		"a word":              "soon",
		"ISO 8601":            "1994-11-06T08:50:07Z",
		"half a date":         "Sun, 06 Nov 1994",
		"a date of no month":  "Sun, 31 Feb 1994 08:50:07 GMT",
		"a broken encoding":   "\xff",
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := retryafter.Parse(value, now)
			assert.False(t, ok, "Parse(%q) is ok", value)
			assert.Equal(t, got, 0)
		})
	}
}

// TestTheLongestDelayLeavesRoom shows what callers rely on: a delay may be added
// to another one, and to the present time.
func TestTheLongestDelayLeavesRoom(t *testing.T) {
	longest := retryafter.Max
	assert.True(t, longest+longest > longest, "twice the longest delay is a duration")
	assert.True(t, now.Add(longest).After(now), "and leads to a later time")
}

// FuzzParse checks for each value what a caller relies on, and that a longer wait
// until the answer is read never makes the delay longer.
func FuzzParse(f *testing.F) {
	for _, value := range []string{
		"", "0", "120", " 5 ", "-1", "9223372036854775808", "soon",
		"Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
	} {
		f.Add(value, int64(0))
	}
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", int64(-1<<63))
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", int64(1<<63-1))
	f.Fuzz(func(t *testing.T, value string, offset int64) {
		at := now.Add(time.Duration(offset))
		delay, ok := retryafter.Parse(value, at)
		if delay < 0 || delay > retryafter.Max {
			t.Fatalf("Parse(%q) is %s", value, delay)
		}
		if !ok {
			if delay != 0 {
				t.Fatalf("Parse(%q) is %s, but not ok", value, delay)
			}
			if _, err := strconv.ParseUint(value, 10, 64); err == nil {
				t.Fatalf("Parse(%q) refuses a number", value)
			}
			return
		}
		if again, ok := retryafter.Parse("\t"+value+" ", at); !ok || again != delay {
			t.Fatalf("Parse(%q) is %s, and with spaces around %s, %t", value, delay, again, ok)
		}
		if later, ok := retryafter.Parse(value, at.Add(time.Hour)); !ok || later > delay {
			t.Fatalf("Parse(%q) is %s, and an hour later %s, %t", value, delay, later, ok)
		}
		if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
			want := retryafter.Max
			if seconds < uint64(want/time.Second) {
				want = time.Duration(seconds) * time.Second
			}
			if delay != want {
				t.Fatalf("Parse(%q) is %s, want %s", value, delay, want)
			}
		}
	})
}
