package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// recordEvery is how much watched time a crash may lose.
const recordEvery = 5 * time.Second

// looker is one thing that is looked at again and again.
type looker struct {
	name     string
	interval time.Duration
	// look returns nil when all is well. It runs beside the watcher.
	look func(ctx context.Context) *finding
	// failures is how many bad looks in a row fail the watch.
	failures int
	// answers are what was seen; last is the newest bad look.
	answers health.Steadiness
	last    *finding
}

// finding is what was not well.
type finding struct {
	text  string
	lines []string
	// final fails the watch at once; another look could not change it.
	final bool
}

// watcher is one watch under way.
type watcher struct {
	step    *Step
	attempt ripcord.Attempt
	lookers []*looker
	// mu guards memory, which lookers and the watcher share.
	mu     sync.Mutex
	memory *memory
}

// assemble makes the lookers, with the state that the watch begins with.
func (w *watcher) assemble(ctx context.Context) error {
	set := w.step.set
	for _, check := range set.Checks {
		questions, err := w.step.asker.Questions(check)
		if err != nil {
			return err
		}
		for _, q := range questions {
			w.lookers = append(w.lookers, &looker{name: q.Name, interval: check.Interval.Std(), look: asking(q), failures: check.Failures, answers: health.Steadiness{Flapping: check.Flapping}})
		}
	}
	look, err := w.instances(ctx)
	if err != nil {
		return err
	}
	if look != nil {
		w.lookers = append(w.lookers, &looker{name: "instances", interval: set.Interval.Std(), look: look})
	}
	if set.Proxy != nil {
		w.lookers = append(w.lookers, &looker{name: "requests", interval: set.Interval.Std(), look: w.traffic()})
	}
	for _, l := range w.lookers {
		if l.failures == 0 {
			l.failures = set.Failures
		}
		if l.answers.Flapping == (health.Flapping{}) {
			l.answers.Flapping = set.Flapping
		}
	}
	if len(w.lookers) == 0 {
		w.note("nothing is watched, because no check is given; this is only a wait")
	}
	return nil
}

func asking(q health.Question) func(context.Context) *finding {
	return func(ctx context.Context) *finding {
		err := q.Ask(ctx)
		if err == nil {
			return nil
		}
		f := &finding{text: err.Error()}
		if a, ok := errors.AsType[*health.AnswerError](err); ok {
			f.lines = a.Lines
		}
		return f
	}
}

// seen is one look's result.
type seen struct {
	by  *looker
	bad *finding
}

// run watches until the time is over or something fails.
func (w *watcher) run(ctx context.Context) error {
	looks, stop := context.WithCancel(ctx)
	results := make(chan seen)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for _, l := range w.lookers {
		all.Go(func() { w.repeat(looks, l, results) })
	}
	tick := time.NewTicker(w.step.tick())
	defer tick.Stop()
	recorded := w.memory.Watched.Std()
	for {
		if w.over() {
			return w.finish(ctx)
		}
		select {
		case <-ctx.Done():
			return w.stopped(ctx)
		case r := <-results:
			if err := w.take(r); err != nil {
				return err
			}
		case <-tick.C:
			w.mu.Lock()
			w.memory.Watched += ripcord.Duration(w.step.tick())
			now := w.memory.Watched.Std()
			w.mu.Unlock()
			if now-recorded < recordEvery {
				continue
			}
			recorded = now
			if err := w.record(ctx); err != nil {
				return err
			}
		}
	}
}

// repeat looks until the context ends.
func (w *watcher) repeat(ctx context.Context, l *looker, results chan<- seen) {
	for {
		bad := l.look(ctx)
		if ctx.Err() != nil {
			return // cut short by the end, which says nothing
		}
		select {
		case results <- seen{l, bad}:
		case <-ctx.Done():
			return
		}
		if !health.Pause(ctx, l.interval) {
			return
		}
	}
}

// take counts a look, and fails when there were too many bad ones in a row.
func (w *watcher) take(r seen) error {
	l := r.by
	if r.bad == nil {
		if l.answers.Bad() > 0 {
			w.note("%s is well again", l.name)
		}
		l.answers.Take(true)
		w.mu.Lock()
		w.memory.Well[l.name] = true
		w.mu.Unlock()
		return nil
	}
	l.answers.Take(false)
	l.last = r.bad
	if !r.bad.final {
		w.note("%s: %s (%d of %d)", l.name, r.bad.text, l.answers.Bad(), l.failures)
	}
	if l.answers.Bad() < l.failures && !l.answers.Flaps() && !r.bad.final {
		return nil
	}
	f := &ripcord.Failure{Class: ripcord.FailedHealth, Summary: r.bad.text, Lines: r.bad.lines, Final: true}
	switch {
	case r.bad.final:
	case l.answers.Bad() < l.failures:
		f.Summary = fmt.Sprintf("%s: %s, %s into the watch; its last bad answer: %s", l.name, l.answers.Describe(), w.watched(), r.bad.text)
	default:
		f.Summary = fmt.Sprintf("%s: %s, %s, %s into the watch", l.name, r.bad.text, health.Times(l.answers.Bad()), w.watched())
	}
	return f
}

// over reports whether the time is over and nothing is undecided: a row of bad
// looks at the end is watched until it is long enough or broken.
func (w *watcher) over() bool {
	if w.watched() < w.step.set.For.Std() {
		return false
	}
	for _, l := range w.lookers {
		if l.answers.Bad() > 0 {
			return false
		}
	}
	return true
}

func (w *watcher) watched() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory.Watched.Std()
}

// finish passes the watch unless something was never seen well.
func (w *watcher) finish(ctx context.Context) error {
	w.mu.Lock()
	well, counted := maps.Clone(w.memory.Well), w.memory.Traffic
	w.mu.Unlock()
	for _, l := range w.lookers {
		if !well[l.name] {
			return noData(fmt.Sprintf("%s never gave an answer within %s", l.name, w.step.set.For))
		}
	}
	if p := w.step.set.Proxy; p != nil {
		var requests uint64
		if counted != nil {
			requests = counted.Requests
		}
		if requests < uint64(*p.MinRequests) { //nolint:gosec // G115: not negative
			short := fmt.Sprintf("only %d requests came within %s, and %d are needed to judge them", requests, w.step.set.For, *p.MinRequests)
			if p.Demanded {
				return noData(short)
			}
			w.note("traffic was not judged: %s", short)
		}
	}
	w.note("all was well for %s", w.step.set.For)
	return w.record(ctx)
}

func noData(text string) error {
	return &ripcord.Failure{Class: ripcord.FailedHealth, Summary: "no data: " + text, Final: true}
}

// stopped tells a time-out from a cancellation.
func (w *watcher) stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &ripcord.Failure{
			Class: ripcord.FailedTimeout, Final: true,
			Summary: fmt.Sprintf("the step's time-out came after %s of %s watched; raise timeout above for", w.watched(), w.step.set.For),
		}
	}
	return fmt.Errorf("watch: stopped after %s: %w", w.watched(), ctx.Err())
}

func (w *watcher) record(ctx context.Context) error {
	w.mu.Lock()
	m := *w.memory
	m.Restarts, m.Well = maps.Clone(m.Restarts), maps.Clone(m.Well)
	if m.Traffic != nil {
		m.Traffic = new(*m.Traffic)
	}
	w.mu.Unlock()
	return w.attempt.Record(ctx, m)
}

// note writes a line to the step's log. A log that cannot be written does not
// end a watch.
func (w *watcher) note(format string, args ...any) {
	if w.attempt.Output != nil {
		_, _ = fmt.Fprintf(w.attempt.Output, format+"\n", args...)
	}
}
