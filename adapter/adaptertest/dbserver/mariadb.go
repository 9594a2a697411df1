package dbserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// StartMariaDB gives the test a MariaDB server with the account shop, which may do
// everything and whose password is as given, and the database orders with one table,
// kept; args are further settings, like "--max-connections=20".
func StartMariaDB(t testing.TB, password string, args ...string) *Server {
	t.Helper()
	return forTest(t, NewMariaDB, password, args)
}

// NewMariaDB is StartMariaDB for tests that share one; Remove ends it.
func NewMariaDB(password string, args ...string) (*Server, error) {
	mariadbd, errServer := program("mariadbd", "/usr/sbin/mariadbd", "mariadb-server")
	install, errInstall := program("mariadb-install-db", "/usr/bin/mariadb-install-db", "mariadb-server")
	if err := errors.Join(errServer, errInstall); err != nil {
		return nil, err
	}
	s := &Server{scheme: "mariadb", password: password, database: "orders", stopped: true, Bin: filepath.Dir(install)}
	var err error
	if s.Dir, s.account, err = home("mysql"); err != nil {
		return nil, err
	}
	s.Data = filepath.Join(s.Dir, "data")
	words := fmt.Sprintf("create database orders;\ncreate user 'shop'@'127.0.0.1' identified by '%s';\ngrant all on *.* to 'shop'@'127.0.0.1' with grant option;\n"+
		"create table orders.kept (n int);\ninsert into orders.kept values (7);\n", password)
	init := filepath.Join(s.Dir, "init.sql")
	err = os.WriteFile(init, []byte(words), 0o644) //nolint:gosec // the server's account must read it
	if err == nil {
		err = s.run(install, "--no-defaults", "--datadir="+s.Data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	}
	if err == nil {
		s.Port, err = freePort()
	}
	if err == nil {
		s.args = append([]string{
			mariadbd, "--no-defaults", "--datadir=" + s.Data, "--bind-address=127.0.0.1", "--port=" + s.Port, "--socket=" + filepath.Join(s.Dir, "s"),
			"--pid-file=" + filepath.Join(s.Dir, "pid"), "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
		}, args...)
		again := s.args
		s.args = append(append([]string{}, again...), "--init-file="+init)
		err = s.Launch()
		s.args = again
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Dir))
	}
	return s, nil
}
