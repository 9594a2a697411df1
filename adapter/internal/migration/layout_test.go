package migration_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

func folder(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fs
}

// summary is what a script holds, in a few words.
func summary(s migration.Script) string {
	var texts []string
	for _, one := range s.Statements {
		texts = append(texts, fmt.Sprintf("%d:%s", one.Line, one.Text))
	}
	how := "none"
	switch {
	case s.Given && s.Apart:
		how = "apart"
	case s.Given:
		how = "given"
	}
	return how + " " + strings.Join(texts, "|")
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files  map[string]string
		layout migration.Layout
		want   []string // version name up / down
	}{
		"goose": {map[string]string{
			"00002_b.sql": "-- +goose Up\n-- +goose StatementBegin\nselect 1; select 2;\n-- +goose StatementEnd\nselect 3;\n\n-- +goose Down\nselect 4;\n",
			"00001_a.sql": "-- a comment\n-- +goose NO TRANSACTION\n-- +goose Up\nvacuum;\n", "README.md": "",
		}, migration.Goose, []string{"1 a apart 4:vacuum / none ", "2 b given 3:select 1; select 2|5:select 3 / given 8:select 4"}},
		"golang-migrate": {map[string]string{
			"1_a.up.sql": "BEGIN;\ncreate table a (n int);\nCOMMIT;", "1_a.down.sql": "drop table a;", "20240102_b.up.sql": "create index concurrently i on a (n)",
		}, migration.GolangMigrate, []string{"1 a given 2:create table a (n int) / given 1:drop table a", "20240102 b apart 1:create index concurrently i on a (n) / none "}},
		"plain": {
			map[string]string{"1_a.sql": "select 1", "1_a.down.sql": "", "2-b.sql": "select 2"},
			migration.Plain,
			[]string{"1 a given 1:select 1 / given ", "2 b given 1:select 2 / none "},
		},
		"folders": {
			map[string]string{"up/001.sql": "select 1", "down/001.sql": "select 2"},
			migration.Plain,
			[]string{"1  given 1:select 1 / given 1:select 2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := migration.Read(folder(c.files), database.Postgres)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range set.Migrations {
				got = append(got, fmt.Sprintf("%d %s %s / %s", m.Version, m.Name, summary(m.Up), summary(m.Down)))
			}
			if diff := cmp.Diff(c.want, got); diff != "" || set.Layout != c.layout {
				t.Error(set.Layout, diff)
			}
		})
	}
}

func TestWrongFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty":             {map[string]string{"README.md": ""}, "there is no migration"},
		"one number twice":  {map[string]string{"1_a.sql": "", "01_b.sql": ""}, "01_b.sql and 1_a.sql have one number, 1"},
		"mixed":             {map[string]string{"1_a.up.sql": "", "2_b.sql": "-- +goose Up\n"}, "1_a.up.sql is of golang-migrate, 2_b.sql is of goose"},
		"no number":         {map[string]string{"note.sql": ""}, "note.sql has no number"},
		"number 0":          {map[string]string{"0_a.sql": ""}, "0 is no number of a migration"},
		"only down":         {map[string]string{"1_a.down.sql": ""}, "a way down, but none up"},
		"go":                {map[string]string{"1_a.go": ""}, "1_a.go is a migration in Go"},
		"syntax":            {map[string]string{"1_a.sql": "select 1;\nselect 'x"}, "1_a.sql: line 2: the text"},
		"commit inside":     {map[string]string{"1_a.sql": "select 1;\ncommit;\nselect 2"}, "1_a.sql: line 2: commit in the middle"},
		"not closed":        {map[string]string{"1_a.sql": "-- +goose Up\n-- +goose StatementBegin\nselect 1;"}, "StatementBegin without StatementEnd"},
		"unknown":           {map[string]string{"1_a.sql": "-- +goose Up\n-- +goose ENVSUB ON\nselect 1;"}, "line 2: `-- +goose envsub on` is not understood"},
		"before":            {map[string]string{"1_a.sql": "select 1;\n-- +goose Up\nselect 1;"}, "line 1: a statement before"},
		"two sections":      {map[string]string{"1_a.sql": "-- +goose Up\n-- +goose Up\n"}, "line 2: a second section up"},
		"too large numbers": {map[string]string{"99999999999999999999_a.sql": ""}, "is no number of a migration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := migration.Read(folder(c.files), database.Postgres); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("-- +goose Up\nselect 1;\n-- +goose Down\n-- +goose StatementBegin\nselect 2;\n-- +goose StatementEnd\n")
	f.Add("--+goose NO TRANSACTION\n-- +goose Up\nbegin; select 1; commit;")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range database.Kinds() {
			for _, name := range []string{"1_a.sql", "1_a.up.sql"} {
				set, err := migration.Read(folder(map[string]string{name: text}), kind)
				if err == nil && (len(set.Migrations) != 1 || !set.Migrations[0].Up.Given) {
					t.Fatalf("%+v of %q", set, text)
				}
			}
		}
	})
}
