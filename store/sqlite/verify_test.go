package sqlite_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/sqlite"
	"github.com/ripcord-dev/ripcord/store/storetest"
)

const ended = ripcord.RunSucceeded

// history is a journal with two ended runs and one that is going on.
func history(t *testing.T) *stand {
	t.Helper()
	s := newStand(t)
	s.release(t, "r1", "prod", ripcord.RunStarted, ripcord.StepIntent, ripcord.StepApplied, ripcord.RunCommitted, ended)
	s.release(t, "r2", "prod", ripcord.RunStarted, ripcord.StepIntent, ripcord.StepApplied, ripcord.RunRollingBack, ripcord.RunRolledBack)
	s.release(t, "r3", "prod", ripcord.RunStarted, ripcord.StepIntent)
	return s
}

func verify(t *testing.T, s *sqlite.Store, run ripcord.RunID) sqlite.VerifyReport {
	t.Helper()
	report, err := s.Verify(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerifyWhole(t *testing.T) {
	t.Parallel()
	s := history(t)
	report := verify(t, s.Store, "")
	if !report.OK() || report.Runs != 3 || report.Entries != 15 || len(report.Heads) != 3 {
		t.Fatalf("report %+v", report)
	}
	if report = verify(t, s.Store, "r2"); !report.OK() || report.Runs != 1 || report.Entries != 6 {
		t.Fatalf("report %+v", report)
	}
	_, err := s.Verify(t.Context(), "nope")
	refused(t, err, ripcord.CodeNotFound, "nope")
}

func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	const second = "run = 2 AND first "
	type found struct {
		Run     ripcord.RunID
		Seq     uint64
		Problem sqlite.Problem
	}
	for name, c := range map[string]struct {
		spoil []string
		want  []found
	}{
		"an edit": {
			[]string{"UPDATE appends SET lines = CAST(replace(CAST(lines AS TEXT), 'step.intent', 'step.found') AS BLOB) WHERE " + second + "= 3"},
			[]found{{"r2", 3, sqlite.ProblemEdited}},
		},
		"an edit with its hash made anew": {
			[]string{"UPDATE appends SET lines = (SELECT lines FROM appends WHERE run = 1 AND first = 3) WHERE " + second + "= 3"},
			[]found{{"r2", 3, sqlite.ProblemGap}, {"r2", 4, sqlite.ProblemEdited}},
		},
		"a gap":          {[]string{"DELETE FROM appends WHERE " + second + "= 3"}, []found{{"r2", 3, sqlite.ProblemGap}}},
		"a long gap":     {[]string{"DELETE FROM appends WHERE " + second + "BETWEEN 2 AND 5"}, []found{{"r2", 2, sqlite.ProblemGap}}},
		"a removed head": {[]string{"DELETE FROM appends WHERE " + second + "= 1"}, []found{{"r2", 1, sqlite.ProblemGap}}},
		"a removed tail": {[]string{"DELETE FROM appends WHERE " + second + "= 6"}, []found{{"r2", 6, sqlite.ProblemCut}}},
		"all removed":    {[]string{"DELETE FROM appends WHERE " + second + "BETWEEN 1 AND 6"}, []found{{"r2", 1, sqlite.ProblemCut}}},
		"bad JSON":       {[]string{"UPDATE appends SET lines = CAST('{' AS BLOB) WHERE " + second + "= 2"}, []found{{"r2", 2, sqlite.ProblemUnreadable}}},
		"bad JSON at the end": {
			[]string{"UPDATE appends SET lines = CAST('{' AS BLOB) WHERE " + second + "= 6"},
			[]found{{"r2", 6, sqlite.ProblemUnreadable}},
		},
		"a newer entry": {
			[]string{`UPDATE appends SET lines = CAST(replace(CAST(lines AS TEXT), '"v":1', '"v":9') AS BLOB) WHERE ` + second + "= 4"},
			[]found{{"r2", 4, sqlite.ProblemUnreadable}},
		},
		"an entry too many": {
			[]string{"INSERT INTO appends (run, first, lines) SELECT 2, 7, lines FROM appends WHERE " + second + "= 6"},
			[]found{{"r2", 7, sqlite.ProblemGap}, {"r2", 7, sqlite.ProblemGap}},
		},
		"two exchanged": {
			[]string{
				"UPDATE appends SET first = 99 WHERE " + second + "= 3", "UPDATE appends SET first = 3 WHERE " + second + "= 4",
				"UPDATE appends SET first = 4 WHERE " + second + "= 99",
			},
			[]found{{"r2", 3, sqlite.ProblemGap}, {"r2", 4, sqlite.ProblemGap}, {"r2", 5, sqlite.ProblemEdited}},
		},
		"a run's state": {
			[]string{"UPDATE runs SET summary = json_set(summary, '$.state', 'succeeded') WHERE id = 'r2'"},
			[]found{{"r2", 0, sqlite.ProblemEdited}},
		},
		"a run's head": {
			[]string{"UPDATE runs SET summary = json_set(summary, '$.head', 'abc') WHERE id = 'r2'"},
			[]found{{"r2", 6, sqlite.ProblemEdited}},
		},
		"a run's row":  {[]string{"UPDATE runs SET summary = 'x' WHERE id = 'r3'"}, []found{{"r3", 0, sqlite.ProblemUnreadable}}},
		"a lost row":   {[]string{"DELETE FROM runs WHERE id = 'r2'"}, []found{{"", 0, sqlite.ProblemRemoved}, {"", 0, sqlite.ProblemRemoved}}},
		"a lost run":   {[]string{"DELETE FROM runs WHERE id = 'r2'", "DELETE FROM appends WHERE run = 2"}, []found{{"", 0, sqlite.ProblemRemoved}}},
		"the last run": {[]string{"DELETE FROM runs WHERE id = 'r3'", "DELETE FROM appends WHERE run = 3"}, []found{{"", 0, sqlite.ProblemRemoved}}},
		"last good":    {[]string{"UPDATE last_good SET run = 'r2'"}, []found{{"", 0, sqlite.ProblemEdited}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.spoil(t, c.spoil...)
			var got []found
			for _, f := range verify(t, s.Store, "").Findings {
				if f.Detail == "" {
					t.Errorf("%+v has no detail", f)
				}
				got = append(got, found{f.Run, f.Seq, f.Problem})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpoiledEntriesAreNotHandedOut(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"edited":  "UPDATE appends SET lines = CAST(replace(CAST(lines AS TEXT), 'step.intent', 'step.found') AS BLOB) WHERE run = 2 AND first = 3",
		"missing": "DELETE FROM appends WHERE run = 2 AND first = 3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.spoil(t, text)
			var last error
			count := 0
			for _, err := range s.Entries(t.Context(), "r2", 0) {
				if last = err; err == nil {
					count++
				}
			}
			refused(t, last, ripcord.CodeInternal, "entry 3 of run r2")
			if count != 2 {
				t.Fatalf("%d entries before the error, want 2", count)
			}
		})
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := history(t)
	var one, all bytes.Buffer
	if err := s.Export(t.Context(), "r1", &one); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(t.Context(), "", &all); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(all.String(), "\n"), "\n")
	if len(lines) != 15 || !strings.HasPrefix(all.String(), one.String()) || strings.Count(one.String(), "\n") != 6 {
		t.Fatalf("%d lines, the first run's are\n%s", len(lines), one.String())
	}
	for _, line := range lines {
		if _, err := sqlite.ParseLine([]byte(line)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	refused(t, s.Export(t.Context(), "nope", &one), ripcord.CodeNotFound, "nope")
}

func TestBackup(t *testing.T) {
	t.Parallel()
	s := history(t)
	copied := &stand{dir: filepath.Join(t.TempDir(), "copy"), clock: s.clock}
	first := copied.open(t, sqlite.Options{})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Backup(t.Context(), copied.journal()), ripcord.CodePlan, "exists already")
	other := &stand{dir: filepath.Join(t.TempDir(), "other"), clock: s.clock}
	mkdir(t, other.dir)
	if err := s.Backup(t.Context(), other.journal()); err != nil {
		t.Fatal(err)
	}
	restored := other.open(t, sqlite.Options{})
	if restored.StateID() != s.StateID() {
		t.Fatalf("state id %s, want %s", restored.StateID(), s.StateID())
	}
	if diff := cmp.Diff(verify(t, s.Store, ""), verify(t, restored, "")); diff != "" {
		t.Fatalf("the copy differs:\n%s", diff)
	}
	s.release(t, "r4", "staging")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, id := range []ripcord.RunID{"r1", "r2", "r3"} {
		s.release(t, id, "prod", ripcord.RunStarted, ripcord.RunCommitted, ended)
	}
	back := storetest.Planned("r4", "shop", "prod", s.clock.Now())
	back.Plan.Purpose, back.Plan.Reverts, back.Plan.Returns = ripcord.PurposeRollback, []ripcord.RunID{"r3"}, "r2"
	s.begin(t, back, ripcord.RunStarted, ripcord.RunCommitted, ended)
	for _, id := range []ripcord.RunID{"r5", "r6", "r7"} {
		s.release(t, id, "prod", ripcord.RunStarted, ripcord.RunRolledBack)
	}
	s.release(t, "other", "staging", ripcord.RunStarted)
	_, err := s.Prune(t.Context(), 0)
	refused(t, err, ripcord.CodePlan, "at least 1")
	report, err := s.Prune(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	// r2 is last good again, r1 would be without it; r6 and r7 are the newest.
	gone := []ripcord.RunID{"r3", "r4", "r5"}
	if diff := cmp.Diff(sqlite.PruneReport{Runs: gone, Blobs: gone}, report); diff != "" {
		t.Fatalf("pruned (-want +got):\n%s", diff)
	}
	if err := s.BlobsGone(t.Context(), "r3", "r5", "r1"); err != nil {
		t.Fatal(err)
	}
	report, err = s.Prune(t.Context(), 2)
	if diff := cmp.Diff(sqlite.PruneReport{Blobs: []ripcord.RunID{"r4"}}, report); err != nil || diff != "" {
		t.Fatalf("pruned again, %v (-want +got):\n%s", err, diff)
	}
	if checked := verify(t, s.Store, ""); !checked.OK() || checked.Pruned != 3 || checked.Runs != 8 {
		t.Fatalf("report %+v", checked)
	}
	afterPruning(t, s)
}

func afterPruning(t *testing.T, s *stand) {
	t.Helper()
	ctx := t.Context()
	for _, err := range s.Entries(ctx, "r3", 0) {
		refused(t, err, ripcord.CodeNotFound, "pruned")
	}
	refused(t, s.Append(ctx, ripcord.Entry{Run: "r3", Fence: 1, Kind: ripcord.RunEvidence}), ripcord.CodeRefused, "pruned")
	if summary, err := s.Run(ctx, "r3"); err != nil || summary.Entries != 4 || summary.Head == "" {
		t.Fatalf("checkpoint %+v, %v", summary, err)
	}
	if good, err := s.LastGood(ctx, "shop", "prod"); err != nil || good.Run != "r2" {
		t.Fatalf("last good %s, %v", good.Run, err)
	}
	s.spoil(t, "INSERT INTO appends (run, first, lines) SELECT 3, 1, lines FROM appends LIMIT 1")
	if checked := verify(t, s.Store, "r3"); checked.OK() {
		t.Fatal("an entry of a pruned run was not noticed")
	}
}
