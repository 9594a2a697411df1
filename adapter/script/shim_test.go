package script_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/shim"
)

// The test binary plays the shim.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		os.Exit(shim.Main(os.Args[2], time.Now))
	}
	os.Exit(m.Run())
}

// The same suite with the runner of real life, whose commands survive their
// executor.
func TestConformanceShim(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plain := fixture("run", `{"command":["./publish.sh"],"undo":["./unpublish.sh"],"check":["./published.sh"],"grace":1,"environment":{"TOKEN":"${secret:TOKEN}"}}`)
	adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
		t.Helper()
		f := plain(t)
		f.Scope.Commands = shim.New(filepath.Join(f.Scope.StateDir, "commands"), self, shim.Options{Now: time.Now})
		return f
	}})
}
