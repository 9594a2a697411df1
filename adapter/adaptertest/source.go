package adaptertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// SourceConfig says what RunSource tests.
type SourceConfig struct {
	// New makes a fresh system that both sides have data in.
	New func(t *testing.T) SourceFixture
}

// SourceFixture is one metrics system and a metric in it.
type SourceFixture struct {
	Source ripcord.MetricSource
	Spec   ripcord.MetricSpec
	Sides  ripcord.Sides
	Scope  ripcord.Scope
	// Fingerprint describes what a reading may not change; nil where nothing
	// could be changed.
	Fingerprint func(t *testing.T) string
	// Silence stops the system, so that it can't answer.
	Silence func(t *testing.T)
	// SilenceIsNoData says that such a system cannot be told from one without data.
	SilenceIsNoData bool
	// Secrets are values that the settings refer to and that may show nowhere.
	Secrets []string
	// Traffic makes both sides answer something. It is for a source that counts by
	// itself, from a metric's first reading on, so that each metric has series of
	// its own; nil where the system has counted already.
	Traffic func(t *testing.T)
}

func (f SourceFixture) open(t *testing.T, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	metric, err := f.Source.Open(t.Context(), f.Spec, sides, f.Scope)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return metric
}

func (f SourceFixture) read(t *testing.T, sides ripcord.Sides) ripcord.Reading {
	t.Helper()
	return f.ask(t, f.begin(t, sides))
}

// begin opens a metric that has something to tell.
func (f SourceFixture) begin(t *testing.T, sides ripcord.Sides) ripcord.Metric {
	t.Helper()
	metric := f.open(t, sides)
	if f.Traffic != nil {
		f.ask(t, metric)
		f.Traffic(t)
	}
	return metric
}

func (f SourceFixture) ask(t *testing.T, metric ripcord.Metric) ripcord.Reading {
	t.Helper()
	reading, err := metric.Read(t.Context())
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return reading
}

// RunSource runs the suite of metric sources. Each test makes its own system.
func RunSource(t *testing.T, config SourceConfig) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, f SourceFixture)
	}{
		{"open/garbage", sourceGarbage},
		{"open/unknown sides", sourceBefore},
		{"read", sourceReads},
		{"read/sides apart", sourceApart},
		{"read/no data", sourceNothing},
		{"read/error", sourceSilent},
		{"read/cancelled", sourceCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(t, config.New(t)) })
	}
}

// sourceGarbage: settings that are none are refused in Open, as plans are.
func sourceGarbage(t *testing.T, f SourceFixture) {
	t.Helper()
	var known map[string]any
	if err := json.Unmarshal(f.Spec.Settings, &known); err != nil {
		t.Fatal(err)
	}
	known["nobody_knows_this"] = true
	unknown, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{`{}`, `[]`, `{`, string(unknown)} {
		spec := f.Spec
		spec.Settings = json.RawMessage(settings)
		if _, err := f.Source.Open(t.Context(), spec, f.Sides, f.Scope); err == nil || ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("Open with %.60s: %v; want an error of CodePlan", settings, err)
		}
	}
}

// sourceBefore: at plan time the sides are references to outputs; there is
// nothing to know of them, and that is no error.
func sourceBefore(t *testing.T, f SourceFixture) {
	t.Helper()
	output := func(name string) string { return "${steps.deploy-web.outputs." + name + "}" }
	sides := ripcord.Sides{
		New: ripcord.Side{Colour: output("colour"), Addresses: output("addresses"), Version: "v2"},
		Old: ripcord.Side{Colour: output("old_colour"), Addresses: output("old_addresses"), Version: output("old_version")},
	}
	if r := f.read(t, sides); r.New.HasData() {
		t.Errorf("something is known of a version that is not there: %+v", r.New)
	}
}

// sourceReads: both sides have data, reading changes nothing, and the names of
// series stay.
func sourceReads(t *testing.T, f SourceFixture) {
	t.Helper()
	print := func() string {
		if f.Fingerprint == nil {
			return ""
		}
		return f.Fingerprint(t)
	}
	metric := f.begin(t, f.Sides)
	before := print()
	first := f.ask(t, metric)
	again := metric
	if f.Traffic == nil {
		again = f.open(t, f.Sides)
	}
	second := f.ask(t, again)
	if after := print(); after != before {
		t.Errorf("reading changed the system:\n%s\n%s", before, after)
	}
	for _, arms := range [][2]ripcord.Arm{{first.New, second.New}, {first.Old, second.Old}} {
		if !arms[0].HasData() || !arms[1].HasData() {
			t.Fatalf("no data: %+v, %+v", first, second)
		}
		if a, b := seriesOf(arms[0]), seriesOf(arms[1]); a != b {
			t.Errorf("the same series have two names: %s and %s", a, b)
		}
	}
	if first.At.IsZero() {
		t.Error("the reading has no time")
	}
}

func seriesOf(arm ripcord.Arm) string {
	var names []string
	for _, c := range arm.Counters {
		names = append(names, c.Series)
	}
	return strings.Join(names, ",")
}

// requestsOf is what an arm has counted.
func requestsOf(arm ripcord.Arm) string {
	var counts []string
	for _, c := range arm.Counters {
		counts = append(counts, fmt.Sprint(c.Requests))
	}
	return strings.Join(counts, ",")
}

// sourceApart: exchanged sides give exchanged arms.
func sourceApart(t *testing.T, f SourceFixture) {
	t.Helper()
	metric, other := f.open(t, f.Sides), f.open(t, ripcord.Sides{New: f.Sides.Old, Old: f.Sides.New})
	same := seriesOf
	if f.Traffic != nil {
		f.ask(t, metric)
		f.ask(t, other)
		f.Traffic(t)
		same = requestsOf
	}
	r, turned := f.ask(t, metric), f.ask(t, other)
	if same(r.New) != same(turned.Old) || same(r.Old) != same(turned.New) {
		t.Errorf("the sides are not told apart: %+v, then turned %+v", r, turned)
	}
	if len(r.New.Counters) > 0 && seriesOf(r.New) == seriesOf(r.Old) {
		t.Errorf("both sides have the same series: %s", seriesOf(r.New))
	}
	if v, w := r.New.Value, r.Old.Value; v != nil && w != nil && *v == *w {
		t.Errorf("both sides have the value %v; let the fixture give them two", *v)
	}
}

// sourceNothing: of a version that nobody knows there is no data, which is no
// error.
func sourceNothing(t *testing.T, f SourceFixture) {
	t.Helper()
	strange := ripcord.Side{Colour: "nobody", Addresses: "127.0.0.1:1", Version: "v0"}
	if r := f.read(t, ripcord.Sides{New: strange, Old: f.Sides.Old}); r.New.HasData() || !r.Old.HasData() {
		t.Errorf("of an unknown version: %+v", r)
	}
	if r := f.read(t, ripcord.Sides{New: f.Sides.New}); !r.New.HasData() || r.Old.HasData() {
		t.Errorf("without an older version: %+v", r)
	}
}

// sourceSilent: a system that cannot answer is an error, not an arm without data,
// and the error holds no secret.
func sourceSilent(t *testing.T, f SourceFixture) {
	t.Helper()
	metric := f.open(t, f.Sides)
	f.Silence(t)
	r, err := metric.Read(t.Context())
	if err == nil && !f.SilenceIsNoData {
		t.Errorf("a silent system gives %+v", r)
	}
	if r.New.HasData() || r.Old.HasData() {
		t.Errorf("a silent system has data: %+v", r)
	}
	if err == nil {
		return
	}
	for _, secret := range f.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds the secret %q: %v", secret, err)
		}
	}
}

// sourceCancelled: nobody is asked when nobody wants to know.
func sourceCancelled(t *testing.T, f SourceFixture) {
	t.Helper()
	metric := f.open(t, f.Sides)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := metric.Read(ctx); err == nil && (r.New.HasData() || r.Old.HasData()) {
		t.Errorf("a cancelled reading gives %+v", r)
	}
}
