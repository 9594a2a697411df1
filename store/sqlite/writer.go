package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// maxBatch limits how many jobs share one transaction.
const maxBatch = 512

// errClosed: the store was closed.
var errClosed = ripcord.Errorf(ripcord.CodeInternal, "the journal is closed")

// job is one change that waits to become durable. It reads and refuses first and
// writes last, so that a refused job leaves nothing behind in the transaction
// that it shares with others.
type job struct {
	do   func(ctx context.Context, t *transaction) error
	err  error
	done chan struct{}
}

// writer owns the one connection that writes. Its goroutine takes along all that
// has been queued while it wrote, so that under load many jobs share a flush. It
// is the only one that goes deep into SQLite, so only its stack has to be large.
type writer struct {
	store *Store
	db    *sql.DB
	conn  *sql.Conn
	state transaction
	// work holds a token when there is something in the queue.
	work chan struct{}
	// ended is closed when the goroutine has ended; nil before it has begun.
	ended chan struct{}

	lock    sync.Mutex
	queue   []*job
	closed  bool
	pending sync.WaitGroup
}

// prepare brings the schema up to date and compiles the statements.
func (w *writer) prepare(ctx context.Context) error {
	if err := w.migrate(ctx); err != nil {
		return err
	}
	if err := w.state.prepare(ctx, w.conn); err != nil {
		return w.store.explain("open", err)
	}
	w.ended = make(chan struct{})
	go w.run(context.WithoutCancel(ctx))
	return nil
}

// write has do carried out and returns when its effect is on disk, or is not and
// never will be. A context that ends while the job waits does not change that:
// the caller is never left in doubt.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, t *transaction) error) error {
	if s.writer == nil {
		return ripcord.Errorf(ripcord.CodeInternal, "the journal in %s was opened for reading only", s.dir)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{do: do, done: make(chan struct{}, 1)}
	if !s.writer.enqueue(j) {
		return errClosed
	}
	defer s.writer.pending.Done()
	<-j.done
	return j.err
}

func (w *writer) enqueue(j *job) bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.closed {
		return false
	}
	w.pending.Add(1)
	w.queue = append(w.queue, j)
	select {
	case w.work <- struct{}{}:
	default: // it knows
	}
	return true
}

// run writes until the work ends.
func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	for range w.work {
		for batch := w.take(); len(batch) > 0; batch = w.take() {
			w.carryOut(ctx, batch)
		}
	}
}

// take returns the next batch. Who is about to queue something goes first: a flush
// costs the same for one job as for all.
func (w *writer) take() []*job {
	runtime.Gosched()
	w.lock.Lock()
	defer w.lock.Unlock()
	n := min(len(w.queue), maxBatch)
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	return batch
}

// carryOut makes a batch durable and tells those who wait. When the transaction
// breaks on one job, each gets a transaction of its own.
func (w *writer) carryOut(ctx context.Context, batch []*job) {
	err := w.attempt(ctx, batch)
	if err != nil && len(batch) > 1 && !diskFull(err) && !busy(err) {
		for _, j := range batch {
			w.carryOut(ctx, []*job{j})
		}
		return
	}
	err = w.store.explain("write", err)
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		j.done <- struct{}{}
	}
}

// attempt makes a batch durable; a full disk is answered with the reserve.
func (w *writer) attempt(ctx context.Context, batch []*job) error {
	err := w.commit(ctx, batch)
	if err == nil || !diskFull(err) || !w.store.reserve.give() {
		return err
	}
	if err = w.commit(ctx, batch); err == nil || !diskFull(err) {
		return err
	}
	// What is in the log may fit into the file, and the log be cut to nothing.
	if _, shrunk := w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); shrunk != nil {
		return err
	}
	return w.commit(ctx, batch)
}

// commit runs the batch in one transaction. Its error means that nothing of the
// batch was written.
func (w *writer) commit(ctx context.Context, batch []*job) error {
	t := &w.state
	if err := t.begin(ctx); err != nil {
		return err
	}
	for _, j := range batch {
		before := t.writes
		j.err = j.do(ctx, t)
		if j.err != nil && (code(j.err) != 0 || t.writes != before) {
			return errors.Join(j.err, t.rollback(ctx))
		}
	}
	if err := t.commit(ctx); err != nil {
		// SQLite has already rolled back after some errors; saying so is no news.
		_ = t.rollback(ctx)
		return err
	}
	return nil
}

func (w *writer) close() error {
	w.lock.Lock()
	w.closed = true
	w.lock.Unlock()
	w.pending.Wait()
	close(w.work)
	if w.ended != nil {
		<-w.ended
	}
	w.state.close()
	return errors.Join(w.conn.Close(), w.db.Close())
}
