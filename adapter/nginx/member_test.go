package nginx_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/adapter/nginx"
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

// openMember opens such a step.
func openMember(t *testing.T, spec ripcord.StepSpec) ripcord.Step {
	t.Helper()
	step, err := nginx.New().Open(t.Context(), spec, adaptertest.NewScope(t))
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// three are the targets of an upstream.
func three(t *testing.T) []*target {
	t.Helper()
	return []*target{startTarget(t, "one"), startTarget(t, "two"), startTarget(t, "three")}
}

func TestConformanceOfMembers(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"drain", "ready"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, adaptertest.Config{New: func(t *testing.T) adaptertest.Fixture {
				t.Helper()
				scope, all := adaptertest.NewScope(t), three(t)
				b := startBalancer(t, upstream(all...))
				if state == "ready" {
					apply(t, openMember(t, memberSpec(t, b, "drain", nil, all[:2]...)))
				}
				return adaptertest.Fixture{
					Adapter: nginx.New(), Scope: scope, Spec: memberSpec(t, b, state, nil, all[:2]...),
					Fingerprint: func(t *testing.T) string {
						t.Helper()
						text := b.state(t)
						for _, to := range all {
							text = strings.ReplaceAll(text, to.addr(), "at-"+to.name)
						}
						return fmt.Sprint(text, len(b.answers(t, 12)))
					},
					References: []string{"members"},
					Breaks: []adaptertest.Break{{
						Name: "the rest of the configuration is broken",
						Break: func(t *testing.T) {
							t.Helper()
							write(t, b.config(), strings.Replace(b.plainConfig(), "listen", "lisen", 1))
						},
						Mend: func(t *testing.T) { t.Helper(); write(t, b.config(), b.plainConfig()) },
					}},
				}
			}})
		})
	}
}

// TestMembersGetNothing: a server that is out answers nobody, and keeps its place;
// after the way through all batches the file is as it was, and after the way back as
// a person wrote it.
func TestMembersGetNothing(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, upstream(all...))
	first := b.state(t)
	steps, journals := []ripcord.Step{}, []*adaptertest.Journal{}
	for n, to := range all {
		for _, state := range []string{"drain", "ready"} {
			step := openMember(t, memberSpec(t, b, state, map[string]any{"max_unavailable": 1}, to))
			steps, journals = append(steps, step), append(journals, apply(t, step))
			got := b.answers(t, 12)
			if out := got[to.name] == 0; out != (state == "drain") || got["one"]+got["two"]+got["three"] != 12 {
				t.Errorf("after %s of %d: %v", state, n+1, got)
			}
		}
	}
	if strings.Contains(read(t, b.include()), "down;") {
		t.Errorf("one is still out:\n%s", read(t, b.include()))
	}
	for n, step := range slices.Backward(steps) {
		undo(t, step, journals[n])
	}
	if now := b.state(t); now != first {
		t.Errorf("was\n%s\nis\n%s", first, now)
	}
}

// TestAllMembersLeave: nginx takes an upstream of which nothing is in rotation, and
// says that it is not available.
func TestAllMembersLeave(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, strings.Replace(upstream(all...), "{", "{ least_conn;", 1))
	was := b.state(t)
	drain := openMember(t, memberSpec(t, b, "drain", nil, all...))
	journal := apply(t, drain)
	if got := b.answers(t, 4); got["502 Bad Gateway"] != 4 {
		t.Errorf("%v", got)
	}
	ready := openMember(t, memberSpec(t, b, "ready", nil, all...))
	back := apply(t, ready)
	if got := b.answers(t, 12); got["one"]+got["two"]+got["three"] != 12 {
		t.Errorf("%v", got)
	}
	undo(t, ready, back)
	undo(t, drain, journal)
	if out := journal.Output(); !strings.Contains(out, "in rotation again in upstream shop") {
		t.Errorf("%s", out)
	}
	if now := b.state(t); now != was {
		t.Errorf("was\n%s\nis\n%s", was, now)
	}
}

// TestMembersKeepTheirShares: those out of rotation while there is a split are so on
// their side only, and a shift does not put them back.
func TestMembersKeepTheirShares(t *testing.T) {
	t.Parallel()
	blue := []*target{startTarget(t, "blue"), startTarget(t, "blue")}
	green := startTarget(t, "green")
	b := startBalancer(t, upstream(blue...))
	scope := adaptertest.NewScope(t)
	apply(t, open(t, scope, spec(t, b, "green", map[string]any{"weight": 50}, green)))
	apply(t, openMember(t, memberSpec(t, b, "drain", nil, blue[0])))
	if got := b.answers(t, 60); got["blue"] == 0 || got["green"] == 0 || got["blue"]+got["green"] != 60 {
		t.Errorf("%v", got)
	}
	apply(t, open(t, scope, spec(t, b, "blue", nil, blue...)))
	if text := read(t, b.include()); strings.Count(text, " down;") != 1 {
		t.Errorf("a shift put one back:\n%s", text)
	}
}

// TestMembersNeedRoom: none leaves while too many others do not answer.
func TestMembersNeedRoom(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, upstream(all...))
	all[2].ill.Store(true)
	step := openMember(t, memberSpec(t, b, "drain", map[string]any{"max_unavailable": 1, "ready_timeout": 0.3}, all[0]))
	err := step.Apply(t.Context(), begin(t, step).Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "status 500") || !strings.Contains(err.Error(), "2 were unavailable, and at most 1 may be") {
		t.Error(err)
	}
	all[2].ill.Store(false)
	apply(t, openMember(t, memberSpec(t, b, "drain", map[string]any{"max_unavailable": 1}, all[1])))
	step = openMember(t, memberSpec(t, b, "drain", map[string]any{"max_unavailable": 1, "ready_timeout": 0.3}, all[0]))
	err = step.Apply(t.Context(), begin(t, step).Attempt(1))
	if err == nil || !strings.Contains(err.Error(), all[1].addr()+" is out of rotation, so that") {
		t.Error(err)
	}
}

// TestMembersComeBackWell: one that does not answer stays out, unless it comes back
// on the way back.
func TestMembersComeBackWell(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, upstream(all...))
	was := b.state(t)
	journal := apply(t, openMember(t, memberSpec(t, b, "drain", nil, all[0])))
	all[0].ill.Store(true)
	step := openMember(t, memberSpec(t, b, "ready", map[string]any{"ready_timeout": 0.3}, all[0]))
	err := step.Apply(t.Context(), begin(t, step).Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "instances that are to come back into upstream shop did not become ready within 300ms") {
		t.Error(err)
	}
	if got := b.answers(t, 12); got["one"] != 0 {
		t.Errorf("%v", got)
	}
	// Long enough for the reload, which it limits as well.
	undo(t, openMember(t, memberSpec(t, b, "drain", map[string]any{"ready_timeout": 5}, all[0])), journal)
	if now := b.state(t); now != was {
		t.Errorf("was\n%s\nis\n%s", was, now)
	}
	if out := journal.Output(); !strings.Contains(out, "put back all the same") {
		t.Errorf("%s", out)
	}
}

// TestMembersDrain: the step ends when the answer in flight has.
func TestMembersDrain(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, upstream(all[0]))
	response, err := http.Get("http://" + b.listen + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	step := openMember(t, memberSpec(t, b, "drain", map[string]any{"drain_timeout": 60}, all[0]))
	journal := begin(t, step)
	ended := make(chan error, 1)
	go func() { ended <- step.Apply(t.Context(), journal.Attempt(1)) }()
	waitFor(t, "nginx has reloaded", func() bool {
		seen, err := step.Check(t.Context())
		return err == nil && strings.Contains(seen.Detail, "old workers still answer")
	})
	select {
	case err := <-ended:
		t.Errorf("it did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(all[0].hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestMembersOthersChange: nothing is built on what somebody else wrote meanwhile.
func TestMembersOthersChange(t *testing.T) {
	t.Parallel()
	all := three(t)
	b := startBalancer(t, upstream(all...))
	step := openMember(t, memberSpec(t, b, "drain", nil, all[0]))
	journal := begin(t, step)
	write(t, b.include(), upstream(all...)+"# a colleague was here\n")
	err := step.Apply(t.Context(), journal.Attempt(1))
	if err == nil || !strings.Contains(err.Error(), "somebody else changed "+b.include()) {
		t.Error(err)
	}
	if _, ok := step.(ripcord.Stamper); !ok {
		t.Error("it has no stamp")
	}
}

func TestMembersAreRefused(t *testing.T) {
	t.Parallel()
	b := &balancer{dir: "/nowhere"}
	for _, change := range []map[string]any{{"state": "maint"}, {"max_unavailable": -1}} {
		_, err := nginx.New().Open(t.Context(), memberSpec(t, b, "drain", change), adaptertest.NewScope(t))
		if ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%v: %v", change, err)
		}
	}
}
