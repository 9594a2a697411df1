package kopia

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/kopia/kopia/repo"
	"github.com/kopia/kopia/repo/blob"
	"github.com/kopia/kopia/repo/content"
	kopiaformat "github.com/kopia/kopia/repo/format"
	"github.com/kopia/kopia/repo/maintenance"
	"github.com/kopia/kopia/repo/manifest"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// version is that of what we write beside kopia's own format.
const version = 1

// mark is the manifest that says that a repository is ours.
type mark struct {
	Version int `json:"version"`
}

func markLabels() map[string]string {
	return map[string]string{manifest.TypeLabelKey: "ripcord"}
}

// client is who we are in the repository: this state directory.
func (r *Repository) client() repo.ClientOptions {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return repo.ClientOptions{Hostname: strings.ToLower(host), Username: "ripcord", Description: "made by Ripcord"}
}

// make makes the repository.
func (r *Repository) make(ctx context.Context) error {
	if r.set.Directory != "" {
		if err := os.MkdirAll(r.set.Directory, 0o700); err != nil {
			return r.unreachable(err)
		}
	}
	st, err := r.storage(ctx, true)
	if err != nil {
		return r.unreachable(err)
	}
	defer func() { _ = st.Close(ctx) }() // what was written is durable
	err = repo.Initialize(ctx, st, &repo.NewRepositoryOptions{BlockFormat: kopiaformat.ContentFormat{Hash: "BLAKE3-256-128"}}, r.password)
	if err != nil && !errors.Is(err, kopiaformat.ErrAlreadyInitialized) { // another process was faster
		return r.unreachable(err)
	}
	r.made = err == nil
	return nil
}

// connect opens the repository. kopia takes its configuration, which may hold the
// keys of a cloud, from a file: that is there only while it is read.
func (r *Repository) connect(ctx context.Context) error {
	connection, err := r.set.connection()
	if err != nil {
		return r.unreachable(err)
	}
	config, err := json.Marshal(repo.LocalConfig{
		Storage: &connection, Caching: &content.CachingOptions{}, ClientOptions: r.client(),
	})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(r.home, "config-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(config)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	rep, err := repo.Open(ctx, file.Name(), r.password, &repo.Options{
		TimeNowFunc: r.now, DisableRepositoryLog: true, DoNotWaitForUpgrade: true,
		OnFatalError: func(error) {}, // the error is returned as well
	})
	if err != nil {
		return r.refused(err)
	}
	direct, ok := rep.(repo.DirectRepository)
	if !ok {
		return errors.Join(errors.New("the repository cannot be written to directly"), rep.Close(ctx))
	}
	r.rep = direct
	return nil
}

// ours marks a new repository, and refuses one that a newer Ripcord has written to.
func (r *Repository) ours(ctx context.Context) error {
	found, err := r.rep.FindManifests(ctx, markLabels())
	if err != nil {
		return r.damaged(err)
	}
	if len(found) == 0 {
		return r.marked(ctx)
	}
	for _, entry := range found {
		var m mark
		if _, err := r.rep.GetManifest(ctx, entry.ID, &m); err != nil {
			return r.damaged(err)
		}
		if m.Version > version {
			return ripcord.Errorf(ripcord.CodePlan, "a newer Ripcord wrote to the repository %s (version %d of its records; this one knows %d)", r.Name(), m.Version, version).
				WithFix("use the newer ripcord")
		}
	}
	return nil
}

// marked makes the repository ours, and us the owner of its maintenance.
func (r *Repository) marked(ctx context.Context) error {
	return repo.WriteSession(ctx, r.rep, repo.WriteSessionOptions{Purpose: "mark"}, func(ctx context.Context, w repo.RepositoryWriter) error {
		if _, err := w.PutManifest(ctx, markLabels(), mark{Version: version}); err != nil {
			return err
		}
		p := maintenance.DefaultParams()
		p.Owner = r.client().UsernameAtHost()
		return maintenance.SetParams(ctx, w, &p)
	})
}

// remember notes which repository lies there, and refuses another in its place.
func (r *Repository) remember() error {
	path, id := filepath.Join(r.home, "known"), hex.EncodeToString(r.rep.UniqueID())
	known, err := os.ReadFile(path) //nolint:gosec // our own state directory
	switch {
	case err == nil && strings.TrimSpace(string(known)) == id:
		return nil
	case err == nil:
		return ripcord.Errorf(ripcord.CodePlan, "at %s lies another repository than the one that was there before", r.Name()).
			WithFix("look whether the right disk is mounted; to go on with the one that is there now: rm %s", path)
	case !os.IsNotExist(err):
		return err
	}
	return os.WriteFile(path, []byte(id+"\n"), 0o600)
}

// unreachable says that the place cannot be used.
func (r *Repository) unreachable(err error) error {
	return ripcord.Errorf(ripcord.CodePlan, "the repository %s cannot be used: %w", r.Name(), plain(err, r.secrets)).
		WithFix("%s", remedy(err, "look whether the place is there and may be written to by this user"))
}

// refused says why an existing repository does not open.
func (r *Repository) refused(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, repo.ErrInvalidPassword):
		return ripcord.Errorf(ripcord.CodePlan, "the password of the repository %s is wrong", r.Name()).
			WithFix("give the password that it was made with; without it nobody can read the backups. Where it is certainly right, %s is damaged: bring that file back from a copy", format)
	case errors.Is(err, repo.ErrRepositoryUnavailableDueToUpgradeInProgress):
		return ripcord.Errorf(ripcord.CodeRefused, "the repository %s is being upgraded by another program", r.Name()).WithFix("wait until that has ended")
	case strings.Contains(text, "can't handle repositories") || strings.Contains(text, "nsupported format version") ||
		strings.Contains(text, "does not support feature") || strings.Contains(text, "index version"):
		return ripcord.Errorf(ripcord.CodePlan, "the repository %s is of a newer format than this ripcord knows: %w", r.Name(), plain(err, r.secrets)).
			WithFix("use the newer ripcord, or the program that made it")
	case errors.Is(err, blob.ErrBlobNotFound):
		return r.damaged(err)
	}
	return r.damaged(err)
}

// damaged says that the repository itself cannot be read.
func (r *Repository) damaged(err error) error {
	return ripcord.Errorf(ripcord.CodeInternal, "the repository %s cannot be read: %w", r.Name(), plain(err, r.secrets)).
		WithFix("%s", remedy(err, "look whether its disk is sound; a copy of the repository is read in its place when its directory is named instead"))
}

// plainError is an error of kopia's with fewer words and no secrets.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

func plain(err error, secrets []string) error {
	return &plainError{text: pipe.Hide(err.Error(), secrets), err: err}
}

// remedy is what helps against well-known errors.
func remedy(err error, otherwise string) string {
	switch {
	case full(err):
		return "make room there, or name another place; nothing of the unfinished backup is kept"
	case errors.Is(err, os.ErrPermission):
		return "run as a user who may write there"
	}
	return otherwise
}
