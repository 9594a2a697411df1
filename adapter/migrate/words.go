package migrate

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// text is what a database said; that somebody else holds a lock, in plain words.
func text(err error) string {
	if waited(err) {
		return "somebody else holds a lock that it needs: " + database.Text(err)
	}
	return database.Text(err)
}

// waited reports whether a statement gave up waiting for a lock.
func waited(err error) bool {
	const lockTimeout = 1205 // ER_LOCK_WAIT_TIMEOUT
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Code == "55P03"
	}
	said, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && said.Number == lockTimeout
}

// hints are what PostgreSQL says beside its error.
func (x *session) hints(err error) []string {
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return nil
	}
	var lines []string
	for what, words := range map[string]string{"detail": said.Detail, "hint": said.Hint, "where": said.Where} {
		if words != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", what, x.hide(short(words))))
		}
	}
	return lines
}

// ignoreDone leaves out that a transaction had ended already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}
