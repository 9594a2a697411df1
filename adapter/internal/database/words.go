package database

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// Text is what a database said, in one line. It may hold secrets.
func Text(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("%s (SQLSTATE %s)", firstLine(said.Message), said.Code)
	}
	if said, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return fmt.Sprintf("%s (error %d)", firstLine(said.Message), said.Number)
	}
	return firstLine(err.Error())
}

// Silent reports whether there was no answer: nobody listens, or the connection
// was lost.
func Silent(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	_, name := errors.AsType[*net.DNSError](err)
	return network || name || Closed(err)
}

// Closed reports whether the other side closed the connection.
func Closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, mysql.ErrInvalidConn)
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
