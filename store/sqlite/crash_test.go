package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// TestMain lets the test binary play the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "__append" {
		err := appendForever(context.Background(), os.Args[2], ripcord.RunID(os.Args[3]), os.Stdout)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForever takes the run over and appends entries, one or a few at a time;
// the number of each is written out once it is acknowledged.
func appendForever(ctx context.Context, dir string, run ripcord.RunID, out io.Writer) error {
	s, err := sqlite.Open(ctx, dir, sqlite.Options{Now: time.Now, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	by := storetest.Somebody(strconv.Itoa(os.Getpid()))
	lease, err := s.Begin(ctx, storetest.Planned(run, "shop", string(run), time.Now()), by, time.Minute)
	if err != nil {
		held, _, err := s.Holder(ctx, run)
		if err != nil {
			return err
		}
		if lease, err = s.Acquire(ctx, run, by, time.Minute, held.Fence); err != nil {
			return err
		}
	}
	summary, err := s.Run(ctx, run)
	if err != nil {
		return err
	}
	for seq := summary.Entries; ; {
		batch := make([]ripcord.Entry, 1+seq%3)
		for i := range batch {
			batch[i] = ripcord.Entry{
				Run: run, Fence: lease.Fence, At: time.Now(), Kind: ripcord.StepProgress, Attempt: int(seq) + i + 1,
				Reason: strings.Repeat("x", int(seq*37%3000)),
			}
		}
		if err := s.Append(ctx, batch...); err != nil {
			return err
		}
		seq += uint64(len(batch))
		if _, err := fmt.Fprintln(out, seq); err != nil {
			return err
		}
	}
}

// killed starts a process that appends, kills it after some acknowledgements and
// returns the last one.
func killed(t *testing.T, dir string, run ripcord.RunID, after int) uint64 {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "__append", dir, string(run))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var last uint64
	lines := bufio.NewScanner(out)
	for count := 0; lines.Scan(); count++ {
		if last, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if count == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return last
}

func TestKill(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	const kills, children = 15, 2
	random := rand.New(rand.NewPCG(1, 2))
	for round := range kills {
		acknowledged := make([]uint64, children)
		done := make(chan struct{})
		for i := range children {
			after := random.IntN(120)
			go func() {
				defer func() { done <- struct{}{} }()
				acknowledged[i] = killed(t, s.dir, ripcord.RunID(fmt.Sprintf("r%d", i)), after)
			}()
		}
		for range children {
			<-done
		}
		if t.Failed() {
			return
		}
		checkAfterKill(t, s, round, acknowledged)
	}
}

// checkAfterKill opens the journal anew and expects all that was acknowledged.
func checkAfterKill(t *testing.T, s *stand, round int, acknowledged []uint64) {
	t.Helper()
	store, err := s.try(t.Context(), sqlite.Options{})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	if report := verify(t, store, ""); !report.OK() {
		t.Fatalf("round %d: %+v", round, report.Findings)
	}
	for i, want := range acknowledged {
		var got uint64
		for e, err := range store.Entries(t.Context(), ripcord.RunID(fmt.Sprintf("r%d", i)), 0) {
			if err != nil || e.Seq > 1 && e.Attempt != int(e.Seq) {
				t.Fatalf("round %d: entry %d is %d, %v", round, e.Seq, e.Attempt, err)
			}
			got = e.Seq
		}
		if got < want {
			t.Fatalf("round %d: %d entries of run r%d, %d were acknowledged", round, got, i, want)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}
