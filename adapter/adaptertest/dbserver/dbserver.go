package dbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
)

// User is the account that all servers have.
const User = "shop"

// Server is a running database server.
type Server struct {
	// Dir is its folder, Data where its data is, Bin where its programs are.
	Dir, Data, Bin string
	Port           string

	scheme, password, database string

	account account
	args    []string
	command *exec.Cmd
	ended   <-chan struct{}
	stopped bool
}

// URL is the address of one of its databases, with the account; without a name it is
// the one that is always there.
func (s *Server) URL(name string) string {
	if name == "" {
		name = s.database
	}
	u := url.URL{Scheme: s.scheme, User: url.UserPassword(User, s.password), Host: net.JoinHostPort("127.0.0.1", s.Port), Path: "/" + name}
	return u.String()
}

// Launch starts the stopped server again and waits until it listens.
func (s *Server) Launch() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                                              // the server has its own
	s.command = exec.CommandContext(context.Background(), s.args[0], s.args[1:]...) //nolint:gosec // the test's own
	s.command.Dir, s.command.SysProcAttr, s.command.Stdout, s.command.Stderr = s.Dir, s.account.attributes(), log, log
	if s.ended, err = child.Start(s.command, syscall.SIGKILL); err != nil {
		return err
	}
	s.stopped = false
	const patience = 2 * time.Minute
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ctx.Err() == nil; <-tick.C {
		if s.answers() {
			return nil
		}
		select {
		case <-s.ended:
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s ended: %s", s.args[0], said)
		default:
		}
	}
	return errors.New(s.args[0] + " does not answer")
}

// launch starts the server for the first time. Its port may be taken by somebody else
// before it listens; then it is another one.
func (s *Server) launch(args func(port string) []string) error {
	var err error
	for range 5 {
		n, free := port.Free()
		if free != nil {
			return free
		}
		s.Port = strconv.Itoa(n)
		s.args = args(s.Port)
		if err = s.Launch(); err == nil {
			return nil
		}
		s.Stop(syscall.SIGKILL)
	}
	return err
}

// answers reports whether this very server, and not another one on its port, serves
// clients: it says so in its pid file.
func (s *Server) answers() bool {
	name, ready := filepath.Join(s.Dir, "pid"), ""
	if s.scheme == "postgres" {
		name, ready = filepath.Join(s.Data, "postmaster.pid"), "ready"
	}
	said, err := os.ReadFile(name) //nolint:gosec // the test's own
	if err != nil {
		return false
	}
	pid, rest, _ := strings.Cut(string(said), "\n")
	return strings.TrimSpace(pid) == strconv.Itoa(s.command.Process.Pid) && strings.Contains(rest, ready)
}

// Stop ends the server and waits for its end.
func (s *Server) Stop(with syscall.Signal) {
	if s.stopped {
		return
	}
	s.stopped = true
	_ = syscall.Kill(-s.command.Process.Pid, with)
	<-s.ended
}

// Remove ends the server and removes all of it.
func (s *Server) Remove() {
	s.Stop(syscall.SIGKILL)
	_ = os.RemoveAll(s.Dir)
}

// run runs one of the server's programs as its account.
func (s *Server) run(program string, args ...string) error {
	const patience = 3 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...) //nolint:gosec // the test's own
	c.Dir, c.SysProcAttr, c.WaitDelay = s.Dir, s.account.attributes(), time.Second
	c.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// forTest gives a server to a test alone.
func forTest(t testing.TB, start func(password string, args ...string) (*Server, error), password string, args []string) *Server {
	t.Helper()
	s, err := start(password, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

// program finds a program that Debian's packages put where no PATH leads.
func program(name, pattern, install string) (string, error) {
	if at, err := exec.LookPath(name); err == nil {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return real, nil
		}
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("there is no %s: install it, on Debian: apt-get install %s", name, install)
	}
	return found[len(found)-1], nil
}
