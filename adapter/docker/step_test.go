package docker_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/docker"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReleasesTakeTurns: each release starts beside the old one, which then goes.
func TestReleasesTakeTurns(t *testing.T) {
	t.Parallel()
	scope, folder := newScope(t), t.TempDir()
	var before map[string]ripcord.Output
	for i, want := range []string{"blue", "green", "blue"} {
		version := "v" + string(rune('1'+i))
		step, outputs := release(t, scope, ripcord.RunID("run-"+version), version, settingsIn(folder, nil))
		if outputs["colour"].Value != want {
			t.Errorf("%s is %s, want %s", version, outputs["colour"].Value, want)
		}
		for _, key := range []string{"addresses", "colour"} {
			if diff := cmp.Diff(before[key], outputs["old_"+key]); diff != "" {
				t.Errorf("%s: old %s (-want +got):\n%s", version, key, diff)
			}
		}
		before = outputs
		for n, address := range strings.Split(outputs["addresses"].Value, ",") {
			if got, want := get("http://"+address+"/version"), version+" "+string(rune('1'+n)); got != want {
				t.Errorf("%s answers %q, want %q", address, got, want)
			}
		}
		seen, err := step.Check(t.Context())
		if err != nil || seen.Presence != ripcord.Present {
			t.Errorf("after its Finish, %s is %s (%v)", version, seen.Presence, err)
		}
		if all := containers(t, scope.Application); len(all) != 2 || all[0].Labels[prefix+"run"] != "run-"+version {
			t.Errorf("after %s there are %+v", version, all)
		}
	}
}

// inspected is what the engine keeps of a container.
type inspected struct {
	Config struct {
		Env    []string
		Labels map[string]string
		User   string
	}
	HostConfig struct {
		Memory, MemorySwap, NanoCpus, PidsLimit int64
		RestartPolicy                           struct{ Name string }
	}
	NetworkSettings struct{ Networks map[string]any }
}

func inspect(t *testing.T, id string) (c inspected) {
	t.Helper()
	raw, err := engineOf(t).Ask(http.MethodGet, "/containers/"+id+"/json", nil)
	must(t, err)
	must(t, json.Unmarshal(raw, &c))
	return c
}

// network makes one for a test.
func network(t *testing.T, name string) {
	t.Helper()
	_, err := engineOf(t).Ask(http.MethodPost, "/networks/create", map[string]any{"Name": name, "CheckDuplicate": true})
	must(t, err)
	t.Cleanup(func() {
		if _, err := engineOf(t).Ask(http.MethodDelete, "/networks/"+name, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestWorldOfAnInstance: arguments, environment, user, networks and limits are as
// they were written, and no label tells a secret.
func TestWorldOfAnInstance(t *testing.T) {
	t.Parallel()
	first, second := t.Name()+"-1", t.Name()+"-2"
	network(t, first) // it goes when the containers have
	network(t, second)
	scope := newScope(t)
	hard := []string{"plain", "", " two  words ", `"quoted" 'twice'`, `back\slash \n`, "$HOME $$", "100%", "`id`", "a;b #c", "line\nbreak", "grüße ☃", "=x"}
	scope.Secrets = adaptertest.Secrets{"TOKEN": "t0ken-value", "HARD": strings.Join(hard, "|")}
	_, outputs := release(t, scope, "run-1", "v1", settingsIn(t.TempDir(), map[string]any{
		"command":     append([]string{"${instance.address}", "--secret=${secret:HARD}", "${instance.number} ${instance.port}"}, hard...),
		"environment": map[string]string{"TOKEN": "${secret:TOKEN}", "URL": "postgres://shop:${secret:TOKEN}@db/shop", "HARD": hard[3]},
		"instances":   1, "user": "65534:65534", "directory": "/", "port": 8080, "networks": []string{first, second},
		"limits": map[string]any{"files": 1234, "tasks": 50, "memory": "256M", "cpu": "50%"}, "restart": "on-failure",
	}))
	var got inner
	must(t, json.Unmarshal([]byte(get("http://"+outputs["addresses"].Value+"/world")), &got))
	if diff := cmp.Diff(append([]string{"--secret=" + strings.Join(hard, "|"), "1 8080"}, hard...), got.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"TOKEN": "t0ken-value", "URL": "postgres://shop:t0ken-value@db/shop", "HARD": hard[3], "RIPCORD_ADDRESS": "0.0.0.0:8080",
		"RIPCORD_APPLICATION": scope.Application, "RIPCORD_COLOUR": "blue", "RIPCORD_VERSION": "v1", "RIPCORD_INSTANCE": "1",
	} {
		if got.Env[name] != want {
			t.Errorf("%s is %q, want %q", name, got.Env[name], want)
		}
	}
	if got.UID != 65534 || got.GID != 65534 || got.Dir != "/" || got.Files != 1234 {
		t.Errorf("the instance runs as %d:%d in %s with %d files", got.UID, got.GID, got.Dir, got.Files)
	}
	c := inspect(t, containers(t, scope.Application)[0].ID)
	h := c.HostConfig
	if h.Memory != 256<<20 || h.MemorySwap != 256<<20 || h.NanoCpus != 5e8 || h.PidsLimit != 50 || h.RestartPolicy.Name != "on-failure" {
		t.Errorf("limits are %+v", h)
	}
	if len(c.NetworkSettings.Networks) != 2 {
		t.Errorf("networks are %v", c.NetworkSettings.Networks)
	}
	for name, value := range c.Config.Labels {
		if strings.Contains(value, "t0ken") || strings.Contains(value, "quoted") {
			t.Errorf("label %s tells a secret: %s", name, value)
		}
	}
	if l := c.Config.Labels; l[prefix+"run"] != "run-1" || l[prefix+"step"] != "web" || l[prefix+"colour"] != "blue" || l[prefix+"service"] != "web" {
		t.Errorf("labels are %v", l)
	}
}

// TestOfTheHost: containers in the machine's own network listen there themselves.
func TestOfTheHost(t *testing.T) {
	t.Parallel()
	_, outputs := release(t, newScope(t), "run-1", "v1", settingsIn(t.TempDir(), map[string]any{"networks": []string{"host"}}))
	for address := range strings.SplitSeq(outputs["addresses"].Value, ",") {
		if got := get("http://" + address + "/version"); !strings.HasPrefix(got, "v1 ") {
			t.Errorf("%s answers %q", address, got)
		}
	}
}

// TestFailureSays: the summary names the container, how it ended and its last
// words, and no secret.
func TestFailureSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		file   string
		want   string
	}{
		"exits":   {nil, "broken", "-test-web-blue-1 exited with status 1 before it was healthy: cannot open the database with ***"},
		"program": {map[string]any{"entrypoint": []string{"/no/such/program"}}, "", "-test-web-blue-1 could not be started: "},
		"memory":  {map[string]any{"limits": map[string]any{"memory": "20M"}}, "hungry", "was killed because it used more memory than limits.memory (20M)"},
		"sick":    {map[string]any{"health": map[string]any{"http": "/healthz", "start_timeout": 5}}, "sick", "/healthz answered 500"},
		"silent":  {map[string]any{"health": map[string]any{"tcp": true, "start_timeout": 5}, "port": 81}, "", "nobody listens in the container"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope, folder := newScope(t), t.TempDir()
			if c.file != "" {
				must(t, os.WriteFile(filepath.Join(folder, c.file), nil, 0o600))
			}
			change := map[string]any{"instances": 1, "restart": "no"}
			maps.Copy(change, c.change)
			if name == "silent" {
				change["command"] = []string{"0.0.0.0:82"}
			}
			step := open(t, scope, settingsIn(folder, change))
			journal := journalOf(t, scope, step)
			err := step.Apply(t.Context(), journal.Attempt(1))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("Apply: %v, want %s", err, c.want)
			}
			must(t, step.Undo(t.Context(), journal.Attempt(1)))
			if left := containers(t, scope.Application); len(left) > 0 {
				t.Errorf("Undo left %+v", left)
			}
		})
	}
}

// TestOwnHealth: the image's own health check counts, and must be there where it
// is asked for.
func TestOwnHealth(t *testing.T) {
	t.Parallel()
	w := engineOf(t)
	must(t, w.Load(w.shop(map[string]any{"Healthcheck": map[string]any{
		"Test": []string{"CMD", "/shop", "__health"}, "Interval": 200e6, "Timeout": 30e9, "Retries": 1,
	}}), "shop:checked"))
	own := map[string]any{"docker": true, "interval": .05, "start_timeout": 120}
	folder := t.TempDir()
	scope := newScope(t)
	step, _ := release(t, scope, "run-1", "v1", settingsIn(folder, map[string]any{"image": "shop:checked", "health": own, "instances": 1}))
	must(t, os.WriteFile(filepath.Join(folder, "sick"), nil, 0o600))
	for {
		seen, err := step.Check(t.Context())
		must(t, err)
		if seen.Presence == ripcord.Partial && strings.Contains(seen.Detail, "its own health check says unhealthy: status 500 with ***") {
			break
		}
		if strings.Contains(seen.Detail, "t0ken") {
			t.Fatalf("a secret is told: %s", seen.Detail)
		}
	}
	_, err := open(t, newScope(t), settingsIn(folder, map[string]any{"health": own})).Pin(t.Context())
	if err == nil || !strings.Contains(err.Error(), "brings no health check of its own") {
		t.Errorf("an image without a health check: %v", err)
	}
}

// TestAnotherPort: who finds its port taken moves to another one.
func TestAnotherPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:18000")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	scope := newScope(t)
	step := open(t, scope, settingsIn(t.TempDir(), map[string]any{"instances": 1, "ports": "18000-18001"}))
	journal := journalOf(t, scope, step)
	// An earlier attempt had chosen the port before somebody took it.
	must(t, journal.Attempt(1).Record(t.Context(), json.RawMessage(`{"colour":"blue","ports":[18000]}`)))
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	if err != nil || outputs["addresses"].Value != "127.0.0.1:18001" {
		t.Errorf("%v, %v", outputs, err)
	}
}

// TestByHand: what somebody does to containers is seen.
func TestByHand(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step, _ := release(t, scope, "run-1", "v1", settingsIn(t.TempDir(), nil))
	before, err := step.Check(t.Context())
	must(t, err)
	all := containers(t, scope.Application)
	_, err = engineOf(t).Ask(http.MethodPost, "/containers/"+all[0].ID+"/stop", nil)
	must(t, err)
	seen, err := step.Check(t.Context())
	if err != nil || seen.Presence != ripcord.Partial || !strings.Contains(seen.Detail, "the container is exited") {
		t.Errorf("stopped: %+v, %v", seen, err)
	}
	_, err = engineOf(t).Ask(http.MethodDelete, "/containers/"+all[0].ID, nil)
	must(t, err)
	seen, err = step.Check(t.Context())
	if err != nil || seen.Presence != ripcord.Partial || !strings.Contains(seen.Detail, "1 of 2 containers are there") || string(seen.Image) == string(before.Image) {
		t.Errorf("removed: %+v, %v", seen, err)
	}
}

// TestStamp keeps the newest stamp only.
func TestStamp(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	step := open(t, scope, settingsIn(t.TempDir(), nil))
	t.Cleanup(func() {
		_, _ = engineOf(t).Ask(http.MethodDelete, "/volumes/ripcord-"+scope.Application+"-test-web-stamp-2", nil)
	})
	for fence := range uint64(3) {
		stamp, err := step.Stamp(t.Context())
		if err != nil || fence == 0 && stamp != nil || fence > 0 && (stamp == nil || stamp.Fence != min(fence, 2)) {
			t.Fatalf("before %d the stamp is %+v, %v", fence, stamp, err)
		}
		must(t, step.SetStamp(t.Context(), ripcord.Stamp{State: "s", Run: "r", Fence: min(fence+1, 2)}))
	}
	raw, err := engineOf(t).Ask(http.MethodGet, "/volumes?filters="+url.QueryEscape(`{"name":["`+scope.Application+`"]}`), nil)
	if err != nil || strings.Count(string(raw), `"Name"`) != 1 {
		t.Errorf("volumes are %s, %v", raw, err)
	}
}

// TestPlainErrors: settings that no container could have are refused by Open.
func TestPlainErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"service":   {map[string]any{"service": "we b"}, "no container can be"},
		"no image":  {map[string]any{"image": ""}, "there is no image"},
		"image":     {map[string]any{"image": "Shop:v2"}, "lower-case letters"},
		"digest":    {map[string]any{"image": "shop@sha256:12"}, "no sha256 digest"},
		"pull":      {map[string]any{"pull": "often"}, "pull is"},
		"folder":    {map[string]any{"directory": "here"}, "directory is"},
		"release":   {map[string]any{"command": []string{"${release.directory}/shop"}}, "no ${release.directory} in a container"},
		"network":   {map[string]any{"networks": []string{"none"}}, "cannot be \"none\""},
		"host":      {map[string]any{"networks": []string{"host", "a"}}, "is in no other one"},
		"host port": {map[string]any{"networks": []string{"host"}, "port": 80}, "all instances would listen on port 80"},
		"volume":    {map[string]any{"volumes": []string{"data"}}, "cannot be mounted"},
		"restart":   {map[string]any{"restart": "sometimes"}, "restart is"},
		"memory":    {map[string]any{"limits": map[string]any{"memory": "5M"}}, "limits.memory is"},
		"cpu":       {map[string]any{"limits": map[string]any{"cpu": "2"}}, "limits.cpu is"},
		"ports":     {map[string]any{"ports": "9-1"}, "ports is"},
		"port":      {map[string]any{"port": 99999}, "port is"},
		"socket":    {map[string]any{"socket": "docker.sock"}, "socket is"},
	} {
		_, err := docker.New(nil).Open(t.Context(), specOf(settingsIn("/x", c.change)), ripcord.Scope{Application: "shop", Environment: "test"})
		e, ok := errors.AsType[*ripcord.Error](err)
		if !ok || e.Code != ripcord.CodePlan || e.Fix == "" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
