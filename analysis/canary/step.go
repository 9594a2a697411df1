package canary

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// Step judges one canary.
type Step struct {
	id      ripcord.StepID
	set     Settings
	scope   ripcord.Scope
	metrics []ripcord.Metric
	latest  *latest
}

// sides are the two versions.
func (s *Step) sides() ripcord.Sides { return ripcord.Sides{New: s.set.New, Old: s.set.Old} }

// first reports whether there is no version to compare with.
func (s *Step) first() bool { return s.set.Old.Colour == "" && s.set.Old.Addresses == "" }

// Traits implements ripcord.Describer: an interrupted analysis goes on.
func (*Step) Traits() ripcord.Traits {
	return ripcord.Traits{Idempotent: true, UndoIdempotent: true, Reversal: ripcord.Reversal{Way: ripcord.WayNothing}}
}

// Check implements ripcord.Step.
func (*Step) Check(ctx context.Context) (ripcord.Observation, error) {
	return ripcord.Observation{Presence: ripcord.Absent}, ctx.Err()
}

// Undo implements ripcord.Step.
func (*Step) Undo(ctx context.Context, _ ripcord.Attempt) error { return ctx.Err() }

// Apply judges until the steps beside it have passed, or the new version is
// proved to be worse. The first version of all has nothing to be compared with.
// Where nothing stands beside, it ends when every metric has said something.
func (s *Step) Apply(ctx context.Context, a ripcord.Attempt) error {
	defer s.latest.forget(s.place())
	if s.first() {
		_, _ = fmt.Fprintln(a.Output, "there is no older version to compare with")
		s.latest.tell(s.place(), analysis.Decision{Verdict: analysis.VerdictContinue, MayAdvance: true})
		return wait(ctx, a.Enough)
	}
	j, chosen, err := s.judge(a)
	if err != nil {
		return err
	}
	r := newRecorder(a, chosen)
	defer s.keep(a, r)
	g := newGatherer()
	defer s.keepPast(a, g)
	return s.judgeOn(ctx, a, j, r, g)
}

// keepPast keeps what the old version did, for later releases. A gap fails nothing.
func (s *Step) keepPast(a ripcord.Attempt, g *gatherer) {
	if err := s.addPast(g.seen); err != nil {
		_, _ = fmt.Fprintf(a.Output, "what the old version did could not be kept for later releases: %v\n", err)
	}
}

// judgeOn looks again and again.
func (s *Step) judgeOn(ctx context.Context, a ripcord.Attempt, j *analysis.Judge, r *recorder, g *gatherer) error {
	out, at := &teller{out: a.Output}, s.clock(j.Decide().At)
	var ended time.Time
	for {
		if ended.IsZero() && over(a.Enough) {
			ended = at()
		}
		d, err := s.look(ctx, j, a, at(), g)
		if err != nil {
			return err
		}
		s.latest.tell(s.place(), d)
		out.tell(d)
		done, verdict := s.close(d, ended)
		if err := r.record(ctx, j, d, done); err != nil {
			return err
		}
		if r.saved.Equal(d.At) { // for when this process dies, and another one goes back
			s.keep(a, r)
		}
		if done {
			return verdict
		}
		if err := s.pause(ctx, a.Enough, !ended.IsZero()); err != nil {
			return err
		}
	}
}

func (s *Step) place() place { return place{s.scope.Run, s.id} }

// clock is the time of observations: it begins after the last one, is moved by the
// monotonic clock alone and never stands still, so that nobody who sets the other
// one back stops the analysis.
func (s *Step) clock(last time.Time) func() time.Time {
	began := s.scope.Now()
	from := began.Round(0)
	if !from.After(last) {
		from = last.Add(time.Millisecond)
	}
	return func() time.Time {
		now := from.Add(s.scope.Now().Sub(began))
		if !now.After(last) {
			now = last.Add(time.Nanosecond)
		}
		last = now
		return now
	}
}

// look reads all metrics at once and lets the judge decide.
func (s *Step) look(ctx context.Context, j *analysis.Judge, a ripcord.Attempt, at time.Time, g *gatherer) (analysis.Decision, error) {
	o := analysis.Observation{At: at, Alone: s.alone(a), Samples: map[string]analysis.Sample{}}
	readings := s.read(ctx)
	if ctx.Err() != nil {
		return analysis.Decision{}, ctx.Err()
	}
	for i := range s.set.Metrics {
		o.Samples[s.set.Metrics[i].Name] = readings[i]
		if s.set.Metrics[i].Kind == analysis.KindErrors && !o.Alone {
			g.add(s.set.Metrics[i].Name, readings[i], at)
		}
	}
	return j.Observe(o)
}

// teller writes decisions to the step's log: the first ones, new ones, and one a
// while.
type teller struct {
	out  io.Writer
	last analysis.Decision
}

const tellEvery = 30 * time.Second

func (t *teller) tell(d analysis.Decision) {
	same := d.Verdict == t.last.Verdict && slices.Equal(d.Silent, t.last.Silent) && slices.Equal(d.Warnings, t.last.Warnings)
	if same && d.At.Sub(t.last.At) < tellEvery {
		return
	}
	t.last = d
	_, _ = fmt.Fprintln(t.out, line(d))
}

// alone reports whether all traffic goes to the new version.
func (s *Step) alone(a ripcord.Attempt) bool {
	return a.Passed != nil && s.set.Shift != "" && a.Passed(s.set.Shift)
}

// readTimeout is how long one question to a metrics system may take.
const readTimeout = 4 * time.Second

func (s *Step) read(ctx context.Context) []analysis.Sample {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	samples := make([]analysis.Sample, len(s.metrics))
	var group sync.WaitGroup
	for i, metric := range s.metrics {
		group.Go(func() {
			reading, err := metric.Read(ctx)
			samples[i] = analysis.Sample{Reading: reading, Err: err}
		})
	}
	group.Wait()
	return samples
}

// patience is how long the end waits for metrics that are silent at that moment.
const patience = 3 * time.Minute

// close reports whether the analysis is over, and how. No evidence is never
// success: at the end, which began at that time, each metric must have said
// something, and still say it in a reading that began after it.
func (s *Step) close(d analysis.Decision, ended time.Time) (bool, error) {
	switch {
	case d.Verdict == analysis.VerdictRollBack:
		return true, s.worse(d)
	case ended.IsZero():
		return false, nil
	case d.MayAdvance:
		return true, nil
	case d.At.Sub(ended) < patience:
		return false, nil
	}
	return true, &ripcord.Failure{
		Class: ripcord.FailedAnalysis, Final: true,
		Summary: fmt.Sprintf("nothing proves that the new version is well: %s said nothing for %s", strings.Join(d.Silent, ", "), ripcord.Duration(patience)),
		Lines:   lines(d),
	}
}

// worse is the failure that rolls back.
func (s *Step) worse(d analysis.Decision) error {
	return &ripcord.Failure{Class: ripcord.FailedAnalysis, Summary: d.Reason, Lines: lines(d), Final: true}
}

// pause waits for the next reading. It is over at once when the steps beside have
// passed, so that the last word is one of now.
func (s *Step) pause(ctx context.Context, enough <-chan struct{}, ending bool) error {
	if ending {
		enough = nil
	}
	t := time.NewTimer(s.set.Interval.Std())
	defer t.Stop()
	select {
	case <-t.C:
	case <-enough:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// over reports whether the steps beside have passed; nil stands beside nothing.
func over(enough <-chan struct{}) bool {
	if enough == nil {
		return true
	}
	select {
	case <-enough:
		return true
	default:
		return false
	}
}

func wait(ctx context.Context, enough <-chan struct{}) error {
	if enough == nil {
		return ctx.Err()
	}
	select {
	case <-enough:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
