package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Source reads metrics from the proxy's own counters.
type Source struct{}

// NewSource returns the source.
func NewSource() *Source { return &Source{} }

// Kind returns the package's Kind.
func (*Source) Kind() string { return Kind }

// metricSettings are those of a metric: whose proxy it is.
type metricSettings struct {
	// Directory is the proxy's folder.
	Directory string `json:"directory"`
	// From leaves shorter durations than this out of the latency.
	From ripcord.Duration `json:"from,omitempty"`
}

// Open reads the spec's settings.
func (*Source) Open(_ context.Context, spec ripcord.MetricSpec, sides ripcord.Sides, scope ripcord.Scope) (ripcord.Metric, error) {
	var set metricSettings
	decoder := json.NewDecoder(bytes.NewReader(spec.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&set); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: %w", spec.Name, err).WithFix("give the folder of the proxy")
	}
	if set.Directory == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: no proxy to ask", spec.Name).WithFix("put a balancer of kind proxy before the service")
	}
	return &metric{client: dataplane.NewClient(set.Directory), sides: sides, from: set.From, now: scope.Now}, nil
}

// metric is what the proxy has counted.
type metric struct {
	client *dataplane.Client
	sides  ripcord.Sides
	from   ripcord.Duration
	now    func() time.Time
}

// Read asks the proxy for its counters. Testers' requests are in none of them:
// they come to the new side only, and would bias the comparison.
func (m *metric) Read(ctx context.Context) (ripcord.Reading, error) {
	stats, err := m.client.Stats(ctx)
	if err != nil {
		return ripcord.Reading{}, err
	}
	r := ripcord.Reading{At: m.now(), New: stats.Arm(m.sides.New), Old: stats.Arm(m.sides.Old)}
	if unresolved(m.sides.Old.Colour) { // before the run: what has the traffic now is to be the old one
		r.Old = stats.Arm(ripcord.Side{Colour: stats.Route})
	}
	m.cut(r.New)
	m.cut(r.Old)
	return r, nil
}

// cut leaves short durations out.
func (m *metric) cut(a ripcord.Arm) {
	for i := range a.Counters {
		c := &a.Counters[i]
		c.Buckets = slices.DeleteFunc(c.Buckets, func(b ripcord.Bucket) bool { return b.UpTo < m.from.Std().Seconds() })
	}
}
