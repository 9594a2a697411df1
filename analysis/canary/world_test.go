package canary_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

// load is what one version does in a second.
type load struct{ requests, failing float64 }

// world has traffic on two versions, and is a metric source that tells of it.
type world struct {
	mu       sync.Mutex
	now      func() time.Time
	last     time.Time
	new, old load
	counted  [2]ripcord.Counter
	// down is what the metrics system says instead of an answer; silent answers
	// that it knows nothing of the new version.
	down   error
	silent bool
	// during is called in the middle of each reading.
	during func()
	began  []time.Time // of readings
}

// shop has a tenth of 200 requests a second on the new version.
func shop() *world {
	return &world{now: time.Now, last: time.Now(), new: load{20, .001}, old: load{180, .001}}
}

func (w *world) flow() {
	now := w.now()
	for i, l := range []load{w.new, w.old} {
		n := l.requests * now.Sub(w.last).Seconds()
		w.counted[i].Requests += n
		w.counted[i].Failures += n * l.failing
	}
	w.last = now
}

// change changes the world from now on.
func (w *world) change(how func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flow()
	how(w)
}

// requests are those that the new version has had.
func (w *world) requests() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flow()
	return math.Floor(w.counted[0].Requests)
}

func (*world) Kind() string { return "world" }

func (w *world) Open(_ context.Context, spec ripcord.MetricSpec, _ ripcord.Sides, _ ripcord.Scope) (ripcord.Metric, error) {
	var set struct {
		Address string `json:"address"`
	}
	if len(spec.Settings) > 0 {
		if err := json.Unmarshal(spec.Settings, &set); err != nil {
			return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: %w", spec.Name, err)
		}
	}
	return w, nil
}

func (w *world) Read(ctx context.Context) (ripcord.Reading, error) {
	w.mu.Lock()
	w.began = append(w.began, w.now())
	during := w.during
	w.mu.Unlock()
	if during != nil {
		during()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flow()
	if err := errors.Join(w.down, ctx.Err()); err != nil {
		return ripcord.Reading{}, err
	}
	r := ripcord.Reading{At: w.now(), Old: arm(w.counted[1])}
	if !w.silent {
		r.New = arm(w.counted[0])
	}
	return r, nil
}

// arm has as many boundaries as the proxy has.
func arm(c ripcord.Counter) ripcord.Arm {
	n := math.Floor(c.Requests)
	counter := ripcord.Counter{Series: "life", Requests: n, Failures: math.Floor(c.Failures)}
	for i := range 29 {
		counter.Buckets = append(counter.Buckets, ripcord.Bucket{
			UpTo: .001 * math.Pow(math.Sqrt2, float64(i)), Count: math.Floor(n * (1 - math.Exp(-float64(i)/3))),
		})
	}
	return ripcord.Arm{Counters: []ripcord.Counter{counter}}
}

// oneMetric are settings with a metric, and sides that are both there.
const oneMetric = `{"new":{"colour":"green"},"old":{"colour":"blue"},"interval":2,"shift":"all","shares":[5,25,100],
	"metrics":[{"name":"errors","kind":"errors","source":"world"}]}`

// bench executes steps of one run as the engine does.
type bench struct {
	t        *testing.T
	world    *world
	scope    ripcord.Scope
	journal  *adaptertest.Journal
	settings string
	enough   chan struct{}
	passed   func(ripcord.StepID) bool
	analyze  ripcord.Adapter
	bake     ripcord.Adapter
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, world: shop(), settings: oneMetric, enough: make(chan struct{}),
		journal: adaptertest.NewJournal("k", ripcord.Observation{}),
		scope:   ripcord.Scope{Run: "run-1", Application: "shop", Environment: "live", StateDir: t.TempDir(), Now: time.Now},
	}
	b.restart()
	return b
}

// restart is what a new executor begins with.
func (b *bench) restart() { b.analyze, b.bake = canary.New(b.world) }

func (b *bench) open() ripcord.Step {
	b.t.Helper()
	step, err := b.analyze.Open(b.t.Context(), ripcord.StepSpec{ID: "judge", Kind: "analyze", Adapter: canary.Kind, Settings: []byte(b.settings)}, b.scope)
	if err != nil {
		b.t.Fatal(err)
	}
	return step
}

// judge executes the analysis.
func (b *bench) judge(ctx context.Context) error {
	b.t.Helper()
	a := b.journal.Attempt(1)
	a.Enough, a.Passed = b.enough, b.passed
	return b.open().Apply(ctx, a) //nolint:contextcheck // ctx is Apply's alone
}

// begin executes the analysis beside the test.
func (b *bench) begin(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- b.judge(ctx) }()
	return ended
}

// records are those written so far.
func (b *bench) records() []canary.Record { return canary.Records(b.journal.Progress()) }

func (b *bench) last() canary.Record {
	b.t.Helper()
	all := b.records()
	if len(all) == 0 {
		b.t.Fatal("nothing is recorded")
	}
	return all[len(all)-1]
}

// failure is an error that must fail the release through the analysis.
func failure(t *testing.T, err error) *ripcord.Failure {
	t.Helper()
	f, ok := errors.AsType[*ripcord.Failure](err)
	if !ok || f.Class != ripcord.FailedAnalysis || !f.Final {
		t.Fatalf("the error is %v", err)
	}
	return f
}
