package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// How often the progress line changes on a terminal, and how often there is
// another one elsewhere, such as in a log.
const (
	terminalInterval = 100 * time.Millisecond
	logInterval      = 5 * time.Second
)

// report writes how far the import is, until it is done or ctx is.
func (t *tally) report(ctx context.Context, w io.Writer, dir string) {
	before, after, interval := "", "\n", logInterval
	if isTerminal(w) {
		before, after, interval = "\r\x1b[K", "", terminalInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			fmt.Fprintf(w, "%s%s\n", before, t.result(dir))
			return
		case <-ctx.Done():
			// Perhaps both are; then it is done.
			select {
			case <-t.done:
				fmt.Fprintf(w, "%s%s\n", before, t.result(dir))
			default:
				fmt.Fprintf(w, "%simport stopped: %s\n", before, t.line())
			}
			return
		case <-tick.C:
			fmt.Fprintf(w, "%simporting %s%s", before, t.line(), after)
		}
	}
}

// line is such as "132/400 files  33%  265/s  1s left".
func (t *tally) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	done := t.known + t.published + t.failed
	elapsed := time.Since(t.start).Seconds()
	rate := float64(done) / max(elapsed, 0.001)
	line := fmt.Sprintf("%d/%d files  %d%%  %.0f/s", done, t.total, 100*done/max(t.total, 1), rate)
	if rate > 0 && done < t.total {
		left := time.Duration(float64(t.total-done) / rate * float64(time.Second))
		line += fmt.Sprintf("  %s left", left.Round(time.Second))
	}
	return line
}

func (t *tally) result(dir string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := []string{}
	for _, part := range []struct {
		n    int
		text string
	}{
		{t.published, "published"}, {t.failed, "failed"}, {t.known, "known already"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	if len(parts) == 0 {
		return "imported nothing: there are no files in " + dir
	}
	return fmt.Sprintf("imported %s from %s in %s", strings.Join(parts, ", "), dir,
		time.Since(t.start).Round(time.Millisecond))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
