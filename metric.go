package ripcord

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// MetricSpec is one metric, as data.
type MetricSpec struct {
	// Name is what people call it: errors, latency, memory.
	Name string `json:"name"`
	// Source is the Kind of the MetricSource that knows it.
	Source string `json:"source"`
	// Settings are the source's own. Their strings may hold ${secret:NAME}, and
	// the references that Side.Expand knows.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// MetricSource opens metrics of one kind of system.
type MetricSource interface {
	// Kind is the name that MetricSpec.Source refers to.
	Kind() string
	// Open reads the spec's settings and touches nothing. Its error is one of
	// CodePlan: what is wrong, and how to mend it.
	Open(ctx context.Context, spec MetricSpec, sides Sides, scope Scope) (Metric, error)
}

// Metric is something that is known of both versions while they run.
type Metric interface {
	// Read asks once. An error says that the system could not answer, which is
	// neither a good nor a bad word about the release. A version that the system
	// knows nothing of has an Arm without data.
	Read(ctx context.Context) (Reading, error)
}

// Sides are the two versions that a metric tells apart. Old is empty where the
// release has no predecessor.
type Sides struct {
	New Side `json:"new"`
	Old Side `json:"old"`
}

// Side is one version as balancers and metrics systems see it.
type Side struct {
	Colour string `json:"colour,omitempty"`
	// Addresses are those of its instances, "host:port,host:port".
	Addresses string `json:"addresses,omitempty"`
	Version   string `json:"version,omitempty"`
}

// Expand puts the side's properties into text: ${side.colour}, ${side.addresses},
// ${side.version}, and ${side.instances}, a regular expression that the addresses
// match and nothing else, with its backslashes doubled: it stands in the double
// quotes of a query.
func (s Side) Expand(text string) string {
	return strings.NewReplacer("${side.colour}", s.Colour, "${side.addresses}", s.Addresses,
		"${side.version}", s.Version, "${side.instances}", s.instances()).Replace(text)
}

func (s Side) instances() string {
	if strings.Contains(s.Addresses, "${") { // not known yet
		return s.Addresses
	}
	var patterns []string
	for address := range strings.SplitSeq(s.Addresses, ",") {
		if address = strings.TrimSpace(address); address != "" {
			patterns = append(patterns, regexp.QuoteMeta(address))
		}
	}
	return strings.ReplaceAll(strings.Join(patterns, "|"), `\`, `\\`)
}

// Empty reports whether nothing is known of the side.
func (s Side) Empty() bool { return s == Side{} }

// Reading is what was known at one time.
type Reading struct {
	At       time.Time
	New, Old Arm
}

// Arm is what is known of one version.
type Arm struct {
	// Counters are cumulative; one for each series, which is a counter's life
	// from zero. A series that starts again has lower numbers or another name.
	Counters []Counter
	// Value is that of a gauge; nil has no data.
	Value *float64
}

// Counter is one cumulative count of requests.
type Counter struct {
	Series   string
	Requests float64
	Failures float64
	// Buckets are those of the latency histogram, cumulative over boundaries
	// as well, in rising order.
	Buckets []Bucket
}

// Bucket counts the requests that took at most UpTo seconds.
type Bucket struct {
	UpTo  float64
	Count float64
}

// HasData reports whether anything is known.
func (a Arm) HasData() bool { return len(a.Counters) > 0 || a.Value != nil }
