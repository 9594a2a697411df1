package canary_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

const twoMetrics = `{"new":{"colour":"green"},"old":{"colour":"blue"},"interval":2,"shift":"all","shares":[5,25,100],
	"metrics":[{"name":"errors","kind":"errors","source":"world"},{"name":"latency","kind":"latency","source":"world"}]}`

// TestRecordsAreBounded: an hour with two metrics, looked at every two seconds.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.settings = twoMetrics
		time.AfterFunc(time.Hour, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		size, states, stateSize := 0, 0, 0
		for _, raw := range b.journal.Progress() {
			size += len(raw)
		}
		var saved, wrote time.Time
		for _, r := range b.records() {
			if !wrote.IsZero() && r.Decision.At.Sub(wrote) > 15*time.Second {
				t.Errorf("nothing was recorded for %s", r.Decision.At.Sub(wrote))
			}
			wrote = r.Decision.At
			if r.State == nil {
				continue
			}
			if gap := r.Decision.At.Sub(saved); states > 0 && states < 20 && gap > 40*time.Second {
				t.Errorf("no state for %s", gap)
			}
			saved = r.Decision.At
			states++
			stateSize += len(r.State)
		}
		t.Logf("%d bytes in %d records, %d of them in %d states", size, len(b.records()), stateSize, states)
		if size > 2<<20 {
			t.Errorf("an hour takes %d bytes", size)
		}
	})
}

func TestEvidenceTellsHowItCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.new.failing = .3
		if pieces, err := b.evidence(); err != nil || len(pieces) > 0 {
			t.Fatalf("before: %v, %v", pieces, err)
		}
		if f := failure(t, b.judge(t.Context())); len(f.Lines) != 1 {
			t.Errorf("it quotes %q", f.Lines)
		}
		b.restart()
		pieces, err := b.evidence()
		if err != nil || len(pieces) != 2 {
			t.Fatalf("%d pieces, %v", len(pieces), err)
		}
		var d analysis.Decision
		if err := json.Unmarshal(pieces["analysis-decision.json"], &d); err != nil || d.Verdict != analysis.VerdictRollBack {
			t.Errorf("%+v, %v", d, err)
		}
		var points []analysis.Point
		if err := json.Unmarshal(pieces["analysis-points.json"], &points); err != nil || len(points) != len(b.records()) || points[len(points)-1].LogE < points[0].LogE {
			t.Errorf("%d points of %d records, %v", len(points), len(b.records()), err)
		}
	})
}

// TestEvidenceOutlivesItsProcess: nobody applies an analysis again to go back.
func TestEvidenceOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := b.begin(ctx)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		pieces, err := b.evidence() // Apply has not returned
		var points []analysis.Point
		if err := errors.Join(err, json.Unmarshal(pieces["analysis-points.json"], &points)); err != nil || len(points) < 6 {
			t.Errorf("%d points, %v", len(points), err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestEvidenceIsNoCondition: a disk that takes no file fails no release.
func TestEvidenceIsNoCondition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.scope.StateDir = "/dev/null"
		time.AfterFunc(time.Minute, func() { close(b.enough) })
		if err := b.judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.journal.Output(), "the evidence could not be kept as a file: ") {
			t.Errorf("it says %q", b.journal.Output())
		}
	})
}

func (b *bench) evidence() (map[string][]byte, error) {
	b.t.Helper()
	e, ok := b.open().(ripcord.Evidencer)
	if !ok {
		b.t.Fatal("it shows no evidence")
	}
	pieces, err := e.Evidence(b.t.Context())
	named := map[string][]byte{}
	for _, p := range pieces {
		named[p.Name] = p.Data
	}
	return named, err
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"decision":{"at":"2026-01-02T03:04:05Z","verdict":"continue"},"state":{}}`))
	f.Add([]byte(`{"passed":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range canary.Records([]json.RawMessage{data}) {
			if r.Decision.At.IsZero() {
				t.Error("a record of no time")
			}
			r.Decision.Point()
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(oneMetric))
	f.Add([]byte(twoMetrics))
	analyze, bake := canary.New(&world{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, a := range []ripcord.Adapter{analyze, bake} {
			step, err := a.Open(t.Context(), ripcord.StepSpec{ID: "s", Settings: data}, ripcord.Scope{Run: "run-1"})
			if err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
				t.Errorf("%v", err)
			}
			if d, ok := step.(ripcord.Describer); ok && d.Traits().Reversal.Way != ripcord.WayNothing {
				t.Error("it changes something")
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	analyze, bake := canary.New(&world{})
	bad := map[string]ripcord.Adapter{
		strings.Replace(oneMetric, `"interval":2`, `"interval":0`, 1):     analyze,
		strings.Replace(oneMetric, `"interval":2`, `"interval":11`, 1):    analyze,
		strings.Replace(oneMetric, `"source":"world"`, `"source":"x"`, 1): analyze,
		strings.Replace(oneMetric, `"kind":"errors"`, `"kind":"x"`, 1):    analyze,
		`{"metrics":[]}`: analyze, `{"for":0}`: bake, `{"for":-1}`: bake, `{"for":1e9}`: bake, `{"for":5} {}`: bake,
	}
	for settings, a := range bad {
		if _, err := a.Open(t.Context(), ripcord.StepSpec{ID: "s", Settings: []byte(settings)}, ripcord.Scope{}); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
