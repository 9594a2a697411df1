package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
)

// pin returns the image that a step's settings name for good.
func pin(t *testing.T, scope ripcord.Scope, settings string) (image, pinned string) {
	t.Helper()
	raw, err := open(t, scope, settings).Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Image string }
	must(t, json.Unmarshal(raw, &all))
	return all.Image, string(raw)
}

// registryOf serves images on loopback.
func registryOf(t *testing.T, password string) (r *dockerd.Registry, at string) {
	t.Helper()
	r = &dockerd.Registry{Password: password}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.Listener.Addr().String()
}

// version is an image whose environment tells it from others.
func version(w *world, text string) *dockerd.Image {
	image := w.shop(map[string]any{"Env": []string{"IMAGE=" + text}})
	image.Texts = map[string]string{"/image": text} // a layer of its own
	return image
}

// imageOf tells which image answers.
func imageOf(t *testing.T, outputs map[string]ripcord.Output) string {
	t.Helper()
	address, _, _ := strings.Cut(outputs["addresses"].Value, ",")
	var got inner
	must(t, json.Unmarshal([]byte(get("http://"+address+"/world")), &got))
	return got.Env["IMAGE"]
}

// TestATagIsNoVersion: what a tag means is looked up once, when the release is
// planned; what it means later does not count.
func TestATagIsNoVersion(t *testing.T) {
	t.Parallel()
	w := engineOf(t)
	r, at := registryOf(t, "")
	digest, err := r.Push(version(w, "first"), "tags", "v1")
	must(t, err)
	scope := newScope(t)
	image, pinned := pin(t, scope, settingsIn(t.TempDir(), map[string]any{"image": at + "/tags:v1"}))
	if image != at+"/tags@"+digest || !strings.Contains(pinned, `"tag":"`+at+`/tags:v1"`) {
		t.Fatalf("pinned is %s", pinned)
	}
	if _, err := r.Push(version(w, "second"), "tags", "v1"); err != nil {
		t.Fatal(err)
	}
	scope.Run = "run-1"
	step := open(t, scope, pinned)
	text, err := step.Explain(t.Context())
	if err != nil || !strings.Contains(text, "from "+at+"/tags:v1 ("+digest[:19]+", to be pulled) in blue") {
		t.Errorf("Explain: %s, %v", text, err)
	}
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	if said := journal.Output(); !strings.Contains(said, "pulling "+image) || !strings.Contains(said, "pull complete") {
		t.Errorf("of the pull it tells: %s", said)
	}
	outputs, err := step.Outputs(t.Context(), journal.Attempt(1))
	must(t, err)
	if got := imageOf(t, outputs); got != "first" {
		t.Errorf("the image that runs is the %s", got)
	}
	// It is here now, under its digest; missing asks nobody, always does.
	if again, _ := pin(t, scope, settingsIn(t.TempDir(), map[string]any{"image": image})); again != image {
		t.Errorf("a digest is pinned as %s", again)
	}
	if now, _ := pin(t, scope, settingsIn(t.TempDir(), map[string]any{"image": at + "/tags:v1", "pull": "always"})); now == image {
		t.Error("pull: always asks nobody")
	}
}

// TestBuiltHere: an image without a digest of its name goes by its id.
func TestBuiltHere(t *testing.T) {
	t.Parallel()
	w := engineOf(t)
	built := version(w, "built")
	must(t, w.Load(built, "built:v1"))
	scope := newScope(t)
	image, pinned := pin(t, scope, settingsIn(t.TempDir(), map[string]any{"image": "built:v1", "instances": 1}))
	if image != built.ID() {
		t.Fatalf("pinned is %s", pinned)
	}
	must(t, w.Load(version(w, "another"), "built:v1"))
	if _, outputs := release(t, scope, "run-1", "v1", pinned); imageOf(t, outputs) != "built" {
		t.Errorf("the image that runs is the %s", imageOf(t, outputs))
	}
	// One that came from a registry and was tagged anew has no digest of its new name.
	r, at := registryOf(t, "")
	_, err := r.Push(version(w, "pushed"), "old", "v1")
	must(t, err)
	_, err = w.Ask(http.MethodPost, "/images/create?fromImage="+at+"/old&tag=v1", nil)
	must(t, err)
	_, err = w.Ask(http.MethodPost, "/images/"+at+"/old:v1/tag?repo="+at+"/new&tag=v1", nil)
	must(t, err)
	if image, _ := pin(t, scope, settingsIn(t.TempDir(), map[string]any{"image": at + "/new:v1"})); !strings.HasPrefix(image, "sha256:") {
		t.Errorf("pinned is %s", image)
	}
}

// TestOfAnEarlierStep: an image that a step tells is looked up once, before the
// first effect, and kept.
func TestOfAnEarlierStep(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	later := settingsIn(t.TempDir(), map[string]any{"image": "${steps.build.outputs.image}"})
	raw, err := open(t, scope, later).Pin(t.Context())
	if err != nil || string(raw) != later {
		t.Errorf("Pin: %s, %v", raw, err)
	}
	step := open(t, scope, settingsIn(t.TempDir(), nil))
	journal := journalOf(t, scope, step)
	must(t, step.Apply(t.Context(), journal.Attempt(1)))
	if last := string(journal.Progress()[len(journal.Progress())-1]); !strings.Contains(last, `"image":"sha256:`) {
		t.Errorf("recorded is %s", last)
	}
}

// TestPrivate: a registry that wants to know who asks is told, and told of.
func TestPrivate(t *testing.T) {
	t.Parallel()
	w := engineOf(t)
	r, at := registryOf(t, "t0ken-value")
	_, err := r.Push(version(w, "private"), "private", "v1")
	must(t, err)
	scope := newScope(t)
	_, err = open(t, scope, settingsIn(t.TempDir(), map[string]any{"image": at + "/private:v1"})).Pin(t.Context())
	plain(t, err, "wants to know who asks", "registry: {username")
	_, pinned := pin(t, scope, settingsIn(t.TempDir(), map[string]any{
		"image": at + "/private:v1", "instances": 1, "registry": map[string]string{"username": "puller", "password": "${secret:TOKEN}"},
	}))
	if strings.Contains(pinned, "t0ken") {
		t.Errorf("the password stands in the plan: %s", pinned)
	}
	if _, outputs := release(t, scope, "run-1", "v1", pinned); imageOf(t, outputs) != "private" {
		t.Error("another image runs")
	}
}

// plain fails unless an error of CodePlan says what is wrong and how to mend it.
func plain(t *testing.T, err error, text, fix string) {
	t.Helper()
	e, ok := errors.AsType[*ripcord.Error](err)
	if !ok || e.Code != ripcord.CodePlan || !strings.Contains(e.Message, text) || !strings.Contains(e.Fix, fix) {
		t.Errorf("it says %+v (%v), want %q, fix %q", e, err, text, fix)
	}
}

// deaf is a machine whose engine cannot be reached.
type deaf struct {
	ripcord.Machine
	err error
}

func (deaf) Name() string { return "app1" }

func (d deaf) Dial(context.Context, string, string) (io.ReadWriteCloser, error) {
	return nil, &net.OpError{Op: "dial", Net: "unix", Err: d.err}
}

// machine returns it.
func (d deaf) machine(context.Context, string) (ripcord.Machine, error) { return d, nil }

type machinesOf func(ctx context.Context, name string) (ripcord.Machine, error)

// Machine asks the function.
func (m machinesOf) Machine(ctx context.Context, name string) (ripcord.Machine, error) {
	return m(ctx, name)
}

// TestRefused: what cannot run is refused when it is planned, in words, and
// leaves nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	_, at := registryOf(t, "")
	for name, c := range map[string]struct {
		change    map[string]any
		dial      error
		text, fix string
	}{
		"network":        {map[string]any{"networks": []string{"nosuch"}}, nil, `has no network "nosuch"`, "docker network create nosuch"},
		"image":          {map[string]any{"image": at + "/nosuch:v1"}, nil, "there is no image " + at + "/nosuch:v1, neither here nor in its registry", "push it"},
		"image's digest": {map[string]any{"image": at + "/nosuch@sha256:" + strings.Repeat("0", 64)}, nil, "there is no image", "push it"},
		"no registry":    {map[string]any{"image": "127.0.0.1:1/shop:v1"}, nil, "its registry cannot be asked", "pull: never"},
		"never":          {map[string]any{"image": at + "/nosuch:v1", "pull": "never"}, nil, "no registry may be asked", "docker load"},
		"id":             {map[string]any{"image": "sha256:" + strings.Repeat("0", 64)}, nil, "is not here", "docker load"},
		"socket":         {nil, syscall.ENOENT, "there is no Docker engine on machine app1: /", "systemctl start docker"},
		"permission":     {nil, syscall.EACCES, "may not be used by this user", "usermod -aG docker"},
		"dead":           {nil, syscall.ECONNREFUSED, "is not running", "systemctl start docker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := newScope(t)
			if c.dial != nil {
				scope.Machines = machinesOf(deaf{err: c.dial}.machine)
			}
			step := open(t, scope, settingsIn(t.TempDir(), c.change))
			_, err := step.Pin(t.Context())
			plain(t, err, c.text, c.fix)
			if _, err := step.Stamp(t.Context()); c.dial != nil && ripcord.CodeOf(err) != ripcord.CodeRefused {
				t.Errorf("Stamp: %v", err)
			}
		})
	}
}

// TestNotOurs: a container of the same name that somebody else made is left alone.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	scope := newScope(t)
	name := "ripcord-" + scope.Application + "-test-web-blue-1"
	_, err := engineOf(t).Ask(http.MethodPost, "/containers/create?name="+name, map[string]any{"Image": "shop:v2", "Cmd": []string{"x"}})
	must(t, err)
	was := containers(t, scope.Application)
	step := open(t, scope, settingsIn(t.TempDir(), nil))
	_, err = step.Pin(t.Context())
	plain(t, err, "a container "+name+" is there and belongs to something else", "docker rm -f "+name)
	journal := adaptertest.NewJournal("run-1/web", ripcord.Observation{Presence: ripcord.Absent})
	if err := step.Apply(t.Context(), journal.Attempt(1)); err == nil || !strings.Contains(err.Error(), "belongs to something else") {
		t.Errorf("Apply: %v", err)
	}
	must(t, step.Undo(t.Context(), journal.Attempt(1)))
	if now := containers(t, scope.Application); len(now) != 1 || now[0].ID != was[0].ID {
		t.Errorf("there are %+v, there were %+v", now, was)
	}
}
