package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/shim"
)

// TestMain lets the test binary play the shim.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "__shim" {
		os.Exit(shim.Main(os.Args[2], time.Now))
	}
	os.Exit(m.Run())
}

// newApp opens a state directory of its own, without a keeper.
func newApp(t *testing.T) *App {
	t.Helper()
	dir := t.TempDir()
	a, err := Open(t.Context(), Options{
		StateDir: filepath.Join(dir, "state"), KeyFile: filepath.Join(dir, "key"), Self: os.Args[0],
		LookupEnv: os.LookupEnv, Environ: os.Environ, Now: time.Now, NoKeeper: true,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// load freezes a plan file with one step that writes the file made.
func load(t *testing.T, a *App, made string) *ripcord.Plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ripcord.yaml")
	text := "application: shop\nrelease:\n  - files: {content: new, destination: " + made + "}\n    name: config\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := a.Load(t.Context(), Selection{File: file, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestInterruptedAdoptionIsNotExecuted: whoever goes on with an adoption whose
// process died must not carry its plan out.
func TestInterruptedAdoptionIsNotExecuted(t *testing.T) {
	t.Parallel()
	a, made := newApp(t), filepath.Join(t.TempDir(), "made")
	plan := load(t, a, made)
	plan.Purpose = ripcord.PurposeAdopt
	lease, _, err := a.begin(t.Context(), plan, Begin{Who: "ann"})
	if err == nil {
		err = a.store.Release(t.Context(), lease)
	}
	if err != nil {
		t.Fatal(err)
	}
	state, err := a.Recover(t.Context(), lease.Run, false, "ann", "", Listener{})
	if err != nil {
		t.Fatal(err)
	}
	if state.State != ripcord.StateClosed {
		t.Errorf("the run is %s", state.State)
	}
	if _, err := os.Stat(made); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its plan was carried out: %v", err)
	}
	if good, err := a.LastGood(t.Context(), "shop", "default"); err != nil || good != "" {
		t.Errorf("last good is %q, %v", good, err)
	}
	plan.Purpose = ripcord.PurposeRelease
	if state, err = a.Adopt(t.Context(), plan, Begin{Who: "ann"}, true); err != nil || state.State != ripcord.StateSucceeded {
		t.Errorf("adopted anew: %+v, %v", state, err)
	}
}
