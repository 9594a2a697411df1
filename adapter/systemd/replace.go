package systemd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// Units that are replaced stay on the machine, stopped and disabled, until the
// release is committed: going back only has to start them again.

// stopped reports whether somebody has stopped a unit; systemd itself would start
// it again, or call it failed.
func (u *unit) stopped() bool { return u.Active == "inactive" }

// covered returns the units that the step is about.
func (s *Step) covered(all []unit) []unit {
	return slices.DeleteFunc(slices.Clone(all), func(u unit) bool { return !s.settings.Replace.Has(u.Number, s.settings.Instances) })
}

// olds returns those of other runs.
func (s *Step) olds(all []unit) []unit {
	return slices.DeleteFunc(slices.Clone(all), func(u unit) bool { return s.mine(&u) })
}

// replace stops the old units and starts the new ones in their places.
func (s *Step) replace(ctx context.Context, a ripcord.Attempt, h host, all []unit) error {
	if s.settings.Replace.Look {
		return nil
	}
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err == nil && !ok {
		r, err = s.note(ctx, a, h, all)
	}
	if err != nil {
		return err
	}
	if err := s.park(ctx, a, h, s.olds(s.covered(all))); err != nil {
		return err
	}
	numbers := s.settings.Replace.New(s.settings.Instances)
	w := &service.Watch{Runtime: runner{s, h}, Chooser: s.fixed(h), Health: &s.settings.Health, Dial: h.dial(), Attempt: a, Place: r.Place}
	if err := s.start(ctx, h, w, all, numbers); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(len(numbers), "unit"), s.settings.Service, r.Colour, r.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return s.settleAtBoot(ctx)
}

// fixed is a chooser whose units stay where they are: users find them there.
func (s *Step) fixed(h host) *service.Chooser {
	c := s.chooser(h)
	c.Free = func(context.Context, int) bool { return true }
	return c
}

// note writes down what is there, after there is room to take it away.
func (s *Step) note(ctx context.Context, a ripcord.Attempt, h host, all []unit) (service.Replaced, error) {
	var r service.Replaced
	old := s.olds(s.covered(all))
	own := 0
	for i := range old {
		if old[i].Number <= s.settings.Instances {
			own++
		}
		r.Old = append(r.Old, service.Old{ID: old[i].Name, Number: old[i].Number, Address: old[i].Address, Colour: old[i].Colour, Version: old[i].Version})
	}
	if err := s.settings.Replace.Room(ctx, own, &s.settings.Health, s.missing); err != nil {
		return r, err
	}
	var err error
	if r.Place, err = s.chooser(h).Within(ctx, s.settings.Replace.New(s.settings.Instances), known(all)); err != nil {
		return r, err
	}
	r.Ask(ctx, &s.settings.Health, h.dial())
	return r, a.Record(ctx, r)
}

// missing counts the units that the step is not about and that are ill.
func (s *Step) missing(ctx context.Context) (ill int, which string, err error) {
	h, all, err := s.service(ctx)
	if err != nil {
		return 0, "", err
	}
	for i := range all {
		if s.settings.Replace.Has(all[i].Number, s.settings.Instances) || all[i].stopped() {
			continue
		}
		if sick := s.sick(ctx, h, all[i:i+1]); sick != "" {
			ill, which = ill+1, sick
		}
	}
	return ill, which, ctx.Err()
}

// park stops units and lets them be.
func (s *Step) park(ctx context.Context, a ripcord.Attempt, h host, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	for i := range units {
		service.Note(a.Output, "stopping %s of %s %s", units[i].Name, s.settings.Service, units[i].Version)
	}
	if err := h.disable(ctx, units); err != nil {
		return err
	}
	return h.halt(ctx, units)
}

// restore removes the step's own units and starts the old ones again.
func (s *Step) restore(ctx context.Context, a ripcord.Attempt, h host, all []unit) error {
	if s.settings.Replace.Look {
		return nil
	}
	own := s.own(s.covered(all))
	if err := s.drop(ctx, a, h, all, own); err != nil {
		return err
	}
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err == nil && len(own) > 0 && len(r.Old) == 0 {
		err = h.reload(ctx)
	}
	if err != nil || !ok || len(r.Old) == 0 {
		return err
	}
	before, err := parseStays(a.Before.Image)
	if err != nil {
		return err
	}
	var enabled, running []string
	for _, was := range before {
		name := s.unitName(was.Colour, was.Number)
		if was.Enabled {
			enabled = append(enabled, name)
		}
		if !was.Stopped {
			running = append(running, name)
		}
	}
	if len(enabled) > 0 {
		// start lets systemd hear of it.
		if _, err := h.run(ctx, append([]string{"systemctl", "enable", "--quiet", "--no-reload"}, enabled...)...); err != nil {
			return err
		}
	}
	if err := h.start(ctx, running...); err != nil {
		return err
	}
	service.Note(a.Output, "started again: %s", strings.Join(running, ", "))
	w := service.Watch{Runtime: former{s, h, &r}, Chooser: s.fixed(h), Health: &s.settings.Health, Dial: h.dial(), Attempt: a}
	if err := r.Return(ctx, w); err != nil {
		return err
	}
	service.Note(a.Output, "what was healthy is so again")
	return nil
}

// drop removes units; their colour's files go with the last of them. Whoever calls
// it lets systemd read its units again.
func (s *Step) drop(ctx context.Context, a ripcord.Attempt, h host, all, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	for i := range units {
		service.Note(a.Output, "removing %s of %s %s", units[i].Name, s.settings.Service, units[i].Version)
	}
	if err := h.disable(ctx, units); err != nil {
		return err
	}
	if err := h.halt(ctx, units); err != nil {
		return err
	}
	for i := range units {
		rest := slices.ContainsFunc(all, func(u unit) bool { return u.Colour == units[i].Colour && !slices.Contains(names(units), u.Name) })
		if rest {
			continue
		}
		if err := h.clear(ctx, &units[i].labels); err != nil {
			return err
		}
	}
	for _, name := range names(units) {
		for _, file := range []string{environmentFile(name), path.Join(unitFolder, name)} {
			if err := h.machine.Remove(ctx, file); err != nil {
				return named("remove", file, err)
			}
		}
	}
	return nil
}

// forget lets the step's units start at boot, and removes the old ones.
func (s *Step) forget(ctx context.Context, a ripcord.Attempt, h host, all []unit) error {
	if s.settings.Replace.Look {
		return nil
	}
	covered := s.covered(all)
	if err := h.enable(ctx, s.own(covered)); err != nil {
		return err
	}
	olds := s.olds(covered)
	if err := s.drop(ctx, a, h, all, olds); err != nil || len(olds) == 0 {
		return err
	}
	return h.reload(ctx)
}

// replaceTraits says that going back is exact.
func (s *Step) replaceTraits(traits ripcord.Traits) ripcord.Traits {
	if s.settings.Replace.Look {
		traits.Finishes = false
		traits.Reversal = ripcord.Reversal{Way: ripcord.WayNothing}
		return traits
	}
	traits.Reversal.How = fmt.Sprintf("stop the units that this release started of %s, and start the old ones again (systemctl enable --now): they stay in %s until the commit",
		s.settings.Replace.Words(s.settings.Service, s.settings.Instances), unitFolder)
	return traits
}
