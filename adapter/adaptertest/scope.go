package adaptertest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// NewScope returns a scope of doubles for run "run-1" of application shop,
// version v2, in environment test. Directory, Bundle and StateDir are empty
// folders of the test. What the doubles started is stopped when the test ends.
func NewScope(t *testing.T) ripcord.Scope {
	t.Helper()
	now := time.Now //nolint:forbidigo // the doubles run real processes, which live by the real clock
	dir := t.TempDir()
	commands := NewCommands(now)
	t.Cleanup(commands.Close)
	supervisor := NewSupervisor(filepath.Join(dir, "log"), now)
	t.Cleanup(supervisor.Close)
	scope := ripcord.Scope{
		Run: "run-1", Application: "shop", Environment: "test", Version: "v2",
		Directory: filepath.Join(dir, "directory"), Bundle: filepath.Join(dir, "bundle"), StateDir: filepath.Join(dir, "state"),
		Secrets: Secrets{}, Commands: commands, Blobs: NewBlobs(), Supervisor: supervisor, Now: now,
	}
	for _, folder := range []string{scope.Directory, scope.Bundle, scope.StateDir, filepath.Join(dir, "log")} {
		mkdir(t, folder)
	}
	return scope
}
