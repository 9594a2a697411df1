// Package sshd starts real SSH servers on loopback for tests: each with its own
// configuration, host keys and port, in a folder of its own, so that dozens of
// them stand for as many machines.
package sshd

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
)

// patience is how long a server may take to start or stop.
const patience = 20 * time.Second

// Options are how a server differs from the usual one.
type Options struct {
	// Config is further text for sshd_config. It comes first, and the first
	// value counts.
	Config string
	// HostKeys are the types of its host keys, "ed25519", "ecdsa" or "rsa"; none is
	// ed25519.
	HostKeys []string
	// Port is the one to listen on; 0 takes a free one.
	Port int
	// Authorized are further lines for authorized_keys.
	Authorized string
}

// Server is a running sshd.
type Server struct {
	// Dir holds everything of it. Key is the path of a key that it lets in, and
	// KnownHosts that of a file which knows the server.
	Dir, Key, KnownHosts string
	// Home is the folder that commands find in HOME.
	Home    string
	Address string
	Port    int

	cmd   *exec.Cmd
	ended <-chan struct{}
	log   string
	stop  sync.Once
}

// Start starts a server and stops it at the test's end.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New starts a server in an empty folder and returns when it listens.
func New(ctx context.Context, dir string, o Options) (*Server, error) {
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(program); err != nil {
		return nil, errors.New("tests of SSH need sshd: apt-get install openssh-server")
	}
	s := &Server{
		Dir: dir, Key: filepath.Join(dir, "id"), KnownHosts: filepath.Join(dir, "known_hosts"),
		Home: filepath.Join(dir, "home"), log: filepath.Join(dir, "log"), Port: o.Port,
	}
	if err := s.write(o); err != nil { //nolint:contextcheck // whether a port is free is seen at once
		return nil, err
	}
	return s, s.start(ctx, program)
}

// write makes the server's files.
func (s *Server) write(o Options) error {
	public, err := WriteKey(s.Key)
	if err != nil {
		return err
	}
	if len(o.HostKeys) == 0 {
		o.HostKeys = []string{"ed25519"}
	}
	if s.Port == 0 {
		if s.Port, err = port.Free(); err != nil {
			return err
		}
	}
	s.Address = "127.0.0.1:" + strconv.Itoa(s.Port)
	var config, known strings.Builder
	config.WriteString(o.Config + "\n")
	for _, kind := range o.HostKeys {
		path := filepath.Join(s.Dir, "host-"+kind)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-b", bits(kind), "-N", "", "-f", path).CombinedOutput(); err != nil { //nolint:gosec,noctx // our own words
			return fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
		config.WriteString("HostKey " + path + "\n")
		text, err := os.ReadFile(path + ".pub") //nolint:gosec // our own folder
		if err != nil {
			return err
		}
		fields := strings.Fields(string(text))
		known.WriteString(knownhosts.Normalize(s.Address) + " " + fields[0] + " " + fields[1] + "\n")
	}
	fmt.Fprintf(&config, `ListenAddress %s
PidFile none
AuthorizedKeysFile %s
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
PermitUserRC no
SetEnv HOME=%s
`, s.Address, filepath.Join(s.Dir, "authorized_keys"), s.Home)
	for name, text := range map[string]string{
		"sshd_config": config.String(), "known_hosts": known.String(), "authorized_keys": string(ssh.MarshalAuthorizedKey(public)) + o.Authorized,
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.Mkdir(s.Home, 0o700)
}

// start runs sshd until it listens.
func (s *Server) start(ctx context.Context, program string) error {
	if os.Geteuid() == 0 { // sshd locks itself into this folder
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { //nolint:gosec // as the package makes it
			return err
		}
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// It leads a group of its own, and ends before the test does: Stop sees to that.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "-D", "-e", "-f", filepath.Join(s.Dir, "sshd_config")) //nolint:gosec // our own words
	s.cmd.Stderr = log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.ended, err = child.Start(s.cmd, syscall.SIGKILL)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address); err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("sshd ended: %s", s.Log())
		case <-limit.C:
			return errors.Join(fmt.Errorf("sshd does not listen on %s", s.Address), s.Stop())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Log is what the server has said.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Signal sends a signal to the server itself.
func (s *Server) Signal(sig syscall.Signal) error { return syscall.Kill(s.cmd.Process.Pid, sig) }

// Sessions are the processes that serve connections: direct children of the server,
// and theirs as long as they are sshd's.
func (s *Server) Sessions() []int {
	var all []int
	for queue := children(s.cmd.Process.Pid); len(queue) > 0; queue = queue[1:] {
		if name(queue[0]) == "sshd" {
			all = append(all, queue[0])
			queue = append(queue, children(queue[0])...)
		}
	}
	return all
}

// SignalSessions sends a signal to all processes that serve connections.
func (s *Server) SignalSessions(sig syscall.Signal) {
	for _, pid := range s.Sessions() {
		_ = syscall.Kill(pid, sig) // one that is gone is what a test wants
	}
}

// Stop ends the server and its connections. Stopping twice is safe.
func (s *Server) Stop() error {
	var err error
	s.stop.Do(func() {
		sessions := s.Sessions()
		for _, pid := range append(sessions, s.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-s.ended
		limit := time.After(patience)
		for _, pid := range sessions {
			for syscall.Kill(pid, 0) == nil && name(pid) == "sshd" {
				select {
				case <-time.After(5 * time.Millisecond):
				case <-limit:
					err = fmt.Errorf("process %d of sshd does not end", pid)
					return
				}
			}
		}
	})
	return err
}

// WriteKey makes a private key file and its public twin.
func WriteKey(path string) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600)
}

// bits keeps the making of RSA keys short.
func bits(kind string) string {
	if kind == "rsa" {
		return "2048"
	}
	return "256"
}

func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func name(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
