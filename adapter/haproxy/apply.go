package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if s.open() {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the new side are not known"}
	}
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	g, err := s.goal(ctx, before)
	if err != nil {
		return err
	}
	v, err := s.await(ctx)
	if err != nil {
		return err
	}
	if began := begun(a); began == "" || began == v.process {
		if err := unchanged(s.settings.Backend, v.image, before, g.image); err != nil {
			return err
		}
	} else {
		say(a, "HAProxy was restarted: what it forgot is told again")
	}
	if s.settings.Config != "" {
		if err := s.tryLines(ctx, *g.image.Lines, before.lines()); err != nil {
			return err
		}
	}
	if begun(a) == "" {
		if err := a.Record(ctx, progress{Process: v.process}); err != nil {
			return err
		}
	}
	m := &mover{step: s, attempt: a, before: before, want: g.image, wait: g.newer}
	if err := m.reach(ctx, v); err != nil {
		return err
	}
	say(a, "%s of the traffic of backend %s goes to %s", g.weights.describe(), s.settings.Backend, list(g.newer))
	return nil
}

// goal is what Apply makes of the before-image, with our lines.
func (s *Step) goal(ctx context.Context, before image) (goal, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return goal{}, err
	}
	g, err := s.settings.toward(before, targets)
	if clash, ok := errors.AsType[*clashError](err); ok {
		return g, &ripcord.Failure{
			Class: ripcord.FailedTarget, Final: true,
			Summary: clash.Error() + "; take its traffic away or give it another name",
		}
	}
	if err != nil || s.settings.Config == "" {
		return g, err
	}
	file, err := readConfig(s.settings.Config, s.settings.Backend)
	if err != nil {
		return g, err
	}
	lines := s.settings.render(before.lines(), file.indent(), before, g.image.Servers, nil)
	g.image.Lines = &lines
	return g, nil
}

// unchanged fails when the servers are neither as before nor on the way from
// there to what is wanted.
func unchanged(backend string, now, before, want image) error {
	changed := func(name, how string) error {
		return &ripcord.Failure{
			Class:   ripcord.FailedTarget,
			Summary: fmt.Sprintf("somebody else changed backend %s since this step began: server %s %s", backend, name, how),
		}
	}
	for _, was := range before.Servers {
		is, to := now.server(was.Name), want.server(was.Name)
		switch {
		case is == nil:
			return changed(was.Name, "is gone")
		case is.Address != was.Address && is.Address != to.Address:
			return changed(was.Name, "went to "+was.Address+" and goes to "+is.Address)
		case is.Weight != was.Weight && is.Weight != to.Weight && is.Weight != 0:
			return changed(was.Name, fmt.Sprintf("had weight %d and has %d", was.Weight, is.Weight))
		case is.Admin != was.Admin && is.Admin != to.Admin && is.Admin != maint:
			return changed(was.Name, "was in state "+was.Admin+" and is in "+is.Admin)
		}
	}
	for _, is := range now.carriers() {
		if before.server(is.Name) == nil && want.server(is.Name) == nil {
			return changed(is.Name, "is new and has traffic")
		}
	}
	return nil
}

// await looks until HAProxy answers: a reload or restart takes a moment.
func (s *Step) await(ctx context.Context) (view, error) { return s.until(ctx, s.look) }

// awaitServers is await without the configuration file.
func (s *Step) awaitServers(ctx context.Context) (view, error) { return s.until(ctx, s.servers) }

func (s *Step) until(ctx context.Context, look func(context.Context) (view, error)) (view, error) {
	limited, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	for {
		v, err := look(limited)
		if !errors.Is(err, errNoAnswer) {
			return v, err
		}
		if !pause(limited, pollInterval) {
			if ctx.Err() != nil {
				return v, ctx.Err()
			}
			return v, s.plain(ctx, err)
		}
	}
}

// has reports whether the servers and lines of want are there.
func has(now, want image) bool {
	return now.hasServers(want) && (want.Lines == nil || now.sameLines(want))
}

// say writes a line to the step's log.
func say(a ripcord.Attempt, format string, args ...any) {
	if a.Output != nil {
		_, _ = fmt.Fprintf(a.Output, format+"\n", args...) // the log is not worth a failure
	}
}

// list joins names, the first of many.
func list(names []string) string {
	const many = 6
	if len(names) > many {
		names = append(slices.Clone(names[:many]), fmt.Sprintf("%d more", len(names)-many))
	}
	return health.List(names)
}
