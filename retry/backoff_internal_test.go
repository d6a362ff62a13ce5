package retry

import (
	"math"
	"testing"
	"time"
)

// FuzzDelay is inside the package because the delays it is about cannot be
// waited for: some are of 292 years.
func FuzzDelay(f *testing.F) {
	f.Add(int64(100*time.Millisecond), int64(5*time.Second), 2.0, 0.2, uint8(FullJitter), int64(0), uint16(3))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), math.MaxFloat64, 1.0, uint8(ProportionalJitter), int64(math.MaxInt64), uint16(1))
	f.Add(int64(math.MaxInt64-1), int64(math.MaxInt64), 1.0000001, 0.9999999999999999, uint8(ProportionalJitter), int64(0), uint16(2))
	f.Add(int64(math.MaxInt64), int64(0), 1.0, 1.0, uint8(DecorrelatedJitter), int64(1), uint16(999))
	f.Add(int64(1), int64(math.MaxInt64), 3.7, 0.999, uint8(EqualJitter), int64(-1), uint16(999))
	f.Add(int64(1), int64(math.MaxInt64), 2.0, 0.0, uint8(DecorrelatedJitter), int64(0), uint16(100))
	f.Add(int64(math.MaxInt64/2), int64(math.MaxInt64), 2.0, 0.0, uint8(DecorrelatedJitter), int64(0), uint16(1))
	f.Add(int64(1<<60+1), int64(math.MaxInt64), 1.0, 0.0, uint8(NoJitter), int64(0), uint16(1))
	f.Add(int64(1), int64(1), 1.0, math.SmallestNonzeroFloat64, uint8(NoJitter), int64(2), uint16(1000))
	f.Fuzz(func(t *testing.T, base, most int64, multiplier, fraction float64, jitter uint8, asked int64, attempt uint16) {
		p, err := New(Config{
			BaseDelay:      time.Duration(base),
			MaxDelay:       time.Duration(most),
			Multiplier:     multiplier,
			Jitter:         Jitter(jitter),
			JitterFraction: fraction,
		})
		if err != nil {
			t.Skip("not a policy that New makes")
		}
		config := p.Config()
		c := call{policy: p, attempts: int(attempt)%1000 + 1, asked: max(time.Duration(asked), 0)}
		ceiling := time.Duration(0)
		for range 50 {
			if grown := config.ceiling(c.attempts); grown < ceiling || grown < config.BaseDelay || grown > config.MaxDelay {
				t.Fatalf("ceiling of attempt %d is %v after %v, in %+v", c.attempts, grown, ceiling, config)
			} else {
				ceiling = grown
			}
			delay, ok := c.delay()
			if !ok {
				t.Fatal("no delay")
			}
			if c.drawn < 0 || c.drawn > config.MaxDelay {
				t.Fatalf("delay %v was drawn for attempt %d of %+v", c.drawn, c.attempts, config)
			}
			if config.Jitter != NoJitter && c.drawn == config.MaxDelay && config.MaxDelay-config.BaseDelay > 1<<40 {
				t.Fatalf("the upper bound was drawn for attempt %d of %+v", c.attempts, config)
			}
			if delay < c.drawn || delay < c.asked {
				t.Fatalf("delay %v, drawn %v, asked %v", delay, c.drawn, c.asked)
			}
			if c.asked == 0 && delay != c.drawn || delay > max(c.drawn, plus(c.asked, config.BaseDelay)) {
				t.Fatalf("delay %v, drawn %v, asked %v", delay, c.drawn, c.asked)
			}
			c.attempts++
		}
	})
}
