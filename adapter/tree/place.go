package tree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// Place is a new folder for a restore.
type Place struct{ folder }

// Place implements ripcord.Data. Beside the data means on its file system, so that the
// two can be exchanged at once.
func (d *Data) Place(_ context.Context, id, to string) (ripcord.Place, error) {
	path := d.path + ".restored-" + id
	if to != "" {
		path = to
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.scope.Directory, path)
		}
	}
	entries, err := os.ReadDir(path)
	switch {
	case err == nil && len(entries) > 0:
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s is not empty: it has %s. A restore elsewhere takes an empty folder", path, entries[0].Name()).
			WithFix("name an empty folder with --to, or one that does not exist yet")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s cannot be written: %w", path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s cannot be made: %w", path, err).WithFix("run as a user who may write there")
	}
	return &Place{folder{path}}, nil
}

// Restore implements ripcord.Place.
func (p *Place) Restore(ctx context.Context, _ *ripcord.Backup, from ripcord.Content) error {
	attributes, err := from.Tree(ctx, p.path)
	if err != nil {
		return err
	}
	var n notes
	if err := json.Unmarshal(attributes, &n); err != nil {
		return fmt.Errorf("the attributes of the backup: %w", err)
	}
	return n.apply(p.path)
}

// Ask implements ripcord.Place.
func (p *Place) Ask(context.Context, string) (bool, string, error) {
	return false, "", errors.New("a folder answers no questions")
}

// Drop implements ripcord.Place.
func (p *Place) Drop(context.Context) error { return os.RemoveAll(p.path) }

// Exchange implements ripcord.Data: the two folders change places in one moment.
func (d *Data) Exchange(ctx context.Context, from ripcord.Place, o ripcord.Exchange) (string, error) {
	now, err := d.Look(ctx, true)
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return "", os.Rename(from.Name(), d.path)
	}
	if err == nil && o.Accept != nil {
		err = o.Accept(ctx, now)
	}
	if err != nil {
		return "", err
	}
	err = unix.Renameat2(unix.AT_FDCWD, from.Name(), unix.AT_FDCWD, d.path, unix.RENAME_EXCHANGE)
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "%s and %s cannot change places: %w", d.path, from.Name(), err).
			WithFix("restore elsewhere with --to, and move it")
	}
	safety := d.path + ".before-" + o.ID
	return safety, os.Rename(from.Name(), safety)
}

// Compare implements ripcord.Comparer: it counts the files that are there now, as they
// are, and not at the place.
func (d *Data) Compare(ctx context.Context, with ripcord.Place) ([]ripcord.TableLoss, error) {
	place, ok := with.(*Place)
	if !ok {
		return nil, fmt.Errorf("%s is no folder", with.Name())
	}
	then := map[string]string{}
	loss := ripcord.TableLoss{Name: "files"}
	if err := place.walk(ctx, func(name string, e entry) error {
		then[name] = e.words()
		if e.info.Mode().IsRegular() {
			loss.Then++
		}
		return nil
	}); err != nil {
		return nil, err
	}
	err := d.walk(ctx, func(name string, e entry) error {
		if e.info.Mode().IsRegular() {
			loss.Now++
		}
		if !e.info.IsDir() && then[name] != e.words() {
			loss.Lost++
		}
		return nil
	})
	return []ripcord.TableLoss{loss}, err
}
