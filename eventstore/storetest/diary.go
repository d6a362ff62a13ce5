package storetest

import (
	"fmt"
	"strings"
	"sync"
)

// diary is what was done, in words.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) String() string {
	const most = 60
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.lines) == 0 {
		return "nothing was done before"
	}
	var text strings.Builder
	for i, line := range d.lines[max(len(d.lines)-most, 0):] {
		if i == 0 && len(d.lines) > most {
			fmt.Fprintf(&text, "\n\t(%d before these)", len(d.lines)-most)
		}
		fmt.Fprintf(&text, "\n\t%d. %s", max(len(d.lines)-most, 0)+i+1, line)
	}
	return text.String()
}
