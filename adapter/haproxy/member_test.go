package haproxy_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/haproxy"
)

// memberSpec is a step that takes targets out of rotation or puts them back.
func memberSpec(t *testing.T, b *balancer, state string, change map[string]any, targets ...*target) ripcord.StepSpec {
	t.Helper()
	s := spec(t, b, "", nil, targets...)
	settings := map[string]any{}
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		t.Fatal(err)
	}
	settings["members"], settings["targets"], settings["state"] = settings["targets"], "", state
	maps.Copy(settings, change)
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	s.ID, s.Kind, s.Settings = "member", state, raw
	return s
}

func TestConformanceOfMembers(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"drain", "ready"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				scope := adaptertest.NewScope(t)
				all := []*target{startTarget(t, "one"), startTarget(t, "two"), startTarget(t, "three")}
				b := startBalancer(t, lines("app", all...))
				if state == "ready" {
					b.ask(t, "set server shop/app1 state drain")
					b.ask(t, "set server shop/app2 state drain")
				}
				return adaptertest.Fixture{
					Adapter: haproxy.New(), Scope: scope, Spec: memberSpec(t, b, state, nil, all[:2]...),
					Fingerprint: func(t *testing.T) string { t.Helper(); return b.servers(t, all...) },
					References:  []string{"members"},
				}
			}})
		})
	}
}

func openMember(t *testing.T, spec ripcord.StepSpec) (ripcord.Step, *adaptertest.Journal) {
	t.Helper()
	step, err := haproxy.New().Open(t.Context(), spec, adaptertest.NewScope(t))
	if err != nil {
		t.Fatal(err)
	}
	return step, begin(t, step)
}

// TestMembersGetNothing: a server that is out answers nobody, and requests in flight
// end before its step does.
func TestMembersGetNothing(t *testing.T) {
	t.Parallel()
	all := []*target{startTarget(t, "one"), startTarget(t, "two")}
	b := startBalancer(t, lines("app", all...))
	step, journal := openMember(t, memberSpec(t, b, "drain", nil, all[0]))
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if got := b.answers(t, 10); got["two"] != 10 {
		t.Errorf("answers: %v", got)
	}
	back, journal := openMember(t, memberSpec(t, b, "ready", nil, all[0]))
	if err := back.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if got := b.answers(t, 10); got["one"] == 0 {
		t.Errorf("answers: %v", got)
	}
}

// TestMembersNeedRoom: none leaves while too many others do not answer.
func TestMembersNeedRoom(t *testing.T) {
	t.Parallel()
	all := []*target{startTarget(t, "one"), startTarget(t, "two"), startTarget(t, "three")}
	b := startBalancer(t, lines("app", all...))
	b.ask(t, "set server shop/app3 state drain")
	step, journal := openMember(t, memberSpec(t, b, "drain", map[string]any{"max_unavailable": 1, "ready_timeout": 3}, all[0]))
	before := b.servers(t, all...)
	err := step.Apply(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "server app3 is in state drain, so that with the 1 that would leave the rotation 2 were unavailable") {
		t.Error(err)
	}
	if now := b.servers(t, all...); now != before {
		t.Errorf("before %s\nnow %s", before, now)
	}
}

func TestMembersAreRefused(t *testing.T) {
	t.Parallel()
	b := &balancer{}
	for _, change := range []map[string]any{{"state": "maint"}, {"max_unavailable": -1}} {
		_, err := haproxy.New().Open(t.Context(), memberSpec(t, b, "drain", change), adaptertest.NewScope(t))
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", change, err)
		}
	}
}
