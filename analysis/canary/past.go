package canary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// What is kept of what the old versions did alone: it tells how failures cluster.
const (
	pastFor   = 30 * 24 * time.Hour
	spanLasts = 10.0 // seconds
	// pastSpans is how many spans are kept of a metric: four hours.
	pastSpans = 1440
)

// past is what was seen of old versions, by metric, in earlier releases and by
// measuring. It belongs to an application's environment, not to a run.
type past map[string][]analysis.Stretch

// pastFile is where it lies. The step's name stands for the service.
func (s *Step) pastFile() string {
	return filepath.Join(s.scope.StateDir, "past", url.PathEscape(s.scope.Application), url.PathEscape(s.scope.Environment),
		url.PathEscape(string(s.id))+".json")
}

// loadPast reads it; what was never written is empty.
func (s *Step) loadPast() (past, error) {
	data, err := os.ReadFile(s.pastFile())
	if errors.Is(err, fs.ErrNotExist) {
		return past{}, nil
	}
	if err != nil {
		return nil, err
	}
	p := past{}
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", s.pastFile(), err)
	}
	return p, nil
}

// addPast adds what was seen, and forgets what is old.
func (s *Step) addPast(seen past) error {
	p, err := s.loadPast()
	if err != nil { // what cannot be read is of no use to anybody
		p = past{}
	}
	added := false
	for name, stretches := range seen {
		for _, stretch := range stretches {
			if len(stretch.Spans) > 0 {
				p[name], added = append(p[name], stretch), true
			}
		}
	}
	if !added {
		return nil
	}
	p.forget(s.scope.Now().Add(-pastFor))
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	path := s.pastFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// forget drops stretches from before that time, those that cannot be, and the oldest
// spans of too many.
func (p past) forget(before time.Time) {
	for name, stretches := range p {
		stretches = slices.DeleteFunc(stretches, func(s analysis.Stretch) bool {
			_, err := analysis.ChooseAlone([]analysis.Stretch{s})
			return err != nil || s.Ended.Before(before)
		})
		left := pastSpans
		for i, s := range slices.Backward(stretches) {
			stretches[i].Spans = s.Spans[max(0, len(s.Spans)-left):]
			left -= len(stretches[i].Spans)
		}
		p[name] = slices.DeleteFunc(stretches, func(s analysis.Stretch) bool { return len(s.Spans) == 0 })
	}
}

// open is whether the plan leaves the choice of the method to what is known.
func open(m *analysis.Metric) bool {
	return m.Kind == analysis.KindErrors && m.Choice == analysis.Choice{}
}

// choices are those that the past makes, of metrics that the plan says nothing of. A
// past that cannot be read makes none, which is the safe one.
func (s *Step) choices() (map[string]analysis.Choice, error) {
	p, err := s.loadPast()
	if err != nil {
		return nil, err
	}
	chosen := map[string]analysis.Choice{}
	for i := range s.set.Metrics {
		m := &s.set.Metrics[i].Metric
		if !open(m) {
			continue
		}
		choice, err := analysis.ChooseAlone(p[m.Name])
		if err != nil {
			return nil, fmt.Errorf("%s: metric %s: %w", s.pastFile(), m.Name, err)
		}
		if choice.Dispersion > 0 { // else too little is known
			chosen[m.Name] = choice
		}
	}
	return chosen, nil
}

// spec is what the judge judges by, with the choices that were made.
func (s *Step) spec(chosen map[string]analysis.Choice) analysis.Spec {
	spec := s.set.spec()
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		choice, ok := chosen[m.Name]
		if !ok || !open(m) {
			continue
		}
		m.Choice = choice
		if choice.Method == analysis.MethodFractions && m.Fuse.Cluster == 0 && !m.Fuse.Off && choice.Window > analysis.DefaultWindow {
			// A window holds three of the longest clusters, and so may each be as long.
			m.Fuse.Cluster = choice.Window * analysis.DefaultCluster / analysis.DefaultWindow
		}
	}
	return spec
}

// gatherer notes what the old version does, for later releases.
type gatherer struct {
	meters map[string]analysis.Meter
	last   map[string]time.Time
	span   map[string]analysis.Span
	seen   past
}

func newGatherer() *gatherer {
	return &gatherer{meters: map[string]analysis.Meter{}, last: map[string]time.Time{}, span: map[string]analysis.Span{}, seen: past{}}
}

// add takes in what was read of one metric. What says nothing ends a stretch.
func (g *gatherer) add(name string, sample analysis.Sample, at time.Time) {
	meter, delta, outcome, _ := g.meters[name].Advance(sample.Reading.Old.Counters)
	if sample.Err != nil || outcome != analysis.OutcomePass {
		delete(g.meters, name)
		delete(g.span, name)
		return
	}
	first := !g.meters[name].Started()
	since := g.last[name]
	g.meters[name], g.last[name] = meter, at
	if first {
		g.seen[name] = append(g.seen[name], analysis.Stretch{})
		return
	}
	span := g.span[name]
	span.Seconds += at.Sub(since).Seconds()
	span.ArmCounts = span.Plus(delta.ArmCounts)
	g.span[name] = span
	if span.Seconds < 0.95*spanLasts {
		return
	}
	newest := &g.seen[name][len(g.seen[name])-1]
	newest.Spans, newest.Ended = append(newest.Spans, span), at
	if len(newest.Spans) > pastSpans {
		newest.Spans = newest.Spans[1:]
	}
	delete(g.span, name)
}

// Measured is what is known of one metric of an analysis.
type Measured struct {
	Metric string `json:"metric"`
	// Seconds is for how long old versions were seen, Requests and Failures what
	// they did meanwhile.
	Seconds  float64         `json:"seconds"`
	Requests float64         `json:"requests"`
	Failures float64         `json:"failures"`
	Choice   analysis.Choice `json:"choice"`
}

// Measure watches the version that runs now for so long, as if it were a release of
// itself, and says what a release would conclude of it and of what was seen before.
func (s *Step) Measure(ctx context.Context, lasts time.Duration, out io.Writer) ([]Measured, error) {
	g, at := newGatherer(), s.clock(time.Time{})
	ends := s.scope.Now().Add(lasts)
	tell := time.Time{}
	for now := s.scope.Now(); now.Before(ends); now = s.scope.Now() {
		samples := s.read(ctx)
		if ctx.Err() != nil {
			break // what was seen until now counts
		}
		when := at()
		for i := range s.set.Metrics {
			if s.set.Metrics[i].Kind == analysis.KindErrors {
				g.add(s.set.Metrics[i].Name, samples[i], when)
			}
		}
		if now.Sub(tell) >= tellEvery {
			tell = now
			s.tellMeasured(out, samples, ends.Sub(now))
		}
		if s.pause(ctx, nil, true) != nil {
			break
		}
	}
	if err := s.addPast(g.seen); err != nil {
		return nil, fmt.Errorf("what was measured could not be kept: %w", err)
	}
	return s.Known()
}

func (s *Step) tellMeasured(out io.Writer, samples []analysis.Sample, left time.Duration) {
	for i := range samples {
		name := s.set.Metrics[i].Name
		if s.set.Metrics[i].Kind != analysis.KindErrors {
			continue
		}
		t := sum(samples[i].Reading.Old)
		switch {
		case samples[i].Err != nil:
			_, _ = fmt.Fprintf(out, "%s: %v\n", name, samples[i].Err)
		case len(samples[i].Reading.Old.Counters) == 0:
			_, _ = fmt.Fprintf(out, "%s: no word of the version that runs now\n", name)
		default:
			_, _ = fmt.Fprintf(out, "%s: %s of %s requests have failed so far; %s left\n", name, number(t.failures), number(t.requests), ripcord.Duration(left.Round(time.Second)))
		}
	}
}

// Known is what is known of each metric of failures.
func (s *Step) Known() ([]Measured, error) {
	p, err := s.loadPast()
	if err != nil {
		return nil, err
	}
	var all []Measured
	for i := range s.set.Metrics {
		m := &s.set.Metrics[i].Metric
		if m.Kind != analysis.KindErrors {
			continue
		}
		known := Measured{Metric: m.Name, Choice: m.Choice}
		for _, stretch := range p[m.Name] {
			for _, span := range stretch.Spans {
				known.Seconds += span.Seconds
				known.Requests += span.Requests
				known.Failures += span.Failures
			}
		}
		if open(m) {
			if known.Choice, err = analysis.ChooseAlone(p[m.Name]); err != nil {
				return nil, fmt.Errorf("%s: metric %s: %w", s.pastFile(), m.Name, err)
			}
		}
		all = append(all, known)
	}
	return all, nil
}
