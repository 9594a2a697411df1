// Package migrate is the step that brings a database's schema to the version of a
// release, and back to exactly the one before: in one transaction where the database
// can, else statement by statement with a note of each in the database itself, so
// that an interruption anywhere leaves nothing that is not known.
package migrate

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// Kind is the adapter's name in a StepSpec.
const Kind = "migrate"

// Adapter opens migrations.
type Adapter struct{}

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Kind implements ripcord.Adapter.
func (*Adapter) Kind() string { return Kind }

// Open implements ripcord.Adapter.
func (*Adapter) Open(_ context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	settings, err := decode(spec.Settings)
	if err != nil {
		return nil, err
	}
	return &Step{settings: settings, scope: scope}, nil
}

// Step brings one database to a version.
type Step struct {
	settings Settings
	scope    ripcord.Scope
}

// folder is where the migrations lie: what was captured at the run's start comes
// before what lies there by now.
func (s *Step) folder() (fs.FS, error) {
	path := s.settings.Directory
	if !filepath.IsAbs(path) && s.scope.Bundle != "" {
		kept := filepath.Join(s.scope.Bundle, path)
		if info, err := os.Stat(kept); err == nil && info.IsDir() {
			return os.DirFS(kept), nil
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.scope.Directory, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the folder %s cannot be read: %w", s.settings.Directory, cause(err))
	case !info.IsDir():
		return nil, fmt.Errorf("%s is no folder", s.settings.Directory)
	}
	return os.DirFS(path), nil
}

// set reads the migrations.
func (s *Step) set() (*migration.Set, error) {
	folder, err := s.folder()
	if err != nil {
		return nil, err
	}
	return migration.Read(folder, s.settings.Driver)
}

// Files implements ripcord.Capturer: the ways down travel with the run.
func (s *Step) Files() []string {
	if filepath.IsAbs(s.settings.Directory) {
		return nil
	}
	return []string{s.settings.Directory}
}
