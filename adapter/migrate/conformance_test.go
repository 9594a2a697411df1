package migrate_test

import (
	"context"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/migrate"
)

// good are two migrations, as goose lays them out.
func good() map[string]string {
	return map[string]string{
		"00001_note.sql": "-- +goose Up\nalter table orders add column note varchar(40);\nupdate orders set note = 'none';\n-- +goose Down\nalter table orders drop column note;\n",
		"00002_items.sql": "-- +goose Up\ncreate table items (id int primary key, name varchar(40));\ncreate index items_name on items (name);\ninsert into items values (1, 'tea');\n" +
			"-- +goose Down\ndrop table items;\n",
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	// Whether a version is there already differs by kind, to be short.
	for kind, first := range map[string]bool{database.Postgres: false, database.MySQL: true, database.SQLite: true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				w := newWorld(t, kind)
				w.put(good())
				if !first {
					w.to(1)
				}
				return adaptertest.Fixture{
					Adapter: migrate.New(), Spec: w.spec(nil), Scope: w.scope, Secrets: []string{password},
					Fingerprint: func(t *testing.T) string { t.Helper(); return w.fingerprint() },
					Breaks: []adaptertest.Break{{
						Name:  "taken",
						Break: func(*testing.T) { w.run("create table items_name (n int)"); w.run("create table items (n int)") },
						Mend:  func(*testing.T) { w.run("drop table items"); w.run("drop table items_name") },
					}},
				}
			}})
		})
	}
}

// to brings the world to a version.
func (w *world) to(version int) {
	w.Helper()
	step := w.step(map[string]any{"to": version})
	if err := step.Apply(context.WithoutCancel(w.Context()), w.begin(step).Attempt(1)); err != nil {
		w.Fatal(err)
	}
}
