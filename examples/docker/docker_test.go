// Package docker_test releases the shop in containers through the real binary, as
// the reader of the example does.
package docker_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
)

func TestMain(m *testing.M) { os.Exit(dockerd.Main(m)) }

// run runs a command, which must end with this exit code.
func run(t *testing.T, want int, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // a busy machine compiles slowly
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env, c.WaitDelay = append(os.Environ(), "CGO_ENABLED=0", "RIPCORD_NO_KEEPER=true"), time.Second
	out, err := c.CombinedOutput()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != want {
		t.Fatalf("%s %s: %v, want exit code %d\n%s", name, strings.Join(args, " "), err, want, out)
	}
	return string(out)
}

// image builds a version of the shop and gives it to the engine, as the
// Dockerfile would.
func image(t *testing.T, e *dockerd.Engine, version, fault string) {
	t.Helper()
	folder := t.TempDir()
	args := []string{version, folder}
	if fault != "" {
		args = []string{version, fault, folder}
	}
	run(t, 0, "../shop/build.sh", args...)
	files := map[string]string{"/shop": filepath.Join(folder, "bin/shop")}
	assets, err := filepath.Glob(folder + "/assets/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range assets {
		files["/site/assets/"+version+"/"+filepath.Base(path)] = path
	}
	if err := e.Load(&dockerd.Image{Files: files, Config: map[string]any{"Entrypoint": []string{"/shop"}}}, "shop:"+version); err != nil {
		t.Fatal(err)
	}
}

// answer asks the shop who it is.
func answer(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// TestTheShopInContainers: a first release, a good one, one whose image nobody
// built, one that does not start, and the way back to the first.
func TestTheShopInContainers(t *testing.T) { //nolint:paralleltest // the only one
	e, err := dockerd.Start("-H", "unix:///var/run/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "ripcord")
	run(t, 0, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "../../cmd/ripcord")
	image(t, e, "v1", "")
	image(t, e, "v2", "")
	image(t, e, "v3", "no-start")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	ripcord := func(want int, args ...string) string {
		t.Helper()
		return run(t, want, bin, append(args, "--state-dir", filepath.Join(state, "state"), "--key-file", filepath.Join(state, "key"))...)
	}
	set := []string{"--set", "listen=" + address, "--set", "watch=1s"}
	release := func(want int, verb, version string) string {
		t.Helper()
		return ripcord(want, append([]string{verb, "--version", version}, set...)...)
	}
	said := release(0, "plan", "v1")
	if !strings.Contains(said, "starts 2 containers of web v1 from shop:v1 (sha256:") || !strings.Contains(said, "built here) in blue") {
		t.Errorf("plan says\n%s", said)
	}
	for _, version := range []string{"v1", "v2"} {
		release(0, "release", version)
		if got := answer(t, address); got != "ok "+version {
			t.Errorf("after %s it answers %q", version, got)
		}
	}
	said = release(2, "release", "v9")
	if !strings.Contains(said, "image shop:v9") || !strings.Contains(said, "line 26: step deploy-web") {
		t.Errorf("without an image it says\n%s", said)
	}
	said = release(3, "release", "v3")
	// On a busy machine it may have ended twice before anybody looked.
	said += ripcord(0, "logs", "--evidence", "--file", "ripcord.yaml")
	if !strings.Contains(said, `unknown payment provider \"acme\"`) {
		t.Errorf("of one that does not start it says\n%s", said)
	}
	if got := answer(t, address); got != "ok v2" {
		t.Errorf("after the bad one it answers %q", got)
	}
	ripcord(0, "rollback", "--yes", "--file", "ripcord.yaml")
	if got := answer(t, address); got != "ok v1" {
		t.Errorf("after the rollback it answers %q", got)
	}
}
