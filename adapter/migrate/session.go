package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// session is the one connection that everything happens on.
type session struct {
	*Step
	db   *sql.DB
	conn *sql.Conn
	kind string
	// secrets are what may show nowhere.
	secrets []string
	// id is the server's number of the connection, where it has one.
	id int64
	// locked: it holds the lock that only one migration of a database may hold.
	locked bool
}

// querier is a connection or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// connect opens a session that only reads unless write is set.
func (s *Step) connect(ctx context.Context, write bool) (*session, error) {
	at, secrets := s.settings.URL, []string(nil)
	if strings.Contains(at, "${secret:") && s.scope.Secrets != nil {
		var err error
		if at, secrets, err = s.scope.Secrets.Expand(ctx, at); err != nil {
			return nil, err
		}
	}
	x := &session{Step: s, kind: s.settings.Driver, secrets: append(secrets, database.Passwords(at)...)}
	var err error
	if x.db, err = database.Open(x.kind, at, database.Options{Directory: s.scope.Directory, Write: write}); err != nil {
		return nil, x.wrong("cannot be opened", err)
	}
	if x.conn, err = x.db.Conn(ctx); err != nil {
		return nil, errors.Join(x.wrong("does not answer", err), x.db.Close())
	}
	if err := x.prepare(ctx, write); err != nil {
		return nil, errors.Join(x.wrong("does not answer", err), x.close())
	}
	return x, nil
}

func (x *session) close() error { return errors.Join(x.conn.Close(), x.db.Close()) }

// prepare sets what holds for the whole session.
func (x *session) prepare(ctx context.Context, write bool) error {
	switch x.kind {
	case database.Postgres:
		if err := x.conn.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&x.id); err != nil {
			return err
		}
		// A server notices by itself when we are gone; those before 14 cannot.
		_, _ = x.conn.ExecContext(ctx, "set client_connection_check_interval = 1000")
		if !write {
			_, err := x.conn.ExecContext(ctx, "set default_transaction_read_only = on")
			return err
		}
		limits := fmt.Sprintf("set lock_timeout = %d; set statement_timeout = %d", x.settings.LockTimeout.Std().Milliseconds(), x.settings.StatementTimeout.Std().Milliseconds())
		return x.exec(ctx, x.conn, limits)
	case database.MySQL:
		if err := x.conn.QueryRowContext(ctx, "select connection_id()").Scan(&x.id); err != nil {
			return err
		}
		wait := max(1, int(x.settings.LockTimeout.Std()/time.Second))
		for _, text := range []string{fmt.Sprintf("set session lock_wait_timeout = %d", wait), fmt.Sprintf("set session innodb_lock_wait_timeout = %d", wait)} {
			if _, err := x.conn.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return x.statementTimeout(ctx)
	}
	if err := x.conn.PingContext(ctx); err != nil || !write {
		return err
	}
	_, err := x.conn.ExecContext(ctx, fmt.Sprintf("pragma busy_timeout = %d", x.settings.LockTimeout.Std().Milliseconds()))
	return err
}

// statementTimeout limits statements on MariaDB; MySQL can limit none but SELECT.
func (x *session) statementTimeout(ctx context.Context) error {
	if x.settings.StatementTimeout == 0 {
		return nil
	}
	var version string
	if err := x.conn.QueryRowContext(ctx, "select version()").Scan(&version); err != nil {
		return err
	}
	if !strings.Contains(version, "MariaDB") {
		return nil
	}
	_, err := x.conn.ExecContext(ctx, fmt.Sprintf("set session max_statement_time = %g", x.settings.StatementTimeout.Std().Seconds()))
	return err
}

// exec runs a statement of a migration.
func (x *session) exec(ctx context.Context, on querier, text string) error {
	if x.kind == database.Postgres {
		_, err := on.ExecContext(ctx, text, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	_, err := on.ExecContext(ctx, text)
	return err
}

// unknownError is the error of a database that could not be asked.
type unknownError struct{ text string }

func (e *unknownError) Error() string { return e.text }

// wrong says in plain words, without secrets, what went wrong with the database.
func (x *session) wrong(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s in time: %w", x.settings.name(), what, err)
	}
	return &unknownError{x.settings.name() + " " + what + ": " + x.hide(database.Text(err))}
}

func (x *session) hide(text string) string {
	for _, secret := range x.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
