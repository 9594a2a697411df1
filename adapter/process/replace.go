package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// covers reports whether the step is about an instance: with Replace it is about
// those with its numbers only.
func (s *Step) covers(i *ripcord.InstanceStatus) bool {
	return s.settings.Replace.Has(number(i.ID), s.settings.Instances)
}

// covered returns the instances that the step is about.
func (s *Step) covered(all []ripcord.InstanceStatus) []ripcord.InstanceStatus {
	var covered []ripcord.InstanceStatus
	for i := range all {
		if s.covers(&all[i]) {
			covered = append(covered, all[i])
		}
	}
	return covered
}

// replace stops the old instances and starts the new ones in their places. What
// it takes to bring the old ones back is written down before the first is
// stopped.
func (s *Step) replace(ctx context.Context, a ripcord.Attempt) error {
	if s.settings.Replace.Look {
		return nil
	}
	all, err := s.list(ctx)
	if err != nil {
		return err
	}
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err == nil && !ok {
		r, err = s.note(ctx, a, all)
	}
	if err != nil {
		return err
	}
	old := func(i *ripcord.InstanceStatus) bool { return !s.mine(i) && s.covers(i) }
	if err := s.stop(ctx, a, old); err != nil {
		return err
	}
	w := &service.Watch{Runtime: runner{s}, Chooser: s.fixed(), Health: &s.settings.Health, Dial: dial(), Attempt: a, Place: r.Place}
	if err := s.start(ctx, w, all, s.settings.Replace.New(s.settings.Instances)); err != nil {
		return err
	}
	service.Note(a.Output, "%s of %s started in %s on %s", service.Plural(len(s.settings.Replace.New(s.settings.Instances)), "instance"), s.settings.Service, r.Colour, r.Addresses())
	if err := w.Wait(ctx); err != nil {
		return err
	}
	service.Note(a.Output, "all are healthy")
	return nil
}

// fixed is a chooser whose instances stay where they are: users find them there.
func (s *Step) fixed() *service.Chooser {
	c := s.chooser()
	c.Free = func(context.Context, int) bool { return true }
	return c
}

// note writes down what is there, after there is room to take it away.
func (s *Step) note(ctx context.Context, a ripcord.Attempt, all []ripcord.InstanceStatus) (service.Replaced, error) {
	numbers := s.settings.Replace.New(s.settings.Instances)
	var r service.Replaced
	old := s.olds(s.covered(all))
	own := 0
	for i := range old {
		if number(old[i].ID) <= s.settings.Instances {
			own++
		}
	}
	if err := s.settings.Replace.Room(ctx, own, &s.settings.Health, s.missing); err != nil {
		return r, err
	}
	p, err := s.chooser().Within(ctx, numbers, known(all))
	if err != nil {
		return r, err
	}
	r.Place = p
	for i := range old {
		kept, err := s.keep(ctx, &old[i])
		if err != nil {
			return r, err
		}
		r.Old = append(r.Old, kept)
	}
	r.Ask(ctx, &s.settings.Health, dial())
	return r, a.Record(ctx, r)
}

// olds returns the instances of other runs.
func (s *Step) olds(all []ripcord.InstanceStatus) []ripcord.InstanceStatus {
	var old []ripcord.InstanceStatus
	for i := range all {
		if !s.mine(&all[i]) {
			old = append(old, all[i])
		}
	}
	return old
}

// missing counts the instances that the step is not about and that are ill.
func (s *Step) missing(ctx context.Context) (ill int, which string, err error) {
	all, err := s.list(ctx)
	if err != nil {
		return 0, "", err
	}
	for i := range all {
		if s.covers(&all[i]) {
			continue
		}
		if sick := s.sick(ctx, all[i:i+1]); sick != "" {
			ill, which = ill+1, sick
		}
	}
	return ill, which, ctx.Err()
}

// keep puts aside what an old instance was started with. It may hold secrets.
func (s *Step) keep(ctx context.Context, i *ripcord.InstanceStatus) (service.Old, error) {
	old := service.Old{
		ID: i.ID, Number: number(i.ID), Address: i.Labels[labelAddress], Colour: i.Labels[labelColour], Version: i.Labels[labelVersion],
	}
	spec, err := s.scope.Supervisor.Recall(ctx, i.ID)
	if err != nil {
		return old, fmt.Errorf("read what %s was started with: %w", i.ID, err)
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return old, fmt.Errorf("keep what %s was started with: %w", i.ID, err)
	}
	ref, err := s.scope.Blobs.Put(ctx, s.scope.Run, "replaced/"+strings.ReplaceAll(i.ID, "/", "-"), bytes.NewReader(data))
	if err != nil {
		return old, fmt.Errorf("keep what %s was started with: %w", i.ID, err)
	}
	old.Spec = &ref
	return old, nil
}

// restore starts the old instances again as they were, and waits until those that
// were healthy are so again.
func (s *Step) restore(ctx context.Context, a ripcord.Attempt) error {
	r, ok, err := service.RecordedReplaced(a.Progress)
	if err != nil || !ok || len(r.Old) == 0 {
		return err
	}
	for i := range r.Old {
		old := &r.Old[i]
		if err := s.revive(ctx, old); err != nil {
			return err
		}
		service.Note(a.Output, "started instance %d of %s %s again on %s", old.Number, s.settings.Service, old.Version, old.Address)
	}
	w := service.Watch{Runtime: former{s, &r}, Chooser: s.fixed(), Health: &s.settings.Health, Dial: dial(), Attempt: a}
	if err := r.Return(ctx, w); err != nil {
		return err
	}
	service.Note(a.Output, "what was healthy is so again")
	return nil
}

// revive starts an old instance as it was.
func (s *Step) revive(ctx context.Context, old *service.Old) error {
	if old.Spec == nil {
		return &ripcord.Failure{Class: ripcord.FailedInternal, Final: true, Summary: "nobody wrote down what " + old.ID + " was started with"}
	}
	from, err := s.scope.Blobs.Open(ctx, *old.Spec)
	if err != nil {
		return fmt.Errorf("read what %s was started with: %w", old.ID, err)
	}
	defer func() { _ = from.Close() }()
	data, err := io.ReadAll(from)
	if err != nil {
		return fmt.Errorf("read what %s was started with: %w", old.ID, err)
	}
	var spec ripcord.Instance
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("read what %s was started with: %w", old.ID, err)
	}
	if err := s.scope.Supervisor.Start(ctx, spec); err != nil {
		return fmt.Errorf("start %s again: %w", old.ID, err)
	}
	return nil
}

// forget drops what only the way back needed.
func (s *Step) forget(ctx context.Context, a ripcord.Attempt) error {
	r, _, err := service.RecordedReplaced(a.Progress)
	if err != nil {
		return err
	}
	for i := range r.Old {
		if spec := r.Old[i].Spec; spec != nil {
			if err := s.scope.Blobs.Delete(ctx, *spec); err != nil {
				return fmt.Errorf("forget %s: %w", r.Old[i].ID, err)
			}
		}
	}
	return nil
}

// replaceTraits says that going back is exact, and what it costs.
func (s *Step) replaceTraits(traits ripcord.Traits) ripcord.Traits {
	if s.settings.Replace.Look {
		traits.Finishes = false
		traits.Reversal = ripcord.Reversal{Way: ripcord.WayNothing}
		return traits
	}
	traits.Reversal.How = fmt.Sprintf("stop what this release started of %s, and start the old instances again as they were: their release's files are still in its bundle",
		s.settings.Replace.Words(s.settings.Service, s.settings.Instances))
	return traits
}

// explainReplace says what would be stopped and started.
func (s *Step) explainReplace(ctx context.Context) (string, error) {
	if s.scope.Supervisor == nil {
		return s.settings.ReplaceText(s.scope.Version, "the old version"), nil
	}
	all, err := s.list(ctx)
	if err != nil {
		return s.settings.ReplaceText(s.scope.Version, "the old version"), nil //nolint:nilerr // what runs now is an extra
	}
	if _, err := s.chooser().Colour(known(all)); err != nil {
		return "", err
	}
	old := ""
	if sets := setsOf(s.covered(all)); len(sets) > 0 {
		old = strings.TrimPrefix(s.described(sets), s.settings.Service+": ")
	}
	return s.settings.ReplaceText(s.scope.Version, old), nil
}
