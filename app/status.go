package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/keeper"
	"github.com/ripcord-dev/ripcord/procfs"
)

// Status is how an application stands in an environment: its unfinished run,
// else its newest one, and what is around it. Its JSON names are a surface.
type Status struct {
	View
	// Good is the last good release; nil where there is none.
	Good *Good `json:"last_good_release"`
	// Done and Total count the steps of an unfinished run.
	Done  int `json:"steps_done"`
	Total int `json:"steps_total"`
	// Active are the steps that are in progress or wait for a person.
	Active    []ActiveStep   `json:"active_steps"`
	Instances []InstanceView `json:"instances"`
	// Unseen says which instances could not be asked for, and why.
	Unseen  []string  `json:"unseen,omitempty"`
	Traffic []Traffic `json:"traffic"`
}

// Good is a last good release.
type Good struct {
	Version string        `json:"version"`
	Run     ripcord.RunID `json:"run"`
	// Since is when it was released.
	Since time.Time `json:"since"`
}

// ActiveStep is a step that a run is busy with.
type ActiveStep struct {
	ID    ripcord.StepID    `json:"id"`
	State ripcord.StepState `json:"state"`
	// Since is when its effect, or the newest try of its undo, began.
	Since time.Time `json:"since"`
	// Asks is the question that a person has to answer.
	Asks string `json:"asks,omitempty"`
}

// Traffic is what a balancer's built-in proxy does.
type Traffic struct {
	Balancer string `json:"balancer"`
	Listen   string `json:"listen"`
	// Route is the side that new requests go to.
	Route string        `json:"route"`
	Sides []SideTraffic `json:"sides"`
	// Problem says why there are no numbers.
	Problem string `json:"problem,omitempty"`
}

// SideTraffic counts one side since the proxy, or the side, began. Errors are the
// version's, Refused is what the proxy refused by itself.
type SideTraffic struct {
	Name       string  `json:"name"`
	Requests   uint64  `json:"requests"`
	Errors     uint64  `json:"errors"`
	Refused    uint64  `json:"refused,omitempty"`
	InFlight   int64   `json:"in_flight"`
	P50Seconds float64 `json:"p50_seconds"`
	P99Seconds float64 `json:"p99_seconds"`
}

// Status tells of each application and environment that the filter selects.
func (a *App) Status(ctx context.Context, f ripcord.Filter) ([]Status, error) {
	places, err := a.store.Places(ctx)
	if err != nil {
		return nil, err
	}
	supervised, err := a.Supervised(ctx)
	if err != nil {
		return nil, err
	}
	damaged, err := a.damaged()
	if err != nil {
		return nil, err
	}
	list := []Status{}
	for _, place := range places {
		if f.Application != "" && f.Application != place.Application || f.Environment != "" && f.Environment != place.Environment {
			continue
		}
		s, err := a.statusOf(ctx, place)
		if err != nil {
			return nil, err
		}
		for _, i := range instanceViews(supervised) {
			if i.Application == place.Application && i.Environment == place.Environment {
				s.Instances = append(s.Instances, i)
			}
		}
		others, unseen, err := a.elsewhere(ctx, place)
		if err != nil {
			return nil, err
		}
		s.Instances, s.Unseen = append(s.Instances, others...), unseen
		s.Unseen = append(s.Unseen, damaged...)
		s.Traffic = a.traffic(ctx, place, supervised)
		list = append(list, s)
	}
	return list, nil
}

// damaged are instances whose record cannot be read: of no place that anybody knows.
func (a *App) damaged() ([]string, error) {
	all, err := keeper.FindDamaged(a.dir, procfs.FS{})
	lines := make([]string, 0, len(all))
	for _, d := range all {
		lines = append(lines, d.String())
	}
	return lines, err
}

func (a *App) statusOf(ctx context.Context, place ripcord.Filter) (Status, error) {
	s := Status{Active: []ActiveStep{}, Instances: []InstanceView{}}
	place.Unfinished, place.Limit = true, 1
	runs, err := a.store.Runs(ctx, place)
	if err == nil && len(runs) == 0 {
		place.Unfinished = false
		runs, err = a.store.Runs(ctx, place)
	}
	if err != nil {
		return s, err
	}
	if s.View, err = a.View(ctx, runs[0]); err != nil {
		return s, err
	}
	good, err := a.store.LastGood(ctx, place.Application, place.Environment)
	switch {
	case err == nil:
		s.Good = &Good{Version: good.Version, Run: good.Run, Since: good.EndedAt.UTC()}
		if good.EndedAt.IsZero() {
			s.Good.Since = good.StartedAt.UTC()
		}
	case ripcord.CodeOf(err) != ripcord.CodeNotFound:
		return s, err
	}
	if s.State.Ended() {
		return s, nil
	}
	return s, a.stage(ctx, &s)
}

// stage adds how far an unfinished run is.
func (a *App) stage(ctx context.Context, s *Status) error {
	state, err := a.State(ctx, s.Run)
	if err != nil {
		return err
	}
	s.Canaries = canaries(state, false)
	for i := range state.Plan.Steps {
		t := state.Steps[state.Plan.Steps[i].ID]
		s.Total++
		switch t.State {
		case ripcord.StepIsApplied, ripcord.StepIsFound, ripcord.StepIsSkipped:
			s.Done++
		case ripcord.StepIsRunning:
			s.Active = append(s.Active, ActiveStep{ID: t.Spec.ID, State: t.State, Since: t.StartedAt.UTC()})
		case ripcord.StepIsUndoing:
			s.Active = append(s.Active, ActiveStep{ID: t.Spec.ID, State: t.State, Since: t.UndoTriedAt.UTC()})
		default:
			if asks := asking(state, t.Spec.ID); asks != "" {
				s.Active = append(s.Active, ActiveStep{ID: t.Spec.ID, State: t.State, Asks: asks})
			}
		}
	}
	return nil
}

// proxyTimeout is how long a proxy may take to tell its counters.
const proxyTimeout = time.Second

// traffic asks the environment's proxies for their counters.
func (a *App) traffic(ctx context.Context, place ripcord.Filter, supervised []ripcord.InstanceStatus) []Traffic {
	list := []Traffic{}
	prefix := proxy.InstanceID(place.Application, place.Environment, "")
	for _, i := range supervised {
		balancer, ok := strings.CutPrefix(i.ID, prefix)
		if !ok {
			continue
		}
		if name := i.Labels["balancer"]; name != "" { // behind it, the id may tell a process that has taken over
			balancer = name
		}
		if slices.ContainsFunc(list, func(t Traffic) bool { return t.Balancer == balancer }) {
			continue
		}
		t := Traffic{Balancer: balancer, Listen: i.Labels["listen"], Sides: []SideTraffic{}}
		limited, done := context.WithTimeout(ctx, proxyTimeout)
		stats, err := dataplane.NewClient(proxy.Directory(a.dir, place.Application, place.Environment, balancer)).Stats(limited)
		done()
		if err != nil {
			t.Problem = err.Error()
		} else {
			t.fill(stats)
		}
		list = append(list, t)
	}
	return list
}

func (t *Traffic) fill(stats dataplane.Stats) {
	t.Listen, t.Route = stats.Listen, stats.Route
	for name, side := range stats.Sides {
		if name == "" && side.Requests == 0 {
			continue
		}
		t.Sides = append(t.Sides, SideTraffic{
			Name: name, Requests: side.Requests, Errors: side.Failed, Refused: side.Errors.Own, InFlight: side.InFlight,
			P50Seconds: side.Latency.Quantile(0.5).Seconds(), P99Seconds: side.Latency.Quantile(0.99).Seconds(),
		})
	}
	sortSides(t.Sides)
}
