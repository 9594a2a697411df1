package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// events collects what is told about the reserve.
type events struct {
	lock sync.Mutex
	all  []sqlite.ReserveEvent
}

func (e *events) add(event sqlite.ReserveEvent) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.all = append(e.all, event)
}

func (e *events) want(t *testing.T, want ...sqlite.ReserveEvent) {
	t.Helper()
	e.lock.Lock()
	defer e.lock.Unlock()
	if !slices.Equal(e.all, want) {
		t.Fatalf("events %v, want %v", e.all, want)
	}
}

// fill writes to a file until the disk has not one byte left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// fullDisk is a store on a small disk, with a run going on.
func fullDisk(t *testing.T) (s *stand, o sqlite.Options, told *events, filler string, lease ripcord.Lease) {
	t.Helper()
	disk := mount(t, "24m")
	told = &events{}
	o = sqlite.Options{Reserve: 8 << 20, OnReserve: told.add}
	s = &stand{dir: filepath.Join(disk, "state"), clock: newStand(t).clock}
	s.Store = s.open(t, o)
	told.want(t, sqlite.ReserveRestored)
	lease = s.release(t, "r1", "prod", ripcord.RunStarted)
	return s, o, told, filepath.Join(disk, "filler"), lease
}

func appendUntil(t *testing.T, s *stand, lease ripcord.Lease, limit int) (count int, err error) {
	t.Helper()
	e := ripcord.Entry{Run: "r1", Fence: lease.Fence, At: s.clock.Now(), Kind: ripcord.StepUndone, Reason: strings.Repeat("x", 4000)}
	for count = range limit {
		if err = s.Append(t.Context(), e); err != nil {
			return count, err
		}
	}
	return limit, nil
}

func TestDiskFullDuringRun(t *testing.T) {
	t.Parallel()
	s, o, told, filler, lease := fullDisk(t)
	fill(t, filler)
	// Far more than a rollback needs, and more than the log holds before it is
	// written back into the file.
	const rollback = 600
	if n, err := appendUntil(t, s, lease, rollback); err != nil {
		t.Fatalf("after %d entries: %v", n, err)
	}
	told.want(t, sqlite.ReserveRestored, sqlite.ReserveGiven)
	fill(t, filler)
	more, err := appendUntil(t, s, lease, 20000)
	refused(t, err, ripcord.CodeInternal, "no room")
	if report := verify(t, s.Store, ""); !report.OK() || report.Entries != uint64(2+rollback+more) {
		t.Fatalf("%d entries, want %d; findings %+v", report.Entries, 2+rollback+more, report.Findings)
	}
	if err := os.Truncate(filler, 0); err != nil {
		t.Fatal(err)
	}
	s.releaseEnd(t, lease)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := s.open(t, o)
	told.want(t, sqlite.ReserveRestored, sqlite.ReserveGiven, sqlite.ReserveRestored)
	if summary, err := again.Run(t.Context(), "r1"); err != nil || summary.State != ripcord.StateRolledBack {
		t.Fatalf("run %+v, %v", summary, err)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(filepath.Join(s.dir, "reserve"), &stat); err != nil || stat.Blocks*512 < o.Reserve {
		t.Fatalf("the reserve has %d blocks, %v", stat.Blocks, err)
	}
}

func (s *stand) releaseEnd(t *testing.T, lease ripcord.Lease) {
	t.Helper()
	if err := s.Append(t.Context(), ripcord.Entry{Run: lease.Run, Fence: lease.Fence, At: s.clock.Now(), Kind: ripcord.RunRolledBack}); err != nil {
		t.Fatal(err)
	}
}

// After a crash on a full disk the journal must open, for recover to write, and
// for status to read.
func TestDiskFullAtOpening(t *testing.T) {
	t.Parallel()
	s, o, told, filler, lease := fullDisk(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, filler)
	reader := s.open(t, sqlite.Options{ReadOnly: true})
	if runs, err := reader.Runs(t.Context(), ripcord.Filter{}); err != nil || len(runs) != 1 {
		t.Fatalf("runs %+v, %v", runs, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	told.want(t, sqlite.ReserveRestored)
	s.Store = s.open(t, o)
	if n, err := appendUntil(t, s, lease, 100); err != nil {
		t.Fatalf("after %d entries: %v", n, err)
	}
	told.want(t, sqlite.ReserveRestored, sqlite.ReserveGiven, sqlite.ReserveMissing)
}

func TestGiveRoom(t *testing.T) {
	t.Parallel()
	s, _, told, _, _ := fullDisk(t)
	for range 2 {
		if !s.GiveRoom() {
			t.Fatal("another try is always worth it")
		}
	}
	told.want(t, sqlite.ReserveRestored, sqlite.ReserveGiven)
	if s.open(t, sqlite.Options{ReadOnly: true}).GiveRoom() {
		t.Fatal("a reader gave room")
	}
}
