package dbserver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// StartPostgres gives the test a PostgreSQL server with the superuser shop, whose
// password is as given; args are further settings, like "-c", "wal_level=replica".
func StartPostgres(t testing.TB, password string, args ...string) *Server {
	t.Helper()
	return forTest(t, NewPostgres, password, args)
}

// NewPostgres is StartPostgres for tests that share one; Remove ends it.
func NewPostgres(password string, args ...string) (*Server, error) {
	postgres, err := program("postgres", "/usr/lib/postgresql/*/bin/postgres", "postgresql")
	if err != nil {
		return nil, err
	}
	s := &Server{scheme: "postgres", password: password, database: "postgres", stopped: true, Bin: filepath.Dir(postgres)}
	if s.Dir, s.account, err = home("postgres"); err != nil {
		return nil, err
	}
	s.Data = filepath.Join(s.Dir, "data")
	secret := filepath.Join(s.Dir, "password")
	err = errors.Join(os.WriteFile(secret, []byte(password+"\n"), 0o600), os.Chown(secret, s.account.uid, s.account.gid))
	if err == nil {
		err = s.run(filepath.Join(s.Bin, "initdb"), "-D", s.Data, "-U", User, "--pwfile="+secret, "-A", "scram-sha-256", "-N", "-E", "UTF8", "--locale=C")
	}
	if err == nil {
		err = s.launch(func(port string) []string {
			return append([]string{postgres, "-D", s.Data, "-h", "127.0.0.1", "-p", port, "-c", "unix_socket_directories=", "-c", "fsync=off"}, args...)
		})
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Dir))
	}
	return s, nil
}
