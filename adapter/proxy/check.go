package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// view is what there is of the balancer's proxy now.
type view struct {
	// state is nil where there never was a proxy.
	state *dataplane.State
	// live says that the proxy answers.
	live bool
}

// look asks the proxy, or where it does not run, reads what it keeps.
func (s *Step) look(ctx context.Context) (view, error) {
	status, err := s.client.Status(ctx)
	if err == nil {
		return view{state: &status.State, live: true}, nil
	}
	if !errors.Is(err, dataplane.ErrNotRunning) {
		return view{}, err
	}
	state, err := dataplane.ReadState(s.dir)
	return view{state: state}, err
}

// image is the part of a proxy's state that a shift changes: no counters, no
// probes, no revision. The zero image is that of no proxy.
type image struct {
	Listen string           `json:"listen,omitempty"`
	Route  string           `json:"route,omitempty"`
	Split  *dataplane.Split `json:"split,omitempty"`
	Front  dataplane.Front  `json:"front,omitzero"`
	Sides  []dataplane.Side `json:"sides,omitempty"`
}

func (v view) image() image {
	if v.state == nil {
		return image{}
	}
	return image{Listen: v.state.Listen, Route: v.state.Route, Split: v.state.Split, Front: v.state.Front, Sides: v.state.Sides}
}

func (i image) bytes() ([]byte, error) { return json.Marshal(i) }

func (i image) same(o image) bool {
	a, errA := i.bytes()
	b, errB := o.bytes()
	return errA == nil && errB == nil && string(a) == string(b)
}

// side returns the side named name, or nil.
func (i image) side(name string) *dataplane.Side {
	for n := range i.Sides {
		if i.Sides[n].Name == name {
			return &i.Sides[n]
		}
	}
	return nil
}

// routed describes where the traffic goes, for people.
func (i image) routed() string {
	side := i.side(i.Route)
	if side == nil {
		return "nowhere"
	}
	if i.Split == nil {
		return describe(*side)
	}
	// the difference of two decimal fractions is not always the shortest one
	rest := math.Round((everything-i.Split.Weight)*1e6) / 1e6
	return fmt.Sprintf("%g %% %s, %g %% %s", rest, describe(*side), i.Split.Weight, describe(*i.side(i.Split.Side)))
}

func describe(side dataplane.Side) string {
	if len(side.Targets) == 1 {
		return side.Name + " (1 target)"
	}
	return fmt.Sprintf("%s (%d targets)", side.Name, len(side.Targets))
}

// beforeImage reads the before-image of an attempt.
func beforeImage(a ripcord.Attempt) (image, error) {
	var before image
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return before, &ripcord.Failure{
			Class: ripcord.FailedInternal, Final: true,
			Summary: fmt.Sprintf("the proxy's before-image cannot be read: %v", err),
		}
	}
	return before, nil
}

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	v, err := s.look(ctx)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	data, err := v.image().bytes()
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	seen := ripcord.Observation{Presence: s.presence(v), Image: data, Exact: true, Detail: s.detail(v)}
	return seen, nil
}

func (s *Step) presence(v view) ripcord.Presence {
	if v.state == nil || unresolved(s.settings.Targets) {
		return ripcord.Absent
	}
	side, partial := s.settings.side(v.state), false
	for _, there := range v.state.Sides {
		if !sameTargets(there, side) {
			continue
		}
		routed := v.state.Listen == s.settings.Listen && hasTraffic(v.state, there.Name)
		goal := reached(v.state, s.settings.goal(v.state, there.Name))
		switch {
		case routed && goal && v.live:
			return ripcord.Present
		case routed && !goal: // with another part, as an earlier stage left it; a proxy that has just died is started again
		default:
			partial = true
		}
	}
	if partial {
		return ripcord.Partial
	}
	return ripcord.Absent
}

// hasTraffic reports whether the side has the route or a part of it.
func hasTraffic(state *dataplane.State, side string) bool {
	return state.Route == side || state.Split != nil && state.Split.Side == side
}

func (s *Step) detail(v view) string {
	switch {
	case v.state == nil:
		return "no proxy on " + s.settings.Listen
	case !v.live:
		return "the proxy on " + v.state.Listen + " does not run; its route is " + v.image().routed()
	default:
		return "traffic on " + v.state.Listen + " goes to " + v.image().routed()
	}
}

// Explain implements ripcord.Explainer.
func (s *Step) Explain(ctx context.Context) (string, error) {
	if err := s.usable(); err != nil {
		return "", err
	}
	v, err := s.look(ctx)
	if err != nil {
		return "", err
	}
	to := "the new side"
	if !unresolved(s.settings.Targets) && !unresolved(s.settings.Colour) {
		to = describe(s.settings.side(v.state))
	}
	if v.state == nil {
		return fmt.Sprintf("a proxy starts on %s; its traffic goes to %s", s.settings.Listen, to), nil
	}
	if s.presence(v) == ripcord.Present {
		return fmt.Sprintf("nothing: traffic on %s goes to %s already", s.settings.Listen, to), nil
	}
	text := fmt.Sprintf("traffic on %s goes from %s to %s", s.settings.Listen, v.image().routed(), to)
	if s.settings.weight() < everything {
		text = fmt.Sprintf("%g %% of the traffic on %s, which goes to %s, goes to %s", s.settings.weight(), s.settings.Listen, v.image().routed(), to)
	}
	if v.state.Listen != s.settings.Listen {
		text += fmt.Sprintf("; the proxy moves there from %s, with a short gap", v.state.Listen)
	}
	return text, nil
}
