// Package local carries out on this machine what the decider decides. It owns
// no rules: each command of a decision becomes one operation, and what happened
// becomes entries.
package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Journal is what an executor writes to and hears from.
type Journal interface {
	ripcord.Journal
	ripcord.Requests
	Renew(ctx context.Context, l ripcord.Lease, ttl time.Duration) (ripcord.Lease, error)
}

// Runtime is how an executor gets at time and concurrency. The simulator has
// its own; System is the real one.
type Runtime interface {
	Now() time.Time
	// Go carries f, the operation of c, out beside the loop.
	Go(c engine.Command, f func())
	// Wait returns when ready has a value, d has passed or ctx has ended.
	Wait(ctx context.Context, ready <-chan struct{}, d time.Duration)
	// Within returns a context whose cause is context.DeadlineExceeded once d
	// has passed.
	Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// Options are an executor's parts.
type Options struct {
	Journal  Journal
	Adapters map[string]ripcord.Adapter
	// Scope is what all steps of the run share; Bundle and what the plan says
	// are filled in.
	Scope   ripcord.Scope
	Runtime Runtime
	// StateID is what targets are stamped with.
	StateID string
	// Lease is held by this executor; it is renewed until the run ends.
	Lease ripcord.Lease
	// Planned is the entry that Begin has journaled when it gave the lease. It is
	// all that the run has, for nobody else may write under that lease, so that
	// it need not be read back. Nil, or one that takes releases back, has the
	// journal read.
	Planned *ripcord.Entry
	// TTL is how long a renewed lease lasts.
	TTL time.Duration
	// Bundle captures what the way back needs and returns it as blobs; nil
	// captures nothing.
	Bundle func(ctx context.Context, plan *ripcord.Plan) (map[string]ripcord.BlobRef, error)
	// Unpack makes the bundle's folder available and returns its path; nil has none.
	Unpack func(ctx context.Context, blobs map[string]ripcord.BlobRef) (string, error)
	// LeaveOnHold ends Run when the run is held and nothing is in progress.
	LeaveOnHold bool
	// Decide is what decides; nil is engine.State.Decide. Tests give others to
	// show that they are caught.
	Decide func(s *engine.State, now time.Time) engine.Decision
	// Observe sees each entry after it is durable; it may be nil.
	Observe func(e ripcord.Entry)
	// Print sees what steps print, while they run; it may be nil.
	Print func(step ripcord.StepID, text []byte)
}

const (
	// pollEvery is how often the executor looks for requests at least.
	pollEvery = 200 * time.Millisecond
	// pollMost is how often it does at most: many quick steps take less time than
	// looking, and a person does not notice so short a delay.
	pollMost = 50 * time.Millisecond
)

// Executor carries out one run.
type Executor struct {
	Options
	run   ripcord.RunID
	ready chan struct{}

	mu     sync.Mutex
	state  *engine.State
	bundle string
	// unpacked is why the bundle's folder is not there; nil where it is.
	unpacked error
	active   map[ripcord.StepID]*operation
	err      error
	stop     context.CancelCauseFunc
	// derive gives each operation a context that ends with the executor.
	derive func() (context.Context, context.CancelCauseFunc)
	// asked is the newest request that was taken, polled when requests were
	// looked for last.
	asked  int64
	polled time.Time
	// unsaid goes before the next append, together with it.
	unsaid []ripcord.Entry
	// appends counts what became durable, to notice that the state has changed.
	appends int

	// Those of the loop alone: the newest lease, and when it is renewed.
	lease ripcord.Lease
	renew time.Time
}

// errCancelled is the cause of a context that the decider had cancelled.
var errCancelled = errors.New("cancelled because the run stops")

// New returns an executor for the run whose lease is held.
func New(o Options) *Executor {
	if o.Decide == nil {
		o.Decide = (*engine.State).Decide
	}
	return &Executor{
		Options: o, run: o.Lease.Run, lease: o.Lease, ready: make(chan struct{}, 1),
		active: make(map[ripcord.StepID]*operation),
		renew:  o.Lease.Expires.Add(-o.TTL * 2 / 3), // it was given just now
	}
}

// Run executes until the run ends, the executor is fenced off, the journal
// fails, or ctx ends; in the last three cases the run goes on with recover. The
// state is the last one reached.
func (x *Executor) Run(ctx context.Context) (*engine.State, error) {
	ctx, x.stop = context.WithCancelCause(ctx)
	defer x.stop(nil)
	x.derive = func() (context.Context, context.CancelCauseFunc) { return context.WithCancelCause(ctx) }
	if err := x.load(ctx); err != nil {
		return nil, err
	}
	if err := x.attach(ctx); err != nil {
		return x.state, err
	}
	for {
		d, err := x.turn(ctx)
		if err != nil || d.Ended || x.left() {
			return x.leave(err) //nolint:contextcheck // what was cancelled is still waited for
		}
		x.Runtime.Wait(ctx, x.ready, x.pause(d))
	}
}

// left reports whether the executor may leave the run to whoever ends its hold.
func (x *Executor) left() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.LeaveOnHold && x.state.Hold != nil && len(x.active) == 0
}

// attach says who carries the run out. Nothing can be in progress in a run that
// was planned just now, so that there it goes with the first append of all.
func (x *Executor) attach(ctx context.Context) error {
	by := x.Lease.Executor
	attached := ripcord.Entry{Kind: ripcord.RunAttached, Executor: &by}
	if x.fresh() {
		x.unsaid = []ripcord.Entry{attached}
		return nil
	}
	return x.append(ctx, attached)
}

// fresh reports whether all that the journal has of the run is its plan.
func (x *Executor) fresh() bool { return x.Planned != nil && len(x.Planned.Plan.Reverts) == 0 }

// load folds the journal. A rollback run begins with the entries of the release
// that it takes back.
func (x *Executor) load(ctx context.Context) error {
	if x.fresh() {
		x.state = engine.Fold([]ripcord.Entry{*x.Planned})
		return nil
	}
	entries, err := Load(ctx, x.Journal, x.run)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return ripcord.Errorf(ripcord.CodeNotFound, "run %s has no entries", x.run)
	}
	x.state = engine.Fold(entries)
	if !x.state.Bundled {
		return nil
	}
	x.unpackIfPossible(ctx, x.state.Blobs)
	return context.Cause(ctx)
}

// Load returns the entries that the run's state is folded from.
func Load(ctx context.Context, journal ripcord.Journal, run ripcord.RunID) ([]ripcord.Entry, error) {
	var entries, earlier []ripcord.Entry
	for e, err := range journal.Entries(ctx, run, 0) {
		if err != nil {
			return nil, fmt.Errorf("reading run %s: %w", run, err)
		}
		if e.Kind == ripcord.RunPlanned && len(e.Plan.Reverts) > 0 {
			if earlier, err = Load(ctx, journal, e.Plan.Reverts[0]); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	return append(earlier, entries...), nil
}

func (x *Executor) unpack(ctx context.Context, blobs map[string]ripcord.BlobRef) error {
	if x.Unpack == nil {
		return nil
	}
	path, err := x.Unpack(ctx, blobs)
	if err != nil {
		return fmt.Errorf("the run's bundle: %w", err)
	}
	x.mu.Lock()
	x.bundle = path
	x.mu.Unlock()
	return nil
}

// turn renews the lease, takes requests, decides, and starts what was decided.
func (x *Executor) turn(ctx context.Context) (engine.Decision, error) {
	if err := x.failed(ctx); err != nil {
		return engine.Decision{}, err
	}
	if err := x.keepLease(ctx); err != nil {
		return engine.Decision{}, err
	}
	if err := x.takeRequests(ctx); err != nil {
		return engine.Decision{}, err
	}
	for {
		d := x.decide()
		records := records(d.Commands)
		if len(records) == 0 {
			x.start(d.Commands) //nolint:contextcheck // derive has it
			return d, nil
		}
		if x.endsTooEarly(records) {
			return d, nil
		}
		records = x.withEnd(records)
		if err := x.append(ctx, records...); err != nil {
			return d, err
		}
	}
}

func (x *Executor) decide() engine.Decision {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.Decide(x.state, x.Runtime.Now())
}

// endsTooEarly reports whether the entries end the run, or commit it, while an
// operation is in progress, for example a first Check that nobody needs any
// more. It is cancelled, and the entries follow when it has ended.
func (x *Executor) endsTooEarly(entries []ripcord.Entry) bool {
	last := entries[len(entries)-1].Kind
	if !last.Ends() && last != ripcord.RunCommitted {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, op := range x.active {
		op.cancel(errCancelled)
	}
	return len(x.active) > 0
}

// withEnd adds the run's end to its commit where nothing is to be finished
// between them: both become durable together.
func (x *Executor) withEnd(entries []ripcord.Entry) []ripcord.Entry {
	if entries[0].Kind != ripcord.RunCommitted {
		return entries
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	next := x.Decide(x.state.After(entries...), x.Runtime.Now()).Commands
	return append(entries, records(next)...)
}

func records(commands []engine.Command) []ripcord.Entry {
	var entries []ripcord.Entry
	for _, c := range commands {
		if c.Op == engine.OpRecord {
			entries = append(entries, c.Entry)
		}
	}
	return entries
}

func (x *Executor) failed(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return x.err
	}
	return context.Cause(ctx)
}

// keepLease renews the lease when a third of it has passed.
func (x *Executor) keepLease(ctx context.Context) error {
	now := x.Runtime.Now()
	if now.Before(x.renew) {
		return nil
	}
	lease, err := x.Journal.Renew(ctx, x.lease, x.TTL)
	if errors.Is(err, ripcord.ErrFenced) || err != nil && !now.Before(x.lease.Expires) {
		return x.fatal(err)
	}
	x.renew = now.Add(x.TTL / 3)
	if err == nil {
		x.lease = lease
	} else if x.renew.After(x.lease.Expires) { // nothing may go on beyond the lease
		x.renew = x.lease.Expires
	}
	return nil
}

// takeRequests turns new requests into controls: abort before rollback before
// the rest, each in the order of its arrival.
func (x *Executor) takeRequests(ctx context.Context) error {
	requests, err := x.requests(ctx)
	if err != nil {
		return x.fatal(err)
	}
	x.mu.Lock()
	taken := x.state.WantBy != nil
	x.mu.Unlock()
	if len(requests) > 0 && taken { // what a dead executor took comes first
		if err := x.applyControl(ctx); err != nil {
			return err
		}
	}
	for _, r := range byStrength(requests) {
		x.mu.Lock()
		past := x.state.State.Ended() || x.state.Handled(r.ID)
		r.Refused = x.state.Refuse(r)
		x.mu.Unlock()
		if past {
			continue
		}
		err := x.append(ctx, ripcord.Entry{Kind: ripcord.RunControl, Request: &r, Who: r.Who, Reason: r.Reason})
		if err != nil {
			return err
		}
		if err := x.applyControl(ctx); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range requests {
		x.asked = max(x.asked, r.ID)
	}
	return nil
}

// requests looks for new requests, unless it was done a moment ago.
func (x *Executor) requests(ctx context.Context) ([]ripcord.Request, error) {
	now := x.Runtime.Now()
	x.mu.Lock()
	asked, since := x.asked, now.Sub(x.polled)
	if since >= 0 && since < pollMost { // a clock that was set back does not delay
		x.mu.Unlock()
		return nil, nil
	}
	x.polled = now
	x.mu.Unlock()
	return x.Journal.Requests(ctx, x.run, asked)
}

// applyControl lets a control take effect before the next one is judged.
func (x *Executor) applyControl(ctx context.Context) error {
	if entries := records(x.decide().Commands); len(entries) > 0 && !x.endsTooEarly(entries) {
		return x.append(ctx, entries...)
	}
	return nil
}

// append makes entries durable and folds them.
func (x *Executor) append(ctx context.Context, entries ...ripcord.Entry) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.appendLocked(ctx, entries...)
}

// intend makes the intent of c durable if it is still what is to be done: since
// it was decided, a step may have failed or a person may have stopped the run.
func (x *Executor) intend(ctx context.Context, c engine.Command, intent ripcord.Entry) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.wants(x.state, c) || ctx.Err() != nil {
		return false, x.err
	}
	return true, x.appendLocked(ctx, intent)
}

// wants reports whether c is to be done in the state.
func (x *Executor) wants(s *engine.State, c engine.Command) bool {
	return slices.ContainsFunc(x.Decide(s, x.Runtime.Now()).Commands, func(other engine.Command) bool {
		return other.Op == c.Op && other.Step == c.Step && other.Attempt == c.Attempt
	})
}

func (x *Executor) appendLocked(ctx context.Context, entries ...ripcord.Entry) error {
	if x.err != nil {
		return x.err
	}
	if len(x.unsaid) > 0 {
		entries = append(x.unsaid, entries...)
	}
	now := x.Runtime.Now().UTC()
	for i := range entries {
		entries[i].Version, entries[i].Run, entries[i].Fence = ripcord.EntryVersion, x.run, x.Lease.Fence
		entries[i].At = now
	}
	if err := x.Journal.Append(context.WithoutCancel(ctx), entries...); err != nil {
		return x.fatalLocked(err)
	}
	x.appends++
	x.unsaid = nil
	for _, e := range entries {
		x.state.Apply(e)
		if x.Observe != nil {
			x.Observe(e)
		}
	}
	return nil
}

// fatal stops all effects: without a journal nothing may go on.
func (x *Executor) fatal(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fatalLocked(err)
}

func (x *Executor) fatalLocked(err error) error {
	if x.err == nil {
		x.err = fmt.Errorf("the journal cannot be written, so the run stops here: %w", err)
		if errors.Is(err, ripcord.ErrFenced) {
			x.err = err
		}
		x.stop(x.err)
	}
	return x.err
}

// pause is how long the loop may sleep.
func (x *Executor) pause(d engine.Decision) time.Duration {
	pause := pollEvery
	if !d.Wake.IsZero() {
		pause = min(pause, max(d.Wake.Sub(x.Runtime.Now()), 0))
	}
	return pause
}

// leave waits for the operations in progress and returns the last state.
func (x *Executor) leave(err error) (*engine.State, error) {
	x.stop(err)
	for {
		x.mu.Lock()
		left := len(x.active)
		state := x.state
		x.mu.Unlock()
		if left == 0 {
			return state, err
		}
		x.Runtime.Wait(context.Background(), x.ready, pollEvery)
	}
}
