package sqlite

import (
	"fmt"
	"runtime"
	"time"
)

// Config sets up a Database. The zero Config works.
type Config struct {
	// Readers is how many connections read at once, at most.
	// Defaults to the number of CPUs, at least 4.
	Readers int

	// BusyTimeout is how long a write waits while others write: transactions
	// of this process on [Database.Writer], and other processes. Then it gives
	// up with ErrBusy. SQLite counts in milliseconds.
	// Defaults to 10 seconds.
	BusyTimeout time.Duration

	// PollInterval is how often [EventStore.Wait] looks for events that other
	// processes have appended, or transactions on [Database.Writer]. Those that
	// the EventStore itself appends are noticed at once.
	// Defaults to 25 milliseconds.
	PollInterval time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Readers == 0 {
		c.Readers = max(runtime.GOMAXPROCS(0), 4)
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 10 * time.Second
	}
	if c.PollInterval == 0 {
		c.PollInterval = 25 * time.Millisecond
	}
	switch {
	case c.Readers < 0:
		return c, fmt.Errorf("config: Readers is %d, want at least 1", c.Readers)
	case c.BusyTimeout < time.Millisecond:
		return c, fmt.Errorf("config: BusyTimeout is %v, want at least 1ms", c.BusyTimeout)
	case c.PollInterval < 0:
		return c, fmt.Errorf("config: PollInterval is %v, want more than 0", c.PollInterval)
	}
	return c, nil
}
