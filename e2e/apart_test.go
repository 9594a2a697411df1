package e2e_test

import (
	"os"
	"os/exec"
	"testing"
)

// A story that would meddle with this machine's network is told by a copy of this
// program in a network of its own.
const (
	// apartIn says where the copy is, and apartBin where it finds the programs.
	apartIn  = "RIPCORD_E2E_APART"
	apartBin = "RIPCORD_E2E_BIN"
	// besideEngine is beside a Docker engine of its own, ownNetwork in a network with
	// nothing but a loopback interface.
	besideEngine = "engine"
	ownNetwork   = "network"
)

// apart reports whether this is the copy; else it lets the copy run the test.
func apart(t *testing.T, where string) bool {
	t.Helper()
	if os.Getenv(apartIn) == where {
		return true
	}
	words := []string{os.Args[0], "-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=10m"}
	if where == ownNetwork {
		words = append([]string{"unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`}, words...)
	}
	again := exec.CommandContext(t.Context(), words[0], words[1:]...)
	again.Env = append(os.Environ(), apartIn+"="+where, apartBin+"="+bin)
	out, err := again.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Fatal(err)
	}
	return false
}
