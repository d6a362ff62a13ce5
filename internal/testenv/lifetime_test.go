//go:build linux

package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/internal/testenv"
)

// TestChild is not a test of its own: it is what a child process runs.
func TestChild(t *testing.T) {
	part := os.Getenv(childVar)
	if part == "" {
		t.Skip("run by the other tests in a process of its own")
	}
	url := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	assert.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	fmt.Printf("data=%s\n", query(t, conn, "SELECT current_setting('data_directory')"))

	// Until the parent has seen the server run.
	_, err = io.Copy(io.Discard, os.Stdin)
	assert.NoError(t, err)
	if part == "panic" {
		go panic("a child's panic, as the test wants")
		select {}
	}
}

// A child is another test process with a server.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	// data is the server's data folder, which lies in the folder that must
	// vanish with the server.
	data string
	// server is the id of the server's process.
	server int
}

// startChild starts a process of this test binary and waits until its server
// runs.
func startChild(t *testing.T, part string) *child {
	t.Helper()
	cmd := childCommand(t, part)
	stdin, err := cmd.StdinPipe()
	assert.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	assert.NoError(t, err)
	assert.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	c := &child{cmd: cmd, stdin: stdin}
	lines := bufio.NewScanner(stdout)
	for c.data == "" && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data="); ok {
			c.data = data
		}
	}
	assert.True(t, c.data != "", "the child printed no data folder: %v", lines.Err())
	pidFile, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	assert.NoError(t, err)
	_, err = fmt.Sscan(string(pidFile), &c.server)
	assert.NoError(t, err)
	assert.True(t, running(c.server), "the server's process %d", c.server)
	return c
}

func childCommand(t *testing.T, part string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	assert.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVar+"="+part, "PARLANCE_POSTGRES_URL=")
	return cmd
}

// running tells whether the process exists and is more than a zombie, which it
// stays where nobody reaps orphans.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(afterName, "Z")
}

// awaitServerGone waits until the kernel has stopped the child's server.
func (c *child) awaitServerGone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); running(c.server); {
		assert.True(t, time.Now().Before(deadline), "server %d still runs", c.server)
		time.Sleep(10 * time.Millisecond) // another process, which sends no event
	}
}

// awaitSwept waits until the folder is gone, which another process that sweeps
// at the same time may be about to do.
func awaitSwept(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		assert.NoError(t, err)
		assert.True(t, time.Now().Before(deadline), "%s still exists", path)
		time.Sleep(10 * time.Millisecond) // another process, which sends no event
	}
}

func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	c := startChild(t, "returns")
	assert.NoError(t, c.stdin.Close())
	assert.NoError(t, c.cmd.Wait())
	assert.False(t, running(c.server), "the server after its process")
	_, err := os.Stat(filepath.Dir(c.data))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestServerEndsWithAProcessThatPanics(t *testing.T) {
	t.Parallel()
	c := startChild(t, "panic")
	assert.NoError(t, c.stdin.Close())
	assert.ErrorAs[*exec.ExitError](t, c.cmd.Wait())
	c.awaitServerGone(t)
}

func TestServerEndsWithAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	bystander := startChild(t, "returns")
	killed := startChild(t, "killed")
	assert.NoError(t, killed.cmd.Process.Kill())
	exit := assert.ErrorAs[*exec.ExitError](t, killed.cmd.Wait())
	status, ok := exit.Sys().(syscall.WaitStatus)
	assert.True(t, ok && status.Signal() == syscall.SIGKILL, "ended by %v", exit)
	killed.awaitServerGone(t)

	testenv.NewPostgresServer(t) // sweeps
	awaitSwept(t, filepath.Dir(killed.data))
	_, err := os.Stat(bystander.data)
	assert.NoError(t, err, "the folder of a server in use, after a sweep")
	assert.True(t, running(bystander.server), "a server in use, after a sweep")
	assert.NoError(t, bystander.stdin.Close())
	assert.NoError(t, bystander.cmd.Wait())
}

func TestPostgresWithoutMainSaysWhatToAdd(t *testing.T) {
	t.Parallel()
	out, err := childCommand(t, "without-main").CombinedOutput()
	assert.ErrorAs[*exec.ExitError](t, err)
	assert.Contains(t, string(out), "testenv.Main(m)")
}
