package health_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/child"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// ask asks the settings' only question once.
func ask(t *testing.T, s health.Settings, secrets adaptertest.Secrets) error {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = secrets
	return askIn(t, s, health.Asker{Scope: scope, Step: "ready"})
}

func askIn(t *testing.T, s health.Settings, k health.Asker) error {
	t.Helper()
	if err := s.Complete("check"); err != nil {
		t.Fatal(err)
	}
	questions, err := k.Questions(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(questions) != 1 {
		t.Fatalf("%d questions", len(questions))
	}
	return questions[0].Ask(t.Context())
}

// freePort is one that nobody gets by asking for any free port, since it is
// listened at later.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(14000 + rand.IntN(6000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// eventually waits for another process.
func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// account is who a database server runs as: some refuse root.
type account struct{ uid, gid int }

func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attributes
}

// home makes a folder that the account owns; an account of the system's stands in
// for root.
func home(t *testing.T, name string) (string, account) {
	t.Helper()
	a := account{os.Geteuid(), os.Getegid()}
	if a.uid == 0 {
		found, err := user.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		a.uid, _ = strconv.Atoi(found.Uid)
		a.gid, _ = strconv.Atoi(found.Gid)
	}
	dir, err := os.MkdirTemp("", "ripcord-"+name+"-") //nolint:usetesting // t.TempDir lies where only we may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, a.uid, a.gid); err != nil {
		t.Fatal(err)
	}
	return dir, a
}

// server is one that the test started.
type server struct {
	command *exec.Cmd
	ended   <-chan struct{}
	stopped bool
}

func start(t *testing.T, a account, dir, program string, args ...string) *server {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{command: exec.Command(program, args...)}
	s.command.Dir, s.command.SysProcAttr, s.command.Stdout, s.command.Stderr = dir, a.attributes(), log, log
	if s.ended, err = child.Start(s.command, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop(syscall.SIGKILL)
		_ = log.Close()
	})
	return s
}

// stop ends the server and waits for its end.
func (s *server) stop(with syscall.Signal) {
	if s.stopped {
		return
	}
	s.stopped = true
	_ = syscall.Kill(-s.command.Process.Pid, with)
	<-s.ended
}

func run(t *testing.T, a account, dir, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.SysProcAttr, c.WaitDelay = dir, a.attributes(), time.Second
	c.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// program finds a program that Debian's packages put where no PATH leads.
func program(t *testing.T, name, pattern, install string) string {
	t.Helper()
	if at, err := exec.LookPath(name); err == nil {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return real
		}
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s: install it, on Debian: apt-get install %s", name, install)
	}
	return found[len(found)-1]
}

// startPostgres starts a real one with the account shop, whose password is as given.
func startPostgres(t *testing.T, password string) (port string, s *server) {
	t.Helper()
	dir, a := home(t, "postgres")
	postgres := program(t, "postgres", "/usr/lib/postgresql/*/bin/postgres", "postgresql")
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(secret, a.uid, a.gid); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	run(t, a, dir, filepath.Join(filepath.Dir(postgres), "initdb"), "-D", data, "-U", "shop", "--pwfile="+secret, "-A", "scram-sha-256", "-N", "-E", "UTF8", "--locale=C")
	port = freePort(t)
	s = start(t, a, dir, postgres, "-D", data, "-h", "127.0.0.1", "-p", port, "-c", "unix_socket_directories=", "-c", "fsync=off")
	return port, s
}

// startMariaDB starts a real one with the account shop, whose password is as given.
func startMariaDB(t *testing.T, password string) (port string, s *server) {
	t.Helper()
	dir, a := home(t, "mysql")
	mariadbd := program(t, "mariadbd", "/usr/sbin/mariadbd", "mariadb-server")
	install := program(t, "mariadb-install-db", "/usr/bin/mariadb-install-db", "mariadb-server")
	data := filepath.Join(dir, "data")
	run(t, a, dir, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	init := filepath.Join(dir, "init.sql")
	words := fmt.Sprintf("create database orders;\ncreate user 'shop'@'127.0.0.1' identified by '%s';\ngrant all on orders.* to 'shop'@'127.0.0.1';\ncreate table orders.kept (n int);\ninsert into orders.kept values (7);\n", password)
	if err := os.WriteFile(init, []byte(words), 0o644); err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	s = start(t, a, dir, mariadbd, "--no-defaults", "--datadir="+data, "--bind-address=127.0.0.1", "--port="+port,
		"--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"), "--init-file="+init, "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0")
	return port, s
}
