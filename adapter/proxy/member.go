package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Member takes targets out of the proxy's rotation, or puts them back, so that
// somebody can work on them while the others of their side answer.
type Member struct{ of *Step }

// place is the image of one target.
type place struct {
	Address string `json:"address"`
	Out     bool   `json:"out"`
}

// members are the step's targets that the proxy knows. Others have no requests
// yet, so that there is nothing to do for them.
func (m *Member) members(v view) []place {
	places := []place{}
	if v.state == nil {
		return places
	}
	for _, address := range addresses(m.of.settings.Members) {
		known := slices.ContainsFunc(v.state.Sides, func(side dataplane.Side) bool { return slices.Contains(side.Targets, address) })
		if known && !unresolved(address) {
			places = append(places, place{address, slices.Contains(v.state.Out, address)})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.Address, b.Address) })
	return slices.Compact(places)
}

// leaves reports whether the step takes its targets out.
func (m *Member) leaves() bool { return m.of.settings.State == stateDrain }

// Check implements ripcord.Step.
func (m *Member) Check(ctx context.Context) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	v, err := m.of.look(ctx)
	if err != nil {
		return unknown, err
	}
	places := m.members(v)
	image, err := json.Marshal(places)
	if err != nil {
		return unknown, err
	}
	seen := ripcord.Observation{Image: image, Exact: true, Detail: m.detail(places)}
	seen.Presence, err = m.presence(ctx, v, places)
	return seen, err
}

// presence is that of the change: all targets are out and unused, or all are in
// and ready.
func (m *Member) presence(ctx context.Context, v view, places []place) (ripcord.Presence, error) {
	if unresolved(m.of.settings.Members) {
		return ripcord.Absent, nil
	}
	there := 0
	for _, p := range places {
		if p.Out == m.leaves() {
			there++
		}
	}
	switch {
	case len(places) == 0:
		return ripcord.Present, nil
	case there == 0:
		return ripcord.Absent, nil
	case there < len(places) || !v.live:
		return ripcord.Partial, nil
	}
	status, err := m.of.client.Status(ctx)
	if err != nil {
		return ripcord.Unknown, err
	}
	for _, t := range found(&status, places) {
		if m.leaves() && t.InFlight > 0 || !m.leaves() && !usable(t) {
			return ripcord.Partial, nil
		}
	}
	return ripcord.Present, nil
}

// found returns what the proxy sees of targets, on all of their sides.
func found(status *dataplane.Status, places []place) []dataplane.TargetStatus {
	var seen []dataplane.TargetStatus
	for _, side := range status.Sides {
		for _, t := range side.Targets {
			if side.Routed && has(places, t.Address) {
				seen = append(seen, t)
			}
		}
	}
	return seen
}

func has(places []place, address string) bool {
	return slices.ContainsFunc(places, func(p place) bool { return p.Address == address })
}

// usable reports whether a target would answer.
func usable(t dataplane.TargetStatus) bool { return t.Readiness == "ready" || t.Readiness == "assumed" }

func (m *Member) detail(places []place) string {
	if len(places) == 0 {
		return "no traffic on " + m.of.settings.Listen + " goes to these instances yet"
	}
	words := make([]string, len(places))
	for i, p := range places {
		words[i] = p.Address + " in rotation"
		if p.Out {
			words[i] = p.Address + " out of rotation"
		}
	}
	return strings.Join(words, ", ")
}

// Apply implements ripcord.Step.
func (m *Member) Apply(ctx context.Context, a ripcord.Attempt) error {
	if unresolved(m.of.settings.Members) {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the instances are not known"}
	}
	places, err := m.ensured(ctx)
	if err != nil || len(places) == 0 {
		return err
	}
	if !m.leaves() {
		return m.enter(ctx, a, places, true)
	}
	if slices.ContainsFunc(places, func(p place) bool { return !p.Out }) {
		if err := m.room(ctx, places); err != nil {
			return err
		}
	}
	return m.leave(ctx, a, places, false)
}

// Undo implements ripcord.Step: each target is in rotation, or out of it, as it
// was before.
func (m *Member) Undo(ctx context.Context, a ripcord.Attempt) error {
	var before []place
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: fmt.Sprintf("the before-image of the rotation cannot be read: %v", err)}
	}
	now, err := m.ensured(ctx)
	if err != nil {
		return err
	}
	var in, out []place
	for _, p := range before {
		switch {
		case slices.Contains(now, p):
		case p.Out:
			out = append(out, p)
		default:
			in = append(in, p)
		}
	}
	if len(out) > 0 {
		if err := m.leave(ctx, a, out, true); err != nil {
			return err
		}
	}
	if len(in) > 0 {
		return m.enter(ctx, a, in, false)
	}
	return nil
}

// ensured returns the step's targets that the proxy knows, which then runs.
func (m *Member) ensured(ctx context.Context) ([]place, error) {
	v, err := m.of.look(ctx)
	if err != nil {
		return nil, err
	}
	places := m.members(v)
	if len(places) > 0 && !v.live {
		_, err = m.of.ensure(ctx, v.state.Listen)
	}
	return places, err
}

// room waits until so many others of the side answer that these may leave.
func (m *Member) room(ctx context.Context, places []place) error {
	most := m.of.settings.MaxUnavailable
	if most == 0 {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, m.of.settings.Ready.Std())
	defer cancel()
	var away []string
	for {
		status, err := m.of.client.Status(limit)
		if err != nil && limit.Err() == nil {
			return err
		}
		if err == nil {
			if away = others(&status, places); len(away) == 0 || len(away)+len(places) <= most {
				return nil
			}
		}
		if wait(limit) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(away) == 0 {
			return fmt.Errorf("the proxy on %s did not say in time how its targets are: %w", m.of.settings.Listen, err)
		}
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: away,
			Summary: fmt.Sprintf("%s, so that with the %d that would leave the rotation %d were unavailable, and at most %d may be: heal it, raise max_unavailable, or use strategy recreate",
				away[0], len(places), len(away)+len(places), most),
		}
	}
}

// others says which other targets of the same sides do not answer.
func others(status *dataplane.Status, places []place) []string {
	var away []string
	for _, side := range status.Sides {
		if !side.Routed || !slices.ContainsFunc(side.Targets, func(t dataplane.TargetStatus) bool { return has(places, t.Address) }) {
			continue
		}
		for _, t := range side.Targets {
			switch {
			case has(places, t.Address):
			case t.Out:
				away = append(away, t.Address+" is out of rotation")
			case !usable(t):
				away = append(away, t.Address+" is not ready: "+t.Probe.Error)
			}
		}
	}
	return away
}

// leave takes targets out of rotation and waits until nothing is in flight there.
func (m *Member) leave(ctx context.Context, a ripcord.Attempt, places []place, cut bool) error {
	names := list(places)
	if _, err := m.of.client.Rotate(ctx, dataplane.Rotation{Targets: names, Out: true}); err != nil {
		return refused(err)
	}
	began := m.of.scope.Now()
	drained, err := m.of.client.Drain(ctx, dataplane.DrainRequest{Targets: names, Timeout: m.of.settings.Drain, Cut: cut})
	if err != nil {
		return refused(err)
	}
	text := fmt.Sprintf("%s left the rotation of %s; its requests ended within %s", strings.Join(names, ", "), m.of.settings.Listen, m.of.scope.Now().Sub(began).Round(time.Millisecond))
	if drained.InFlight > 0 {
		text = fmt.Sprintf("%s left the rotation of %s; %d requests were still in flight after %s", strings.Join(names, ", "), m.of.settings.Listen, drained.InFlight, m.of.settings.Drain)
	}
	if drained.Closed > 0 {
		text += fmt.Sprintf(", and %d upgraded connections were closed", drained.Closed)
	}
	say(a, "%s", text)
	return nil
}

// enter waits until targets are ready and puts them back into rotation. Those that
// must be and are not fail; others are put back all the same, and get nothing
// before they are ready.
func (m *Member) enter(ctx context.Context, a ripcord.Attempt, places []place, must bool) error {
	names := list(places)
	if !must {
		if _, err := m.of.client.Rotate(ctx, dataplane.Rotation{Targets: names}); err != nil {
			return refused(err)
		}
	}
	problem, err := m.awaited(ctx, places)
	switch {
	case err != nil:
		return err
	case problem != "" && must:
		return &ripcord.Failure{Class: ripcord.FailedHealth, Summary: fmt.Sprintf("%s within %s", problem, m.of.settings.Ready)}
	case problem != "":
		say(a, "%s within %s; it is in rotation, and gets requests when it is", problem, m.of.settings.Ready)
		return nil
	}
	if must {
		if _, err := m.of.client.Rotate(ctx, dataplane.Rotation{Targets: names}); err != nil {
			return refused(err)
		}
	}
	say(a, "%s is ready, and in rotation on %s", strings.Join(names, ", "), m.of.settings.Listen)
	return nil
}

// awaited waits until the proxy's own probes find targets ready, and says what is
// wrong when they do not in time.
func (m *Member) awaited(ctx context.Context, places []place) (problem string, err error) {
	limit, cancel := context.WithTimeout(ctx, m.of.settings.Ready.Std())
	defer cancel()
	for {
		status, err := m.of.client.Status(limit)
		if err != nil && limit.Err() == nil {
			return "", err
		}
		if err == nil {
			problem = ""
			for _, t := range found(&status, places) {
				if t.Readiness != "ready" {
					problem = fmt.Sprintf("the proxy did not find %s ready (%s)", t.Address, otherwise(t.Probe.Error, "no probe has ended yet"))
				}
			}
			if problem == "" {
				return "", nil
			}
		}
		if !wait(limit) {
			return problem, ctx.Err()
		}
	}
}

// otherwise is the first text that says something.
func otherwise(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

func list(places []place) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Address
	}
	return names
}

// Traits implements ripcord.Describer. It is not one of those whose traffic goes
// back first: each batch goes back as a whole, in the opposite order.
func (m *Member) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	traits.Reversal.How = "see who is out of rotation:  curl --unix-socket \"$(cat " + m.of.dir + "/control.addr)\" http://proxy/state   then change it:  " +
		"curl --unix-socket \"$(cat " + m.of.dir + "/control.addr)\" -X PUT -d '{\"targets\":[\"HOST:PORT\"],\"out\":false}' http://proxy/rotation"
	return traits
}

// Explain implements ripcord.Explainer.
func (m *Member) Explain(context.Context) (string, error) {
	if m.leaves() {
		return fmt.Sprintf("takes these instances out of rotation on %s, and waits until their requests have ended, at most %s", m.of.settings.Listen, m.of.settings.Drain), nil
	}
	return fmt.Sprintf("waits until the proxy finds these instances ready, at most %s, and puts them back into rotation on %s", m.of.settings.Ready, m.of.settings.Listen), nil
}

// Stamp implements ripcord.Stamper: it is the proxy's.
func (m *Member) Stamp(ctx context.Context) (*ripcord.Stamp, error) { return m.of.Stamp(ctx) }

// SetStamp implements ripcord.Stamper.
func (m *Member) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	return m.of.SetStamp(ctx, stamp)
}
