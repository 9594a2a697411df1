package kopia

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/kopia/kopia/repo/blob"
	"github.com/kopia/kopia/repo/blob/filesystem"

	"github.com/ripcord-dev/ripcord"
)

// clock tells the time.
type clock func() time.Time

// settings say where a repository is.
type settings struct {
	// Directory is a folder of this machine, relative to the plan file's.
	Directory string `json:"directory,omitempty"`
	// Password encrypts everything; it may hold ${secret:NAME}.
	Password string `json:"password"`
}

// parse reads settings and refuses what it does not know.
func parse(data []byte) (settings, error) {
	var s settings
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "repository: settings: %w", err).WithFix("use directory and password")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "repository: settings: more than one value")
	}
	if s.Directory == "" {
		return s, ripcord.Errorf(ripcord.CodePlan, "the repository does not say where it is").WithFix("add directory: PATH")
	}
	if s.Password == "" {
		return s, ripcord.Errorf(ripcord.CodePlan, "the repository has no password").
			WithFix(`add password: "${secret:BACKUP_PASSWORD}", and keep that password elsewhere as well: without it nobody can read the backups`)
	}
	return s, nil
}

// resolve puts secrets and the plan file's folder in.
func (s *settings) resolve(ctx context.Context, scope ripcord.Scope, r *Repository) error {
	password, values, err := scope.Secrets.Expand(ctx, s.Password)
	if err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "the password of the repository %s is not known: %w", s.place(), err).
			WithFix("make the secret available to this command, as in a release")
	}
	if password == "" {
		return ripcord.Errorf(ripcord.CodePlan, "the password of the repository %s is empty", s.place())
	}
	r.password, r.secrets = password, append(values, password)
	if !filepath.IsAbs(s.Directory) {
		s.Directory = filepath.Join(scope.Directory, s.Directory)
	}
	r.set = *s
	return nil
}

// place is where the repository is, for people.
func (s *settings) place() string { return s.Directory }

// id names the repository in the state directory.
func (s *settings) id() string {
	sum := sha256.Sum256([]byte(s.place()))
	return hex.EncodeToString(sum[:8])
}

// connection is what kopia must know of the storage.
func (s *settings) connection() blob.ConnectionInfo {
	return blob.ConnectionInfo{Type: "filesystem", Config: &filesystem.Options{Path: s.Directory}}
}

func (r *Repository) storage(ctx context.Context, create bool) (blob.Storage, error) {
	return blob.NewStorage(ctx, r.set.connection(), create)
}
