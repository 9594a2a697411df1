package haproxy_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
)

// TestExampleConfiguration: the example is valid, has a place for our lines and
// everything that is recommended.
func TestExampleConfiguration(t *testing.T) {
	t.Parallel()
	example, err := filepath.Abs("../../examples/haproxy/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(haproxyPath(), "-c", "-f", example).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	b := startBalancer(t, lines("blue", startTarget(t, "blue")))
	step := open(t, adaptertest.NewScope(t), spec(t, b, "green", map[string]any{"config": example}, startTarget(t, "green")))
	if text, err := step.Explain(t.Context()); err != nil || text != "100 % (100 of 100) of the traffic of backend shop goes to green1; now it goes to blue1" {
		t.Errorf("%q, %v", text, err)
	}
}
