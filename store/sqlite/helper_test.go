package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

// stand is a store in a directory of its own, with a clock moved by hand.
type stand struct {
	*sqlite.Store

	dir   string
	clock *storetest.Clock
}

func newStand(tb testing.TB) *stand {
	tb.Helper()
	s := &stand{dir: filepath.Join(tb.TempDir(), "state"), clock: storetest.NewClock()}
	s.Store = s.open(tb, sqlite.Options{})
	return s
}

// open opens the same directory once more.
func (s *stand) open(tb testing.TB, o sqlite.Options) *sqlite.Store {
	tb.Helper()
	store, err := s.try(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return store
}

func (s *stand) try(ctx context.Context, o sqlite.Options) (*sqlite.Store, error) {
	o.Now = s.clock.Now
	if o.Reserve == 0 {
		o.Reserve = -1
	}
	return sqlite.Open(ctx, s.dir, o)
}

func (s *stand) journal() string { return filepath.Join(s.dir, "journal.db") }

// release plans a run and appends entries of these kinds.
func (s *stand) release(tb testing.TB, id ripcord.RunID, environment string, kinds ...ripcord.EntryKind) ripcord.Lease {
	tb.Helper()
	return s.begin(tb, storetest.Planned(id, "shop", environment, s.clock.Now()), kinds...)
}

func (s *stand) begin(tb testing.TB, planned ripcord.Entry, kinds ...ripcord.EntryKind) ripcord.Lease {
	tb.Helper()
	lease, err := s.Begin(tb.Context(), planned, storetest.Somebody("ada"), time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	for _, kind := range kinds {
		e := ripcord.Entry{Run: planned.Run, Fence: lease.Fence, At: s.clock.Now(), Kind: kind}
		if kind == ripcord.RunCommitted {
			e.LastGood = planned.Run
			if planned.Plan.Purpose == ripcord.PurposeRollback {
				e.LastGood = planned.Plan.Returns
			}
		}
		if err := s.Append(tb.Context(), e); err != nil {
			tb.Fatal(err)
		}
	}
	return lease
}

// spoil changes the journal behind the store's back.
func (s *stand) spoil(tb testing.TB, statements ...string) {
	tb.Helper()
	db, err := sql.Open("sqlite", s.journal())
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statements tell
	for _, text := range statements {
		if _, err := db.ExecContext(tb.Context(), text); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
}

// refused expects an error with a code, a text and, for users, a way to mend it.
func refused(t *testing.T, err error, code ripcord.Code, text string) {
	t.Helper()
	if err == nil || ripcord.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v, want %s with %q", err, code, text)
	}
}

// content is what lies in a directory, to see that nothing was changed.
func content(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %d %x\n", entry.Name(), len(data), data)
	}
	return all.String()
}
