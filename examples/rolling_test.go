package examples_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRolling releases the shop in its places: v1, v2, and a v3 that cannot start.
func TestRolling(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	plan, err := os.ReadFile("rolling/ripcord.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "rolling.yaml"), plan, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stopAll() })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	build, err := filepath.Abs("shop/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	release := func(want int, version string, fault ...string) string {
		p.run(0, build, append(append([]string{version}, fault...), p.dir)...)
		return p.run(want, binary, "release", "--file", "rolling.yaml", "--version", version, "--set", "listen="+listen, "--set", "site="+filepath.Join(p.dir, "site"))
	}
	if err := os.Mkdir(filepath.Join(p.dir, "site"), 0o755); err != nil {
		t.Fatal(err)
	}
	release(0, "v1")
	out := release(0, "v2")
	for number := 1; number <= 4; number++ {
		if part := fmt.Sprintf("deploy-web-%d-ready: done", number); !strings.Contains(out, part) {
			t.Errorf("the release does not say %q:\n%s", part, out)
		}
	}
	out = release(3, "v3", "no-start")
	for _, part := range []string{"unknown payment provider", "deploy-web-1-drain: back, verified", "rolled back, verified"} {
		if !strings.Contains(out, part) {
			t.Errorf("the release does not say %q:\n%s", part, out)
		}
	}
	if strings.Contains(out, "deploy-web-2") {
		t.Errorf("the second batch was touched:\n%s", out)
	}
}

// stopAll ends the processes of the place: those whose arguments name its
// folder or its state directory.
func (p *place) stopAll() {
	p.t.Helper()
	state := ""
	for _, variable := range p.environment {
		if value, ok := strings.CutPrefix(variable, "RIPCORD_STATE_DIR="); ok {
			state = value
		}
	}
	ours := func() (pids []int) {
		entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			return nil
		}
		for _, entry := range entries {
			data, err := os.ReadFile(entry)
			pid, bad := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
			if err == nil && bad == nil && pid != os.Getpid() && (strings.Contains(string(data), p.dir) || strings.Contains(string(data), state)) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	for deadline := time.Now().Add(2 * time.Minute); len(ours()) > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, pid := range ours() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended in this moment
		}
	}
	if left := ours(); len(left) > 0 {
		p.t.Errorf("processes are left: %v", left)
	}
}
