package haproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Member takes servers out of rotation, or puts them back, so that somebody can
// work on their instances while the others of the backend answer. The lines in the
// configuration stay as they are.
type Member struct{ of *Step }

// state is the image of one server.
type state struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Admin   string `json:"admin"`
}

// members are the servers of the step's addresses that get requests, or would when
// they were in rotation.
func (m *Member) members(ctx context.Context, v view) ([]state, error) {
	addresses, err := resolve(ctx, split(m.of.settings.Members))
	if err != nil {
		return nil, err
	}
	states := []state{}
	for _, is := range v.image.Servers {
		if slices.Contains(addresses, is.Address) && is.Weight > 0 && !is.Backup {
			states = append(states, state{is.Name, is.Address, is.Admin})
		}
	}
	return states, nil
}

// leaves reports whether the step takes its servers out.
func (m *Member) leaves() bool { return m.of.settings.State == drain }

// out is how a server is out of rotation: where visitors keep theirs by a cookie,
// one that drains would keep them.
func out(v view) string {
	if v.image.Sticky {
		return maint
	}
	return drain
}

// Check implements ripcord.Step.
func (m *Member) Check(ctx context.Context) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	if unresolved(m.of.settings.Members) {
		return ripcord.Observation{Presence: ripcord.Absent, Image: []byte("[]"), Exact: true}, nil
	}
	v, err := m.of.servers(ctx)
	if err != nil {
		return unknown, m.of.plain(ctx, err)
	}
	states, err := m.members(ctx, v)
	if err != nil {
		return unknown, err
	}
	data, err := json.Marshal(states)
	if err != nil {
		return unknown, err
	}
	return ripcord.Observation{Presence: m.presence(v, states), Image: data, Exact: true, Detail: m.detail(states)}, nil
}

// presence is that of the change: all are out and unused, or all are in and up.
func (m *Member) presence(v view, states []state) ripcord.Presence {
	there, done := 0, 0
	for _, is := range states {
		if (is.Admin != ready) != m.leaves() {
			continue
		}
		there++
		if m.leaves() && v.health[is.Name].sessions == 0 || !m.leaves() && up(v, is.Name) {
			done++
		}
	}
	switch {
	case len(states) == done:
		return ripcord.Present
	case there == 0:
		return ripcord.Absent
	}
	return ripcord.Partial
}

// up reports whether HAProxy sends requests to a server.
func up(v view, name string) bool {
	is := v.image.server(name)
	return is != nil && is.Admin == ready && (is.Checks != checksOn || v.health[name].fresh())
}

func (m *Member) detail(states []state) string {
	if len(states) == 0 {
		return "no traffic of backend " + m.of.settings.Backend + " goes to these instances yet"
	}
	words := make([]string, len(states))
	for i, is := range states {
		words[i] = is.Name + " (" + is.Address + ") is in state " + is.Admin
	}
	return strings.Join(words, ", ")
}

// Apply implements ripcord.Step.
func (m *Member) Apply(ctx context.Context, a ripcord.Attempt) error {
	if unresolved(m.of.settings.Members) {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the instances are not known"}
	}
	v, err := m.of.awaitServers(ctx)
	if err != nil {
		return err
	}
	states, err := m.members(ctx, v)
	if err != nil || len(states) == 0 {
		return err
	}
	to := ready
	if m.leaves() {
		to = out(v)
		if slices.ContainsFunc(states, func(is state) bool { return is.Admin == ready }) {
			if err := m.room(ctx, states); err != nil {
				return err
			}
		}
	}
	want := slices.Clone(states)
	for i := range want {
		if m.leaves() && want[i].Admin != ready {
			continue // it is out in its own way
		}
		want[i].Admin = to
	}
	return m.reach(ctx, a, want, true)
}

// Undo implements ripcord.Step: each server is in the state that it was in before.
func (m *Member) Undo(ctx context.Context, a ripcord.Attempt) error {
	var before []state
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: fmt.Sprintf("the before-image of the servers cannot be read: %v", err)}
	}
	v, err := m.of.awaitServers(ctx)
	if err != nil {
		return err
	}
	changed := slices.DeleteFunc(before, func(was state) bool {
		is := v.image.server(was.Name)
		return is == nil || is.Admin == was.Admin
	})
	return m.reach(ctx, a, changed, false)
}

// reach brings servers into states, and waits until those that leave are unused
// and the others are up. Those that must come up and do not are a failure.
func (m *Member) reach(ctx context.Context, a ripcord.Attempt, want []state, must bool) error {
	if len(want) == 0 {
		return nil
	}
	changes := make([]string, len(want))
	for i, to := range want {
		changes[i] = "set server " + m.of.settings.Backend + "/" + to.Name + " state " + to.Admin
	}
	if err := m.of.client.together(ctx, changes); err != nil {
		return refusal(err)
	}
	began := m.of.scope.Now()
	limited, cancel := m.of.patience(ctx)
	defer cancel()
	var back []string
	for _, to := range want {
		if to.Admin == ready {
			back = append(back, to.Name)
			continue
		}
		left, err := m.of.drained(ctx, limited, a, to.Name)
		if err != nil {
			return err
		}
		if left == 0 {
			say(a, "server %s (%s) of backend %s is out of rotation; its sessions ended within %s", to.Name, to.Address, m.of.settings.Backend, m.of.scope.Now().Sub(began).Round(time.Millisecond))
		}
	}
	if len(back) == 0 {
		return nil
	}
	return m.enter(ctx, a, back, must)
}

// enter waits until servers are up.
func (m *Member) enter(ctx context.Context, a ripcord.Attempt, names []string, must bool) error {
	limited, cancel := context.WithTimeout(ctx, m.of.settings.Ready.Std())
	defer cancel()
	for {
		v, err := m.of.servers(limited)
		if err != nil && limited.Err() == nil {
			return err
		}
		var down []string
		for _, name := range names {
			if err == nil && !up(v, name) {
				down = append(down, name+": "+v.health[name].describe())
			}
		}
		if err == nil && len(down) == 0 {
			say(a, "%s of backend %s: up, and in rotation", list(names), m.of.settings.Backend)
			return nil
		}
		if pause(limited, pollInterval) {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case must:
			return &ripcord.Failure{
				Class: ripcord.FailedHealth, Lines: down,
				Summary: fmt.Sprintf("the servers %s of backend %s did not come up within %s", list(names), m.of.settings.Backend, m.of.settings.Ready),
			}
		}
		say(a, "the servers %s of backend %s are in rotation, and not up after %s", list(names), m.of.settings.Backend, m.of.settings.Ready)
		return nil
	}
}

// room waits until so many other servers are up that these may leave.
func (m *Member) room(ctx context.Context, states []state) error {
	most := m.of.settings.MaxUnavailable
	if most == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, m.of.settings.Ready.Std())
	defer cancel()
	var away []string
	for {
		v, err := m.of.servers(limited)
		if err != nil && limited.Err() == nil {
			return err
		}
		if err == nil {
			if away = others(v, states); len(away) == 0 || len(away)+len(states) <= most {
				return nil
			}
		}
		if pause(limited, pollInterval) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(away) == 0 {
			return m.of.plain(ctx, err)
		}
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: away,
			Summary: fmt.Sprintf("%s, so that with the %d that would leave the rotation %d were unavailable, and at most %d may be: heal it, raise max_unavailable, or use strategy recreate",
				away[0], len(states), len(away)+len(states), most),
		}
	}
}

// others says which other servers with weight get no requests.
func others(v view, states []state) []string {
	var away []string
	for _, is := range v.image.Servers {
		if is.Weight == 0 || is.Backup || slices.ContainsFunc(states, func(of state) bool { return of.Name == is.Name }) {
			continue
		}
		switch {
		case is.Admin == maint && is.Made == 0: // a declared server that nobody uses
		case is.Admin != ready:
			away = append(away, "server "+is.Name+" is in state "+is.Admin)
		case !up(v, is.Name):
			away = append(away, "server "+is.Name+": "+v.health[is.Name].describe())
		}
	}
	return away
}

// Traits implements ripcord.Describer. It is not one of those whose traffic goes
// back first: each batch goes back as a whole, in the opposite order.
func (m *Member) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	ask := "| socat - " + m.of.settings.Socket
	traits.Reversal.How = "see the servers:  echo 'show servers state " + m.of.settings.Backend + "' " + ask +
		"   then put one back into rotation:  echo 'set server " + m.of.settings.Backend + "/NAME state ready' " + ask
	return traits
}

// Explain implements ripcord.Explainer.
func (m *Member) Explain(ctx context.Context) (string, error) {
	if err := m.of.usable(ctx); err != nil {
		return "", err
	}
	if m.leaves() {
		return fmt.Sprintf("takes the servers of these instances in backend %s out of rotation, and waits until their sessions have ended, at most %s", m.of.settings.Backend, m.of.settings.Drain), nil
	}
	return fmt.Sprintf("puts the servers of these instances in backend %s back into rotation, and waits until HAProxy finds them up, at most %s", m.of.settings.Backend, m.of.settings.Ready), nil
}

// Stamp implements ripcord.Stamper: it is the backend's.
func (m *Member) Stamp(ctx context.Context) (*ripcord.Stamp, error) { return m.of.Stamp(ctx) }

// SetStamp implements ripcord.Stamper.
func (m *Member) SetStamp(ctx context.Context, stamp ripcord.Stamp) error {
	return m.of.SetStamp(ctx, stamp)
}
