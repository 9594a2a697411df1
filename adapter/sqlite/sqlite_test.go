package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/sqlite"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			adaptertest.RunData(t, adaptertest.DataConfig{New: func(t *testing.T) adaptertest.DataFixture {
				t.Helper()
				return fixture(t, mode)
			}})
		})
	}
}

func fixture(t *testing.T, mode string) adaptertest.DataFixture {
	t.Helper()
	scope := adaptertest.NewScope(t)
	path := filepath.Join(scope.Directory, "shop.db")
	db := open(t, path)
	do(t, db, `pragma journal_mode=`+mode, `create table orders (id integer primary key, item text)`, `create index items on orders (item)`,
		`create table "odd "" name" (a, b)`, `with recursive n (i) as (select 1 union all select i + 1 from n where i < 500) insert into orders select i, 'item ' || i from n`)
	full := filepath.Join(scope.Directory, "full.db")
	if err := os.WriteFile(full, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return adaptertest.DataFixture{
		Source: sqlite.New(), Settings: map[string]any{"url": "sqlite:shop.db"}, Scope: scope,
		// Asked over a connection that was there before: programs go on with it.
		Fingerprint: func(t *testing.T) string { t.Helper(); return all(t, open(t, path)) },
		Write: func(t *testing.T) {
			t.Helper()
			do(t, db, `insert into orders values (1000, 'new')`, `update orders set item = 'changed' where id < 4`, `delete from orders where id = 7`, `insert into "odd "" name" values (1, 2)`)
		},
		Lost: 5,
		Lose: func(t *testing.T) {
			t.Helper()
			_ = db.Close()
			for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
				_ = os.Remove(path + suffix)
			}
		},
		Elsewhere: "sqlite:new/copy.db", Full: "sqlite:full.db",
		Hold: func(t *testing.T) func() {
			t.Helper()
			conn, err := db.Conn(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), `begin immediate`); err != nil {
				t.Fatal(err)
			}
			return func() {
				_, _ = conn.ExecContext(context.Background(), `rollback`)
				_ = conn.Close()
			}
		},
		True: `select count(*) = 500 from orders`, False: `select 0`,
	}
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func all(t *testing.T, db *sql.DB) string {
	t.Helper()
	defer func() { _ = db.Close() }()
	var orders, odd, schema string
	err := db.QueryRowContext(t.Context(), `select (select group_concat(id || item) from orders), (select coalesce(group_concat(a || b), '') from "odd "" name"), (select group_concat(sql) from sqlite_master)`).Scan(&orders, &odd, &schema)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(orders, odd, schema)
}
