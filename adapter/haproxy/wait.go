package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

func join(words []string) string { return strings.Join(words, " ") }

// ready waits until the servers may have traffic: by HAProxy's own checks, and
// going forward by our probe as well.
func (m *mover) ready(ctx context.Context) error {
	if m.back {
		return m.backReady(ctx)
	}
	wait := slices.Clone(m.wait)
	slices.Sort(wait)
	say(m.attempt, "waiting until %s are ready", list(wait))
	limited, cancel := context.WithTimeout(ctx, m.step.settings.Ready.Std())
	defer cancel()
	problems, err := m.probed(limited, wait)
	if err == nil && len(problems) == 0 {
		problems, err = m.marked(limited, wait)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limited.Err() == nil || len(problems) == 0 {
		return err
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedHealth,
		Summary: fmt.Sprintf("the new servers of backend %s did not become ready within %s: %s", m.step.settings.Backend, m.step.settings.Ready, problems[0]),
		Lines:   problems,
	}
}

// probed asks each server's address ourselves until it has answered well often
// enough in a row. It returns what is wrong when the context ends.
func (m *mover) probed(ctx context.Context, names []string) ([]string, error) {
	set := m.step.settings.Health
	addresses := make([]string, len(names))
	for n, name := range names {
		addresses[n] = m.want.server(name).Address
	}
	asker := health.Asker{Scope: m.step.scope, Step: m.step.id}
	questions, err := asker.Questions(health.Settings{Targets: strings.Join(addresses, ","), Path: set.HTTP, AttemptTimeout: set.Timeout})
	if err != nil {
		return nil, err
	}
	good := make([]int, len(questions))
	var known []string
	for {
		var problems []string
		for n, question := range questions {
			if good[n] >= set.Successes {
				continue
			}
			good[n]++
			if err := question.Ask(ctx); err != nil {
				good[n] = 0
				problems = append(problems, names[n]+" ("+question.Name+"): "+err.Error())
			}
		}
		if slices.Min(good) >= set.Successes {
			return nil, nil
		}
		if pause(ctx, set.Interval.Std()) {
			known = problems
			continue
		}
		if len(known) > 0 { // the end of the wait is no answer of theirs
			return known, nil
		}
		if len(problems) == 0 {
			problems = []string{"the probe did not end"}
		}
		return problems, nil
	}
}

// marked waits until HAProxy has marked each server up by a check of its own. It
// returns what is wrong when the context ends.
func (m *mover) marked(ctx context.Context, names []string) ([]string, error) {
	problems := []string{"HAProxy did not say in time how they are"}
	for {
		v, err := m.step.servers(ctx)
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		if err == nil {
			if problems = m.unmarked(v, names); len(problems) == 0 {
				return nil, nil
			}
			if slices.ContainsFunc(names, func(name string) bool { return v.image.server(name) == nil }) {
				return nil, errors.New("a new server is gone from HAProxy")
			}
		}
		if !pause(ctx, pollInterval) {
			return problems, nil
		}
	}
}

// unmarked says of which servers HAProxy does not know that they are well.
func (m *mover) unmarked(v view, names []string) (problems []string) {
	for _, name := range names {
		if at := v.health[name]; !m.fresh(v, name) {
			problems = append(problems, name+": "+at.describe())
		}
	}
	return problems
}

// fresh reports whether HAProxy would send traffic to a server for a good reason.
func (m *mover) fresh(v view, name string) bool {
	is := v.image.server(name)
	return is != nil && is.Admin == ready && (is.Checks != checksOn || v.health[name].fresh())
}

// backReady waits until one of the servers that traffic goes back to is up, and
// the others are known to be up or down: most of a side is better than none.
func (m *mover) backReady(ctx context.Context) error {
	carriers := m.want.carriers()
	if len(carriers) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, m.step.settings.Ready.Std())
	defer cancel()
	var seen view
	for {
		v, err := m.step.servers(limited)
		if err != nil && limited.Err() == nil {
			return err
		}
		if err == nil { // else what was seen before is all that is known
			seen = v
		}
		up, open, problems := m.count(seen, carriers)
		if (up == 0 || open > 0) && pause(limited, pollInterval) {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case up == len(carriers):
			return nil
		case up > 0:
			say(m.attempt, "only %d of %d servers are up: %s", up, len(carriers), strings.Join(problems, "; "))
			return nil
		}
		return &ripcord.Failure{
			Class: ripcord.FailedHealth,
			Summary: fmt.Sprintf("traffic of backend %s cannot go back to %s: no server became ready within %s",
				m.step.settings.Backend, m.want.routed(), m.step.settings.Ready),
			Lines: problems,
		}
	}
}

// count says how many servers are up, and of how many no check has ended yet,
// with what is wrong with those that are not up.
func (m *mover) count(v view, servers []server) (up, open int, problems []string) {
	for _, at := range servers {
		is := v.health[at.Name]
		if m.fresh(v, at.Name) {
			up++
			continue
		}
		problems = append(problems, at.Name+": "+is.describe())
		known := is.check != "" && is.check != "INI" && !strings.HasSuffix(is.check, "OK")
		if !known || !strings.HasPrefix(is.status, "DOWN") {
			open++
		}
	}
	return up, open, problems
}
