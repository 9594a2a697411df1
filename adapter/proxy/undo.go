package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Undo implements ripcord.Step.
func (s *Step) Undo(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	v, err := s.look(ctx)
	if err != nil {
		return err
	}
	if v.live && !v.image().same(before) {
		s.keepEvidence(ctx, a)
	}
	if before.Listen == "" {
		return s.dismantle(ctx, a, v)
	}
	if v.live && v.image().same(before) {
		return nil
	}
	status, err := s.ensure(ctx, before.Listen)
	if err != nil {
		return err
	}
	if err := s.restoreSides(ctx, before, &status.State); err != nil {
		return err
	}
	if err := s.restoreRoute(ctx, a, before, &status.State); err != nil {
		return err
	}
	return s.dropExtra(ctx, a, before)
}

// dismantle takes away a proxy that was not there before.
func (s *Step) dismantle(ctx context.Context, a ripcord.Attempt, v view) error {
	if v.live {
		if _, err := s.client.SetRoute(ctx, dataplane.RouteChange{}); err != nil {
			return refused(err)
		}
		if err := s.dropExtra(ctx, a, image{}); err != nil {
			return err
		}
	}
	wanted, err := s.supervised(ctx)
	if err != nil {
		return err
	}
	for _, i := range wanted {
		if err := s.scope.Supervisor.Stop(ctx, i.ID); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove the folder of the proxy: %w", err)
	}
	return nil
}

// restoreSides puts back what was there and is not now.
func (s *Step) restoreSides(ctx context.Context, before image, now *dataplane.State) error {
	for _, side := range before.Sides {
		if there := now.Side(side.Name); there != nil && sameTargets(*there, side) {
			continue
		}
		if _, err := s.client.PutSide(ctx, side); err != nil {
			return refused(err)
		}
	}
	return nil
}

// restoreRoute sends the traffic back. The old side needs one ready target
// only: most of it is better than none.
func (s *Step) restoreRoute(ctx context.Context, a ripcord.Attempt, before image, now *dataplane.State) error {
	// Whether the main side is ready is looked at below; another one that is
	// ill gives its part to that.
	change := dataplane.RouteChange{Side: before.Route, Split: before.Split, Front: &before.Front, Force: true}
	if reached(now, change) {
		return nil
	}
	if before.Route != "" && (before.Route != now.Route || before.Split == nil && now.Split != nil) {
		limit, cancel := context.WithTimeout(ctx, s.settings.Ready.Std())
		defer cancel()
		status, err := s.ready(ctx, limit, before.Route, some)
		if err != nil {
			return s.cannotReturn(before, err)
		}
		if side := status.Side(before.Route); !all(side) {
			say(a, "only %d of %d targets of %s are ready", side.Ready(), len(side.Targets), before.Route)
		}
	}
	if _, err := s.client.SetRoute(ctx, change); err != nil {
		return refused(err)
	}
	say(a, "traffic on %s is back on %s", before.Listen, before.routed())
	return nil
}

// cannotReturn says that traffic stays where it is, and why.
func (s *Step) cannotReturn(before image, err error) error {
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		return err
	}
	back := *failure
	back.Summary = fmt.Sprintf("traffic on %s cannot go back to %s: %s", before.Listen, before.routed(), failure.Summary)
	return &back
}

// dropExtra drains and removes the sides that the before-image does not have.
func (s *Step) dropExtra(ctx context.Context, a ripcord.Attempt, before image) error {
	status, err := s.client.Status(ctx)
	if err != nil {
		return err
	}
	for _, side := range status.State.Sides {
		if before.side(side.Name) != nil {
			continue
		}
		if err := s.drop(ctx, a, side.Name, true); err != nil {
			return err
		}
	}
	return nil
}

// drop drains a side and removes it. Cut closes upgraded connections as soon as
// no request is in flight; otherwise they have as long as requests have.
func (s *Step) drop(ctx context.Context, a ripcord.Attempt, name string, cut bool) error {
	drained, err := s.client.Drain(ctx, dataplane.DrainRequest{Side: name, Timeout: s.settings.Drain, Cut: cut})
	if err != nil {
		return refused(err)
	}
	if drained.InFlight > 0 || drained.Closed > 0 {
		say(a, "drained %s: %d requests were still in flight after %s, %d upgraded connections were closed",
			name, drained.InFlight, s.settings.Drain, drained.Closed)
	} else {
		say(a, "drained %s", name)
	}
	if _, err := s.client.DeleteSide(ctx, name); err != nil {
		return refused(err)
	}
	return nil
}

// Finish implements ripcord.Finisher: the sides of before that have lost the
// route are drained and removed.
func (s *Step) Finish(ctx context.Context, a ripcord.Attempt) error {
	before, err := beforeImage(a)
	if err != nil {
		return err
	}
	v, err := s.look(ctx)
	if err != nil {
		return err
	}
	if v.state == nil {
		return nil
	}
	for _, side := range before.Sides {
		there := v.state.Side(side.Name)
		if there == nil || hasTraffic(v.state, side.Name) {
			continue
		}
		if !v.live {
			return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the proxy on " + v.state.Listen + " does not run, so its old side cannot be drained"}
		}
		if err := s.drop(ctx, a, side.Name, false); err != nil {
			return err
		}
	}
	return nil
}
