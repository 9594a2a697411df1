package health_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dbserver"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// The password has what urls and servers read as something else.
const password = "p@:ss/wo#rd%41"

func address(scheme, password, port, name string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword("shop", password), Host: "127.0.0.1:" + port, Path: "/" + name}
	return u.String()
}

func asking(at, query string, equals *string) health.Settings {
	return health.Settings{SQL: &health.SQL{URL: at, Query: query, Equals: equals}}
}

// sqlCase is one question to a database and what must be said of the answer.
type sqlCase struct {
	name  string
	at    string
	query string
	want  *string
	says  string // in the bad answer; empty is well
}

func (c sqlCase) ask(t *testing.T, secrets adaptertest.Secrets) {
	t.Helper()
	err := ask(t, asking(c.at, c.query, c.want), secrets)
	switch {
	case c.says == "" && err != nil:
		t.Error(err)
	case c.says == "":
	case err == nil || !strings.Contains(err.Error(), c.says):
		t.Errorf("said %v, want %q", err, c.says)
	}
	if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), url.QueryEscape(password)) || strings.Contains(err.Error(), "s3cret")) {
		t.Errorf("the password is told: %v", err)
	}
}

func TestPostgres(t *testing.T) { //nolint:tparallel // the server is stopped after its subtests
	t.Parallel()
	server := dbserver.StartPostgres(t, password)
	port := server.Port
	at := address("postgres", password, port, "postgres")
	secrets := adaptertest.Secrets{"ORDERS_URL": at, "WRONG": address("postgresql", "s3cret", port, "postgres")}
	eventually(t, "postgres answers", func() error { return ask(t, asking(at, "", nil), nil) })
	for _, c := range []sqlCase{ //nolint:paralleltest // the server is stopped after its subtests
		{name: "select 1", at: "${secret:ORDERS_URL}"},
		{name: "a number", at: at, query: "select 41+1", want: new("42")},
		{name: "a truth", at: at, query: "select not pg_is_in_recovery()", want: new("true")},
		{name: "a fraction", at: at, query: "select 0.50::numeric", want: new("0.50")},
		{name: "another value", at: at, query: "select 2", want: new("1"), says: `select 2 returned "2", expected "1"`},
		{name: "no row", at: at, query: "select 1 where false", want: new("1"), says: "returned no row"},
		{name: "null", at: at, query: "select null", want: new("1"), says: `returned "NULL"`},
		{name: "no table", at: at, query: "select * from orders", says: `relation "orders" does not exist (SQLSTATE 42P01)`},
		{name: "it may not change", at: at, query: "create table t (n int)", says: "read-only transaction"},
		{name: "one statement", at: at, query: "rollback; create table t (n int)", says: "cannot insert multiple commands"},
		{name: "wrong password", at: "${secret:WRONG}", says: `password authentication failed for user "shop" (SQLSTATE 28P01)`},
		{name: "no database", at: address("postgres", password, port, "nothing"), says: `database "nothing" does not exist`},
		{name: "too slow", at: at, query: "select pg_sleep(60)", says: "no answer within"},
		{name: "broken url", at: "postgres://shop:s3cret@127.0.0.1:x/", says: "it cannot be opened"},
	} {
		t.Run(c.name, func(t *testing.T) { c.ask(t, secrets) })
	}
	server.Stop(syscall.SIGKILL)
	sqlCase{at: at, says: "does not answer: dial: connect: connection refused"}.ask(t, secrets)
}

func TestMariaDB(t *testing.T) { //nolint:tparallel // the server is stopped after its subtests
	t.Parallel()
	server := dbserver.StartMariaDB(t, password)
	port := server.Port
	at := address("mariadb", password, port, "orders")
	secrets := adaptertest.Secrets{"URL": at}
	eventually(t, "mariadb answers", func() error { return ask(t, asking(at, "select n from kept", nil), nil) })
	for _, c := range []sqlCase{ //nolint:paralleltest // the server is stopped after its subtests
		{name: "select 1", at: "${secret:URL}"},
		{name: "as the driver writes it", at: "shop:" + password + "@tcp(127.0.0.1:" + port + ")/orders"},
		{name: "with a setting", at: address("mysql", password, port, "orders") + "?timeout=2s"},
		{name: "a number", at: at, query: "select n from kept", want: new("7")},
		{name: "another value", at: at, query: "select n from kept", want: new("8"), says: `returned "7", expected "8"`},
		{name: "no table", at: at, query: "select * from gone", says: "doesn't exist (error 1146)"},
		{name: "it may not change", at: at, query: "insert into kept values (9)", says: "READ ONLY transaction"},
		{name: "one statement", at: at, query: "select 1; drop table kept", says: "error in your SQL syntax"},
		{name: "wrong password", at: address("mysql", "s3cret", port, "orders"), says: "Access denied for user 'shop'@'127.0.0.1'"},
		{name: "no database", at: address("mysql", password, port, "nothing"), says: "'nothing'"},
		{name: "too slow", at: at, query: "select sleep(60)", says: "no answer within"},
		{name: "unknown setting", at: at + "?tls=nonsense", says: "it cannot be opened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.at, "shop:") {
				s := asking(c.at, c.query, c.want)
				s.SQL.Driver = "mysql"
				if err := ask(t, s, secrets); err != nil {
					t.Error(err)
				}
				return
			}
			c.ask(t, secrets)
		})
	}
	sqlCase{at: at, query: "select n from kept", want: new("7")}.ask(t, secrets)
	server.Stop(syscall.SIGKILL)
	sqlCase{at: at, says: "does not answer: dial: connect: connection refused"}.ask(t, secrets)
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	scope := adaptertest.NewScope(t)
	k := health.Asker{Scope: scope, Step: "ready"}
	db, err := sql.Open("sqlite", filepath.Join(scope.Directory, "shop 50%.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), "create table orders (n int); insert into orders values (3)"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []sqlCase{
		{name: "count", at: "sqlite:shop 50%.db", query: "select count(*) from orders", want: new("1")},
		{name: "whole path", at: "sqlite://" + scope.Directory + "/shop 50%.db", query: "select n from orders", want: new("3")},
		{name: "it may not change", at: "sqlite:shop 50%.db", query: "insert into orders values (4) returning n", says: "readonly"},
		{name: "no file", at: "sqlite:gone.db", says: "no such file"},
		{name: "no table", at: "sqlite:shop 50%.db", query: "select * from gone", says: "no such table: gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := askIn(t, asking(c.at, c.query, c.want), k)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("said %v, want %q", err, c.says)
			}
		})
	}
}

func TestSQLRefused(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]health.SQL{
		"does not say which database":    {},
		"knows no driver":                {URL: "x", Driver: "oracle"},
		"the url begins with none of":    {URL: "oracle://x"},
		"the url begins with none of po": {URL: "127.0.0.1/orders"},
	} {
		set := health.Settings{SQL: &s}
		if err := set.Complete("check"); ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", s, err, want)
		}
	}
}

// FuzzDatabaseURL: no address makes us fall over, or tells its password.
func FuzzDatabaseURL(f *testing.F) {
	f.Add("postgres://shop:s3cretword@127.0.0.1:1/x?connect_timeout=1")
	f.Add("mysql://shop:s3cretword@127.0.0.1:1/x?tls=true")
	f.Add("shop:s3cretword@tcp(127.0.0.1:1)/x")
	f.Add("sqlite:x?mode=rw")
	f.Add("host=127.0.0.1 password=s3cretword")
	f.Fuzz(func(t *testing.T, at string) {
		set := asking(at, "", nil)
		if err := set.Complete("check"); err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Fatalf("%q: %v", at, err)
		}
		database.Passwords(at)
		_ = set.Describe()
	})
}
