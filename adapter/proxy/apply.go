package proxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	if unresolved(s.settings.Targets) || unresolved(s.settings.Colour) {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "the addresses of the new side are not known"}
	}
	if err := s.usable(); err != nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Final: true, Summary: err.Error()}
	}
	status, err := s.ensure(ctx, s.settings.Listen)
	if err != nil {
		return err
	}
	status = s.replace(ctx, a, status)
	side := s.settings.side(&status.State)
	if reached(&status.State, s.settings.goal(&status.State, side.Name)) {
		return nil
	}
	if err := s.unchanged(a, &status.State); err != nil {
		return err
	}
	if s.settings.weight() < everything && status.State.Route == "" {
		say(a, "no other side has traffic on %s, so the new one gets all of it", s.settings.Listen)
	}
	put, err := s.client.PutSide(ctx, side)
	if err != nil {
		return refused(err)
	}
	say(a, "waiting until %s is ready", describe(side))
	from := view{state: &put.State}.image().routed()
	status, err = s.route(ctx, &put.State, side.Name)
	if err != nil {
		return err
	}
	say(a, "traffic on %s goes from %s to %s", s.settings.Listen, from, view{state: &status.State}.image().routed())
	return nil
}

// route sets the route as soon as the side is ready. A side that falls silent
// between that and the change is waited for again, within the same time: a machine
// that is out of breath for a moment is no reason to go back.
func (s *Step) route(ctx context.Context, put *dataplane.State, side string) (dataplane.Status, error) {
	change := s.settings.goal(put, side)
	change.Revision = put.Revision
	limit, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
	defer cancel()
	for {
		status, err := s.ready(ctx, limit, side, all)
		if err != nil {
			return status, err
		}
		status, err = s.client.SetRoute(ctx, change)
		if errors.Is(err, dataplane.ErrNotReady) && wait(limit) {
			continue
		}
		return status, refused(err)
	}
}

// unchanged fails when the route is not the one of the before-image any more.
func (s *Step) unchanged(a ripcord.Attempt, state *dataplane.State) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	now := view{state: state}.image()
	same := before.Front.Equal(now.Front) && sameSplit(before.Split, now.Split) && sameSide(before, now, before.Route, now.Route)
	if same && (now.Split == nil || sameSide(before, now, now.Split.Side, now.Split.Side)) {
		return nil
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("somebody else changed the route of %s: it was %s and is %s", state.Listen, before.routed(), now.routed()),
	}
}

// sameSide reports whether both images mean the same by a name.
func sameSide(a, b image, inA, inB string) bool {
	was, is := a.side(inA), b.side(inB)
	if was == nil || is == nil {
		return was == is
	}
	return was.Name == is.Name && sameTargets(*was, *is)
}

// enough says when a side may get the route.
type enough func(*dataplane.SideStatus) bool

// all: every target is ready.
func all(s *dataplane.SideStatus) bool { return s.Ready() == len(s.Targets) }

// some: every target has been probed often enough, and one at least is ready.
func some(s *dataplane.SideStatus) bool {
	for _, t := range s.Targets {
		if t.Readiness != "ready" && t.Readiness != "failed" {
			return false
		}
	}
	return s.Ready() > 0
}

// ready waits until the side may get the route by the proxy's own probes. The limit
// is a context within ctx, which ends when the waiting should.
func (s *Step) ready(ctx, limit context.Context, name string, is enough) (dataplane.Status, error) {
	var last *dataplane.SideStatus
	for {
		status, err := s.client.Status(limit)
		if err != nil && limit.Err() == nil {
			return status, err
		}
		if err == nil {
			if last = status.Side(name); last == nil {
				return status, &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "somebody else removed side " + name + " from the proxy"}
			}
			if is(last) {
				return status, nil
			}
		}
		if wait(limit) {
			continue
		}
		if ctx.Err() != nil {
			return status, ctx.Err()
		}
		return status, s.notReady(name, last)
	}
}

// notReady is the failure of a side that did not become ready.
func (s *Step) notReady(name string, side *dataplane.SideStatus) error {
	failure := &ripcord.Failure{
		Class:   ripcord.FailedHealth,
		Summary: fmt.Sprintf("side %s did not become ready within %s", name, s.settings.Ready),
	}
	if side == nil {
		return failure
	}
	first := true
	for _, t := range side.Targets {
		if t.Readiness == "ready" {
			continue
		}
		problem := t.Probe.Error
		if problem == "" {
			problem = "no probe has ended yet"
		}
		line := t.Address + ": " + problem
		if t.Probe.Body != "" {
			line += ": " + strconv.Quote(t.Probe.Body)
		}
		failure.Lines = append(failure.Lines, line)
		if first {
			failure.Summary = fmt.Sprintf("target %s of side %s did not become ready within %s: %s", t.Address, name, s.settings.Ready, problem)
			first = false
		}
	}
	return failure
}

// refused turns the proxy's refusal into a failure.
func refused(err error) error {
	switch {
	case errors.Is(err, dataplane.ErrNotReady):
		return &ripcord.Failure{Class: ripcord.FailedHealth, Summary: err.Error()}
	case errors.Is(err, dataplane.ErrConflict):
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: err.Error()}
	}
	return err
}

// say writes a line to the step's log.
func say(a ripcord.Attempt, format string, args ...any) {
	if a.Output != nil {
		_, _ = fmt.Fprintf(a.Output, format+"\n", args...) // the log is not worth a failure
	}
}

// unquote undoes the log's quoting.
func unquote(text string) string {
	if plain, err := strconv.Unquote(strings.TrimSpace(text)); err == nil {
		return plain
	}
	return text
}
