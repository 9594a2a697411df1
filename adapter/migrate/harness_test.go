package migrate_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dbserver"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/migrate"
)

const password = "pass-word-1"

// servers are shared by all tests; each has a database of its own.
type servers struct {
	once   map[string]func() (*dbserver.Server, error)
	number atomic.Int64
}

var shared = newServers() // a server takes seconds to start

func newServers() *servers {
	return &servers{once: map[string]func() (*dbserver.Server, error){
		database.Postgres: sync.OnceValues(func() (*dbserver.Server, error) { return dbserver.NewPostgres(password) }),
		database.MySQL:    sync.OnceValues(func() (*dbserver.Server, error) { return dbserver.NewMariaDB(password) }),
	}}
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, start := range shared.once {
		if s, err := start(); err == nil {
			s.Remove()
		}
	}
	os.Exit(code)
}

// world is a database of the test's own, and a folder with migrations.
type world struct {
	*testing.T
	kind   string
	url    string
	db     *sql.DB
	scope  ripcord.Scope
	server *dbserver.Server
	name   string
}

// newWorld makes one that has a table orders with two rows.
func newWorld(t *testing.T, kind string) *world {
	t.Helper()
	w := &world{T: t, kind: kind, scope: adaptertest.NewScope(t)}
	if err := os.Remove(w.scope.Bundle); err != nil {
		t.Fatal(err)
	}
	w.name = fmt.Sprintf("w%d", shared.number.Add(1))
	if kind == database.SQLite {
		w.url = "sqlite:" + filepath.Join(w.scope.Directory, "shop.db")
		if err := os.WriteFile(filepath.Join(w.scope.Directory, "shop.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		server, err := shared.once[kind]()
		if err != nil {
			t.Fatal(err)
		}
		w.server = server
		w.url = server.URL(w.name)
		admin := open(t, kind, server.URL(""))
		run(t, admin, "create database "+w.name)
		t.Cleanup(func() {
			force := ""
			if kind == database.Postgres {
				force = " with (force)"
			}
			run(t, admin, "drop database "+w.name+force)
			_ = admin.Close()
		})
	}
	w.db = open(t, kind, w.url)
	t.Cleanup(func() { _ = w.db.Close() })
	w.run("create table orders (id int primary key, item varchar(40) not null)")
	w.run("insert into orders values (1, 'tea'), (2, 'milk')")
	w.scope.Secrets = adaptertest.Secrets{"URL": w.url}
	return w
}

func open(t *testing.T, kind, url string) *sql.DB {
	t.Helper()
	db, err := database.Open(kind, url, database.Options{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func run(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func (w *world) run(text string) { w.Helper(); run(w.T, w.db, text) }

// put writes migrations, by file name.
func (w *world) put(files map[string]string) {
	w.Helper()
	for name, text := range files {
		path := filepath.Join(w.scope.Directory, "migrations", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			w.Fatal(err)
		}
	}
}

// spec is a migrate step on the world.
func (w *world) spec(more map[string]any) ripcord.StepSpec {
	w.Helper()
	settings := map[string]any{"database": "orders", "driver": w.kind, "url": "${secret:URL}", "directory": "migrations"}
	maps.Copy(settings, more)
	data, err := json.Marshal(settings)
	if err != nil {
		w.Fatal(err)
	}
	return ripcord.StepSpec{ID: "migrate-orders", Kind: "migrate", Adapter: migrate.Kind, Settings: data}
}

func (w *world) step(more map[string]any) *migrate.Step {
	w.Helper()
	step, err := migrate.New().Open(w.Context(), w.spec(more), w.scope)
	if err != nil {
		w.Fatal(err)
	}
	return step.(*migrate.Step)
}

// begin checks a step and returns the journal of its run.
func (w *world) begin(step ripcord.Step) *adaptertest.Journal {
	w.Helper()
	seen, err := step.Check(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return adaptertest.NewJournal("run-1/migrate-orders", seen)
}

// volatile are lines of dumps that say nothing about a world.
var volatile = regexp.MustCompile(`^(--.*|\\(un)?restrict .*|SELECT pg_catalog.setval\('public.goose_db_version_id_seq'.*|/\*M?!.*|)$`)

// fingerprint is all of the database, as its own program dumps it.
func (w *world) fingerprint() string {
	w.Helper()
	var c *exec.Cmd
	switch w.kind {
	case database.SQLite:
		return w.sqlite()
	case database.Postgres:
		c = exec.Command(filepath.Join(w.server.Bin, "pg_dump"), "--exclude-table-data=goose_db_version", w.url)
	default:
		c = exec.Command(filepath.Join(w.server.Bin, "mariadb-dump"), "-h127.0.0.1", "-P"+w.server.Port, "-u"+dbserver.User, "-p"+password,
			"--skip-comments", "--skip-dump-date", "--compact", "--routines", "--triggers", "--ignore-table-data="+w.name+".goose_db_version", w.name)
	}
	var wrong bytes.Buffer
	c.Stderr = &wrong
	out, err := c.Output()
	if err != nil {
		w.Fatalf("%v: %s", err, &wrong)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = regexp.MustCompile(` AUTO_INCREMENT=\d+`).ReplaceAllString(strings.TrimRight(line, "\n"), "")
		if !volatile.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// sqlite is all of a SQLite database, the words of definitions in order.
func (w *world) sqlite() string {
	w.Helper()
	var all []string
	for _, row := range w.rows("select name, coalesce(sql, '') from sqlite_schema where name not like 'sqlite_%' order by name") {
		all = append(all, strings.Join(strings.Fields(row), " "))
		if name, text, _ := strings.Cut(row, "|"); strings.HasPrefix(strings.ToLower(text), "create table") && name != "goose_db_version" {
			all = append(all, w.rows("select * from "+name)...)
		}
	}
	return strings.Join(all, "\n")
}

// rows are a query's rows as text.
func (w *world) rows(query string) []string {
	w.Helper()
	rows, err := w.db.QueryContext(context.WithoutCancel(w.Context()), query)
	if err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		w.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		if err := rows.Scan(values...); err != nil {
			w.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, v.(*sql.NullString).String)
		}
		all = append(all, strings.Join(texts, "|"))
	}
	if rows.Err() != nil {
		w.Fatal(rows.Err())
	}
	return all
}

// versions are those that goose's table has.
func (w *world) versions() []string {
	w.Helper()
	all := w.rows("select version_id from goose_db_version where version_id > 0 order by version_id")
	return slices.Clip(all)
}
