package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// oracle is an adapter whose dependencies answer what their settings say.
type oracle struct{}

func (oracle) Kind() string { return "oracle" }

func (oracle) Open(_ context.Context, spec ripcord.StepSpec, _ ripcord.Scope) (ripcord.Step, error) {
	o := &answering{}
	return o, json.Unmarshal(spec.Settings, o)
}

// answering is one dependency.
type answering struct {
	ripcord.Step
	Says  string `json:"says"`
	Hangs bool   `json:"hangs"`
}

func (a *answering) Probe(ctx context.Context) error {
	if a.Hangs {
		<-ctx.Done()
		return errors.New("no answer within 2s")
	}
	if a.Says == "" {
		return nil
	}
	return errors.New(a.Says)
}

func TestBlame(t *testing.T) {
	t.Parallel()
	needs := func(pairs ...string) []ripcord.Dependency {
		var all []ripcord.Dependency
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, ripcord.Dependency{Name: pairs[i], Of: "web", Adapter: "oracle", Settings: json.RawMessage(pairs[i+1])})
		}
		return all
	}
	const own = "web instance 1 was not healthy"
	for _, test := range []struct {
		name, fault string
		needs       []ripcord.Dependency
		class       ripcord.FailureClass
		summary     string
		lines       []string
	}{
		{"all well", "health", needs("orders", `{}`), "health", own, []string{"its own words"}},
		{
			"one is down", "health", needs("cache", `{}`, "orders", `{"says":"connection refused"}`), "dependency",
			"web is unhealthy because orders does not answer: connection refused; what was seen of it: " + own,
			[]string{"orders, which web needs: connection refused", "its own words"},
		},
		{
			"the deepest is the cause", "command", needs("orders", `{"says":"refused"}`, "api", `{"says":"status 503"}`), "dependency",
			"web is unhealthy because orders does not answer: refused; what was seen of it: " + own,
			[]string{"orders, which web needs: refused", "api, which web needs: status 503", "its own words"},
		},
		{
			"it hangs", "health", needs("orders", `{"hangs":true}`), "dependency",
			"web is unhealthy because orders does not answer: no answer within 2s; what was seen of it: " + own,
			[]string{"orders, which web needs: no answer within 2s", "its own words"},
		},
		{"not of that kind", "target", needs("orders", `{"says":"refused"}`), "target", own, []string{"its own words"}},
		{"not known yet", "health", needs("orders", `{"says":"${steps.other.outputs.addresses}"}`), "health", own, []string{"its own words"}},
		{"cannot be opened", "health", needs("orders", `[]`), "health", own, []string{"its own words"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				step := set("deploy", "")
				step.Adapter, step.Dependencies = "failing", test.needs
				w := newWorkbench(t, step)
				began := time.Now()
				state := w.run(func(o *local.Options) {
					o.Adapters["oracle"] = oracle{}
					o.Adapters["failing"] = failing{o.Adapters["fake"], &ripcord.Failure{
						Class: ripcord.FailureClass(test.fault), Summary: own, Lines: []string{"its own words"}, Final: true,
					}}
				})
				got := state.Steps["deploy"].Failure
				want := &ripcord.Failure{Class: test.class, Summary: test.summary, Lines: test.lines, Final: true}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("failure (-want +got):\n%s", diff)
				}
				if state.State != ripcord.StateRolledBack {
					t.Errorf("the run is %s\n%s", state.State, w.journal())
				}
				if took := time.Since(began); took > 30*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// failing opens steps whose Apply fails.
type failing struct {
	ripcord.Adapter
	with *ripcord.Failure
}

func (f failing) Open(ctx context.Context, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	step, err := f.Adapter.Open(ctx, spec, scope)
	return failingStep{step, f.with}, err
}

type failingStep struct {
	ripcord.Step
	with *ripcord.Failure
}

// Apply fails; without a failure it waits until it is stopped.
func (f failingStep) Apply(ctx context.Context, _ ripcord.Attempt) error {
	if f.with == nil {
		<-ctx.Done()
		return &ripcord.Failure{Class: ripcord.FailedHealth, Summary: "it was not healthy yet"}
	}
	return f.with
}

// TestBlameIsNotForWhatWasStopped: a step that was stopped because another failed
// blames nobody.
func TestBlameIsNotForWhatWasStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := set("slow", "")
		slow.Adapter = "slow"
		slow.Dependencies = []ripcord.Dependency{{Name: "orders", Of: "web", Adapter: "oracle", Settings: json.RawMessage(`{"says":"refused"}`)}}
		bad := set("bad", "")
		bad.Adapter = "failing"
		w := newWorkbench(t, slow, bad)
		state := w.run(func(o *local.Options) {
			o.Adapters["oracle"] = oracle{}
			o.Adapters["slow"] = failing{o.Adapters["fake"], nil}
			o.Adapters["failing"] = failing{o.Adapters["fake"], &ripcord.Failure{Class: ripcord.FailedCommand, Summary: "exit status 1", Final: true}}
		})
		if f := state.Steps["slow"].Failure; f != nil && strings.Contains(f.Summary, "orders") {
			t.Errorf("%s: %s", f.Class, f.Summary)
		}
	})
}
