package nginx

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Source opens metrics that are counted from our log.
type Source struct{ now func() time.Time }

// NewSource returns the source; now is the clock of its readings.
func NewSource(now func() time.Time) *Source { return &Source{now: now} }

// Kind returns the package's Kind.
func (s *Source) Kind() string { return Kind }

// MetricSettings are those of a metric.
type MetricSettings struct {
	// Log is the balancer's log.
	Log string `json:"log"`
	// From leaves shorter durations than this out of the latency.
	From ripcord.Duration `json:"from"`
}

// Open reads the spec's settings; its error is of CodePlan.
func (s *Source) Open(_ context.Context, spec ripcord.MetricSpec, sides ripcord.Sides, _ ripcord.Scope) (ripcord.Metric, error) {
	var set MetricSettings
	data := spec.Settings
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := health.Decode("metric "+spec.Name, data, &set); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(set.Log) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: nginx counts nothing without a log", spec.Name).
			WithFix("add `log: /var/log/nginx/ripcord-shop.log` to the balancer, a file that only Ripcord's requests are written to")
	}
	return &metric{log: follower{path: set.Log}, from: set.From.Std(), sides: sides, now: s.now}, nil
}

// metric counts from its first reading on.
type metric struct {
	mu    sync.Mutex
	log   follower
	from  time.Duration
	sides ripcord.Sides
	now   func() time.Time
	// since names this count: another process begins another one.
	since        string
	newer, older tally
}

// tally is what is counted of one side.
type tally struct {
	requests, failures float64
	buckets            [bucketCount]float64
}

// The boundaries of the latency grow by a factor of the square root of 2 from
// firstBucket on, to 23 s.
const (
	bucketCount = 30
	firstBucket = time.Millisecond
)

func bounds() [bucketCount]time.Duration {
	var all [bucketCount]time.Duration
	at := float64(firstBucket)
	for n := range all {
		all[n] = time.Duration(at).Round(time.Microsecond)
		at *= 1.4142135623730951
	}
	return all
}

// Read implements ripcord.Metric.
func (m *metric) Read(ctx context.Context) (ripcord.Reading, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ripcord.Reading{}, err
	}
	if m.since == "" {
		m.since = m.now().UTC().Format(time.RFC3339Nano)
	}
	limits := bounds()
	err := m.log.read(ctx, func(line string) { m.count(line, &limits) })
	if errors.Is(err, fs.ErrNotExist) {
		return ripcord.Reading{}, refused("let nginx write it: a shift with the balancer's `log` adds the line", "there is no log %s", m.log.path)
	}
	if err != nil {
		return ripcord.Reading{}, err
	}
	return ripcord.Reading{At: m.now(), New: m.arm(m.sides.New, &m.newer, &m.older, &limits), Old: m.arm(m.sides.Old, &m.older, &m.newer, &limits)}, nil
}

// count adds a line of the log.
func (m *metric) count(line string, limits *[bucketCount]time.Duration) {
	answers, ok := parseLine(line)
	if !ok {
		return
	}
	for _, a := range answers {
		switch {
		case a.unknown:
		case has(m.sides.New, a.address):
			m.newer.add(a, limits)
		case has(m.sides.Old, a.address), unresolved(m.sides.Old.Addresses): // before the run: what has traffic now is to be the old one
			m.older.add(a, limits)
		}
	}
}

func (t *tally) add(a answer, limits *[bucketCount]time.Duration) {
	if a.upgraded {
		return // it lasts as long as the client likes
	}
	t.requests++
	if a.failed {
		t.failures++
	}
	for n, limit := range limits {
		if a.took <= limit {
			t.buckets[n]++
		}
	}
}

// has reports whether an address is one of a side's.
func has(side ripcord.Side, address string) bool {
	return slices.Contains(split(side.Addresses), address)
}

// arm is what was counted of a side. One that has answered nothing while the other
// did has no data, as one that is not there: the log cannot tell them apart. Before
// anybody has answered anything it has zeros, to count on from.
func (m *metric) arm(side ripcord.Side, t, other *tally, limits *[bucketCount]time.Duration) ripcord.Arm {
	if side.Addresses == "" || t.requests == 0 && (other.requests > 0 || t == &m.newer && unresolved(side.Addresses)) {
		return ripcord.Arm{}
	}
	c := ripcord.Counter{Series: m.log.path + " " + side.Addresses + " since " + m.since, Requests: t.requests, Failures: t.failures}
	for n, limit := range limits {
		if limit >= m.from {
			c.Buckets = append(c.Buckets, ripcord.Bucket{UpTo: limit.Seconds(), Count: t.buckets[n]})
		}
	}
	return ripcord.Arm{Counters: []ripcord.Counter{c}}
}
