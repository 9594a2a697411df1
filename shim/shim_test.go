package shim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
)

func TestRunReturnsStatusAndOutput(t *testing.T) {
	t.Parallel()
	r := runner(t)
	c := sh("run/step/apply/1", `echo "out $WHO"; echo err >&2; pwd; exit 7`)
	c.Env = append(c.Env, "WHO=me")
	var out bytes.Buffer
	c.Output = &out
	exit, err := r.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if exit.Code != 7 || exit.Signal != "" || exit.TimedOut || exit.Cancelled || exit.MaxRSS == 0 || exit.EndedAt.Before(exit.StartedAt) {
		t.Errorf("exit %+v", exit)
	}
	if want := "out me\nerr\n/\n"; out.String() != want {
		t.Errorf("output %q, want %q", &out, want)
	}
	if got := strings.Join(exit.Tail, "|"); got != "out me|err|/" {
		t.Errorf("tail %q", got)
	}
}

func TestASecondRunOfAKeyStartsNothing(t *testing.T) {
	t.Parallel()
	r := runner(t)
	mark := filepath.Join(t.TempDir(), "mark")
	c := sh("k", "echo x >> "+mark+"; echo said")
	for range 3 {
		var out bytes.Buffer
		c.Output = &out
		if exit, err := again(t, r, 0).Run(t.Context(), c); err != nil || exit.Code != 0 || out.String() != "said\n" {
			t.Fatalf("%+v %v %q", exit, err, &out)
		}
	}
	if got := waitFile(t, mark); got != "x" {
		t.Fatalf("started more than once: %q", got)
	}
	if err := r.Clean(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resume(t.Context(), c); !errors.Is(err, ripcord.ErrLost) {
		t.Fatalf("a cleaned key: %v", err)
	}
}

func TestWithoutAKeyEachRunIsFreshAndLeavesNothing(t *testing.T) {
	t.Parallel()
	r := runner(t)
	for _, want := range []int{3, 4} {
		if exit, err := r.Run(t.Context(), sh("", fmt.Sprintf("exit %d", want))); err != nil || exit.Code != want {
			t.Fatalf("%+v %v", exit, err)
		}
	}
	if _, err := r.Run(t.Context(), ripcord.Command{Args: []string{"/nowhere/x"}, Dir: "/"}); err == nil {
		t.Fatal("started what does not exist")
	}
	left, err := os.ReadDir(r.root)
	if err != nil || len(left) != 0 {
		t.Fatalf("left %v %v", left, err)
	}
}

func TestAKeylessCommandEndsWithItsExecutor(t *testing.T) {
	t.Parallel()
	r := runner(t)
	mark := filepath.Join(t.TempDir(), "mark")
	cmd := executor(t, r.root, 0, sh("", "echo $$ > "+mark+"; sleep 600"))
	waitFile(t, mark)
	_ = cmd.Process.Kill()
	nothingLeft(t, r.root)
	waitFor(t, "the folder's end", func() bool {
		left, err := os.ReadDir(r.root)
		return err == nil && len(left) == 0
	})
}

func TestTheExecutorDies(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	begun, gate := filepath.Join(dir, "begun"), filepath.Join(dir, "gate")
	c := sh("run/step", "echo before; echo $$ > "+begun+"; while [ ! -e "+gate+" ]; do sleep 0.02; done; echo after; exit 5")
	cmd := executor(t, r.root, 1, c)
	pid := waitFile(t, begun)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	var out bytes.Buffer
	c.Output = &out
	type outcome struct {
		exit ripcord.Exit
		err  error
	}
	resumed := make(chan outcome)
	go func() {
		exit, err := again(t, r, 2).Resume(t.Context(), c)
		resumed <- outcome{exit, err}
	}()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := <-resumed
	if got.err != nil || got.exit.Code != 5 || out.String() != "before\nafter\n" {
		t.Fatalf("%+v %q", got, &out)
	}
	if waitFile(t, begun) != pid {
		t.Fatal("it was started twice")
	}
	// Ended meanwhile: the same from the files alone.
	out.Reset()
	exit, err := again(t, r, 3).Resume(t.Context(), c)
	if err != nil || exit.Code != 5 || out.String() != "before\nafter\n" {
		t.Fatalf("%+v %v %q", exit, err, &out)
	}
}

func TestAnAdoptedCommandIsNotTouchedByItsStaleExecutor(t *testing.T) {
	t.Parallel()
	stale := again(t, runner(t), 1)
	dir := t.TempDir()
	begun, gate := filepath.Join(dir, "begun"), filepath.Join(dir, "gate")
	c := sh("k", "echo 1 > "+begun+"; while [ ! -e "+gate+" ]; do sleep 0.02; done; exit 4")
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := stale.Run(ctx, c)
		first <- err
	}()
	waitFile(t, begun)
	second := make(chan ripcord.Exit)
	go func() {
		exit, _ := again(t, stale, 2).Resume(t.Context(), c)
		second <- exit
	}()
	waitFor(t, "the adoption", func() bool {
		var fence uint64
		ok, _ := ReadJSON(folderOf(stale.root, "k"), fenceFile, &fence)
		return ok && fence == 2
	})
	cancel()
	if err := <-first; !errors.Is(err, ripcord.ErrFenced) {
		t.Fatalf("the stale executor got %v", err)
	}
	if _, err := stale.Resume(t.Context(), c); !errors.Is(err, ripcord.ErrFenced) {
		t.Fatalf("the stale executor got %v", err)
	}
	_ = os.WriteFile(gate, nil, 0o600)
	if exit := <-second; exit.Code != 4 || exit.Cancelled {
		t.Fatalf("%+v", exit)
	}
}

func TestTheExecutorDiesAtAnyMomentOfAStart(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	for i := range 24 {
		key := fmt.Sprint("k", i)
		mark := filepath.Join(dir, key)
		c := sh(key, "echo x >> "+mark+"; echo said; exit 3")
		cmd := executor(t, r.root, 1, c)
		for range i { // later and later
			_, _ = os.ReadDir("/proc")
			time.Sleep(500 * time.Microsecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		var out bytes.Buffer
		c.Output = &out
		exit, err := again(t, r, 2).Resume(t.Context(), c)
		switch {
		case errors.Is(err, ripcord.ErrLost): // then it never ran, and Run may start it
			if _, err := os.Stat(mark); err == nil {
				t.Fatalf("%s ran, and was lost: %v", key, err)
			}
			if exit, err = again(t, r, 2).Run(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		}
		if exit.Code != 3 || out.String() != "said\n" || waitFile(t, mark) != "x" {
			t.Fatalf("%s: %+v %q", key, exit, &out)
		}
	}
}

func TestTheShimIsKilledAtEachOfItsWrites(t *testing.T) {
	t.Parallel()
	for point, started := range map[string]bool{
		"spec": false, shimFile: false, "prepared": false, "forked": true, childFile: true, "ended": true, exitFile: true,
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := runner(t)
			r.failAt = point
			mark := filepath.Join(t.TempDir(), "mark")
			script := "echo x >> " + mark + "; sleep 600"
			if point == "ended" || point == exitFile {
				script = "echo x >> " + mark
			}
			exit, err := r.Run(t.Context(), sh("k", script))
			switch point {
			case exitFile:
				if err != nil || exit.Code != 0 {
					t.Fatalf("%+v %v", exit, err)
				}
			case "spec":
				if err == nil || errors.Is(err, ripcord.ErrLost) {
					t.Fatalf("nothing was started, so nothing is lost: %v", err)
				}
			default:
				if !errors.Is(err, ripcord.ErrLost) {
					t.Fatal(err)
				}
			}
			nothingLeft(t, r.root)
			if _, err := os.Stat(mark); err == nil && !started {
				t.Fatal("started too early")
			}
			second := again(t, r, 0)
			_, err = second.Run(t.Context(), sh("k", "echo y >> "+mark))
			if again := errors.Is(err, ripcord.ErrLost); again != (point != exitFile && point != "spec") {
				t.Fatalf("a second Run gave %v", err)
			}
		})
	}
}

func TestTheShimIsKilledWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	begun, inner := filepath.Join(dir, "begun"), filepath.Join(dir, "inner")
	script := "setsid sh -c 'echo $$ > " + inner + "; sleep 600' & echo $$ > " + begun + "; env -i sleep 600"
	cmd := executor(t, r.root, 1, sh("k", script))
	waitFile(t, begun)
	waitFile(t, inner)
	var shim procfs.Identity
	if ok, _ := ReadJSON(folderOf(r.root, "k"), shimFile, &shim); !ok {
		t.Fatal("no shim")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := procfs.Signal(shim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the shim's death", func() bool { return !procfs.Alive(shim) })
	if _, err := again(t, r, 2).Resume(t.Context(), sh("k", "")); !errors.Is(err, ripcord.ErrLost) {
		t.Fatalf("got %v", err)
	}
	tree, err := procfs.System().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if left := tree.Session(shim.PID); len(left) > 0 {
		t.Fatalf("left of the session: %+v", left)
	}
}

func TestTimeoutReachesEscapees(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	stubborn := `trap "" TERM; while :; do sleep 600; done`
	c := sh("k", fmt.Sprintf(`
		setsid sh -c 'echo $$ > %[1]s/a; %[2]s' &
		(setsid env -i sh -c 'echo $$ > %[1]s/b; sleep 600' &)
		trap 'echo asked; exit 9' TERM
		while :; do sleep 0.05; done`, dir, stubborn))
	c.Timeout, c.Grace = 8*time.Second, 3*time.Second // it has much to start first, and to say
	var out bytes.Buffer
	c.Output = &out
	exit, err := r.Run(t.Context(), c)
	if err != nil || !exit.TimedOut || exit.Code != 9 || !strings.HasSuffix(out.String(), "asked\n") {
		t.Fatalf("%+v %v %q", exit, err, &out)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := os.Stat("/proc/" + waitFile(t, filepath.Join(dir, name))); err == nil {
			t.Errorf("escapee %s lives", name)
		}
	}
}

func TestTheTimeoutHoldsWithoutAnExecutor(t *testing.T) {
	t.Parallel()
	r := runner(t)
	begun := filepath.Join(t.TempDir(), "begun")
	c := sh("k", "echo 1 > "+begun+"; sleep 600")
	c.Timeout = 8 * time.Second
	cmd := executor(t, r.root, 1, c)
	waitFile(t, begun)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	nothingLeft(t, r.root)
	if exit, err := r.Resume(t.Context(), c); err == nil {
		t.Fatalf("an executor with an older fence got %+v", exit)
	}
	exit, err := again(t, r, 2).Resume(t.Context(), c)
	if err != nil || !exit.TimedOut || exit.Signal != "terminated" || exit.Code != 143 {
		t.Fatalf("%+v %v", exit, err)
	}
}

func TestCancelStopsEverything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"own", "adopted", "stopped shim"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runner(t)
			begun := filepath.Join(t.TempDir(), "begun")
			c := sh("k", "setsid sleep 600 & echo $$ > "+begun+"; sleep 600")
			c.Grace = time.Second
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			do := r.Run
			if name != "own" {
				cmd := executor(t, r.root, 0, c)
				waitFile(t, begun)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				do = r.Resume
			}
			if name == "stopped shim" {
				stopShim(t, r)
			}
			go func() {
				waitFile(t, begun)
				cancel()
			}()
			exit, err := do(ctx, c)
			if err != nil || !exit.Cancelled {
				t.Fatalf("%+v %v", exit, err)
			}
			if left := running(t, r.root); len(left) > 0 {
				t.Fatalf("Run returned while %+v ran", left)
			}
			if exit, err = again(t, r, 0).Resume(t.Context(), c); err != nil || !exit.Cancelled {
				t.Fatalf("afterwards: %+v %v", exit, err)
			}
		})
	}
}

func stopShim(t *testing.T, r *Runner) {
	t.Helper()
	var shim procfs.Identity
	if ok, _ := ReadJSON(folderOf(r.root, "k"), shimFile, &shim); !ok {
		t.Fatal("no shim")
	}
	if err := procfs.Signal(shim, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func TestTerminalSignalsDoNotReachCommands(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	begun, gate := filepath.Join(dir, "begun"), filepath.Join(dir, "gate")
	c := sh("k", "echo $$ > "+begun+"; while [ ! -e "+gate+" ]; do sleep 0.02; done; exit 6")
	text, err := json.Marshal(map[string]any{"Root": r.root, "Command": c})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(r.self, "__executor", string(text))
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFile(t, begun)
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT} {
		_ = unix.Kill(-cmd.Process.Pid, sig)
	}
	_ = cmd.Wait()
	_ = os.WriteFile(gate, nil, 0o600)
	if exit, err := r.Resume(t.Context(), c); err != nil || exit.Code != 6 || exit.Cancelled {
		t.Fatalf("%+v %v", exit, err)
	}
}

func TestABackgroundProcessKeepsItsReader(t *testing.T) {
	t.Parallel()
	r := runner(t)
	dir := t.TempDir()
	gate, alive := filepath.Join(dir, "gate"), filepath.Join(dir, "alive")
	c := sh("k", "(while [ ! -e "+gate+" ]; do sleep 0.02; done; echo a; echo b; echo 1 > "+alive+") & echo main")
	var out bytes.Buffer
	c.Output = &out
	exit, err := r.Run(t.Context(), c)
	if err != nil || exit.Code != 0 || out.String() != "main\n" {
		t.Fatalf("%+v %v %q", exit, err, &out)
	}
	if len(running(t, r.root)) == 0 {
		t.Fatal("the background process is gone")
	}
	_ = os.WriteFile(gate, nil, 0o600)
	waitFile(t, alive)
}
