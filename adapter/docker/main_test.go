package docker_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
)

// All tests run beside a Docker engine of their own.
func TestMain(m *testing.M) {
	os.Exit(dockerd.Main(m))
}

// world is the engine of these tests, with the service's image in it.
type world struct {
	*dockerd.Engine
	binary string // of the service
}

var started = sync.OnceValues(func() (*world, error) {
	e, err := dockerd.Start()
	if err != nil {
		return nil, err
	}
	w := &world{Engine: e, binary: filepath.Join(dockerd.Folder(), "web")}
	build := exec.Command("go", "build", "-o", w.binary, "./testdata/web")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the service: %w\n%s", err, out)
	}
	return w, e.Load(w.shop(nil), "shop:v2")
})

func engineOf(t *testing.T) *world {
	t.Helper()
	w, err := started()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// shop is the service's image; more is added to its configuration.
func (w *world) shop(more map[string]any) *dockerd.Image {
	config := map[string]any{"Entrypoint": []string{"/shop"}}
	maps.Copy(config, more)
	return &dockerd.Image{Files: map[string]string{"/shop": w.binary}, Config: config}
}

// inner is what an instance sees of its world.
type inner struct {
	Args  []string
	Env   map[string]string
	UID   int
	GID   int
	Dir   string
	Files uint64
}
