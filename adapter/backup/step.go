package backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Step takes a backup. It changes nothing of the application, and what it made stays
// when the release goes back.
type Step struct {
	adapter *Adapter
	set     Settings
	data    ripcord.Data
	scope   ripcord.Scope
	key     string
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	return ripcord.Traits{
		Checkable: true, Idempotent: true, UndoIdempotent: true,
		Reversal: ripcord.Reversal{Way: ripcord.WayNothing},
	}
}

// desk opens the repository for the step.
func (s *Step) desk(ctx context.Context, create bool) (*Desk, error) {
	repository, err := s.adapter.repositories.Open(ctx, s.set.Repository, s.scope, create)
	if err != nil {
		return nil, err
	}
	return &Desk{Set: s.set, Data: s.data, Repository: repository, scope: s.scope}, nil
}

// Check implements ripcord.Step: a backup is there when it was taken under the step's
// key.
func (s *Step) Check(ctx context.Context) (o ripcord.Observation, err error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	o = ripcord.Observation{Presence: ripcord.Absent, Detail: "not taken yet"}
	desk, err := s.desk(ctx, false)
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		return o, nil
	}
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	defer func() { err = errors.Join(err, desk.Close()) }()
	b, err := desk.find(ctx, s.key)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	if b != nil {
		o.Presence, o.Detail = ripcord.Present, "backup "+b.ID
	}
	return o, nil
}

// Apply implements ripcord.Step.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	desk, err := s.desk(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, desk.Close()) }()
	if desk.Repository.Made() {
		_, _ = fmt.Fprintf(a.Output, "made the repository %s. Keep its password elsewhere as well: without it nobody can read the backups\n", desk.Repository.Name())
	}
	desk.Progress = s.progress(a)
	b, err := desk.Take(ctx, Origin{Key: a.Key, Run: s.scope.Run, Version: s.scope.Version})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.Output, "backup %s of %s: %s in %.1f s, into %s\n", b.ID, s.data.Name(), Size(b.Bytes), b.Seconds(), desk.Repository.Name())
	if err := desk.Repository.Maintain(ctx); err != nil && ctx.Err() == nil { // the backup is there, and good
		_, _ = fmt.Fprintf(a.Output, "the repository could not be maintained: %v\n", err)
	}
	return nil
}

// progress says now and then how far it is.
func (s *Step) progress(a ripcord.Attempt) ripcord.Progress {
	const every = 5 * time.Second
	began := s.scope.Now()
	last := began
	return func(done, _ int64) {
		if now := s.scope.Now(); now.Sub(last) >= every {
			last = now
			_, _ = fmt.Fprintf(a.Output, "%s so far, %s/s\n", Size(done), Size(int64(float64(done)/now.Sub(began).Seconds())))
		}
	}
}

// Undo implements ripcord.Step: there is nothing to take back. The backup stays.
func (s *Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Outputs implements ripcord.Outputter.
func (s *Step) Outputs(ctx context.Context, a ripcord.Attempt) (_ map[string]ripcord.Output, err error) {
	desk, err := s.desk(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, desk.Close()) }()
	b, err := desk.find(ctx, a.Key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("the backup of %s is not in %s any more", s.set.Name, desk.Repository.Name())
	}
	return map[string]ripcord.Output{
		"backup":  {Value: b.ID},
		"bytes":   {Value: strconv.FormatInt(b.Bytes, 10)},
		"seconds": {Value: strconv.FormatFloat(b.Seconds(), 'f', 1, 64)},
	}, nil
}

// lookPatience is how long a plan waits for a database.
const lookPatience = 10 * time.Second

// Explain implements ripcord.Explainer.
func (s *Step) Explain(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	view, err := s.data.Look(ctx, false)
	if err != nil {
		return "", err
	}
	text := "copies " + s.data.Name()
	if view.Bytes > 0 {
		text += fmt.Sprintf(" (%s)", Size(view.Bytes))
	}
	desk, err := s.desk(ctx, false)
	switch {
	case ripcord.CodeOf(err) == ripcord.CodeNotFound:
		return text + " into a repository that it makes: keep its password elsewhere as well, without it nobody can read the backups", nil
	case err != nil:
		return "", err
	}
	defer func() { _ = desk.Close() }() // it was read only
	text += " into " + desk.Repository.Name()
	if r, ok := desk.Repository.(ripcord.RoomTeller); ok {
		if room, known := r.Room(); known {
			text += fmt.Sprintf(", where %s are free", Size(room))
		}
	}
	all, err := desk.Backups(ctx)
	if err == nil && len(all) > 0 {
		text += fmt.Sprintf("; the last one took %.1f s", all[0].Seconds())
	}
	return text, err
}

// Feasible implements ripcord.Feasible: it refuses what could not be backed up, and a
// disk on which there is clearly no room. A database that does not answer now may
// answer then.
func (s *Step) Feasible(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	view, err := s.data.Look(ctx, false)
	if err != nil {
		return refusal(err)
	}
	desk, err := s.desk(ctx, false)
	if err != nil {
		return refusal(err)
	}
	defer func() { _ = desk.Close() }() // it was read only
	r, ok := desk.Repository.(ripcord.RoomTeller)
	if !ok {
		return nil
	}
	// Data shrinks to a tenth at best.
	const shrinks, least = 10, 32 << 20
	if room, known := r.Room(); known && room < max(least, view.Bytes/shrinks) {
		return ripcord.Errorf(ripcord.CodePlan, "there is no room for a backup of %s (%s) in %s: %s are free", s.data.Name(), Size(view.Bytes), desk.Repository.Name(), Size(room)).
			WithFix("make room there: ripcord backup prune")
	}
	return nil
}

// refusal keeps the errors that are certain.
func refusal(err error) error {
	e, ok := errors.AsType[*ripcord.Error](err)
	if !ok || e.Code != ripcord.CodePlan || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Size is a number of bytes for people.
func Size(bytes int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	size, unit := float64(bytes), 0
	for size >= 1000 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}
