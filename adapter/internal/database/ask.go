package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Querier is a connection, a transaction or a pool.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Ask asks a question whose first value must be true: a boolean, or a number other
// than zero. The answer is for people.
func Ask(ctx context.Context, db Querier, query string) (well bool, answer string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return false, "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if !rows.Next() {
		return false, "no row", rows.Err()
	}
	columns, err := rows.Columns()
	if err != nil || len(columns) == 0 {
		return false, "no column", err
	}
	into := make([]any, len(columns))
	for i := range into {
		into[i] = new(any)
	}
	if err := rows.Scan(into...); err != nil {
		return false, "", err
	}
	answer = text(*into[0].(*any)) //nolint:forcetypeassert // made above
	switch strings.ToLower(answer) {
	case "true", "t", "yes", "1":
		return true, answer, rows.Err()
	}
	number := strings.Trim(answer, "0123456789.") == "" && strings.Trim(answer, "0.") != ""
	return number, answer, rows.Err()
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

// Texts reads rows of texts; NULL is empty.
func Texts(ctx context.Context, db Querier, query string, args ...any) (all [][]string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range into {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i := range row {
			row[i] = values[i].String
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Number reads one whole number.
func Number(ctx context.Context, db Querier, query string, args ...any) (n int64, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		err = rows.Scan(&n)
	}
	return n, errors.Join(err, rows.Err())
}
