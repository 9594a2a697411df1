package sim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/fake"
	"github.com/ripcord-dev/ripcord/engine"
	"github.com/ripcord-dev/ripcord/engine/local"
)

// process is one executor: its part of the world until it ends, dies, or is
// fenced off.
type process struct {
	sim   *simulation
	lease ripcord.Lease
	// dead: it ended or died; nothing of it runs any more.
	dead bool
	// learned: it was told that another executor has taken over.
	learned bool
	// stalled: it does nothing before then, like a machine that sleeps.
	stalled time.Time
	// state is the last one of an executor that came to the end.
	state *engine.State
}

// leaseLasts is the time to live of a lease.
const leaseLasts = 6 * time.Second

var errJournal = errors.New("injected: the journal cannot be written")

// start begins a new executor under a lease, with what it has planned itself.
func (s *simulation) start(lease ripcord.Lease, planned *ripcord.Entry) {
	p := &process{sim: s, lease: lease}
	s.process = p
	s.processes = append(s.processes, p)
	x := local.New(local.Options{
		Journal: p, Runtime: p, Adapters: map[string]ripcord.Adapter{fake.Kind: &adapter{p: p, inner: fake.New(s.world)}},
		Scope: ripcord.Scope{StateDir: "/state", Blobs: processBlobs{p}}, StateID: s.stamp, Lease: lease, Planned: planned, TTL: leaseLasts,
		Decide: s.mutant.decide(), Bundle: p.bundle, LeaveOnHold: s.scenario.leaves,
	})
	s.spawn(p, "loop", func() {
		state, err := x.Run(context.Background())
		p.dead = true
		if err == nil {
			p.state = state
		}
		s.tracef("executor %d ended: %v", lease.Fence, err)
		if err == nil {
			p.leaves(state)
		}
	})
}

// leaves judges an executor that ended without an error.
func (p *process) leaves(state *engine.State) {
	s := p.sim
	if state.State.Ended() {
		return
	}
	if !s.scenario.leaves || state.Hold == nil {
		s.judge.violate("ends", "the executor left the run in state %s without an error", state.State)
	}
	s.coverage.count("left on hold")
	if err := s.store.Release(context.Background(), p.lease); err != nil {
		s.judge.violate("lease", "a lease cannot be released: %v", err)
	}
}

// bundle captures the run's bundle.
func (p *process) bundle(context.Context, *ripcord.Plan) (map[string]ripcord.BlobRef, error) {
	p.mayDie("in the bundle")
	if p.sim.scenario.unbundled {
		p.sim.coverage.count("bundle failed")
		return nil, errJournal
	}
	return nil, nil
}

// mayDie is a point at which a crash may happen.
func (p *process) mayDie(where string) {
	s := p.sim
	if p.dead {
		panic(crash{})
	}
	sc := s.scenario
	if sc.crashFrom > 0 {
		sc.crashFrom--
		return
	}
	if sc.crashes == 0 || s.calm() || !s.dice.in(1, sc.crashRate) {
		return
	}
	sc.crashes--
	s.tracef("CRASH of executor %d %s", p.lease.Fence, where)
	s.coverage.crash(s.judge, where)
	p.dead = true
	panic(crash{})
}

// stale reports whether another executor holds the lease.
func (p *process) stale() bool { return p.sim.process != p }

// Append writes to the journal, unless it dies before, or the journal fails, or
// it dies after.
func (p *process) Append(ctx context.Context, entries ...ripcord.Entry) error {
	s := p.sim
	p.mayDie("before " + string(entries[0].Kind))
	lost := false
	if sc := s.scenario; sc.journalRate > 0 && !s.calm() && s.dice.in(1, sc.journalRate) {
		s.coverage.count("journal failed")
		if lost = s.dice.in(1, 2); !lost {
			return errJournal
		}
	}
	entries, err := s.mutant.append(ctx, p, entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	for i := range entries {
		s.tracef("%d: %s", p.lease.Fence, describe(&entries[i]))
		s.judge.entry(p, &entries[i])
	}
	s.judge.appended(entries) //nolint:contextcheck // the judge looks, whatever became of the executor
	if last := entries[len(entries)-1].Kind; last == ripcord.StepIntent && entries[0].Kind != ripcord.StepChecked && len(entries) > 1 {
		s.coverage.count("went on with the next step")
	}
	if lost {
		return errJournal
	}
	p.mayDie("after " + string(entries[len(entries)-1].Kind))
	return nil
}

func (p *process) refused(err error) {
	if errors.Is(err, ripcord.ErrFenced) {
		p.sim.tracef("executor %d is fenced off", p.lease.Fence)
		p.sim.coverage.count("fenced off")
		p.learned = true
		return
	}
	p.sim.judge.violate("journal", "the store refused an entry: %v", err)
}

// Entries reads the journal.
func (p *process) Entries(ctx context.Context, run ripcord.RunID, after uint64) iter.Seq2[ripcord.Entry, error] {
	return p.sim.store.Entries(ctx, run, after)
}

// Ask stores a request.
func (p *process) Ask(ctx context.Context, r ripcord.Request) (ripcord.Request, error) {
	return p.sim.store.Ask(ctx, r)
}

// Requests reads requests.
func (p *process) Requests(ctx context.Context, run ripcord.RunID, after int64) ([]ripcord.Request, error) {
	return p.sim.store.Requests(ctx, run, after)
}

// Renew extends the lease.
func (p *process) Renew(ctx context.Context, l ripcord.Lease, ttl time.Duration) (ripcord.Lease, error) {
	p.mayDie("before renewing the lease")
	renewed, err := p.sim.store.Renew(ctx, l, ttl)
	if err != nil {
		p.refused(err)
	}
	return renewed, err
}

// Now is the simulated time.
func (p *process) Now() time.Time { return p.sim.clock }

// Go makes an operation a fiber.
func (p *process) Go(c engine.Command, f func()) {
	p.sim.spawn(p, fmt.Sprintf("%s %s", c.Op, c.Step), f)
}

// Wait hands control back to the simulation.
func (p *process) Wait(ctx context.Context, ready <-chan struct{}, d time.Duration) {
	until := p.sim.clock.Add(d)
	p.sim.current.pause(func() bool {
		return ctx.Err() != nil || len(ready) > 0 || !p.sim.clock.Before(until)
	})
	select {
	case <-ready:
	default:
	}
}

// Within limits a context by the simulated time.
func (p *process) Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithCancelCause(ctx)
	t := &timer{at: p.sim.clock.Add(d), fire: func() { cancel(context.DeadlineExceeded) }}
	p.sim.timers = append(p.sim.timers, t)
	return limited, func() {
		t.fire = nil
		cancel(nil)
	}
}

func describe(e *ripcord.Entry) string {
	text := string(e.Kind)
	if e.Step != "" {
		text += " " + string(e.Step)
	}
	if e.Attempt > 0 {
		text += fmt.Sprintf(" attempt %d", e.Attempt)
	}
	if e.Seen != nil {
		text += fmt.Sprintf(" saw %s %s", e.Seen.Presence, e.Seen.Digest)
	}
	if e.Failure != nil {
		text += fmt.Sprintf(" failure %s: %s", e.Failure.Class, e.Failure.Summary)
	}
	if e.Until != nil {
		text += " until " + e.Until.Format("05.000")
	}
	if e.Request != nil {
		text += fmt.Sprintf(" request %d %s %s refused %q", e.Request.ID, e.Request.Verb, e.Request.Step, e.Request.Refused)
	}
	if e.Verified {
		text += " verified"
	}
	if e.State != "" {
		text += " state " + string(e.State)
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}
