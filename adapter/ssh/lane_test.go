package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// scripts is a machine that runs them.
func scripts(t *testing.T, o ssh.Options, s *sshd.Server) *ssh.Machine {
	t.Helper()
	m, ok := machineOf(t, o, specOf(s)).(*ssh.Machine)
	if !ok {
		t.Fatal("it is none behind a server")
	}
	return m
}

// said runs a script and returns what it prints on both streams, and its status.
func said(t *testing.T, m *ssh.Machine, program string, c ripcord.MachineCommand) string {
	t.Helper()
	var out, errs bytes.Buffer
	c.Output, c.Errors = &out, &errs
	exit, err := m.Script(t.Context(), program, c)
	return fmt.Sprintf("%q %q %d %v", out.String(), errs.String(), exit.Code, err)
}

// TestScripts: many of them in one session, each with its own words and output.
func TestScripts(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{Config: "LogLevel VERBOSE"})
	m := scripts(t, calm(), s)
	dir := t.TempDir()
	odd := "it's \"odd\" $HOME `id` \\ * ?\n\tsecond line; é "
	for _, c := range []struct {
		program string
		c       ripcord.MachineCommand
		want    string
	}{
		{":", ripcord.MachineCommand{}, `"" "" 0 <nil>`},
		{"printf '%s|' \"$@\"; echo err >&2\nexit 7", ripcord.MachineCommand{Args: []string{"a b", odd, ""}}, fmt.Sprintf("%q", "a b|"+odd+"||") + ` "err\n" 7 <nil>`},
		{`printf %s "$ODD"; pwd`, ripcord.MachineCommand{Env: []string{"ODD=" + odd}, Dir: dir}, fmt.Sprintf("%q", odd+dir+"\n") + ` "" 0 <nil>`},
		{`printf %s "$ODD"; cat; false`, ripcord.MachineCommand{}, `"" "" 1 <nil>`},
		{`printf '\036'; printf '\036X 0\n' >&2`, ripcord.MachineCommand{}, `"\x1e" "\x1eX 0\n" 0 <nil>`},
		{`cd /nonexistent 2>/dev/null || exit 9`, ripcord.MachineCommand{}, `"" "" 9 <nil>`},
		{`trap 'echo looked; exit 5' USR1; while :; do sleep 0.01; done`, ripcord.MachineCommand{}, `"looked\n" "" 5 <nil>`},
	} {
		if got := said(t, m, c.program, c.c); got != c.want {
			t.Errorf("%s: %s, not %s", c.program, got, c.want)
		}
	}
	if sessions := strings.Count(s.Log(), "Starting session"); sessions != 1 {
		t.Errorf("%d sessions", sessions)
	}
}

// TestScriptKilled: a script that somebody killed has no result, and whatever it
// started is gone when that is said. The next one works.
func TestScriptKilled(t *testing.T) {
	t.Parallel()
	m := scripts(t, calm(), sshd.Start(t, sshd.Options{}))
	dir := t.TempDir()
	_, err := m.Script(t.Context(), `ps -o pgid= -p $$ >pid; sleep 60 & read -r me _ </proc/self/stat; kill -s KILL "$me"`, ripcord.MachineCommand{Dir: dir})
	if !errors.Is(err, ripcord.ErrLost) {
		t.Errorf("%v", err)
	}
	nothingLate(t, dir)
	if got := said(t, m, "echo on", ripcord.MachineCommand{}); got != `"on\n" "" 0 <nil>` {
		t.Error(got)
	}
}

// lateScript is like late, in the lane's own group.
const lateScript = `ps -o pgid= -p $$ >pid; touch started; (trap "" TERM HUP INT; sleep 20; touch late) & sleep 20; touch later; wait`

// TestScriptLost: as with commands, whatever happens to the connection.
func TestScriptLost(t *testing.T) {
	t.Parallel()
	const cut = "the connection is cut"
	for what, disturb := range map[string]func(s *sshd.Server, cancel func()) (mend func()){
		cut: func(s *sshd.Server, _ func()) func() { s.SignalSessions(syscall.SIGKILL); return func() {} },
		"the machine hangs": func(s *sshd.Server, _ func()) func() {
			_ = s.Signal(syscall.SIGSTOP)
			s.SignalSessions(syscall.SIGSTOP)
			return func() { _ = s.Signal(syscall.SIGCONT); s.SignalSessions(syscall.SIGCONT) }
		},
		"it is stopped": func(_ *sshd.Server, cancel func()) func() { cancel(); return func() {} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := sshd.Start(t, sshd.Options{})
			m := scripts(t, quick(), s)
			for _, used := range []bool{false, true} {
				dir := t.TempDir()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := make(chan error, 1)
				go func() {
					_, err := m.Script(ctx, lateScript, ripcord.MachineCommand{Dir: dir})
					ended <- err
				}()
				eventually(t, "it started", func() bool { return exists(dir, "started") })
				mend := disturb(s, cancel)
				if used && what == cut { // then it is run again, in a lane of its own
					_ = os.Remove(filepath.Join(dir, "started"))
					eventually(t, "it started again", func() bool { return exists(dir, "started") })
					disturb(s, cancel)
				}
				if err := <-ended; err == nil {
					t.Error("it ended well")
				}
				nothingLate(t, dir)
				mend()
				if got := said(t, m, "echo on", ripcord.MachineCommand{}); got != `"on\n" "" 0 <nil>` {
					t.Error(got)
				}
			}
		})
	}
}

// TestLaneMakesRoom: lanes without a script keep nobody else waiting, and there
// are as many as there are scripts at once.
func TestLaneMakesRoom(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{Config: "MaxSessions 1"})
	o := calm()
	o.Connections = 1
	m := scripts(t, o, s)
	for range 3 {
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if got := said(t, m, "echo on", ripcord.MachineCommand{}); got != `"on\n" "" 0 <nil>` {
					t.Error(got)
				}
			})
			all.Go(func() { output(t, m, ripcord.MachineCommand{Args: []string{"true"}}) })
		}
		all.Wait()
	}
}

// TestIdleLaneEnds: nothing is left on the machine of a lane that nobody uses.
func TestIdleLaneEnds(t *testing.T) {
	t.Parallel()
	m := scripts(t, quick(), sshd.Start(t, sshd.Options{}))
	dir := t.TempDir()
	if got := said(t, m, `ps -o pgid= -p $$ >pid`, ripcord.MachineCommand{Dir: dir}); got != `"" "" 0 <nil>` {
		t.Fatal(got)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ended", func() bool { return len(group(t, strings.TrimSpace(string(pid)))) == 0 })
}
