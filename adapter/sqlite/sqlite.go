// Package sqlite backs up and restores SQLite databases while they are in use: with
// SQLite's own backup interface, which copies page by page as of one moment.
package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Kind is the name of the data source.
const Kind = database.SQLite

// Source opens databases.
type Source struct{}

// New returns the data source.
func New() *Source { return &Source{} }

// Kind implements ripcord.DataSource.
func (*Source) Kind() string { return Kind }

// settings say which database.
type settings struct {
	// URL is its file; it may hold ${secret:NAME}.
	URL string `json:"url"`
}

// Open implements ripcord.DataSource.
func (*Source) Open(_ context.Context, raw json.RawMessage, scope ripcord.Scope) (ripcord.Data, error) {
	var set settings
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "sqlite: settings: %w", err).WithFix("use url")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "sqlite: settings: more than one value")
	}
	if set.URL == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "sqlite: no file is given").WithFix("add the path of the database")
	}
	return &Data{set: set, scope: scope}, nil
}

// Data is one database.
type Data struct {
	set   settings
	scope ripcord.Scope
}

// Name implements ripcord.Data.
func (d *Data) Name() string {
	if strings.Contains(d.set.URL, "${") {
		return database.Name(Kind, d.set.URL)
	}
	return "database " + database.File(d.set.URL, d.scope.Directory)
}

// path is the database's file.
func (d *Data) path(ctx context.Context) (string, error) {
	url, _, err := d.scope.Secrets.Expand(ctx, d.set.URL)
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "the file of %s is not known: %w", d.Name(), err)
	}
	return database.File(url, d.scope.Directory), nil
}

// file is one database file.
type file struct {
	path string
	// ours says that nobody else has it open: it is opened so that nothing is left
	// beside it.
	ours bool
}

func (d *Data) file(ctx context.Context) (*file, error) {
	path, err := d.path(ctx)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no database %s", path).WithFix("look at its path in the plan file")
	case err != nil:
		return nil, ripcord.Errorf(ripcord.CodePlan, "the database cannot be read: %w", err).WithFix("run as a user who may read it")
	case !info.Mode().IsRegular():
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s is no file", path).WithFix("name the database's file")
	}
	return &file{path: path}, nil
}

// open opens the file for reading, or for writing as well.
func (f *file) open(write bool) (*sql.DB, error) {
	db, err := database.Open(Kind, f.path, database.Options{Write: write || f.ours})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// refused says in plain words what SQLite says.
func (f *file) refused(err error) error {
	text := database.Text(err)
	switch {
	case strings.Contains(text, "not a database"), strings.Contains(text, "malformed"):
		return ripcord.Errorf(ripcord.CodePlan, "%s is damaged, or no SQLite database: %s", f.path, text).
			WithFix("bring back a good one: ripcord backup restore")
	case strings.Contains(text, "locked"), strings.Contains(text, "busy"):
		return ripcord.Errorf(ripcord.CodeRefused, "%s is locked by somebody who is writing to it: %s", f.path, text).
			WithFix("end what writes to it, then try again")
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s: %s", f.path, text)
}

// look looks at the file.
func (f *file) look(ctx context.Context, count bool) (v ripcord.DataView, err error) {
	db, err := f.open(false)
	if err != nil {
		return v, f.refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // all of one moment
	if err != nil {
		return v, f.refused(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was changed
	defined, err := database.Texts(ctx, tx, `select type, name, tbl_name, sql from sqlite_master order by type, name`)
	if err != nil {
		return v, f.refused(err)
	}
	version, err := database.Texts(ctx, tx, `select sqlite_version()`)
	if err != nil {
		return v, f.refused(err)
	}
	v.Tool, v.Server = "SQLite "+version[0][0], "SQLite "+version[0][0]
	if v.Bytes, err = database.Number(ctx, tx, `select page_count * page_size from pragma_page_count(), pragma_page_size()`); err != nil {
		return v, f.refused(err)
	}
	sum := sha256.New()
	for _, d := range defined {
		_, _ = fmt.Fprintf(sum, "%q\n", d)
		if !count || d[0] != "table" || strings.HasPrefix(d[1], "sqlite_") || strings.HasPrefix(strings.ToLower(d[3]), "create virtual") {
			continue
		}
		rows, err := database.Number(ctx, tx, `select count(*) from `+quoted(d[1]))
		if err != nil {
			return v, f.refused(err)
		}
		v.Tables = append(v.Tables, ripcord.TableView{Name: d[1], Rows: rows})
	}
	v.Exact, v.Schema = true, hex.EncodeToString(sum.Sum(nil)[:16])
	return v, nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Look implements ripcord.Data.
func (d *Data) Look(ctx context.Context, count bool) (ripcord.DataView, error) {
	f, err := d.file(ctx)
	if err != nil {
		return ripcord.DataView{}, err
	}
	return f.look(ctx, count)
}

// work is a folder for files that are there for a moment.
func (d *Data) work(id string) (string, error) {
	dir := filepath.Join(d.scope.StateDir, "work", string(d.scope.Run), "backup-"+id)
	return dir, os.MkdirAll(dir, 0o700)
}
