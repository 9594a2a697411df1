package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// Problem sorts what Verify finds.
type Problem string

// The problems.
const (
	// ProblemEdited: content was changed after it was written.
	ProblemEdited Problem = "edited"
	// ProblemGap: entries are missing, doubled or in another order.
	ProblemGap Problem = "gap"
	// ProblemCut: the newest entries of a run were removed.
	ProblemCut Problem = "cut"
	// ProblemUnreadable: an entry or row is not JSON, or of a newer ripcord.
	ProblemUnreadable Problem = "unreadable"
	// ProblemRemoved: a whole run was removed.
	ProblemRemoved Problem = "removed"
	// ProblemDamaged: SQLite itself finds the file damaged.
	ProblemDamaged Problem = "damaged"
)

// Finding is one thing that is wrong with the journal.
type Finding struct {
	Run     ripcord.RunID `json:"run,omitempty"`
	Seq     uint64        `json:"seq,omitempty"`
	Problem Problem       `json:"problem"`
	Detail  string        `json:"detail"`
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Runs    int    `json:"runs"`
	Entries uint64 `json:"entries"`
	// Pruned counts runs of which only the checkpoint is left.
	Pruned   int       `json:"pruned"`
	Findings []Finding `json:"findings"`
	// Heads are the newest hashes of the verified runs. Kept elsewhere, they
	// prove later that nothing was rewritten as a whole.
	Heads map[ripcord.RunID]string `json:"heads"`
}

// OK reports whether nothing is wrong.
func (r *VerifyReport) OK() bool { return len(r.Findings) == 0 }

func (r *VerifyReport) find(run ripcord.RunID, seq uint64, p Problem, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{run, seq, p, fmt.Sprintf(format, args...)})
}

// Verify recomputes the hash chains of one run, or of all runs and the file as a
// whole where run is empty. What it finds is in the report; an error means that
// it could not look.
func (s *Store) Verify(ctx context.Context, run ripcord.RunID) (VerifyReport, error) {
	report := VerifyReport{Heads: map[ripcord.RunID]string{}}
	if run != "" {
		n, _, err := s.number(ctx, run)
		if err == nil {
			err = s.verifyRun(ctx, n, &report)
		}
		return report, err
	}
	if err := s.verifyFile(ctx, &report); err != nil {
		return report, err
	}
	for n := int64(0); ; {
		err := s.readers.QueryRowContext(ctx, "SELECT n FROM runs WHERE n > ? ORDER BY n LIMIT 1", n).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return report, nil
		}
		if err != nil {
			return report, s.explain("verify", err)
		}
		if err := s.verifyRun(ctx, n, &report); err != nil {
			return report, err
		}
	}
}

// verifyFile looks for what no single chain can show.
func (s *Store) verifyFile(ctx context.Context, report *VerifyReport) error {
	for _, check := range []struct {
		query   string
		problem Problem
		format  string
	}{
		{"SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'", ProblemDamaged, "%v"},
		// Runs are numbered without gaps, and the table remembers the newest number.
		{`SELECT r.n + 1 FROM (SELECT 0 AS n UNION SELECT n FROM runs) AS r WHERE r.n < (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'runs')
			AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.n = r.n + 1)`, ProblemRemoved, "run number %v is missing, perhaps with others after it"},
		{"SELECT DISTINCT run FROM appends WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.n = appends.run)", ProblemRemoved, "there are entries of run number %v and no such run"},
		{"SELECT run FROM last_good WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run AND runs.summary ->> 'committed' = 1)", ProblemEdited, "last good names %v, which was never committed"},
	} {
		if err := s.verifyQuery(ctx, report, check.query, check.problem, check.format); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) verifyQuery(ctx context.Context, report *VerifyReport, query string, p Problem, format string) error {
	rows, err := s.readers.QueryContext(ctx, query)
	if err != nil {
		return s.explain("verify", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var found any
		if err := rows.Scan(&found); err != nil {
			return s.explain("verify", err)
		}
		report.find("", 0, p, format, found)
	}
	return s.explain("verify", rows.Err())
}

// verifyRun compares one run's row with its chain, both as of one moment.
func (s *Store) verifyRun(ctx context.Context, n int64, report *VerifyReport) error {
	tx, err := s.readers.BeginTx(ctx, nil)
	if err != nil {
		return s.explain("verify", err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	var id ripcord.RunID
	var text []byte
	var pruned bool
	if err := tx.QueryRowContext(ctx, "SELECT id, summary, pruned IS NOT NULL FROM runs WHERE n = ?", n).Scan(&id, &text, &pruned); err != nil {
		return s.explain("verify", err)
	}
	report.Runs++
	var row ripcord.Summary
	if err := json.Unmarshal(text, &row); err != nil {
		report.find(id, 0, ProblemUnreadable, "the run's row: %v", err)
		return nil
	}
	if row.Run != id {
		report.find(id, 0, ProblemEdited, "the run's row calls itself %s", row.Run)
	}
	report.Heads[id] = row.Head
	c := chain{report: report, run: id}
	if err := c.walk(ctx, tx, n); err != nil {
		return s.explain("verify", err)
	}
	report.Entries += c.count
	if pruned {
		report.Pruned++
		if c.count > 0 {
			report.find(id, c.first, ProblemEdited, "the run was pruned and has entries again")
		}
		return nil
	}
	c.compare(&row)
	return nil
}

// chain walks along the entries of one run.
type chain struct {
	report  *VerifyReport
	run     ripcord.RunID
	first   uint64
	last    uint64
	count   uint64
	head    string
	broken  bool
	derived ripcord.Summary
}

func (c *chain) walk(ctx context.Context, tx *sql.Tx, n int64) error {
	rows, err := tx.QueryContext(ctx, "SELECT first, lines FROM appends WHERE run = ? ORDER BY first", n)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var seq uint64
		var lines sql.RawBytes
		if err := rows.Scan(&seq, &lines); err != nil {
			return err
		}
		c.place(seq)
		for line := range bytes.SplitSeq(lines, []byte(newline)) {
			c.step(line)
		}
	}
	return rows.Err()
}

// step proves one entry and its link to the one before.
func (c *chain) step(line []byte) {
	c.count++
	c.last++
	seq := c.last
	e, err := ParseLine(line)
	switch {
	case errors.Is(err, ErrHash):
		c.report.find(c.run, seq, ProblemEdited, "%v", err)
	case err != nil:
		c.report.find(c.run, seq, ProblemUnreadable, "%v", err)
	case e.Seq != seq || e.Run != c.run:
		c.report.find(c.run, seq, ProblemGap, "it is entry %d of run %s, moved here", e.Seq, e.Run)
	case e.Prev != c.head && !c.broken:
		c.report.find(c.run, seq, ProblemEdited, "it was sealed after another entry than the one before it")
	}
	// After a break the chain is taken up again, so that one edit is one finding.
	c.broken = c.broken || err != nil
	c.derived.Apply(e)
	if c.head = e.Hash; err == nil {
		c.broken = false
	} else {
		c.head = ""
	}
}

// place goes to where the next append begins.
func (c *chain) place(seq uint64) {
	if c.count == 0 {
		c.first = seq
	}
	switch {
	case seq > c.last+1:
		c.broken = true
		c.report.find(c.run, c.last+1, ProblemGap, "entries %d to %d are missing", c.last+1, seq-1)
	case seq <= c.last:
		c.broken = true
		c.report.find(c.run, seq, ProblemGap, "entry %d is there twice", seq)
	}
	c.last = seq - 1
}

// compare looks at the run's row with the eyes of its chain.
func (c *chain) compare(row *ripcord.Summary) {
	switch {
	case c.last < row.Entries:
		c.report.find(c.run, c.last+1, ProblemCut, "the newest entries are missing: %d of %d are there", c.last, row.Entries)
		return
	case c.last > row.Entries:
		c.report.find(c.run, row.Entries+1, ProblemGap, "there are %d entries, the run's row knows %d", c.last, row.Entries)
		return
	case c.broken:
		return
	case c.head != row.Head:
		c.report.find(c.run, c.last, ProblemEdited, "the chain ends with another hash than the run's row says: it was rewritten as a whole")
		return
	}
	was := [...]any{c.derived.Application, c.derived.Environment, c.derived.Version, c.derived.Purpose, c.derived.State, c.derived.Committed}
	is := [...]any{row.Application, row.Environment, row.Version, row.Purpose, row.State, row.Committed}
	if was != is && c.count == row.Entries {
		c.report.find(c.run, 0, ProblemEdited, "the run's row says %v, its entries say %v", is, was)
	}
}
