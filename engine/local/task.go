package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// task is one operation on one step, with what the journal said of the step
// when it began.
type task struct {
	*Executor
	// operation is what the task belongs to; evidence has none.
	operation *operation
	command   engine.Command
	id        ripcord.StepID
	spec      *ripcord.StepSpec
	was       engine.Step
	owner     ripcord.RunID
	log       *stepLog
}

func (x *Executor) newTask(_ context.Context, c engine.Command) *task {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.taskIn(x.state, c)
}

// taskIn is a task in a state. The lock is held.
func (x *Executor) taskIn(s *engine.State, c engine.Command) *task {
	was := *s.Steps[c.Step]
	was.Progress = slices.Clone(was.Progress)
	return &task{
		Executor: x, command: c, id: c.Step, spec: was.Spec, was: was, owner: owner(s),
		log: &stepLog{step: c.Step, print: x.Print},
	}
}

// open opens the step anew: nothing is remembered between operations.
func (t *task) open(ctx context.Context) (ripcord.Step, error) {
	scope := t.Scope
	scope.Now = t.Runtime.Now
	t.mu.Lock() // outputs of steps beside this one are being folded meanwhile
	spec, scope, err := inRun(scope, t.state, t.spec, t.bundle)
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	step, err := openWith(ctx, t.Adapters, spec, scope)
	if err == nil {
		err = t.unbundledStep(step)
	}
	if err != nil {
		return nil, err
	}
	return step, nil
}

// Open opens one step of a run as the run itself would: outputs of earlier steps
// are put in, and the scope is the run's. It touches nothing.
func Open(ctx context.Context, adapters map[string]ripcord.Adapter, scope ripcord.Scope, s *engine.State, spec *ripcord.StepSpec, bundle string) (ripcord.Step, error) {
	opened, scope, err := inRun(scope, s, spec, bundle)
	if err != nil {
		return nil, err
	}
	return openWith(ctx, adapters, opened, scope)
}

func openWith(ctx context.Context, adapters map[string]ripcord.Adapter, spec ripcord.StepSpec, scope ripcord.Scope) (ripcord.Step, error) {
	adapter := adapters[spec.Adapter]
	if adapter == nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "this binary has no adapter %q for step %q", spec.Adapter, spec.ID)
	}
	return adapter.Open(ctx, spec, scope)
}

// inRun completes a step's settings and scope with what its run knows.
func inRun(scope ripcord.Scope, s *engine.State, spec *ripcord.StepSpec, bundle string) (ripcord.StepSpec, ripcord.Scope, error) {
	opened := *spec
	raw, outputs, err := resolve(s, spec)
	opened.Settings = raw
	if len(outputs) > 0 {
		scope.Secrets = &secrets{Secrets: scope.Secrets, outputs: outputs, blobs: scope.Blobs}
	}
	scope.Run, scope.Application, scope.Environment = owner(s), s.Plan.Application, s.Plan.Environment
	scope.Version, scope.Directory, scope.Bundle = s.Version, s.Plan.Directory, bundle
	scope.Again = s.Plan.From != ""
	return opened, scope, err
}

// owner is the run that the step's effects belong to: a rollback run works on
// those of the release that it takes back.
func owner(s *engine.State) ripcord.RunID {
	if len(s.Plan.Reverts) > 0 {
		return s.Plan.Reverts[0]
	}
	return s.Run
}

// attempt builds what the adapter sees.
func (t *task) attempt(ctx context.Context, number int, back bool) (ripcord.Attempt, error) {
	before, err := t.before(ctx)
	return ripcord.Attempt{
		Key: ripcord.Key(t.owner, t.id), Number: number, Fence: t.Lease.Fence,
		Before: before, Progress: t.was.Progress,
		Record: func(ctx context.Context, data any) error { return t.record(ctx, data, back) },
		Output: t.log, Enough: t.operation.enoughFor(t.spec), Passed: t.passed, LossAccepted: back && t.was.LossAccepted,
	}, err
}

func (t *task) passed(id ripcord.StepID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	other := t.state.Steps[id]
	return other != nil && other.Passed()
}

func (t *task) record(ctx context.Context, data any, back bool) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("progress of step %s: %w", t.id, err)
	}
	return t.append(ctx, ripcord.Entry{Kind: ripcord.StepProgress, Step: t.id, Data: raw, Back: back})
}

// before loads the before-image.
func (t *task) before(ctx context.Context) (ripcord.Observation, error) {
	s := t.was.Before
	if s == nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, nil
	}
	o := ripcord.Observation{Presence: s.Presence, Exact: s.Exact, Detail: s.Detail}
	if s.Image == nil {
		return o, nil
	}
	r, err := t.Scope.Blobs.Open(ctx, *s.Image)
	if err != nil {
		return o, fmt.Errorf("the before-image of step %s: %w", t.id, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if o.Image, err = io.ReadAll(r); err != nil {
		return o, fmt.Errorf("the before-image of step %s: %w", t.id, err)
	}
	return o, err
}

// look makes a Check and turns what it saw into a sighting; keep stores the image.
func (t *task) look(ctx context.Context, step ripcord.Step, keep bool) (*ripcord.Sighting, error) {
	o, err := step.Check(ctx)
	if err != nil {
		o = ripcord.Observation{Presence: ripcord.Unknown, Detail: err.Error()}
	}
	s := &ripcord.Sighting{Presence: o.Presence, Exact: o.Exact, Detail: o.Detail, Away: errors.Is(err, ripcord.ErrAway)}
	if len(o.Image) == 0 {
		return s, nil
	}
	s.Digest = t.Scope.Blobs.Digest(o.Image)
	if keep {
		ref, err := t.Scope.Blobs.Put(ctx, t.run, string(t.id)+"/before", bytes.NewReader(o.Image))
		if err != nil {
			return nil, fmt.Errorf("keeping the before-image: %w", err)
		}
		s.Image = &ref
	}
	return s, nil
}

// limit gives the context the step's timeout.
func (t *task) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.spec.Timeout == 0 || t.spec.Ask != nil {
		return context.WithCancel(ctx)
	}
	return t.Runtime.Within(ctx, t.spec.Timeout.Std())
}

// failure turns an adapter's error into what the journal keeps.
func (t *task) failure(ctx context.Context, err error) *ripcord.Failure {
	if errors.Is(context.Cause(ctx), errCancelled) {
		return &ripcord.Failure{Class: ripcord.FailedCancelled, Summary: fmt.Sprintf("step %s was stopped because the run stops", t.id)}
	}
	if f, ok := errors.AsType[*ripcord.Failure](err); ok {
		return f
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &ripcord.Failure{
			Class:   ripcord.FailedTimeout,
			Summary: fmt.Sprintf("step %s did not end within %s: %v", t.id, t.spec.Timeout, err),
		}
	}
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: err.Error(), Away: errors.Is(err, ripcord.ErrAway)}
}

// stopped reports whether the executor itself is being stopped, so that what
// the operation returned means nothing and must not be journaled.
func (t *task) stopped(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return ctx.Err() != nil && !errors.Is(cause, errCancelled) && !errors.Is(cause, context.DeadlineExceeded)
}

// keepLog stores what the operation printed; a log that cannot be kept never
// fails a step.
func (t *task) keepLog(ctx context.Context, name string) map[string]ripcord.BlobRef {
	data := t.log.bytes()
	if len(data) == 0 || t.Scope.Blobs == nil {
		return nil
	}
	ref, err := t.Scope.Blobs.Put(context.WithoutCancel(ctx), t.run, fmt.Sprintf("%s/%s.log", t.id, name), bytes.NewReader(data))
	if err != nil {
		return nil
	}
	return map[string]ripcord.BlobRef{"log": ref}
}

func (t *task) now() time.Time { return t.Runtime.Now() }
