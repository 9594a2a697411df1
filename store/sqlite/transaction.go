package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/ripcord-dev/ripcord"
)

// cacheLimit is how many runs the writer remembers between transactions.
const cacheLimit = 1024

// run is what the writer knows of a run.
type run struct {
	n       int64
	fence   uint64
	ended   bool
	pruned  bool
	summary ripcord.Summary
	// before and after are the summary's JSON around the chain's length and head;
	// before is empty when they have to be made anew.
	before, after string
}

// transaction is the writer's connection with its statements. It remembers runs
// from one transaction to the next for as long as no other process wrote.
type transaction struct {
	conn    *sql.Conn
	runs    map[ripcord.RunID]run
	version int64
	// writes counts statements that changed something.
	writes int

	begins, commits, rollbacks, dataVersion             *sql.Stmt
	selectRun, insertAppend, updateRun, endRun, fenceIt *sql.Stmt
	putLease, getLease, insertRun, selectOwner          *sql.Stmt
	putGood, dropGood                                   *sql.Stmt
}

func (t *transaction) prepare(ctx context.Context, conn *sql.Conn) error {
	t.conn, t.runs = conn, map[ripcord.RunID]run{}
	for text, into := range map[string]**sql.Stmt{
		"BEGIN IMMEDIATE":     &t.begins,
		"COMMIT":              &t.commits,
		"ROLLBACK":            &t.rollbacks,
		"PRAGMA data_version": &t.dataVersion,
		"SELECT n, fence, ended, pruned IS NOT NULL, summary FROM runs WHERE id = ?":             &t.selectRun,
		"INSERT INTO appends (run, first, lines) VALUES (?, ?, ?)":                               &t.insertAppend,
		"UPDATE runs SET summary = ? WHERE n = ?":                                                &t.updateRun,
		"UPDATE runs SET summary = ?, ended = 1 WHERE n = ?":                                     &t.endRun,
		"UPDATE runs SET fence = ? WHERE n = ?":                                                  &t.fenceIt,
		"REPLACE INTO leases (run, fence, executor, expires, released) VALUES (?,?,?,?,?)":       &t.putLease,
		"SELECT fence, executor, expires, released FROM leases WHERE run = ?":                    &t.getLease,
		"INSERT INTO runs (id, application, environment, fence, summary) VALUES (?, ?, ?, 1, ?)": &t.insertRun,
		"SELECT id FROM runs WHERE application = ? AND environment = ? AND ended = 0":            &t.selectOwner,
		"REPLACE INTO last_good (application, environment, run) VALUES (?, ?, ?)":                &t.putGood,
		"DELETE FROM last_good WHERE application = ? AND environment = ?":                        &t.dropGood,
	} {
		var err error
		if *into, err = conn.PrepareContext(ctx, text); err != nil { //nolint:sqlclosecheck // see close
			return err
		}
	}
	return nil
}

func (t *transaction) close() {
	for _, s := range []*sql.Stmt{
		t.begins, t.commits, t.rollbacks, t.dataVersion, t.selectRun, t.insertAppend,
		t.updateRun, t.endRun, t.fenceIt, t.putLease, t.getLease, t.insertRun, t.selectOwner, t.putGood, t.dropGood,
	} {
		if s != nil {
			_ = s.Close() // it can only repeat the error of its last use
		}
	}
}

// begin takes the lock of all processes, then forgets what others changed.
func (t *transaction) begin(ctx context.Context) error {
	if _, err := t.begins.ExecContext(ctx); err != nil {
		return err
	}
	var version int64
	if err := t.dataVersion.QueryRowContext(ctx).Scan(&version); err != nil {
		return errors.Join(err, t.rollback(ctx))
	}
	if version != t.version || len(t.runs) > cacheLimit {
		clear(t.runs)
	}
	t.version = version
	return nil
}

func (t *transaction) commit(ctx context.Context) error {
	_, err := t.commits.ExecContext(ctx)
	return err
}

func (t *transaction) rollback(ctx context.Context) error {
	clear(t.runs)
	_, err := t.rollbacks.ExecContext(ctx)
	return err
}

// exec runs a statement that changes something.
func (t *transaction) exec(ctx context.Context, s *sql.Stmt, args ...any) error {
	t.writes++
	_, err := s.ExecContext(ctx, args...)
	return err
}

// execText is exec for statements that are rare.
func (t *transaction) execText(ctx context.Context, text string, args ...any) error {
	t.writes++
	_, err := t.conn.ExecContext(ctx, text, args...)
	return err
}

// find returns a run; CodeNotFound where there is none.
func (t *transaction) find(ctx context.Context, id ripcord.RunID) (run, error) {
	if r, ok := t.runs[id]; ok {
		return r, nil
	}
	var r run
	var summary []byte
	err := t.selectRun.QueryRowContext(ctx, string(id)).Scan(&r.n, &r.fence, &r.ended, &r.pruned, &summary)
	if errors.Is(err, sql.ErrNoRows) {
		return r, notFound(id)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(summary, &r.summary); err != nil {
		return r, ripcord.Errorf(ripcord.CodeInternal, "the journal's row of run %s is damaged: %w", id, err).
			WithFix("look at it with: ripcord journal verify")
	}
	t.runs[id] = r
	return r, nil
}

// forget drops runs from memory that were changed in another way.
func (t *transaction) forget(ids ...ripcord.RunID) {
	for _, id := range ids {
		delete(t.runs, id)
	}
}

func notFound(id ripcord.RunID) error {
	return ripcord.Errorf(ripcord.CodeNotFound, "there is no run %s", id).
		WithFix("list the runs with: ripcord history")
}
