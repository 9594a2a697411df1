package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// TestFlappingDoesNotStart: an instance that answers good, bad, good, bad does not
// become healthy by luck.
func TestFlappingDoesNotStart(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	must(t, os.WriteFile(filepath.Join(scope.Directory, "flaps"), nil, 0o600))
	step := open(t, scope, with(`"start_timeout":90,"successes":2`, `"start_timeout":5,"successes":1,"stable":0.02`))
	got := failure(t, step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1)))
	if got.Class != ripcord.FailedHealth || !strings.Contains(got.Summary, "it is flapping: well and not well by turns") ||
		!strings.Contains(got.Summary, "its last bad answer: GET http://") || !strings.Contains(got.Summary, "/healthz answered 500") {
		t.Errorf("%s: %s", got.Class, got.Summary)
	}
}

// TestHealthKinds: an instance can be asked in each way, at its own address.
func TestHealthKinds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, health, says string }{
		{"command", `"command":["sh","-c","test -e bin/shop || test ${instance.port} -gt 0"]`, ""},
		{"command fails", `"command":["sh","-c","echo queue of ${instance.address} is stuck; exit 1"]`, "exit status 1: queue of 127.0.0.1:"},
		{"not gRPC", `"grpc":{}`, "gRPC in clear"},
		{"no database", `"sql":{"url":"postgres://shop:${secret:TOKEN}@${instance.address}/x?sslmode=disable&connect_timeout=1"}`, "database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			timeout := `"start_timeout":90`
			if test.says != "" {
				timeout = `"start_timeout":5`
			}
			step := open(t, scope, with(`"http":"/healthz"`, test.health, `"start_timeout":90`, timeout))
			err := step.Apply(t.Context(), journalOf(t, scope, step).Attempt(1))
			if test.says == "" {
				must(t, err)
				return
			}
			got := failure(t, err)
			if got.Class != ripcord.FailedHealth || !strings.Contains(got.Summary, test.says) || strings.Contains(got.Summary, "t0ken") {
				t.Errorf("%s: %s", got.Class, got.Summary)
			}
		})
	}
}
