package script_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/shim"
)

// A check that is cancelled, or takes too long, ends.
func TestCheckEnds(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"cancelled", "too long"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			scope.Commands = shim.New(filepath.Join(scope.StateDir, "commands"), self, shim.Options{Now: time.Now})
			spec := ripcord.StepSpec{Kind: "run"}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if how == "cancelled" {
				timer := time.AfterFunc(300*time.Millisecond, cancel)
				defer timer.Stop()
			} else {
				spec.Timeout = ripcord.Duration(300 * time.Millisecond)
			}
			seen, err := open(t, scope, spec, `{"command":["true"],"check":["sleep","600"],"grace":1}`).Check(ctx)
			if seen.Presence != ripcord.Unknown || how == "cancelled" && !errors.Is(err, context.Canceled) {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}
