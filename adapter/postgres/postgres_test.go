package postgres_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/postgres"
)

var databases atomic.Int64

// fresh makes a database with something in it.
func fresh(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("orders_%d", databases.Add(1))
	do(t, server.URL(""), `create database `+name+` encoding 'SQL_ASCII' template template0`, `alter database `+name+` set work_mem to '5MB'`, `revoke connect on database `+name+` from public`)
	do(t, server.URL(name), `create schema "Odd"`, `create type state as enum ('new', 'sent')`,
		`create table orders (id int primary key, item text not null default 'x', state state)`, `create table "Odd"."the table" (a int references orders)`,
		`insert into orders select i, 'item ' || i, 'new' from generate_series(1, 500) i`, `create view sent as select * from orders where state = 'sent'`,
		`create index items on orders (item)`, `select lo_from_bytea(4711, 'a large object')`)
	return name
}

func do(t *testing.T, address string, statements ...string) {
	t.Helper()
	db := open(t, address)
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func open(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := database.Open(database.Postgres, address, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func text(t *testing.T, address, query string) string {
	t.Helper()
	db := open(t, address)
	defer func() { _ = db.Close() }()
	var s string
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func fixture(t *testing.T) adaptertest.DataFixture {
	t.Helper()
	name := fresh(t)
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"PASSWORD": url.PathEscape(password)}
	return adaptertest.DataFixture{
		Source: postgres.New(os.Environ), Scope: scope,
		Settings: map[string]any{"url": "postgres://shop:${secret:PASSWORD}@127.0.0.1:" + server.Port + "/" + name},
		Fingerprint: func(t *testing.T) string {
			t.Helper()
			return text(t, server.URL(name), `select (select md5(string_agg(id || item || state, ',' order by id)) from orders) || (select coalesce(sum(a), 0) from "Odd"."the table")
				|| convert_from(lo_get(4711), 'UTF8') || (select count(*) from sent)`) +
				text(t, server.URL(""), `select pg_encoding_to_char(encoding) || coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(datacl) a), '') || (select setconfig::text from pg_db_role_setting where setdatabase = d.oid) from pg_database d where datname = '`+name+`'`)
		},
		Write: func(t *testing.T) {
			t.Helper()
			do(t, server.URL(name), `insert into orders values (1000, 'new', 'sent')`, `update orders set item = 'changed' where id < 4`, `insert into "Odd"."the table" values (1)`)
		},
		Lost:      5,
		Lose:      func(t *testing.T) { t.Helper(); do(t, server.URL(""), `drop database `+name+` with (force)`) },
		Elsewhere: server.URL(name + "_copy"), Full: server.URL(fresh(t)),
		Hold: func(t *testing.T) func() {
			t.Helper()
			db := open(t, server.URL(name))
			if err := db.PingContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			return func() { _ = db.Close() }
		},
		True: `select count(*) = 500 from orders`, False: `select false`, Secrets: []string{password, url.PathEscape(password)},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	run := fixture
	adaptertest.RunData(t, adaptertest.DataConfig{New: func(t *testing.T) adaptertest.DataFixture {
		t.Helper()
		f := run(t)
		if strings.HasSuffix(t.Name(), "/lost") { // a lost database has lost its own settings and rights as well
			name := f.Settings["url"].(string)
			name = name[strings.LastIndexByte(name, '/')+1:]
			f.Fingerprint = func(t *testing.T) string {
				t.Helper()
				return text(t, server.URL(name), `select md5(string_agg(id || item || state, ',' order by id)) from orders`)
			}
		}
		return f
	}})
}

func opened(t *testing.T, address string) ripcord.Data {
	t.Helper()
	scope := adaptertest.NewScope(t)
	raw, err := json.Marshal(map[string]string{"url": address})
	if err != nil {
		t.Fatal(err)
	}
	data, err := postgres.New(os.Environ).Open(t.Context(), raw, scope)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// taker takes a stream and counts it.
type taker struct {
	after func(n int64)
	n     int64
}

func (s *taker) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	if s.after != nil {
		s.after(s.n)
	}
	return len(p), nil
}

func (s *taker) Stream(ctx context.Context, write func(ctx context.Context, w io.Writer) error) error {
	return write(ctx, s)
}

func (s *taker) Tree(context.Context, string, []byte) error { return errors.New("no folder") }

func TestWritesSinceAreCountedExactly(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	data, b := opened(t, server.URL(name)), adaptertest.NewBackup("one")
	if err := data.Backup(t.Context(), b, &taker{}); err != nil {
		t.Fatal(err)
	}
	do(t, server.URL(name), `insert into orders select i, 'new', 'sent' from generate_series(1001, 1037) i`, `update orders set item = 'y' where id <= 3`, `delete from orders where id = 500`)
	now, err := data.Look(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	was, is := b.View.Table("orders"), now.Table("orders")
	if now.Epoch != b.View.Epoch || is.Writes-was.Writes != 41 || is.Rows != 536 || was.Rows != 500 {
		t.Errorf("%+v %+v, epochs %q %q", was, is, b.View.Epoch, now.Epoch)
	}
}

func TestDumpThatFailsHalfWay(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	do(t, server.URL(name), `create table large as select i, repeat('x', 1000) from generate_series(1, 20000) i`)
	var ended atomic.Bool
	sink := &taker{after: func(n int64) {
		if n > 1<<20 && !ended.Swap(true) {
			do(t, server.URL(""), `select pg_terminate_backend(pid) from pg_stat_activity where datname = '`+name+`' and query like 'COPY%'`)
		}
	}}
	err := opened(t, server.URL(name)).Backup(t.Context(), adaptertest.NewBackup("half"), sink)
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || failure.Exit == nil || failure.Exit.Code == 0 || !strings.Contains(failure.Summary, "pg_dump failed") {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(fmt.Sprint(err), password) {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestARestoreCutShortBetweenItsRenames(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	do(t, server.URL(""), `alter database `+name+` rename to `+name+`_before_x`)
	_, err := opened(t, server.URL(name)).Look(t.Context(), true)
	e, ok := errors.AsType[*ripcord.Error](err)
	if !ok || e.Code != ripcord.CodeNotFound || !strings.Contains(e.Fix, `ALTER DATABASE "`+name+`_before_x" RENAME TO "`+name+`"`) {
		t.Errorf("%v", err)
	}
}

func TestPlainWordsBeforeAnyEffect(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	do(t, server.URL(""), `create role reader login password 'reads-only'`, `grant connect on database `+name+` to reader`)
	do(t, server.URL(name), `grant select on orders to reader`)
	as := func(account, database string) string {
		return "postgres://" + account + "@127.0.0.1:" + server.Port + "/" + database
	}
	tests := []struct{ name, address, want string }{
		{"wrong password", as("shop:wrong", name), "refuses the account shop"},
		{"no such database", as("shop:"+url.PathEscape(password), "nowhere"), "there is no database"},
		{"nobody listens", "postgres://shop:x@127.0.0.1:1/orders", "does not answer"},
		{"may not read", as("reader:reads-only", name), `the account reader may not read "Odd"."the table"`},
		{"no database", as("shop:x", ""), "names no database"},
		{"no url", "mysql://x/y", "is no URL of PostgreSQL"},
	}
	for _, test := range tests {
		_, err := opened(t, test.address).Look(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	do(t, server.URL(name), `grant select on "Odd"."the table" to reader`, `grant usage on schema "Odd" to reader`)
	_, err := opened(t, as("reader:reads-only", name)).Place(t.Context(), "20260102-030405-abcd", "")
	if err == nil || !strings.Contains(err.Error(), "may not create") {
		t.Errorf("without CREATEDB: %v", err)
	}
}
