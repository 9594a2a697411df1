package migrate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	return s.exclusively(ctx, s.settings.LockWait.Std(), func(x *session) error {
		set, err := s.set()
		if err != nil {
			return refused("%w", err)
		}
		st, err := x.state(ctx, x.conn, set)
		if err != nil {
			return x.wrong("cannot be read", err)
		}
		if err := s.fits(set, st); err != nil {
			return refused("%w", err)
		}
		return x.up(ctx, a, set, st)
	})
}

// exclusively works on a session that holds the lock. When the context ends, nothing
// runs on at the server.
func (s *Step) exclusively(ctx context.Context, wait time.Duration, work func(x *session) error) error {
	x, err := s.connect(ctx, true)
	if err != nil {
		return err
	}
	if err := x.lock(ctx, wait); err != nil {
		return errors.Join(err, x.close())
	}
	err = work(x)
	if ctx.Err() != nil {
		return errors.Join(err, x.quiet(ctx))
	}
	_ = x.close() // the lock goes with it
	return err
}

// refused is a failure that another attempt would not mend.
func refused(format string, args ...any) error {
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Errorf(format, args...).Error(), Final: true}
}

// up brings the pending migrations about.
func (x *session) up(ctx context.Context, a ripcord.Attempt, set *migration.Set, st state) error {
	b, err := x.book(set)
	if err != nil {
		return err
	}
	pending := x.pending(set, st)
	for len(pending) > 0 {
		n := x.together(pending)
		if n > 0 {
			err = x.inTransaction(ctx, a, b, pending[:n])
		} else {
			n = 1
			err = x.apart(ctx, a, b, pending[0], st)
		}
		if err != nil {
			return err
		}
		pending = pending[n:]
	}
	return nil
}

// together is how many of the migrations can share one transaction.
func (x *session) together(pending []migration.Migration) int {
	if !migration.Transactional(x.kind) {
		return 0
	}
	for n, m := range pending {
		if m.Up.Apart {
			return n
		}
	}
	return len(pending)
}

// inTransaction brings several migrations about, all or none.
func (x *session) inTransaction(ctx context.Context, a ripcord.Attempt, b book, all []migration.Migration) error {
	return x.transact(ctx, func(on querier) error {
		if err := errors.Join(b.make(ctx, on), x.makeNotes(ctx, on)); err != nil {
			return x.failed(err, "the tables that versions are written down in")
		}
		for _, m := range all {
			began := x.scope.Now()
			for i, statement := range m.Up.Statements {
				if err := x.exec(ctx, on, statement.Text); err != nil {
					return x.broke(ctx, err, m, m.Up, i, "all of it was taken back with its transaction, nothing is changed")
				}
			}
			if err := errors.Join(b.add(ctx, on, m.Version), x.write(ctx, on, noteOf(m))); err != nil {
				return x.failed(err, "writing down version "+strconv.FormatInt(m.Version, 10))
			}
			if err := x.baseline(ctx, on, a, m); err != nil {
				return err
			}
			say(a, "%s: %s in %s", title(m), counted(len(m.Up.Statements)), x.scope.Now().Sub(began).Round(time.Millisecond))
		}
		return nil
	})
}

// noteOf is the note of a migration that is there.
func noteOf(m migration.Migration) note {
	return note{version: m.Version, digest: m.Digest, up: len(m.Up.Statements), all: len(m.Up.Statements), begun: finished}
}

// transact works in one transaction.
func (x *session) transact(ctx context.Context, work func(on querier) error) error {
	tx, err := x.conn.BeginTx(ctx, nil)
	if err != nil {
		return x.wrong("begins no transaction", err)
	}
	if err := work(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return x.failed(err, "the end of the transaction")
	}
	return nil
}

// failed is the failure of something else than a migration's statement.
func (x *session) failed(err error, what string) error {
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: x.wrong("refused "+what, err).Error()}
}

// broke is the failure of a migration's statement.
func (x *session) broke(ctx context.Context, err error, m migration.Migration, script migration.Script, i int, then string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	statement := script.Statements[i]
	failure := &ripcord.Failure{Class: ripcord.FailedTarget}
	failure.Summary = fmt.Sprintf("migration %s fails in statement %d of %d (%s line %d): %s", title(m), i+1, len(script.Statements), script.Path, statement.Line, x.hide(text(err)))
	if then != "" {
		failure.Summary += "; " + then
	}
	const most = 8
	for line := range strings.Lines(statement.Text) {
		if line = strings.TrimRight(line, " \r\n"); len(failure.Lines) < most && line != "" {
			failure.Lines = append(failure.Lines, x.hide(line))
		}
	}
	failure.Lines = append(failure.Lines, x.hints(err)...)
	return failure
}

func title(m migration.Migration) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", m.Version, m.Name))
}

func counted(n int) string {
	if n == 1 {
		return "1 statement"
	}
	return fmt.Sprintf("%d statements", n)
}

// say tells a line of the step's log.
func say(a ripcord.Attempt, format string, args ...any) {
	if a.Output != nil {
		_, _ = fmt.Fprintf(a.Output, format+"\n", args...) // a log that cannot be written stops nothing
	}
}
