package health

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// SQL asks a database a question that changes nothing.
type SQL struct {
	// URL is where it is, with the account: postgres://, mysql://, mariadb:// or
	// sqlite:FILE, the file relative to the plan file's folder.
	URL string `json:"url"`
	// Driver says what URL is where it does not say so itself: postgres, mysql or
	// sqlite.
	Driver string `json:"driver"`
	// Query is what is asked; empty is "select 1".
	Query string `json:"query"`
	// Equals is what the first column of the first row must be, as text. Unset,
	// any answer is good.
	Equals *string `json:"equals"`
}

// sqlValueLimit is how much of a value is quoted, in bytes.
const sqlValueLimit = 200

// query is the question.
func (s *SQL) query() string {
	if s.Query == "" {
		return "select 1"
	}
	return s.Query
}

// name is the database for people: no account, no password.
func (s *SQL) name() string { return database.Name(s.Driver, s.URL) }

func (s *SQL) complete(kind string) error {
	switch {
	case s.URL == "":
		return ripcord.Errorf(ripcord.CodePlan, "%s: sql does not say which database", kind).WithFix(`add url: "${secret:DATABASE_URL}"`)
	case s.Driver != "" && !slices.Contains(database.Kinds(), s.Driver):
		return ripcord.Errorf(ripcord.CodePlan, "%s: sql knows no driver %q", kind, s.Driver).WithFix("use one of %s", strings.Join(database.Kinds(), ", "))
	case open(s.URL) || s.Driver != "":
		return nil
	}
	if _, err := database.KindOf(s.URL); err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "%s: sql: %w", kind, err).WithFix("write it like postgres://shop@127.0.0.1:5432/orders, and the password as ${secret:NAME}")
	}
	return nil
}

// sql asks once, over a connection of its own.
func (k Asker) sql(ctx context.Context, s Settings) error {
	at, secrets, err := k.expand(ctx, s.SQL.URL)
	if err != nil {
		return err
	}
	query, more, err := k.expand(ctx, s.SQL.query())
	if err != nil {
		return err
	}
	secrets = append(append(secrets, more...), database.Passwords(at)...)
	driver := s.SQL.Driver
	if driver == "" {
		if driver, err = database.KindOf(at); err != nil {
			return &AnswerError{Text: err.Error(), err: err}
		}
	}
	db, err := database.Open(driver, at, database.Options{Directory: k.Scope.Directory, Dial: k.Dial})
	if err != nil {
		return &AnswerError{Text: "it cannot be opened: " + hide(oneLine(database.Text(err)), secrets), err: err}
	}
	defer func() { _ = db.Close() }() // nothing was changed
	db.SetMaxOpenConns(1)
	value, rows, err := firstValue(ctx, db, query)
	if err != nil {
		return sqlFailed(err, secrets)
	}
	if s.SQL.Equals == nil {
		return nil
	}
	want, more, err := k.expand(ctx, *s.SQL.Equals)
	if err != nil {
		return err
	}
	secrets = append(secrets, more...)
	switch {
	case !rows:
		return &AnswerError{Text: fmt.Sprintf("%s returned no row, expected %q", hide(oneLine(query), secrets), hide(want, secrets))}
	case value != want:
		return &AnswerError{Text: fmt.Sprintf("%s returned %q, expected %q", hide(oneLine(query), secrets), hide(cut(value, sqlValueLimit), secrets), hide(want, secrets))}
	}
	return nil
}

// firstValue reads the first column of the first row, as text. The transaction
// may only read, and is not committed.
func firstValue(ctx context.Context, db *sql.DB, query string) (value string, found bool, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return "", false, err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return "", false, rows.Err()
	}
	columns, err := rows.Columns()
	if err != nil || len(columns) == 0 {
		return "", false, errors.Join(err, rows.Err())
	}
	into := make([]any, len(columns))
	for i := range into {
		into[i] = new(any)
	}
	if err := rows.Scan(into...); err != nil {
		return "", false, err
	}
	return written(*into[0].(*any)), true, rows.Err() //nolint:forcetypeassert // made above
}

// written is a value as people and the plan file write it.
func written(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value)
}
