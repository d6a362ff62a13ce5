package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parlance-go/parlance/examples/education/internal/testlog"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// asProgram is set in the environment of processes that are the program and not
// its test.
const asProgram = "EDUCATION_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
		return
	}
	testenv.Main(m)
}

// command returns the program, not started. It is killed when the test ends.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// once runs the program to its end.
func once(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// documents makes a folder with files, good and bad.
func documents(t *testing.T, good int) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		assert.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for i := range good {
		write(fmt.Sprintf("good-%03d.md", i), fmt.Sprintf("# Lesson %d\n\nword%d common %s\n", i, i, strings.Repeat("filler ", i)))
	}
	write("empty.md", "")
	write("binary.bin", "\x00\x01\x02")
	write("noise.md", "abc\x00\xff")
	write("large.txt", strings.Repeat("a", 100_001))
	return dir
}

func TestOnceAndOnceMore(t *testing.T) {
	t.Parallel()
	dir, data := documents(t, 30), filepath.Join(t.TempDir(), "new", "data")
	args := []string{"-once", "-import", dir, "-data", data, "-max-size", "100KB"}
	stdout, stderr, code := once(t, args...)
	assert.Equal(t, code, 0, "%s", stderr)
	assert.Contains(t, stderr, "imported 30 published, 4 failed from "+dir)
	assert.True(t, regexp.MustCompile(`published +Markdown +30 `).MatchString(stdout), "%s", stdout)
	assert.True(t, regexp.MustCompile(`failed +Markdown +2 `).MatchString(stdout), "%s", stdout)
	assert.True(t, regexp.MustCompile(`failed +Text +1 `).MatchString(stdout), "%s", stdout)
	assert.True(t, regexp.MustCompile(`failed +Other +1 `).MatchString(stdout), "%s", stdout)
	assert.Contains(t, stdout, "Kept in "+filepath.Join(data, "education.db"))

	again, stderr, code := once(t, args...)
	assert.Equal(t, code, 0, "%s", stderr)
	assert.Contains(t, stderr, "imported 34 known already")
	assert.Equal(t, again, stdout)

	assert.NoError(t, os.WriteFile(filepath.Join(dir, "good-000.md"), []byte("# Changed\n"), 0o600))
	_, stderr, _ = once(t, args...)
	assert.Contains(t, stderr, "imported 1 published, 33 known already")
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	dir, data, url := documents(t, 10), t.TempDir(), testenv.Postgres(t)
	args := []string{"-once", "-import", dir, "-data", data, "-max-size", "100KB", "-postgres", url}
	stdout, stderr, code := once(t, args...)
	assert.Equal(t, code, 0, "%s", stderr)
	assert.Contains(t, stderr, "imported 10 published, 4 failed")
	assert.Contains(t, stdout, "Kept in PostgreSQL database parlance_test_")
	again, stderr, _ := once(t, args...)
	assert.Contains(t, stderr, "imported 14 known already")
	assert.Equal(t, again, stdout)

	p := start(t, "-import", dir, "-data", data, "-max-size", "100KB", "-postgres", url)
	assert.Equal(t, p.find(t, "word7").Total, 1)
	_, stderr, code = once(t, "-once", "-data", t.TempDir(), "-postgres", url)
	assert.Equal(t, code, 1)
	assert.Contains(t, stderr, "another education program works on this database")
	p.stop(t)
}

// program is one that runs and serves.
type program struct {
	cmd    *exec.Cmd
	url    string
	stderr *testlog.Log
	exited chan error
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{cmd: command(t, append([]string{"-addr", "127.0.0.1:0"}, args...)...), stderr: new(testlog.Log), exited: make(chan error, 1)}
	stdout, err := p.cmd.StdoutPipe()
	assert.NoError(t, err)
	p.cmd.Stderr = p.stderr
	assert.NoError(t, p.cmd.Start())
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v, %v: %s", err, p.cmd.Wait(), p.stderr)
	}
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		p.exited <- p.cmd.Wait()
	}()
	p.url = regexp.MustCompile(`http://[^ ]+`).FindString(line)
	assert.NotEqual(t, p.url, "", "%s", line)
	p.settle(t)
	return p
}

// stop ends the program as Ctrl-C does, and wants it to end well.
func (p *program) stop(t *testing.T) {
	t.Helper()
	assert.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-p.exited:
		assert.NoError(t, err, "%s", p.stderr)
	case <-time.After(30 * time.Second):
		t.Fatal("does not end")
	}
}

type found struct {
	Total    int
	Contents []struct {
		ID, Title, Source, Status, Reason string
		Version                           int
	}
}

// request returns an answer, whose body the caller closes.
func (p *program) request(t *testing.T, method, path string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.url+path, body)
	assert.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	assert.NoError(t, err)
	return response
}

func (p *program) get(t *testing.T, path string, into any) {
	t.Helper()
	response := p.request(t, http.MethodGet, path, nil)
	defer response.Body.Close()
	assert.Equal(t, response.StatusCode, http.StatusOK, "%s", path)
	assert.NoError(t, json.NewDecoder(response.Body).Decode(into))
}

func (p *program) find(t *testing.T, typed string) (f found) {
	t.Helper()
	p.get(t, "/api/contents?q="+typed, &f)
	return f
}

func TestServeAndRestart(t *testing.T) {
	t.Parallel()
	dir, data := documents(t, 5), t.TempDir()
	p := start(t, "-import", dir, "-data", data)
	assert.Equal(t, p.find(t, "word3").Contents[0].Title, "Lesson 3")

	_, stderr, code := once(t, "-once", "-data", data)
	assert.Equal(t, code, 1)
	assert.Contains(t, stderr, "another education program is using it; choose another folder with -data")
	_, stderr, code = once(t, "-data", t.TempDir(), "-addr", strings.TrimPrefix(p.url, "http://"))
	assert.Equal(t, code, 1)
	assert.Contains(t, stderr, "address already in use; choose another address with -addr")

	// A page that is told of changes does not keep the program from ending.
	response := p.request(t, http.MethodGet, "/changes", nil)
	defer response.Body.Close()
	began := time.Now()
	p.stop(t)
	assert.True(t, time.Since(began) < 5*time.Second, "took %v to end", time.Since(began))

	p = start(t, "-import", dir, "-data", data)
	assert.Contains(t, p.stderr.String(), "known already")
	assert.Equal(t, p.find(t, "common").Total, 5)
	p.stop(t)
}

// TestRequestsEndBeforeTheProgram: an upload that is under way is not cut off.
func TestRequestsEndBeforeTheProgram(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, "-import", t.TempDir(), "-data", data)
	address := strings.TrimPrefix(p.url, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	assert.NoError(t, err)
	defer conn.Close()
	const text = "# Slow lesson"
	_, err = fmt.Fprintf(conn, "POST /api/contents?name=slow.md HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", address, len(text), text[:6])
	assert.NoError(t, err)
	for leftovers(t, data) == 0 {
		time.Sleep(5 * time.Millisecond) // until the upload is under way
	}
	assert.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	for {
		another, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			break
		}
		another.Close()
		time.Sleep(5 * time.Millisecond) // until it takes no new connections
	}
	_, err = io.WriteString(conn, text[6:])
	assert.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	assert.NoError(t, err)
	assert.Equal(t, response.StatusCode, http.StatusCreated)
	assert.NoError(t, response.Body.Close())
	assert.NoError(t, <-p.exited)
}

// TestKilledAtAnyMoment kills the program many times while it imports. In the
// end every file is a content once, and each of them is published or has failed.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const good, rounds = 40, 20
	dir, data := documents(t, good), t.TempDir()
	args := []string{"-once", "-import", dir, "-data", data, "-max-size", "100KB"}
	finished := 0
	for range rounds {
		cmd := command(t, args...)
		assert.NoError(t, cmd.Start())
		time.Sleep(rand.N(300 * time.Millisecond)) // the moment at which it dies
		_ = cmd.Process.Kill()                     // it may have ended
		if cmd.Wait() == nil {
			finished++
		}
		// More to do, so that there is something to interrupt.
		name := fmt.Sprintf("more-%d.md", rand.N(1000))
		assert.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("# "+name+" common"), 0o600))
	}
	t.Logf("%d of %d runs came to their end", finished, rounds)
	entries, err := os.ReadDir(dir)
	assert.NoError(t, err)

	began := time.Now()
	p := start(t, "-import", dir, "-data", data, "-max-size", "100KB")
	defer p.stop(t)
	assert.True(t, time.Since(began) < 20*time.Second, "waits for the leases of a program that is dead")
	sources := map[string]int{}
	for page := 1; len(sources) < len(entries); page++ {
		var f found
		p.get(t, fmt.Sprintf("/api/contents?page=%d", page), &f)
		assert.Equal(t, f.Total, len(entries))
		if len(f.Contents) == 0 {
			break
		}
		for _, c := range f.Contents {
			sources[c.Source]++
			want := "published"
			if !strings.Contains(c.Source, "-") {
				want = "failed"
			}
			assert.Equal(t, c.Status, want, "%s: %s", c.Source, c.Reason)
			p.sameAsItsHistory(t, c.ID, c.Version, want)
		}
	}
	assert.Equal(t, len(sources), len(entries))
	for source, n := range sources {
		assert.Equal(t, n, 1, "%s", source)
	}
	assert.Equal(t, p.find(t, "lesson").Total, good, "contents that are found by their words")
	assert.Equal(t, leftovers(t, data), 0, "temporary files")
}

// settle waits until the read model has nothing under way.
func (p *program) settle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		under := 0
		for _, status := range []string{"uploaded", "processing", "completed"} {
			var f found
			p.get(t, "/api/contents?status="+status, &f)
			under += f.Total
		}
		if under == 0 {
			return
		}
		assert.True(t, time.Now().Before(deadline), "%d contents are still under way", under)
		time.Sleep(10 * time.Millisecond) // there is nothing to wait on from outside
	}
}

// sameAsItsHistory compares a row with the fold of its events.
func (p *program) sameAsItsHistory(t *testing.T, id string, version int, status string) {
	t.Helper()
	var events []struct{ Type, Streamversion string }
	p.get(t, "/api/contents/"+id+"/events", &events)
	types := make([]string, len(events))
	for i, event := range events {
		types[i] = event.Type
		assert.Equal(t, event.Streamversion, fmt.Sprint(i+1))
	}
	want := []string{"ContentUploaded", "ContentProcessingStarted", "ContentProcessingCompleted", "ContentPublished"}
	if status == "failed" {
		want = []string{"ContentUploaded", "ContentProcessingStarted", "ContentProcessingFailed"}
	}
	assert.Equal(t, types, want)
	assert.Equal(t, version, len(events))
}

func leftovers(t *testing.T, data string) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(data, "files", "tmp"))
	assert.NoError(t, err)
	return len(files)
}

func TestStoppedWhileImporting(t *testing.T) {
	t.Parallel()
	dir, data := documents(t, 60), t.TempDir()
	cmd := command(t, "-once", "-import", dir, "-data", data)
	var stderr testlog.Log
	cmd.Stderr = &stderr
	assert.NoError(t, cmd.Start())
	for {
		if _, err := os.Stat(filepath.Join(data, "education.db")); err == nil {
			break
		}
		time.Sleep(time.Millisecond) // until it is under way
	}
	assert.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	assert.Equal(t, cmd.ProcessState.ExitCode(), 130, "%s", &stderr)
	assert.Contains(t, stderr.String(), "interrupted; run it again")
	_, text, code := once(t, "-once", "-import", dir, "-data", data)
	assert.Equal(t, code, 0, "%s", text)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	_, stderr, code := once(t, "-h")
	assert.Equal(t, code, 0)
	for _, flag := range []string{"-import", "-data", "-addr", "-once", "-max-size", "-postgres", "-policy"} {
		assert.Contains(t, stderr, "\n  "+flag+" ")
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown":        {[]string{"-x"}, 2, "-x"},
		"argument":       {[]string{"folder"}, 2, `"folder" is not a flag`},
		"size":           {[]string{"-max-size", "lots"}, 2, "want a size"},
		"size of none":   {[]string{"-max-size", "0"}, 2, "want a size"},
		"size of NaN":    {[]string{"-max-size", "NaN"}, 2, "want a size"},
		"no data":        {[]string{"-data", ""}, 2, "-data is empty"},
		"no folder":      {[]string{"-once", "-import", "nowhere"}, 1, "-import: "},
		"address":        {[]string{"-addr", "x"}, 1, "choose another address with -addr"},
		"postgres":       {[]string{"-once", "-postgres", "nonsense"}, 1, "-postgres: "},
		"no policy":      {[]string{"-once", "-policy", "nowhere.yaml"}, 1, "-policy: open nowhere.yaml"},
		"policy":         {[]string{"-once", "-policy", policyFile(t, "service_timeouts:\n  service_to_service: soon")}, 1, ": line 2, column 23: "},
		"policy's key":   {[]string{"-once", "-policy", policyFile(t, "retries:\n  max: 3")}, 1, ": line 1, column 1: "},
		"policy's sense": {[]string{"-once", "-policy", policyFile(t, "retry_configuration:\n  base_delay: 1m\n  max_delay: 1m")}, 1, `-policy: policy: settings for "processing", service to service: policy: Config.Retry`},
		"data is a file": {[]string{"-once", "-data", os.Args[0]}, 1, "-data: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := once(t, test.args...)
			assert.Equal(t, code, test.code, "%s", stderr)
			assert.Contains(t, stderr, test.want)
		})
	}
	stdout, stderr, code := once(t, "-once")
	assert.Equal(t, code, 0)
	assert.Contains(t, stderr, "imported nothing: there are no files in .")
	assert.Contains(t, stdout, "Kept in education-data/education.db.")
}

func policyFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.yaml")
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
