package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// advisory is the number of the lock in PostgreSQL: goose's own, so that its command
// and Ripcord wait for one another.
const advisory = 4097083626

// pause is how often a lock is asked for.
const pause = 50 * time.Millisecond

var errBusy = errors.New("another migration of this database is under way")

// lock waits until nobody else migrates the database. The session's end frees it, also
// that of one whose process was killed: a server frees it when the statement of then
// has ended, so that whoever holds it knows that nothing of before still runs. SQLite
// has its transactions for it.
func (x *session) lock(ctx context.Context, wait time.Duration) error {
	limited, done := context.WithTimeout(ctx, wait)
	defer done()
	for {
		got, err := x.tryLock(limited)
		switch {
		case err == nil && got:
			x.locked = true
			return nil
		case err != nil && limited.Err() == nil:
			return x.wrong("gave no lock", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-limited.Done():
			timer.Stop()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: waited %s", errBusy, wait)
	}
}

func (x *session) tryLock(ctx context.Context) (got bool, err error) {
	switch x.kind {
	case database.Postgres:
		err = x.conn.QueryRowContext(ctx, "select pg_try_advisory_lock($1)", advisory).Scan(&got)
	case database.MySQL:
		var number int
		err = x.conn.QueryRowContext(ctx, "select coalesce(get_lock(?, 0), 0)", x.lockName(ctx)).Scan(&number)
		got = number == 1
	default:
		got = true
	}
	return got, err
}

// lockName is of the database, since a MySQL server's locks are for all of them.
func (x *session) lockName(ctx context.Context) string {
	var name string
	if err := x.conn.QueryRowContext(ctx, "select database()").Scan(&name); err != nil {
		return "ripcord"
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name)) // never fails
	return fmt.Sprintf("ripcord-migrate-%x", sum.Sum64())
}

// quiet makes sure that a cancelled statement does not run on at the server: it is
// told to stop, and its lock is waited for.
func (x *session) quiet(ctx context.Context) error {
	const patience = 30 * time.Second
	limited, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer done()
	_ = x.close() // it is of no use any more
	if x.kind == database.SQLite {
		return nil
	}
	other, err := x.connect(limited, true)
	if err != nil {
		return err
	}
	if x.kind == database.MySQL {
		_, _ = other.conn.ExecContext(limited, fmt.Sprintf("kill %d", x.id)) // it may be gone
	} else {
		_, _ = other.conn.ExecContext(limited, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid = $1", x.id)
	}
	err = other.lock(limited, patience)
	return errors.Join(err, other.close())
}
