package database

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// The kinds of database, as plan files name them. MySQL is MariaDB too.
const (
	Postgres = "postgres"
	MySQL    = "mysql"
	SQLite   = "sqlite"
)

// Kinds are all kinds.
func Kinds() []string { return []string{Postgres, MySQL, SQLite} }

// KindOf is the kind that an address names.
func KindOf(address string) (string, error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "postgres", "postgresql":
		return Postgres, nil
	case "mysql", "mariadb":
		return MySQL, nil
	case "sqlite", "file":
		return SQLite, nil
	}
	return "", errors.New("the url begins with none of postgres://, mysql://, mariadb://, sqlite:FILE")
}

// Name is the database for people: no account, no password.
func Name(kind, address string) string {
	if strings.Contains(address, "${") {
		return "database " + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		if path, ok := strings.CutPrefix(address, "sqlite:"); ok || kind == SQLite {
			return "database " + strings.TrimPrefix(path, "//")
		}
		return "the database"
	}
	return "database " + u.Host + u.Path
}

// File is the path of a SQLite database; a relative one lies in the directory.
func File(address, directory string) string {
	path, _, _ := strings.Cut(address, "?")
	for _, scheme := range []string{"sqlite:", "file:"} {
		path = strings.TrimPrefix(path, scheme)
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(directory, path)
	}
	return path
}

// Passwords are the passwords that an address holds, also as they stand in it.
func Passwords(address string) []string {
	var found []string
	if u, err := url.Parse(address); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			_, raw, _ := strings.Cut(u.User.String(), ":")
			found = append(found, password, raw, url.QueryEscape(password))
		}
		found = append(found, u.Query()["password"]...)
	}
	if config, err := mysql.ParseDSN(address); err == nil {
		found = append(found, config.Passwd)
	}
	if config, err := pgconn.ParseConfig(address); err == nil && strings.Contains(address, config.Password) {
		found = append(found, config.Password)
	}
	return found
}
