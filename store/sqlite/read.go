package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// page is how many appends are fetched at once. Between pages no read is open,
// so a slow consumer does not keep the log from being reused.
const page = 256

// Run returns one run by its id or a unique prefix of it. See ripcord.Runs.
func (s *Store) Run(ctx context.Context, id ripcord.RunID) (ripcord.Summary, error) {
	if id == "" {
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "no run is named").WithFix("list the runs with: ripcord history")
	}
	found, err := s.summaries(ctx, "SELECT summary FROM runs WHERE id = ?", string(id))
	if err == nil && len(found) == 0 {
		// All ids that start with the prefix lie between it and its successor.
		found, err = s.summaries(ctx, "SELECT summary FROM runs WHERE id > ?1 AND substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 4", string(id))
	}
	switch {
	case err != nil:
		return ripcord.Summary{}, err
	case len(found) == 0:
		return ripcord.Summary{}, notFound(id)
	case len(found) == 1:
		return found[0], nil
	}
	var names []string
	for i := range found {
		names = append(names, string(found[i].Run))
	}
	return ripcord.Summary{}, ripcord.Errorf(ripcord.CodePlan, "several runs begin with %s: %s", id, strings.Join(names, ", ")).
		WithFix("give more of the id")
}

// Runs returns runs, newest first. See ripcord.Runs.
func (s *Store) Runs(ctx context.Context, f ripcord.Filter) ([]ripcord.Summary, error) {
	var where []string
	var args []any
	if f.Application != "" {
		where, args = append(where, "application = ?"), append(args, f.Application)
	}
	if f.Environment != "" {
		where, args = append(where, "environment = ?"), append(args, f.Environment)
	}
	if f.Unfinished {
		where = append(where, "ended = 0")
	}
	query := "SELECT summary FROM runs"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY n DESC"
	if f.Limit > 0 {
		query, args = query+" LIMIT ?", append(args, f.Limit)
	}
	return s.summaries(ctx, query, args...)
}

// LastGood returns the environment's last good release. See ripcord.Runs.
func (s *Store) LastGood(ctx context.Context, application, environment string) (ripcord.Summary, error) {
	found, err := s.summaries(ctx, "SELECT summary FROM last_good JOIN runs ON runs.id = last_good.run WHERE last_good.application = ? AND last_good.environment = ?",
		application, environment)
	if err != nil {
		return ripcord.Summary{}, err
	}
	if len(found) == 0 {
		return ripcord.Summary{}, ripcord.Errorf(ripcord.CodeNotFound, "%s in %s has no last good release", application, environment).
			WithFix("record what runs today with: ripcord adopt")
	}
	return found[0], nil
}

func (s *Store) summaries(ctx context.Context, query string, args ...any) ([]ripcord.Summary, error) {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.explain("read runs", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var found []ripcord.Summary
	for rows.Next() {
		var text sql.RawBytes
		var summary ripcord.Summary
		if err := rows.Scan(&text); err != nil {
			return nil, s.explain("read runs", err)
		}
		if err := json.Unmarshal(text, &summary); err != nil {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "a row of the journal's runs is damaged: %w", err).
				WithFix("look at it with: ripcord journal verify")
		}
		found = append(found, summary)
	}
	return found, s.explain("read runs", rows.Err())
}

// Entries yields the run's entries with Seq > after. Each is proved by its hash
// and its place before it is handed out. See ripcord.Journal.
func (s *Store) Entries(ctx context.Context, id ripcord.RunID, after uint64) iter.Seq2[ripcord.Entry, error] {
	return func(yield func(ripcord.Entry, error) bool) {
		var err error
		for next := after + 1; err == nil; {
			var appends []appended
			appends, err = s.appends(ctx, id, next)
			for line := range lines(appends, next) {
				e, wrong := prove(line, id, next)
				if !yield(e, wrong) || wrong != nil {
					return
				}
				next++
			}
			if err == nil && len(appends) == 0 {
				_, err = s.readable(ctx, id) // why there is nothing
			}
			if err == nil && len(appends) < page {
				return
			}
		}
		yield(ripcord.Entry{}, err)
	}
}

// appended is the entries of one append: their lines, and the number of the first.
type appended struct {
	first uint64
	lines []byte
}

// lines yields the lines from the entry with number next on.
func lines(appends []appended, next uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, a := range appends {
			seq := a.first
			for line := range bytes.SplitSeq(a.lines, []byte(newline)) {
				if seq >= next && !yield(line) {
					return
				}
				seq++
			}
		}
	}
}

// prove reads a line that must be the run's entry with this number.
func prove(line []byte, id ripcord.RunID, seq uint64) (ripcord.Entry, error) {
	e, err := ParseLine(line)
	if err == nil && (e.Seq != seq || e.Run != id) {
		err = errOutOfPlace
	}
	if err != nil {
		return e, ripcord.Errorf(ripcord.CodeInternal, "the journal's entry %d of run %s: %w", seq, id, err).
			WithFix("see what is wrong with: ripcord journal verify %s", id)
	}
	return e, nil
}

// readable returns the run's row number, unless its entries were pruned.
func (s *Store) readable(ctx context.Context, id ripcord.RunID) (int64, error) {
	n, pruned, err := s.number(ctx, id)
	if err == nil && pruned {
		err = ripcord.Errorf(ripcord.CodeNotFound, "the entries of run %s were pruned", id).
			WithFix("its summary is still there: ripcord history")
	}
	return n, err
}

// errOutOfPlace: an entry stands where another should.
var errOutOfPlace = errors.New("it does not follow the one before it")

// number returns the run's row number.
func (s *Store) number(ctx context.Context, id ripcord.RunID) (n int64, pruned bool, err error) {
	statement, err := s.statements.prepared(ctx, s.readers, "SELECT n, pruned IS NOT NULL FROM runs WHERE id = ?") //nolint:sqlclosecheck // it is used again
	if err == nil {
		err = statement.QueryRowContext(ctx, string(id)).Scan(&n, &pruned)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, notFound(id)
	}
	return n, pruned, s.explain("read a run", err)
}

// appends returns a page of a run's appends, from that of the entry with number
// next. Where there are none, readable tells why.
func (s *Store) appends(ctx context.Context, id ripcord.RunID, next uint64) ([]appended, error) {
	rows, err := s.statements.query(ctx, s.readers, `SELECT first, lines FROM runs CROSS JOIN appends
		WHERE runs.id = ?1 AND run = runs.n AND first >= coalesce((SELECT max(first) FROM appends WHERE run = runs.n AND first <= ?2), 0)
		ORDER BY first LIMIT ?3`, string(id), min(next, maxEntries), page)
	if err != nil {
		return nil, s.explain("read entries", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	all := make([]appended, 0, 16)
	for rows.Next() {
		var a appended
		if err := rows.Scan(&a.first, &a.lines); err != nil {
			return nil, s.explain("read entries", err)
		}
		all = append(all, a)
	}
	return all, s.explain("read entries", rows.Err())
}
