package httpmetric

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ohler55/ojg/jp"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/source"
)

// Kind is the source's name in a MetricSpec.
const Kind = "http"

// Source opens metrics that stand in JSON.
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
	if set.Buckets != "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: buckets cannot be read from JSON", spec.Name).
			WithFix("give `value` with a duration, or read the histogram through Prometheus")
	}
	m := &metric{set: set, sides: sides, secrets: scope.Secrets, now: s.now}
	for key, text := range m.paths() {
		if _, err := parsePath(source.Plain(text)); err != nil {
			return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: %s is no JSONPath: %w", spec.Name, key, err).
				WithFix("write for example $.requests.total, or $.servers[?(@.address == '${side.addresses}')].requests")
		}
	}
	return m, nil
}

// parsePath reads a JSONPath that begins at the root.
func parsePath(text string) (path jp.Expr, err error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "$") {
		return nil, errors.New("it does not begin with $")
	}
	defer func() { // the library is not ours
		if r := recover(); r != nil {
			path, err = nil, fmt.Errorf("it cannot be read: %v", r)
		}
	}()
	return jp.ParseString(strings.TrimSpace(text))
}

type metric struct {
	set     source.Settings
	sides   ripcord.Sides
	secrets ripcord.Secrets
	now     func() time.Time
}

// paths are the expressions that are given.
func (m *metric) paths() map[string]string {
	if m.set.Value != "" {
		return map[string]string{"value": m.set.Value}
	}
	return map[string]string{"requests": m.set.Requests, "failures": m.set.Failures}
}

// texts are all settings that may refer to a side.
func (m *metric) texts() []string {
	all := []string{m.set.URL, m.set.Requests, m.set.Failures, m.set.Value}
	for _, value := range m.set.Headers {
		all = append(all, value)
	}
	return all
}

// Read implements ripcord.Metric.
func (m *metric) Read(ctx context.Context) (ripcord.Reading, error) {
	pages := &pages{set: &m.set, of: map[string]func() (any, error){}}
	newer, older, err := source.Both(m.sides, func(side ripcord.Side) (ripcord.Arm, error) { return m.arm(ctx, pages, side) })
	if err != nil {
		return ripcord.Reading{}, err
	}
	return ripcord.Reading{At: m.now(), New: newer, Old: older}, nil
}

// arm asks for one side, once for each instance where the settings name them.
func (m *metric) arm(ctx context.Context, pages *pages, side ripcord.Side) (ripcord.Arm, error) {
	var arm ripcord.Arm
	if !source.Known(side, m.texts()...) {
		return arm, nil
	}
	side, known := source.Supposed(side)
	if !known && strings.Contains(m.set.URL, "${side.") {
		return arm, nil // nobody to ask yet
	}
	asked := []ripcord.Side{side}
	if strings.Contains(strings.Join(m.texts(), " "), "${side.addresses}") {
		asked = source.Each(side)
	}
	var values []float64
	for _, one := range asked {
		f := &source.Filler{Secrets: m.secrets, Side: one}
		page, err := pages.get(ctx, f)
		if err != nil {
			return ripcord.Arm{}, err
		}
		if err := m.look(ctx, f, page, &arm, &values); err != nil {
			return ripcord.Arm{}, err
		}
	}
	if !known {
		return ripcord.Arm{}, nil
	}
	arm.Value = mean(values)
	return arm, nil
}

// look finds the numbers of one instance.
func (m *metric) look(ctx context.Context, f *source.Filler, page any, arm *ripcord.Arm, values *[]float64) error {
	found := map[string]*float64{}
	for key, text := range m.paths() {
		text, err := f.Fill(ctx, text)
		if err != nil {
			return err
		}
		if found[key], err = number(page, text); err != nil {
			return fmt.Errorf("%s: %s", key, f.Clean(err.Error()))
		}
	}
	if v := found["value"]; v != nil {
		*values = append(*values, *v)
	}
	requests, failures := found["requests"], found["failures"]
	if requests == nil || failures == nil { // either alone says nothing
		return nil
	}
	series := f.Side.Addresses
	if series == "" {
		series = f.Side.Colour + f.Side.Version
	}
	arm.Counters = append(arm.Counters, ripcord.Counter{Series: series, Requests: *requests, Failures: *failures})
	return nil
}

// mean is the instances' average; nil where none has a value.
func mean(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	sum /= float64(len(values))
	return &sum
}

// pages are what was answered in one reading: each address is asked once.
type pages struct {
	set *source.Settings
	mu  sync.Mutex
	of  map[string]func() (any, error)
}

func (p *pages) get(ctx context.Context, f *source.Filler) (any, error) {
	parts := []string{f.Side.Expand(p.set.URL)}
	for _, name := range slices.Sorted(maps.Keys(p.set.Headers)) {
		parts = append(parts, f.Side.Expand(p.set.Headers[name]))
	}
	key := strings.Join(parts, "\n")
	p.mu.Lock()
	once := p.of[key]
	if once == nil {
		once = sync.OnceValues(func() (any, error) { return p.ask(ctx, f) })
		p.of[key] = once
	}
	p.mu.Unlock()
	return once()
}

func (p *pages) ask(ctx context.Context, f *source.Filler) (any, error) {
	answer, err := p.set.Ask(ctx, f, source.Question{URL: p.set.URL})
	if err != nil {
		return nil, err
	}
	return parsePage(answer.Body)
}
