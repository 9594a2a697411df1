package prometheus

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/source"
)

// Kind is the source's name in a MetricSpec.
const Kind = "prometheus"

// Source opens metrics that Prometheus knows.
type Source struct{ now func() time.Time }

// NewSource returns the source; now is the clock of its readings.
func NewSource(now func() time.Time) *Source { return &Source{now: now} }

// Kind returns the package's Kind.
func (*Source) Kind() string { return Kind }

// Open reads the spec's settings; its error is of CodePlan.
func (s *Source) Open(_ context.Context, spec ripcord.MetricSpec, sides ripcord.Sides, scope ripcord.Scope) (ripcord.Metric, error) {
	set, err := source.Decode(spec)
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(set.URL, "/")
	for _, page := range []string{"/graph", "/query", "/api/v1", "/metrics"} {
		if strings.HasSuffix(address, page) {
			return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: the url ends with %s", spec.Name, page).
				WithFix("write the server's own address, for example http://127.0.0.1:9090")
		}
	}
	m := &metric{set: set, sides: sides, secrets: scope.Secrets, now: s.now}
	for _, q := range []struct {
		key, text string
		into      *selector
	}{{"requests", set.Requests, &m.requests}, {"failures", set.Failures, &m.failures}, {"buckets", set.Buckets, &m.buckets}} {
		if q.text == "" {
			continue
		}
		if *q.into, err = parseSelector(q.text); err != nil {
			return nil, counterError(spec, q.key, q.text, err)
		}
	}
	if name := m.buckets.name; name != "" && !strings.HasSuffix(name, "_bucket") && !strings.Contains(name, "${") {
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: buckets: %s is not a histogram's", spec.Name, name).
			WithFix("give the counter whose name ends with _bucket")
	}
	if m.isValue() {
		m.plain = isSelector(set.Value)
	}
	return m, nil
}

// counterError says why a text selects no counter.
func counterError(spec ripcord.MetricSpec, key, text string, err error) error {
	for _, function := range []string{"rate", "irate", "increase"} {
		if strings.HasPrefix(text, function+"(") || strings.Contains(text, "("+function+"(") || strings.Contains(text, " "+function+"(") {
			return ripcord.Errorf(ripcord.CodePlan, "metric %s: %s is a rate, but Ripcord counts by itself what happens between two readings", spec.Name, key).
				WithFix("give the counter itself, without %s(...) and [...]", function)
		}
	}
	return ripcord.Errorf(ripcord.CodePlan, "metric %s: %s selects no counter: %w", spec.Name, key, err).
		WithFix(`give the counter itself, for example http_requests_total{instance=~"${side.instances}"}; expressions belong into value`)
}

type metric struct {
	set                         source.Settings
	requests, failures, buckets selector
	// plain says that Value is a selector.
	plain   bool
	sides   ripcord.Sides
	secrets ripcord.Secrets
	now     func() time.Time
}

func (m *metric) isValue() bool { return m.set.Value != "" }

// Read implements ripcord.Metric. Before the run, when the sides are not known
// yet, it asks all the same, so that a wrong query is found; nothing is known then.
func (m *metric) Read(ctx context.Context) (ripcord.Reading, error) {
	newer, older, err := source.Both(m.sides, func(side ripcord.Side) (ripcord.Arm, error) { return m.arm(ctx, side) })
	if err != nil {
		return ripcord.Reading{}, err
	}
	return ripcord.Reading{At: m.now(), New: newer, Old: older}, nil
}

// arm asks for one side.
func (m *metric) arm(ctx context.Context, side ripcord.Side) (ripcord.Arm, error) {
	texts := []string{m.set.URL, m.set.Requests, m.set.Failures, m.set.Buckets, m.set.Value}
	for _, value := range m.set.Headers {
		texts = append(texts, value)
	}
	if !source.Known(side, texts...) {
		return ripcord.Arm{}, nil
	}
	side, known := source.Supposed(side)
	if !known && strings.Contains(m.set.URL, "${side.") {
		return ripcord.Arm{}, nil // nobody to ask yet
	}
	f := &source.Filler{Secrets: m.secrets, Side: side}
	samples, err := m.query(ctx, f, m.question())
	if err != nil || !known {
		return ripcord.Arm{}, err
	}
	if m.isValue() {
		value, err := single(samples, m.plain)
		return ripcord.Arm{Value: value}, err
	}
	counters, err := counted(samples)
	return ripcord.Arm{Counters: counters}, err
}

// query asks an instant query, at the server's own time.
func (m *metric) query(ctx context.Context, f *source.Filler, text string) ([]sample, error) {
	expression, err := f.Fill(ctx, text)
	if err != nil {
		return nil, err
	}
	base, query, found := strings.Cut(m.set.URL, "?")
	address := strings.TrimRight(base, "/") + "/api/v1/query"
	if found {
		address += "?" + query
	}
	answer, err := m.set.Ask(ctx, f, source.Question{
		URL: address, Form: url.Values{"query": {expression}, "timeout": {m.set.Timeout.Std().String()}},
		Accept: []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	})
	if err != nil {
		return nil, err
	}
	return parseAnswer(answer.Status, answer.Body, f.Clean)
}
