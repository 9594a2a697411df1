package backup_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/backup"
	"github.com/ripcord-dev/ripcord/adapter/kopia"
	"github.com/ripcord-dev/ripcord/adapter/sqlite"
)

const password = "s3cret-of-the-repository"

// lab is a database, and a repository that does not exist yet.
type lab struct {
	adapter    *backup.Adapter
	scope      ripcord.Scope
	raw        json.RawMessage
	db         string
	repository string
}

func newLab(t *testing.T) lab {
	t.Helper()
	scope := adaptertest.NewScope(t)
	scope.Secrets = adaptertest.Secrets{"PASSWORD": password}
	l := lab{adapter: backup.New(kopia.New(), sqlite.New()), scope: scope, db: filepath.Join(scope.Directory, "shop.db"), repository: filepath.Join(scope.Directory, "repository")}
	l.do(t, `create table orders (id integer primary key, item text)`, `insert into orders values (1, 'a'), (2, 'b'), (3, 'c')`)
	raw, err := json.Marshal(map[string]any{
		"name": "orders", "data_source": "sqlite", "data": map[string]string{"url": "shop.db"},
		"repository": map[string]string{"directory": "repository", "password": "${secret:PASSWORD}"},
		"checks":     []string{"select count(*) >= 3 from orders"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.raw = raw
	return l
}

func (l lab) do(t *testing.T, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+l.db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Config{
		Without: map[adaptertest.Part]string{
			adaptertest.PartUndo: "a backup stays", adaptertest.PartUndoAgain: "a backup stays",
			adaptertest.PartChange: "a backup changes nothing of the application",
		},
		New: func(t *testing.T) adaptertest.Fixture {
			t.Helper()
			l := newLab(t)
			return adaptertest.Fixture{
				Adapter: l.adapter, Scope: l.scope, Secrets: []string{password},
				Spec: ripcord.StepSpec{ID: "backup-orders", Kind: "backup", Adapter: backup.Kind, Settings: l.raw},
				Fingerprint: func(t *testing.T) string {
					t.Helper()
					data, err := os.ReadFile(l.db)
					if err != nil {
						t.Fatal(err)
					}
					return string(data)
				},
				Breaks: []adaptertest.Break{{
					Name:  "a file where the repository belongs",
					Break: func(t *testing.T) { t.Helper(); must(t, os.WriteFile(l.repository, nil, 0o600)) },
					Mend:  func(t *testing.T) { t.Helper(); must(t, os.Remove(l.repository)) },
				}},
			}
		},
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
