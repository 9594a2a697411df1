package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
	"github.com/ripcord-dev/ripcord/app"
)

// TestRollingContainers tells the story of TestRolling with containers, whose
// processes are looked at as all others are.
func TestRollingContainers(t *testing.T) {
	t.Parallel()
	if !apart(t, besideEngine) {
		return
	}
	engine, err := dockerd.Start()
	if err != nil {
		t.Fatal(err)
	}
	image := &dockerd.Image{Files: map[string]string{"/service": filepath.Join(bin, service)}, Config: map[string]any{"Entrypoint": []string{"/service"}}}
	if err := engine.Load(image, "service:v0"); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "rolling")
	w.write("ripcord.yaml", strings.NewReplacer(
		`command: ["${var.service}", `, "runtime: docker\n    image: service:v0\n    restart: \"no\"\n    socket: "+engine.Socket+"\n    command: [",
	).Replace(w.read("ripcord.yaml")))
	r := &roll{midSwitch: &midSwitch{world: w, balancer: newBalancer(w, proxyAlone), now: "v0", total: newTally()}}
	w.must(0, "keeper", "start")
	w.release(0, "v1")
	r.forward()
	load := r.steady()
	r.must(0, "rollback", "--yes")
	r.calm("v2 to v1", load)
	if now := strings.Count(r.wanted(), "--version v1 "); now != 4 {
		r.Errorf("%d containers are of v1:\n%s", now, r.wanted())
	}
	r.seen("docker", "docker -H unix://"+engine.Socket+" logs ripcord-rolling-default-web-blue-")
	r.badBatch()
	r.killed("recover")
}

// seen: status and logs know the instances, although another runtime keeps them.
func (r *roll) seen(runtime, log string) {
	r.Helper()
	var list []app.Status
	if err := json.Unmarshal([]byte(r.must(0, "status", "-o", "json").stdout), &list); err != nil {
		r.Fatal(err)
	}
	up := 0
	for _, i := range list[0].Instances {
		if i.Running && i.Version == "v1" && i.Runtime == runtime && strings.HasPrefix(i.Log, log) && strings.Contains(i.Address, ":") {
			up++
		}
	}
	if up != 4 || len(list[0].Unseen) > 0 {
		r.Errorf("status knows %d instances: %+v, unseen %q", up, list[0].Instances, list[0].Unseen)
	}
	text := r.must(0, "logs", "--service", "web", "--lines", "3", "--follow").stdout
	for _, i := range list[0].Instances {
		for _, want := range []string{"--- " + i.ID + " v1, blue, " + i.Address, "to follow it: " + i.Log + " --follow"} {
			if !strings.Contains(text, want) {
				r.Errorf("logs does not say %q:\n%s", want, text)
			}
		}
	}
}
