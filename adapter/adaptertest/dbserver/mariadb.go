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
	words := fmt.Sprintf("create database if not exists orders;\ncreate user if not exists 'shop'@'127.0.0.1' identified by '%s';\ngrant all on *.* to 'shop'@'127.0.0.1' with grant option;\n"+
		"create table if not exists orders.kept (n int);\ninsert into orders.kept select 7 from dual where not exists (select * from orders.kept);\n", password)
	init := filepath.Join(s.Dir, "init.sql")
	err = os.WriteFile(init, []byte(words), 0o644) //nolint:gosec // the server's account must read it
	if err == nil {
		err = s.run(install, "--no-defaults", "--datadir="+s.Data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	}
	if err == nil {
		err = s.launch(func(port string) []string {
			return append([]string{
				mariadbd, "--no-defaults", "--datadir=" + s.Data, "--bind-address=127.0.0.1", "--port=" + port, "--socket=" + filepath.Join(s.Dir, "s"),
				"--pid-file=" + filepath.Join(s.Dir, "pid"), "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--init-file=" + init,
			}, args...)
		})
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Dir))
	}
	return s, nil
}
