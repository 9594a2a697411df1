package sqlite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
)

// together is a run of eight entries, of which the third to the sixth lie in one
// append.
func together(t *testing.T) *stand {
	t.Helper()
	s := newStand(t)
	lease := s.release(t, "r1", "prod", ripcord.RunStarted)
	var entries []ripcord.Entry
	for _, kind := range []ripcord.EntryKind{ripcord.StepChecked, ripcord.StepIntent, ripcord.StepProgress, ripcord.StepApplied} {
		entries = append(entries, ripcord.Entry{Run: "r1", Fence: lease.Fence, At: s.clock.Now(), Kind: kind, Step: "assets"})
	}
	if err := s.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	s.end(t, lease)
	return s
}

func (s *stand) end(t *testing.T, lease ripcord.Lease) {
	t.Helper()
	for _, kind := range []ripcord.EntryKind{ripcord.RunCommitted, ripcord.RunSucceeded} {
		if err := s.Append(t.Context(), ripcord.Entry{Run: lease.Run, Fence: lease.Fence, At: s.clock.Now(), Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEntriesFromWithin: what was appended together can be read from any of it on.
func TestEntriesFromWithin(t *testing.T) {
	t.Parallel()
	s := together(t)
	for after := range uint64(9) {
		want := after
		for e, err := range s.Entries(t.Context(), "r1", after) {
			if err != nil {
				t.Fatal(err)
			}
			if want++; e.Seq != want {
				t.Fatalf("after %d: entry %d comes instead of %d", after, e.Seq, want)
			}
		}
		if want != 8 {
			t.Fatalf("after %d: the last entry is %d", after, want)
		}
	}
}

func TestVerifyFindsWithinAnAppend(t *testing.T) {
	t.Parallel()
	const newline = "char(10)"
	for name, c := range map[string]struct {
		spoil string
		want  []sqlite.Problem
	}{
		"an edit": {
			"UPDATE appends SET lines = CAST(replace(CAST(lines AS TEXT), 'step.intent', 'step.found') AS BLOB) WHERE first = 3",
			[]sqlite.Problem{sqlite.ProblemEdited},
		},
		"the first is gone": {
			"UPDATE appends SET lines = CAST(substr(CAST(lines AS TEXT), instr(CAST(lines AS TEXT), " + newline + ") + 1) AS BLOB) WHERE first = 3",
			[]sqlite.Problem{sqlite.ProblemGap, sqlite.ProblemGap, sqlite.ProblemGap, sqlite.ProblemGap},
		},
		"one twice": {
			"UPDATE appends SET lines = CAST(CAST(lines AS TEXT) || " + newline + " || (SELECT CAST(lines AS TEXT) FROM appends WHERE first = 7) AS BLOB) WHERE first = 3",
			[]sqlite.Problem{sqlite.ProblemGap},
		},
		"joined to one line": {
			"UPDATE appends SET lines = CAST(replace(CAST(lines AS TEXT), " + newline + ", ' ') AS BLOB) WHERE first = 3",
			[]sqlite.Problem{sqlite.ProblemUnreadable, sqlite.ProblemGap},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := together(t)
			if report := verify(t, s.Store, ""); !report.OK() || report.Entries != 8 {
				t.Fatalf("report %+v", report)
			}
			s.spoil(t, c.spoil)
			var got []sqlite.Problem
			for _, f := range verify(t, s.Store, "").Findings {
				got = append(got, f.Problem)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatalf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOlderExecutor: one that was compiled before the rows of appends goes on with
// its run after a newer ripcord has opened the journal.
func TestOlderExecutor(t *testing.T) {
	t.Parallel()
	s := together(t)
	s.spoil(t, "CREATE TEMP TABLE last AS SELECT lines FROM appends WHERE first = 8; DELETE FROM appends WHERE first = 8; "+
		"INSERT INTO entries (id, line) SELECT (1 << 32) + 8, lines FROM last")
	if report := verify(t, s.Store, ""); !report.OK() || report.Entries != 8 {
		t.Fatalf("report %+v", report)
	}
}
