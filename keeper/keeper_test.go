package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// TestMain lets the test binary play the shim, the keeper and executors.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "__shim":
			os.Exit(shim.Main(os.Args[2], time.Now))
		case "__keeper":
			os.Exit(playKeeper(os.Args[3]))
		case "__execute":
			os.Exit(playExecutor(os.Args[3], os.Args[5]))
		case "__stop":
			os.Exit(playStopper(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

// playKeeper is a keeper whose unfinished runs are the files in DIR/unfinished,
// and whose idle time stands in DIR/idle; the machine is shut down when DIR/down is
// there.
func playKeeper(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	idle := time.Duration(-1)
	if text, err := os.ReadFile(filepath.Join(dir, "idle")); err == nil {
		idle, _ = time.ParseDuration(string(text))
	}
	self, _ := os.Executable()
	err := Main(ctx, Options{
		Dir: dir, Self: self, Blobs: blobs(dir), Now: time.Now, Idle: idle, Tick: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		ShuttingDown: func(context.Context) bool {
			_, err := os.Stat(filepath.Join(dir, "down"))
			return err == nil
		},
		Orphans: func(context.Context) (runs []ripcord.RunID, err error) {
			entries, _ := os.ReadDir(filepath.Join(dir, "unfinished"))
			for _, e := range entries {
				runs = append(runs, ripcord.RunID(e.Name()))
			}
			return runs, nil
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 6
	}
	return 0
}

// playExecutor writes its pid, and ends the run when DIR/gate is there; a run
// named "dies" fails at once.
func playExecutor(dir, run string) int {
	f, _ := os.OpenFile(filepath.Join(dir, "executed"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	_, _ = fmt.Fprintln(f, run, os.Getpid())
	if run == "dies" {
		return 1
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "gate")); err == nil {
			_ = os.Remove(filepath.Join(dir, "unfinished", run))
			return 0
		}
		if _, err := os.Stat(dir); err != nil {
			return 0
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestStartIsIdempotentAndStopIsDurable(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.start(script("shop/prod/web/blue/1", `echo "with $PASSWORD"; `+serve))
	first := p.status("shop/prod/web/blue/1")
	if !first.Running || first.PID == 0 || first.Restarts != 0 || first.Labels["colour"] != "blue" || first.StartedAt.IsZero() {
		t.Fatalf("%+v", first)
	}
	p.start(script("shop/prod/web/blue/1", `echo "with $PASSWORD"; `+serve))
	if again := p.status("shop/prod/web/blue/1"); again.PID != first.PID {
		t.Fatalf("started twice: %+v", again)
	}
	err := p.s.Start(t.Context(), script("shop/prod/web/blue/1", "other"))
	if ripcord.CodeOf(err) != ripcord.CodeRefused {
		t.Fatalf("another spec gave %v", err)
	}
	p.start(script("shop/prod/web/green/1", serve))
	if all, err := p.s.List(t.Context(), "shop/prod/web/"); err != nil || len(all) != 2 || all[0].ID >= all[1].ID {
		t.Fatalf("%+v %v", all, err)
	}
	p.waitFor("the log", func() bool {
		lines, err := p.s.Tail(t.Context(), "shop/prod/web/blue/1", 10)
		return err == nil && slices.Equal(lines, []string{"with [secret]", "serving"})
	})
	p.nowhere("hunter2")
	for range 2 {
		if err := p.s.Stop(t.Context(), "shop/prod/web/blue/1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := procfs.Of(first.PID); err == nil {
		t.Fatal("it still runs")
	}
	if all, err := p.s.List(t.Context(), ""); err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	if lines, err := p.s.Tail(t.Context(), "shop/prod/web/blue/1", 1); err != nil || len(lines) != 1 {
		t.Fatalf("the log of a stopped instance: %q %v", lines, err)
	}
	if err := p.s.Stop(t.Context(), "never/was"); err != nil {
		t.Fatal(err)
	}
	p.start(script("shop/prod/web/blue/1", serve)) // stopped, so the spec may change
	p.waitFor("a log without the one before", func() bool {
		lines, err := p.s.Tail(t.Context(), "shop/prod/web/blue/1", 10)
		return err == nil && slices.Equal(lines, []string{"serving"})
	})
}

// nowhere fails the test when a file below the state directory holds the text.
func (p *place) nowhere(text string) {
	p.Helper()
	err := filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			p.Errorf("%s holds %q", path, text)
		}
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
}

func TestWhatCannotBeStartedIsNotWanted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	err := p.s.Start(t.Context(), ripcord.Instance{ID: "a", Args: []string{"/nowhere/x"}, Dir: "/"})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/x") {
		t.Fatal(err)
	}
	if all, err := p.s.List(t.Context(), ""); err != nil || len(all) != 0 {
		t.Fatalf("%+v %v", all, err)
	}
}

func TestTheKeeperDiesAndItsSuccessorAdopts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := p.ensure()
	ids := []string{"a/1", "a/2", "a/3"}
	before := map[string]int{}
	for _, id := range ids {
		p.start(script(id, serve))
		before[id] = p.status(id).PID
	}
	p.kill(first)
	if info, err := Status(p.dir); err != nil || info.Running || info.Instances != 3 {
		t.Fatalf("%+v %v", info, err)
	}
	dead := p.status("a/2").PID
	p.killPID(dead)
	second := p.ensure()
	if second == first {
		t.Fatal("the dead keeper is the keeper")
	}
	p.waitFor("the restart", func() bool { s := p.status("a/2"); return s.Running && s.PID != dead })
	for _, id := range []string{"a/1", "a/3"} {
		if s := p.status(id); !s.Running || s.PID != before[id] || s.Restarts != 0 {
			t.Errorf("not adopted: %+v", s)
		}
	}
}

func TestADeadInstanceIsRestarted(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"instance", "shim"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.ensure()
			p.start(script("a", "sleep 600 & "+serve))
			before := p.status("a")
			if victim == "shim" {
				state, err := shim.Look(instanceDir(p.dir, "a"), procfs.System())
				if err != nil {
					t.Fatal(err)
				}
				p.kill(state.Shim)
			} else {
				p.killPID(before.PID)
			}
			p.waitFor("the restart", func() bool { s := p.status("a"); return s.Running && s.Restarts == 1 })
			after := p.status("a")
			if after.PID == before.PID || victim == "instance" && (after.LastExit == nil || after.LastExit.Signal != "killed") {
				t.Fatalf("%+v", after)
			}
			if err := p.s.Stop(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if left := p.ours(); len(left) != 1 { // the keeper
				t.Fatalf("left: %+v", left)
			}
		})
	}
}

func TestACrashLoopBacksOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.ensure()
	starts := filepath.Join(p.dir, "starts")
	p.start(script("a", "date +%s%N >> "+starts+"; exit 3"))
	var at []int64
	p.waitFor("three starts", func() bool {
		text, _ := os.ReadFile(starts)
		at = nil
		for line := range strings.FieldsSeq(string(text)) {
			var n int64
			if _, err := fmt.Sscan(line, &n); err == nil {
				at = append(at, n)
			}
		}
		return len(at) >= 3
	})
	for i, least := range []time.Duration{backoffFirst, 2 * backoffFirst} {
		if got := time.Duration(at[i+1] - at[i]); got < least {
			t.Errorf("start %d came after %v, want at least %v", i+2, got, least)
		}
	}
	p.waitFor("the exit", func() bool {
		s := p.status("a")
		return s.LastExit != nil && s.LastExit.Code == 3 && s.Restarts >= 1
	})
}

// TestALifeThatNobodySawIsADeath: the keeper saw an instance that was about to be
// started, and comes to it when that is dead: this waits like any death.
func TestALifeThatNobodySawIsADeath(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.start(script("a", "exit 3"))
	p.waitFor("the exit", func() bool { s := p.status("a"); return !s.Running && s.LastExit != nil })
	all, err := wanted(p.dir, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	k := &keeper{Options: Options{Dir: p.dir, Self: p.self, Blobs: blobs(p.dir), Now: time.Now}.withDefaults()}
	if err := k.revive(t.Context(), all[0], shim.State{}); err != nil {
		t.Fatal(err)
	}
	if s := p.status("a"); s.Restarts != 0 {
		t.Fatalf("it was started again at once: %+v", s)
	}
}

// TestALifeWhileSomebodyIsBusyIsADeath: the keeper comes to an instance that somebody
// else is just starting, and next when that is dead: this waits like any death.
func TestALifeWhileSomebodyIsBusyIsADeath(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	i := script("a", "exit 3")
	dir := instanceDir(p.dir, i.ID)
	inst, err := shim.OpenInstance(dir, procfs.System(), true)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(i)
	if err == nil {
		err = p.s.want(t.Context(), inst, dir, i, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := wanted(p.dir, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	k := &keeper{Options: Options{Dir: p.dir, Self: p.self, Blobs: blobs(p.dir), Now: time.Now}.withDefaults(), done: make(chan func())}
	w := &ward{}
	if err := k.look(t.Context(), all[0], w); err != nil || !w.working {
		t.Fatalf("%+v %v", w, err)
	}
	(<-k.done)()
	if err := inst.Start(t.Context(), p.self, i); err != nil {
		t.Fatal(err)
	}
	p.waitFor("the end", func() bool { s, err := shim.Look(dir, k.Proc); return err == nil && !s.ShimLives && s.Exit != nil })
	inst.Close()
	if err := k.look(t.Context(), all[0], w); err != nil || w.backoff.next == 0 {
		t.Fatalf("it is to be started again at once: %+v %v", w, err)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b backoff
	var got []time.Duration
	for range 8 {
		got = append(got, b.died(time.Second))
	}
	got = append(got, b.died(backoffReset), b.died(0))
	var steady backoff
	got = append(got, steady.died(backoffSteady), steady.died(backoffSteady), steady.died(backoffReset), steady.died(0))
	want := []time.Duration{
		500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
		30 * time.Second, 30 * time.Second, 0, 500 * time.Millisecond,
		0, 500 * time.Millisecond, 0, 500 * time.Millisecond,
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestStopReachesGrandchildrenAndStopped(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.ensure()
	i := script("a", `trap "" TERM; (setsid sh -c 'trap "" TERM; while :; do sleep 0.05; done' &); `+serve)
	i.Grace = ripcord.Duration(200 * time.Millisecond)
	p.start(i)
	p.start(script("b", serve))
	if err := unix.Kill(p.status("b").PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := p.s.Stop(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if left := p.ours(); len(left) != 1 { // the keeper
		t.Fatalf("left: %+v", left)
	}
}

func TestASecondKeeperEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := p.ensure()
	if second := p.ensure(); second != first {
		t.Fatal("Ensure started a second keeper")
	}
	out, err := exec.CommandContext(t.Context(), p.self, "__keeper", "--state-dir", p.dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another keeper looks after "+p.dir) {
		t.Fatalf("%v %s", err, out)
	}
	if info, err := Status(p.dir); err != nil || info.Keeper != first {
		t.Fatalf("%+v %v", info, err)
	}
	for range 2 {
		if err := Stop(t.Context(), p.dir); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := Status(p.dir); err != nil || info.Running {
		t.Fatalf("%+v %v", info, err)
	}
}

func TestManyClientsStartOneKeeperAndOneInstance(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	starts := filepath.Join(p.dir, "starts")
	errs := make(chan error)
	for range 8 {
		go func() {
			if err := Ensure(t.Context(), p.dir, p.self); err != nil {
				errs <- err
				return
			}
			errs <- p.supervisor().Start(t.Context(), script("a", "echo x >> "+starts+"; "+serve))
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	p.waitFor("the start", func() bool { _, err := os.Stat(starts); return err == nil })
	if text, err := os.ReadFile(starts); err != nil || string(text) != "x\n" {
		t.Fatalf("%q %v", text, err)
	}
}

func TestAfterARebootAllWantedInstancesStart(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, id := range []string{"a", "b", "unwanted"} {
		p.start(script(id, serve))
	}
	if err := p.s.Stop(t.Context(), "unwanted"); err != nil {
		t.Fatal(err)
	}
	for _, q := range p.ours() { // the power goes
		_ = unix.Kill(q.PID, unix.SIGKILL)
	}
	p.waitFor("darkness", func() bool { return len(p.ours()) == 0 })
	for _, id := range []string{"a", "b", "unwanted"} { // and comes back
		for _, name := range []string{"shim.json", "child.json"} {
			var fields map[string]any
			dir := instanceDir(p.dir, id)
			if ok, err := shim.ReadJSON(dir, name, &fields); !ok || err != nil {
				t.Fatal(ok, err)
			}
			fields["boot"], fields["pid"] = "an-earlier-one", os.Getpid() // the pid is somebody else's now
			if err := shim.WriteJSON(dir, name, fields); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s := p.status("a"); s.Running {
		t.Fatalf("%+v", s)
	}
	p.ensure()
	p.waitFor("the instances", func() bool { return p.status("a").Running && p.status("b").Running })
	if all, err := p.s.List(t.Context(), ""); err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
}

func TestAnIdleKeeperEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_ = os.WriteFile(filepath.Join(p.dir, "idle"), []byte("300ms"), 0o600)
	p.start(script("a", serve))
	id := p.ensure()
	if err := p.s.Stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := procfs.System().Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutItsStateDirectoryTheKeeperEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	id := p.ensure()
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if err := procfs.System().Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func TestUnitAndCronLine(t *testing.T) {
	t.Parallel()
	argv := []string{"/usr/bin/ripcord", "keeper", "--state-dir", `/srv/my "5%" $x`}
	unit := Unit("Ripcord keeper of 100%", "deploy", argv)
	for _, want := range []string{
		`ExecStart=/usr/bin/ripcord keeper --state-dir "/srv/my \"5%%\" $$x"`, "\nUser=deploy\n", "KillMode=process", "Restart=always", "of 100%%\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("no %s in\n%s", want, unit)
		}
	}
	if got, want := CronLine(argv), "@reboot /usr/bin/ripcord keeper --state-dir '/srv/my \"5\\%\" $x'\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","wanted":true,"digest":"x","grace":5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, recordFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, ok, err := readRecord(dir)
		if err != nil || ok != json.Valid(data) && ok {
			t.Fatalf("%+v %v %v", r, ok, err)
		}
	})
}
