// Package kopia keeps backups in a repository in kopia's format: encrypted,
// de-duplicated, compressed. The kopia program itself can read it, without Ripcord.
//
// What only this machine knows of a repository, which one lies where and who
// maintains it, stands in the state directory, and nothing in anybody's home.
package kopia

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/blob"
	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// Repositories opens repositories.
type Repositories struct{}

// New returns what opens repositories.
func New() *Repositories { return &Repositories{} }

// Check implements ripcord.Repositories.
func (*Repositories) Check(settings json.RawMessage) error {
	_, err := parse(settings)
	return err
}

// Open implements ripcord.Repositories.
func (*Repositories) Open(ctx context.Context, raw json.RawMessage, scope ripcord.Scope, create bool) (ripcord.Repository, error) {
	set, err := parse(raw)
	if err != nil {
		return nil, err
	}
	r := &Repository{set: set, now: scope.Now}
	if err := set.resolve(ctx, scope, r); err != nil {
		return nil, err
	}
	r.home = filepath.Join(scope.StateDir, "repositories", set.id())
	if err := os.MkdirAll(r.home, 0o700); err != nil {
		return nil, err
	}
	there, err := r.present(ctx, create)
	if err != nil {
		return nil, err
	}
	if !there {
		if err := r.make(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(r.ours(ctx), r.remember()); err != nil {
		return nil, errors.Join(err, r.Close()) //nolint:contextcheck // it ends also where the context has
	}
	return r, nil
}

// Repository is one repository, opened.
type Repository struct {
	set      settings
	password string
	secrets  []string
	// home is the folder in the state directory with what is known of it here.
	home string
	made bool
	now  clock
	rep  repo.DirectRepository
}

// Name implements ripcord.Repository.
func (r *Repository) Name() string { return r.set.place() }

// Made implements ripcord.Repository.
func (r *Repository) Made() bool { return r.made }

// Close implements ripcord.Repository. Closing twice is safe.
func (r *Repository) Close() error {
	if r.rep == nil {
		return nil
	}
	rep := r.rep
	r.rep = nil
	return rep.Close(context.Background())
}

// Room implements ripcord.RoomTeller.
func (r *Repository) Room() (int64, bool) {
	if r.set.Directory == "" {
		return 0, false
	}
	return Room(r.set.Directory)
}

// Room is how many bytes are free where a path is, or would be.
func Room(path string) (int64, bool) {
	var stat unix.Statfs_t
	for unix.Statfs(path, &stat) != nil {
		if path == "/" || path == "." {
			return 0, false
		}
		path = filepath.Dir(path)
	}
	return int64(stat.Bavail) * stat.Bsize, true //nolint:gosec // no disk is that large
}

// format is the blob that every repository has.
const format = "kopia.repository"

// present reports whether there is a repository, and refuses to make one where there
// was one, or where something else is.
func (r *Repository) present(ctx context.Context, create bool) (bool, error) {
	if r.set.Directory != "" {
		return r.presentHere(create)
	}
	st, err := r.storage(ctx, create)
	if err != nil {
		return false, r.unreachable(err)
	}
	defer func() { _ = st.Close(ctx) }() // it was read only
	switch _, err = st.GetMetadata(ctx, format); {
	case err == nil:
		return true, nil
	case !errors.Is(err, blob.ErrBlobNotFound):
		return false, r.unreachable(err)
	}
	return false, r.absent(create)
}

func (r *Repository) presentHere(create bool) (bool, error) {
	if _, err := os.Stat(filepath.Join(r.set.Directory, format+".f")); err == nil {
		return true, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, r.unreachable(err)
	}
	entries, err := os.ReadDir(r.set.Directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, r.unreachable(err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), ".") {
			return false, ripcord.Errorf(ripcord.CodePlan, "%s is no backup repository: it holds other files, %s for one", r.set.Directory, e.Name()).
				WithFix("name an empty folder, or one that does not exist yet")
		}
	}
	return false, r.absent(create)
}

// absent refuses to make a repository where there was one: a disk that is not mounted
// would get an empty one in its place.
func (r *Repository) absent(create bool) error {
	if _, err := os.Stat(filepath.Join(r.home, "known")); err == nil {
		return ripcord.Errorf(ripcord.CodePlan, "the repository that was at %s is gone", r.Name()).
			WithFix("look whether its disk is mounted; to begin a new one there: rm %s", filepath.Join(r.home, "known"))
	}
	if !create {
		return ripcord.Errorf(ripcord.CodeNotFound, "there is no repository at %s", r.Name()).
			WithFix("the first backup makes it: ripcord backup run")
	}
	return nil
}
