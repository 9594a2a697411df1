package mysql_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/mysql"
)

var databases atomic.Int64

// fresh makes a database with something in it.
func fresh(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("orders_%d", databases.Add(1))
	do(t, server.URL(""), "create database "+name+" character set latin1")
	do(t, server.URL(name), "create table orders (id int primary key, item varchar(20) not null, photo blob, index items (item))", "create table `the table` (a int references orders (id))",
		"insert into orders select seq, concat('item ', seq), unhex('00ff0a27') from seq_1_to_500")
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
	db, err := database.Open(database.MySQL, address, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.RunData(t, adaptertest.DataConfig{New: func(t *testing.T) adaptertest.DataFixture {
		t.Helper()
		name := fresh(t)
		scope := adaptertest.NewScope(t)
		scope.Secrets = adaptertest.Secrets{"PASSWORD": url.PathEscape(password)}
		return adaptertest.DataFixture{
			Source: mysql.New(os.Environ), Scope: scope,
			Settings: map[string]any{"url": "mariadb://shop:${secret:PASSWORD}@127.0.0.1:" + server.Port + "/" + name},
			Fingerprint: func(t *testing.T) string {
				t.Helper()
				db := open(t, server.URL(name))
				defer func() { _ = db.Close() }()
				var s string
				err := db.QueryRowContext(t.Context(), "select concat((select md5(group_concat(id, item, hex(photo) order by id)) from orders), (select coalesce(sum(a), 0) from `the table`), @@character_set_database)").Scan(&s)
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
			Write: func(t *testing.T) {
				t.Helper()
				do(t, server.URL(name), "insert into orders values (1000, 'new', null)", "update orders set item = 'changed' where id < 4", "insert into `the table` values (1)")
			},
			Lost:      5,
			Lose:      func(t *testing.T) { t.Helper(); do(t, server.URL(""), "drop database "+name) },
			Elsewhere: server.URL(name + "_copy"), Full: server.URL(fresh(t)),
			Hold: func(t *testing.T) func() {
				t.Helper()
				db := open(t, server.URL(name))
				tx, err := db.BeginTx(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(t.Context(), "select * from orders limit 1"); err != nil {
					t.Fatal(err)
				}
				return func() { _ = tx.Rollback(); _ = db.Close() }
			},
			True: "select count(*) = 500 from orders", False: "select false", Secrets: []string{password, url.PathEscape(password)},
		}
	}})
}

func TestPlainWordsBeforeAnyEffect(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	tests := []struct{ address, want string }{
		{"mysql://shop:wrong@127.0.0.1:" + server.Port + "/" + name, "refuses the account shop"},
		{server.URL("nowhere"), "there is no database"},
		{"mysql://shop:x@127.0.0.1:1/orders", "does not answer"},
		{"mysql://shop:x@127.0.0.1", "names no database"},
	}
	for _, test := range tests {
		raw, err := json.Marshal(map[string]string{"url": test.address})
		if err != nil {
			t.Fatal(err)
		}
		data, err := mysql.New(os.Environ).Open(t.Context(), raw, adaptertest.NewScope(t))
		if err == nil {
			_, err = data.Look(t.Context(), true)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", test.want, err)
		}
	}
}

func TestAViewIsNotLost(t *testing.T) {
	t.Parallel()
	name := fresh(t)
	do(t, server.URL(name), "create view sent as select * from orders")
	raw, err := json.Marshal(map[string]string{"url": server.URL(name)})
	if err != nil {
		t.Fatal(err)
	}
	data, err := mysql.New(os.Environ).Open(t.Context(), raw, adaptertest.NewScope(t))
	if err != nil {
		t.Fatal(err)
	}
	place, err := data.Place(t.Context(), "20260102-030405-abcd", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = place.Drop(context.Background()) }()
	_, err = data.Exchange(t.Context(), place, ripcord.Exchange{ID: "20260102-030405-abcd"})
	if err == nil || !strings.Contains(err.Error(), "the view sent") {
		t.Errorf("%v", err)
	}
}
