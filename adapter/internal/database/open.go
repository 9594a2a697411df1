package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Options say how a database is opened.
type Options struct {
	// Directory is where the relative path of a SQLite file begins.
	Directory string
	// Dial connects to a server; nil connects from here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Write allows changes to a SQLite file; without it there are none.
	Write bool
}

// Open makes a handle; no server is connected to yet. A SQLite file must be there.
func Open(kind, address string, o Options) (*sql.DB, error) {
	switch kind {
	case Postgres:
		config, err := pgx.ParseConfig(address)
		if err != nil {
			return nil, err
		}
		// One statement, and nothing that a pooler in between would have to remember.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		if o.Dial != nil {
			config.DialFunc = o.Dial
		}
		return stdlib.OpenDB(*config), nil
	case MySQL:
		config, err := MySQLConfig(address)
		if err != nil {
			return nil, err
		}
		if o.Dial != nil {
			config.DialFunc = o.Dial
		}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	return openSQLite(address, o)
}

// MySQLConfig reads mysql://user:password@host:port/name?setting=value, or what
// the driver itself reads.
func MySQLConfig(address string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" {
		config, err := mysql.ParseDSN(address)
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

// openSQLite opens a file that is there.
func openSQLite(address string, o Options) (*sql.DB, error) {
	path := File(address, o.Directory)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	query := "mode=ro&_pragma=query_only(1)"
	if o.Write {
		query = "mode=rw&_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
	}
	// The driver takes what follows a scheme as it stands, up to a question mark.
	name := url.URL{Scheme: "file", Path: path, RawQuery: query}
	return sql.Open("sqlite", name.String())
}
