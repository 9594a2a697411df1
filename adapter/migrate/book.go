package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	goose "github.com/pressly/goose/v3/database"

	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// book is where a database's versions are written down.
type book interface {
	table() string
	// read returns the versions that are there; none where there is no table.
	read(ctx context.Context, on querier) ([]int64, error)
	// make makes the table.
	make(ctx context.Context, on querier) error
	add(ctx context.Context, on querier, version int64) error
	remove(ctx context.Context, on querier, version int64) error
}

// book is the one that the layout goes with.
func (x *session) book(set *migration.Set) (book, error) {
	if set.Layout == migration.GolangMigrate {
		return &single{x: x, set: set, name: orElse(x.settings.Table, "schema_migrations")}, nil
	}
	dialect := map[string]goose.Dialect{database.Postgres: goose.DialectPostgres, database.MySQL: goose.DialectMySQL, database.SQLite: goose.DialectSQLite3}[x.kind]
	store, err := goose.NewStore(dialect, orElse(x.settings.Table, "goose_db_version"))
	return &list{x: x, store: store}, err
}

// list is goose's: a row for each version.
type list struct {
	x     *session
	store goose.Store
}

func (l *list) table() string { return l.store.Tablename() }

func (l *list) read(ctx context.Context, on querier) ([]int64, error) {
	there, err := l.x.hasTable(ctx, on, l.table())
	if err != nil || !there {
		return nil, err
	}
	rows, err := l.store.ListMigrations(ctx, on)
	if err != nil {
		return nil, err
	}
	var versions []int64
	seen := map[int64]bool{}
	for _, row := range rows { // newest first: what was said last counts
		if !seen[row.Version] && row.IsApplied && row.Version > 0 {
			versions = append(versions, row.Version)
		}
		seen[row.Version] = true
	}
	slices.Sort(versions)
	return versions, nil
}

func (l *list) make(ctx context.Context, on querier) error {
	there, err := l.x.hasTable(ctx, on, l.table())
	if err != nil || there {
		return err
	}
	if err := l.store.CreateVersionTable(ctx, on); err != nil {
		return err
	}
	return l.store.Insert(ctx, on, goose.InsertRequest{Version: 0}) // as goose does
}

func (l *list) add(ctx context.Context, on querier, version int64) error {
	return l.store.Insert(ctx, on, goose.InsertRequest{Version: version})
}

func (l *list) remove(ctx context.Context, on querier, version int64) error {
	return l.store.Delete(ctx, on, version)
}

// single is golang-migrate's: one row with the newest version, and whether it was
// left half-way.
type single struct {
	x    *session
	set  *migration.Set
	name string
}

// errDirty is a database that golang-migrate left half-way.
var errDirty = errors.New("golang-migrate has left it half-way")

func (s *single) table() string { return s.name }

func (s *single) read(ctx context.Context, on querier) ([]int64, error) {
	there, err := s.x.hasTable(ctx, on, s.name)
	if err != nil || !there {
		return nil, err
	}
	var newest int64
	var dirty bool
	err = on.QueryRowContext(ctx, "select version, dirty from "+s.name).Scan(&newest, &dirty)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case dirty:
		return nil, fmt.Errorf("%w, at version %d", errDirty, newest)
	}
	var versions []int64
	known := false
	for _, m := range s.set.Migrations {
		if m.Version <= newest {
			versions = append(versions, m.Version)
			known = known || m.Version == newest
		}
	}
	if !known {
		versions = append(versions, newest)
	}
	return versions, nil
}

func (s *single) make(ctx context.Context, on querier) error {
	_, err := on.ExecContext(ctx, "create table if not exists "+s.name+" (version bigint not null primary key, dirty boolean not null)")
	return err
}

func (s *single) add(ctx context.Context, on querier, version int64) error {
	return s.set1(ctx, on, version)
}

// remove goes to the version before.
func (s *single) remove(ctx context.Context, on querier, version int64) error {
	var before int64
	for _, m := range s.set.Migrations {
		if m.Version < version {
			before = m.Version
		}
	}
	return s.set1(ctx, on, before)
}

func (s *single) set1(ctx context.Context, on querier, version int64) error {
	if _, err := on.ExecContext(ctx, "delete from "+s.name); err != nil || version == 0 {
		return err
	}
	_, err := on.ExecContext(ctx, fmt.Sprintf("insert into %s (version, dirty) values (%d, %s)", s.name, version, s.x.no()))
	return err
}

// no is false, as the database writes it.
func (x *session) no() string {
	if x.kind == database.Postgres {
		return "false"
	}
	return "0"
}

// hasTable reports whether a table is there.
func (x *session) hasTable(ctx context.Context, on querier, name string) (there bool, err error) {
	var count int
	switch x.kind {
	case database.Postgres:
		err = on.QueryRowContext(ctx, "select count(to_regclass($1))", name).Scan(&count)
	case database.MySQL:
		schema, table := "", name
		if before, after, ok := strings.Cut(name, "."); ok {
			schema, table = before, after
		}
		err = on.QueryRowContext(ctx, "select count(*) from information_schema.tables where table_schema = if(? = '', database(), ?) and table_name = ?", schema, schema, table).Scan(&count)
	default:
		err = on.QueryRowContext(ctx, "select count(*) from sqlite_schema where type = 'table' and name = ?", name).Scan(&count)
	}
	return count > 0, err
}
