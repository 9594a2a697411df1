package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/port"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// memberSpec is a step that takes targets out of rotation or puts them back.
func memberSpec(t *testing.T, listen, state string, change map[string]any, targets ...*target) ripcord.StepSpec {
	t.Helper()
	s := spec(t, listen, "", nil, targets...)
	settings := map[string]any{}
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		t.Fatal(err)
	}
	settings["members"], settings["targets"], settings["state"], settings["ready_timeout"] = settings["targets"], "", state, 2
	maps.Copy(settings, change)
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	s.ID, s.Kind, s.Settings = "member", state, raw
	return s
}

func openMember(t *testing.T, scope ripcord.Scope, spec ripcord.StepSpec) ripcord.Step {
	t.Helper()
	step, err := proxy.New().Open(t.Context(), spec, scope)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return step
}

// rotation says which targets are in rotation.
func rotation(t *testing.T, scope ripcord.Scope, listen string, targets ...*target) string {
	t.Helper()
	status, err := dataplane.NewClient(proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front")).Status(context.WithoutCancel(t.Context()))
	if err != nil {
		return world(t, scope, listen, targets...)
	}
	var text strings.Builder
	fmt.Fprint(&text, status.State.Route, " out:")
	for _, to := range targets {
		for _, out := range status.State.Out {
			if out == to.addr() {
				fmt.Fprint(&text, " ", to.name)
			}
		}
	}
	return text.String()
}

// three is a world with three targets behind a proxy, of which some are out.
func three(t *testing.T, out ...int) (ripcord.Scope, string, []*target) {
	t.Helper()
	scope, listen := newScope(t), port.Address(t)
	all := []*target{startTarget(t, "one"), startTarget(t, "two"), startTarget(t, "three")}
	apply(t, open(t, scope, spec(t, listen, "all", nil, all...)))
	for _, n := range out {
		if _, err := client(scope).Rotate(t.Context(), dataplane.Rotation{Targets: []string{all[n].addr()}, Out: true}); err != nil {
			t.Fatal(err)
		}
	}
	return scope, listen, all
}

func TestConformanceOfMembers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		state string
		out   []int
	}{
		"drain": {"drain", nil}, "ready": {"ready", []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				scope, listen, all := three(t, test.out...)
				return adaptertest.Fixture{
					Adapter: proxy.New(), Scope: scope, Spec: memberSpec(t, listen, test.state, nil, all[:2]...),
					Fingerprint: func(t *testing.T) string { t.Helper(); return rotation(t, scope, listen, all...) },
					References:  []string{"members"},
				}
			}})
		})
	}
}

// TestMembersThatWereOut stay out when the step is taken back.
func TestMembersThatWereOut(t *testing.T) {
	t.Parallel()
	scope, listen, all := three(t, 1)
	step := openMember(t, scope, memberSpec(t, listen, "drain", nil, all[:2]...))
	a := apply(t, step)
	if now := rotation(t, scope, listen, all...); now != "all out: one two" {
		t.Error(now)
	}
	if err := step.Undo(t.Context(), a); err != nil {
		t.Error(err)
	}
	if now := rotation(t, scope, listen, all...); now != "all out: two" {
		t.Error(now)
	}
}

// TestMembersNeedRoom: none leaves while too many others do not answer.
func TestMembersNeedRoom(t *testing.T) {
	t.Parallel()
	scope, listen, all := three(t, 2)
	step := openMember(t, scope, memberSpec(t, listen, "drain", map[string]any{"max_unavailable": 1, "ready_timeout": 2}, all[0]))
	got := failureOf(t, step.Apply(t.Context(), attempt(t, step)))
	if !strings.Contains(got.Summary, all[2].addr()+" is out of rotation, so that with the 1 that would leave the rotation 2 were unavailable, and at most 1 may be") {
		t.Error(got.Summary)
	}
	if now := rotation(t, scope, listen, all...); now != "all out: three" {
		t.Error(now)
	}
}

// TestMembersThatAreSick: one that is not ready does not get back, and going back
// does not wait for it for ever.
func TestMembersThatAreSick(t *testing.T) {
	t.Parallel()
	scope, listen, all := three(t)
	a := apply(t, openMember(t, scope, memberSpec(t, listen, "drain", nil, all[0])))
	drain := openMember(t, scope, memberSpec(t, listen, "drain", map[string]any{"ready_timeout": 1}, all[0]))
	all[0].sick(true)
	waitFor(t, "the proxy knows", func() bool {
		status, err := client(scope).Status(t.Context())
		return err == nil && strings.Contains(fmt.Sprint(status.Sides), "failed")
	})
	ready := openMember(t, scope, memberSpec(t, listen, "ready", map[string]any{"ready_timeout": 1}, all[0]))
	got := failureOf(t, ready.Apply(t.Context(), attempt(t, ready)))
	if got.Class != ripcord.FailedHealth || !strings.Contains(got.Summary, "did not find "+all[0].addr()+" ready") {
		t.Error(got.Summary)
	}
	if now := rotation(t, scope, listen, all...); now != "all out: one" {
		t.Error(now)
	}
	if err := drain.Undo(t.Context(), a); err != nil {
		t.Error(err)
	}
	if now := rotation(t, scope, listen, all...); now != "all out:" {
		t.Error(now)
	}
}

// TestMembersWithoutTraffic: before the first shift there is nothing to do.
func TestMembersWithoutTraffic(t *testing.T) {
	t.Parallel()
	scope, listen := newScope(t), port.Address(t)
	for _, members := range []string{"", ",", "127.0.0.1:1"} {
		step := openMember(t, scope, memberSpec(t, listen, "drain", map[string]any{"members": members}))
		seen, err := step.Check(t.Context())
		if err != nil || seen.Presence != ripcord.Present {
			t.Errorf("%s: %+v, %v", members, seen, err)
		}
		apply(t, step)
	}
	if _, err := os.Stat(proxy.Directory(scope.StateDir, scope.Application, scope.Environment, "front")); err == nil {
		t.Error("a proxy was made")
	}
}

func TestMembersAreRefused(t *testing.T) {
	t.Parallel()
	for _, change := range []map[string]any{{"state": "away"}, {"max_unavailable": -1}} {
		_, err := proxy.New().Open(t.Context(), memberSpec(t, "127.0.0.1:1", "drain", change), newScope(t))
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", change, err)
		}
	}
}
