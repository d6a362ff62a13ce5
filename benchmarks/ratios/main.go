// Command ratios reads the output of "go test -bench" and writes a Markdown
// table of how fast each contender is beside the floor of the same case and run, or
// beside other contenders.
//
//	make bench COUNT=10 > bench.txt
//	go run ./benchmarks/ratios < bench.txt
//	go run ./benchmarks/ratios -to gobreaker,failsafe-go < bench.txt
//
// A case is Benchmark<Area>/<case>/<contender> of one package. The speed of a run
// is its events/s or, if it reports none, the inverse of its ns/op: a ratio of 2
// is twice as fast. Runs of one count are compared with each other, and the median
// of the ratios is shown with the lowest and the highest.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	to := flag.String("to", floor, "the `contenders` to compare with, separated by commas; a column each")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, strings.Split(*to, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

const floor = "floor"

// results are the speeds of the contenders of one case, a value for each count.
type results struct {
	room, name string
	contenders []string
	speeds     map[string][]float64
}

// run shows all cases if the floor is among what they are compared with, otherwise
// those that can be.
func run(in io.Reader, out io.Writer, to []string) error {
	cases, err := parse(in)
	if err != nil {
		return err
	}
	header, line := "| package | case | contender | speed |", "|---|---|---|---:|"
	for _, other := range to {
		if other != floor && !slices.ContainsFunc(cases, func(c *results) bool { return c.has(other) }) {
			return fmt.Errorf("no contender %q in the input", other)
		}
		header, line = header+" ratio to "+other+" |", line+"---:|"
	}
	fmt.Fprintln(out, header)
	fmt.Fprintln(out, line)
	for _, c := range cases {
		if !slices.Contains(to, floor) && !slices.ContainsFunc(to, c.has) {
			continue
		}
		for _, contender := range c.contenders {
			fmt.Fprintf(out, "| %s | %s | %s | %s/s |", c.room, c.name, contender, thousands(median(c.speeds[contender])))
			for _, other := range to {
				fmt.Fprintf(out, " %s |", c.ratio(contender, other))
			}
			fmt.Fprintln(out)
		}
	}
	return nil
}

// processors is the suffix that go test gives to names.
var processors = regexp.MustCompile(`-\d+$`)

func parse(in io.Reader) ([]*results, error) {
	var cases []*results
	room := ""
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if pkg, found := strings.CutPrefix(lines.Text(), "pkg: "); found {
			room = strings.TrimPrefix(pkg, "github.com/parlance-go/parlance/")
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		speed, err := speedOf(fields[2:])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		if speed == 0 || !strings.Contains(name, "/") {
			continue
		}
		i := slices.IndexFunc(cases, func(c *results) bool { return c.room == room && c.name == path.Dir(name) })
		if i < 0 {
			cases = append(cases, &results{room: room, name: path.Dir(name), speeds: make(map[string][]float64)})
			i = len(cases) - 1
		}
		contender := path.Base(name)
		if _, known := cases[i].speeds[contender]; !known {
			cases[i].contenders = append(cases[i].contenders, contender)
		}
		cases[i].speeds[contender] = append(cases[i].speeds[contender], speed)
	}
	if len(cases) == 0 && lines.Err() == nil {
		return nil, errors.New("no benchmark results in the input")
	}
	return cases, lines.Err()
}

// speedOf returns a speed per second from pairs of a value and its unit.
func speedOf(pairs []string) (speed float64, err error) {
	for i := 0; i+1 < len(pairs); i += 2 {
		value, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			return 0, err
		}
		switch pairs[i+1] {
		case "events/s":
			return value, nil
		case "ns/op":
			speed = 1e9 / value
		}
	}
	return speed, nil
}

func (r *results) has(contender string) bool { return r.speeds[contender] != nil }

// ratio compares two contenders in each run. It is empty if the case lacks one.
func (r *results) ratio(contender, to string) string {
	var ratios []float64
	for i, speed := range r.speeds[contender] {
		if i < len(r.speeds[to]) {
			ratios = append(ratios, speed/r.speeds[to][i])
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	if contender == to {
		return "1"
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// thousands writes a whole number with commas.
func thousands(value float64) string {
	digits := strconv.FormatFloat(value, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
