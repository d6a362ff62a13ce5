// Package testlog holds a log that the system writes while a test reads it.
package testlog

import (
	"strings"
	"sync"
)

// Log keeps what is written to it. The zero Log is empty. It is safe for concurrent
// use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
