// Package tree backs up and restores folders: with owner, mode and times of
// everything in them, symbolic and hard links, and extended attributes.
package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
)

// Kind is the name of the data source.
const Kind = "tree"

// Source opens folders.
type Source struct{}

// New returns the data source.
func New() *Source { return &Source{} }

// Kind implements ripcord.DataSource.
func (*Source) Kind() string { return Kind }

// settings say which folder.
type settings struct {
	// Path is the folder, relative to the plan file's.
	Path string `json:"path"`
}

// Open implements ripcord.DataSource.
func (*Source) Open(_ context.Context, raw json.RawMessage, scope ripcord.Scope) (ripcord.Data, error) {
	var set settings
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "tree: settings: %w", err).WithFix("use path")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "tree: settings: more than one value")
	}
	path := set.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(scope.Directory, path)
	}
	if path = filepath.Clean(path); set.Path == "" || path == "/" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "tree: %q cannot be backed up", set.Path).WithFix("name the folder that belongs to the application")
	}
	return &Data{folder{path}, scope}, nil
}

// Data is one folder.
type Data struct {
	folder
	scope ripcord.Scope
}

// folder is a folder of this machine.
type folder struct{ path string }

// Name implements ripcord.Data.
func (f folder) Name() string { return f.path }

// Look implements ripcord.Data.
func (f folder) Look(ctx context.Context, _ bool) (ripcord.DataView, error) {
	v, _, err := f.survey(ctx)
	return v, err
}

// survey walks the folder once: its digest tells whether anything has changed, and
// the notes are what a repository does not keep by itself.
func (f folder) survey(ctx context.Context) (v ripcord.DataView, n *notes, err error) {
	switch info, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist):
		return v, nil, ripcord.Errorf(ripcord.CodeNotFound, "there is no folder %s", f.path).WithFix("look at its path in the plan file")
	case err != nil:
		return v, nil, ripcord.Errorf(ripcord.CodePlan, "%s cannot be read: %w", f.path, err).WithFix("run as a user who may read it")
	case !info.IsDir():
		return v, nil, ripcord.Errorf(ripcord.CodePlan, "%s is no folder", f.path).WithFix("name the folder that it is in")
	}
	sum, n, files := sha256.New(), newNotes(), int64(0)
	err = f.walk(ctx, func(name string, e entry) error {
		_, _ = fmt.Fprintf(sum, "%q %s\n", name, e.words())
		if e.info.Mode().IsRegular() {
			files++
			v.Bytes += e.info.Size()
		}
		return n.add(name, e)
	})
	if err != nil {
		return v, nil, err
	}
	n.digest(sum)
	v.Tables = []ripcord.TableView{{Name: "files", Rows: files}}
	v.Exact, v.Content = true, hex.EncodeToString(sum.Sum(nil)[:16])
	return v, n, nil
}

// walk visits everything below the folder, and the folder itself as ".".
func (f folder) walk(ctx context.Context, visit func(name string, e entry) error) error {
	err := filepath.WalkDir(f.path, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		e, err := read(path, d)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(f.path, path)
		if err != nil {
			return err
		}
		return visit(name, e)
	})
	if errors.Is(err, fs.ErrPermission) {
		return ripcord.Errorf(ripcord.CodePlan, "not all of %s can be read: %w", f.path, err).WithFix("run as a user who may read it")
	}
	return err
}

// Backup implements ripcord.Data. A folder has no moment of its own: where it changes
// while it is copied, no digest of it is kept.
func (d *Data) Backup(ctx context.Context, b *ripcord.Backup, to ripcord.Sink) error {
	view, notes, err := d.survey(ctx)
	if err != nil {
		return err
	}
	attributes, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	b.At = d.scope.Now().UTC()
	if err := to.Tree(ctx, d.path, attributes); err != nil {
		return err
	}
	after, _, err := d.survey(ctx)
	if err != nil {
		return err
	}
	if after.Content != view.Content {
		view.Exact, view.Content = false, ""
	}
	b.View = view
	return nil
}
