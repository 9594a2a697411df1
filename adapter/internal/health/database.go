package health

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openSQL makes a handle; nothing is connected yet.
func (k Asker) openSQL(driver, at string) (*sql.DB, error) {
	switch driver {
	case "postgres":
		config, err := pgx.ParseConfig(at)
		if err != nil {
			return nil, err
		}
		// One statement, and nothing that a pooler in between would have to remember.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		if k.Dial != nil {
			config.DialFunc = k.Dial
		}
		return stdlib.OpenDB(*config), nil
	case "mysql":
		config, err := mysqlConfig(at)
		if err != nil {
			return nil, err
		}
		if k.Dial != nil {
			config.DialFunc = k.Dial
		}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	return k.openSQLite(at)
}

// mysqlConfig reads mysql://user:password@host:port/name?setting=value, or what
// the driver itself reads.
func mysqlConfig(at string) (*mysql.Config, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" {
		config, err := mysql.ParseDSN(at)
		if err != nil {
			return nil, err
		}
		config.Logger = &mysql.NopLogger{}
		return config, nil
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = u.User.Username(), "tcp", u.Host
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	if socket := u.Query().Get("socket"); socket != "" {
		config.Net, config.Addr = "unix", socket
	} else if u.Port() == "" {
		config.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	settings := u.Query()
	settings.Del("socket")
	if len(settings) > 0 {
		// The driver knows its settings by reading them.
		text := config.FormatDSN()
		join := "?"
		if strings.Contains(text[strings.LastIndexByte(text, '/'):], "?") {
			join = "&"
		}
		if config, err = mysql.ParseDSN(text + join + settings.Encode()); err != nil {
			return nil, err
		}
	}
	config.Logger = &mysql.NopLogger{}
	return config, nil
}

// openSQLite opens a file that is there, for reading.
func (k Asker) openSQLite(at string) (*sql.DB, error) {
	path, _, _ := strings.Cut(at, "?")
	for _, scheme := range []string{"sqlite:", "file:"} {
		path = strings.TrimPrefix(path, scheme)
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(k.Scope.Directory, path)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	// The driver takes what follows a scheme as it stands, up to a question mark.
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=query_only(1)"}
	return sql.Open("sqlite", name.String())
}

// passwords are the passwords that an address holds, also as they stand in it.
func passwords(at string) []string {
	var found []string
	if u, err := url.Parse(at); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			_, raw, _ := strings.Cut(u.User.String(), ":")
			found = append(found, password, raw, url.QueryEscape(password))
		}
		found = append(found, u.Query()["password"]...)
	}
	if config, err := mysql.ParseDSN(at); err == nil {
		found = append(found, config.Passwd)
	}
	if config, err := pgconn.ParseConfig(at); err == nil && strings.Contains(at, config.Password) {
		found = append(found, config.Password)
	}
	return found
}

// sqlFailed says what a database refused, or that it does not answer.
func sqlFailed(err error, secrets []string) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		answer := bad(op, secrets)
		answer.Text = "does not answer: " + answer.Text
		return answer
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return bad(dns, secrets)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, mysql.ErrInvalidConn) {
		return &AnswerError{Text: "does not answer: the connection was closed", err: err}
	}
	return &AnswerError{Text: hide(sqlText(err), secrets), err: err}
}

// sqlText is what a database said, in one line.
func sqlText(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("%s (SQLSTATE %s)", oneLine(said.Message), said.Code)
	}
	if said, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return fmt.Sprintf("%s (error %d)", oneLine(said.Message), said.Number)
	}
	return oneLine(err.Error())
}
