//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// startTimeout covers initdb and the server's start on a machine that
	// compiles and tests other packages at the same time. Alone they take two
	// seconds.
	startTimeout = 2 * time.Minute
	// stopTimeout is twice the time after which a server that was told to stop
	// at once kills those of its processes that have not.
	stopTimeout = 10 * time.Second
	// superuser is the role that owns a private server.
	superuser = "postgres"
)

// A privatePostgres is a PostgreSQL server that this process started.
type privatePostgres struct {
	bin     string
	account account
	folder  *folder

	process *os.Process
	exited  chan struct{} // closed when the process is gone
	stop    func() error  // idempotent
}

// startPrivatePostgres makes a new database cluster and serves it.
func startPrivatePostgres() (*privatePostgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	base, err := tempBase(account)
	if err != nil {
		return nil, err
	}
	sweep(base, func(dir string) { stopOrphan(bin, account, dir) })
	folder, err := newFolder(base, account)
	if err != nil {
		return nil, err
	}

	p := &privatePostgres{bin: bin, account: account, folder: folder, exited: make(chan struct{})}
	p.stop = sync.OnceValue(p.stopOnce)
	started := make(chan error, 1)
	go p.run(started)
	if err = <-started; err == nil {
		err = p.awaitReady()
	}
	if err != nil {
		err = fmt.Errorf("testenv: start PostgreSQL from %s: %w\n%s", bin, err, p.logTail())
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// run starts the server and waits until it is gone.
//
// On Linux the kernel is asked to stop the server when its parent dies, and the
// parent is the operating system's thread that started it, not the process.
// The goroutine therefore owns its thread for as long as the server lives.
func (p *privatePostgres) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(p.exited)

	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	initdb := p.command(ctx, "initdb",
		"--pgdata="+p.folder.data(), "--username="+superuser, "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8",
		"--no-sync") // of this empty cluster only; the server does sync
	if out, err := initdb.CombinedOutput(); err != nil {
		started <- fmt.Errorf("initdb: %w\n%s", err, out)
		return
	}

	log, err := os.OpenFile(p.folder.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		started <- err
		return
	}
	defer log.Close()
	server := p.command(context.Background(), "postgres", "-D", p.folder.data(),
		"-c", "listen_addresses=",
		"-c", "unix_socket_directories="+p.folder.socket(),
		"-c", "unix_socket_permissions=0700",
		"-c", "max_connections=300",
		"-c", "fsync=on",
		"-c", "synchronous_commit=on",
		"-c", "full_page_writes=on",
		"-c", "log_line_prefix=%m [%p] %d ",
		"-c", "log_checkpoints=off")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		started <- err
		return
	}
	p.process = server.Process
	started <- nil
	// How the server ended is in its log; a server that ends by itself is
	// noticed by whoever is connected to it.
	_ = server.Wait()
}

// awaitReady returns when the server accepts connections.
func (p *privatePostgres) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.url().String())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.exited:
			return errors.New("the server exited")
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", startTimeout, err)
		case <-time.After(20 * time.Millisecond): // there is no event to wait for
		}
	}
}

// stopOnce stops the server without ceremony: nobody will read its data again.
func (p *privatePostgres) stopOnce() error {
	var err error
	if p.process != nil {
		// PostgreSQL's "immediate shutdown".
		if err = p.process.Signal(syscall.SIGQUIT); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		select {
		case <-p.exited:
		case <-time.After(stopTimeout):
			err = errors.Join(err, fmt.Errorf("did not stop within %v", stopTimeout), p.process.Kill())
		}
	}
	if err = errors.Join(err, p.folder.remove()); err != nil {
		return fmt.Errorf("testenv: stop PostgreSQL: %w", err)
	}
	return nil
}

// url returns the address of the database that every new cluster has.
func (p *privatePostgres) url() *url.URL {
	return &url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/postgres",
		// A socket's folder cannot stand where a host name stands.
		RawQuery: url.Values{"host": {p.folder.socket()}}.Encode(),
	}
}

func (p *privatePostgres) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, program), args...)
	cmd.Dir = p.folder.dir // ours may be closed to the server's account
	cmd.Env = withoutPGVariables(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential}
	stopWithParent(cmd.SysProcAttr, syscall.SIGQUIT)
	return cmd
}

// logTail returns the end of the server's log.
func (p *privatePostgres) logTail() string {
	const lines = 30
	log, err := os.ReadFile(p.folder.log())
	if err != nil {
		return "" // the server never got as far as writing one
	}
	all := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stopOrphan stops the server in the folder of a dead process if it is still
// there, which happens where the kernel cannot be asked to do so.
func stopOrphan(bin string, account account, dir string) {
	orphan := &privatePostgres{bin: bin, account: account, folder: &folder{dir: dir}}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	// A connection proves that the process named in the data folder is the
	// server; the number alone may by now belong to a stranger.
	conn, err := pgx.Connect(ctx, orphan.url().String())
	if err != nil {
		return
	}
	_ = conn.Close(ctx)
	// A failure leaves the orphan to the next sweep.
	_ = orphan.command(ctx, "pg_ctl", "stop", "--pgdata="+orphan.folder.data(), "--mode=immediate").Run()
}

// withoutPGVariables removes the variables by which a developer's shell would
// change the behaviour of PostgreSQL's programs.
func withoutPGVariables(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "PG") {
			kept = append(kept, entry)
		}
	}
	return kept
}
