package shim

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// TestRemovedBinary: a run goes on, and back, although its binary was removed.
func TestRemovedBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := New(filepath.Join(dir, "commands"), filepath.Join(dir, "removed", "ripcord"), Options{Now: time.Now})
	var out bytes.Buffer
	exit, err := r.Run(t.Context(), ripcord.Command{Key: "k", Args: []string{"echo", "still here"}, Dir: dir, Env: []string{"PATH=/bin:/usr/bin"}, Output: &out})
	if err != nil || exit.Code != 0 || out.String() != "still here\n" {
		t.Errorf("%+v, %v, %q", exit, err, out.String())
	}
}
