package haproxy

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// Source opens metrics from HAProxy's own counters.
type Source struct{ now func() time.Time }

// NewSource returns the source; now is the clock of its readings.
func NewSource(now func() time.Time) *Source { return &Source{now: now} }

// Kind returns the package's Kind.
func (s *Source) Kind() string { return Kind }

// MetricSettings are those of a metric.
type MetricSettings struct {
	Socket  string `json:"socket"`
	Backend string `json:"backend"`
	// Value asks for an average over the last 1,024 requests of each server in
	// place of counts: ttime (all of a request), rtime (the wait for the answer),
	// ctime (connecting) or qtime (queueing).
	Value string `json:"value"`
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
	values := []string{"", "ttime", "rtime", "ctime", "qtime"}
	switch {
	case !filepath.IsAbs(set.Socket):
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: socket %q is not an absolute path", spec.Name, set.Socket).
			WithFix("write the path of HAProxy's `stats socket` line")
	case !regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`).MatchString(set.Backend):
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: backend %q is not a name", spec.Name, set.Backend).
			WithFix("write the name of a backend or listen section")
	case !slices.Contains(values, set.Value):
		return nil, ripcord.Errorf(ripcord.CodePlan, "metric %s: HAProxy measures no %q", spec.Name, set.Value).
			WithFix("leave value out for requests and failures, or use one of ttime, rtime, ctime, qtime")
	}
	return &metric{settings: set, sides: sides, client: client{path: set.Socket}, now: s.now}, nil
}

type metric struct {
	settings MetricSettings
	sides    ripcord.Sides
	client   client
	now      func() time.Time
}

// Read implements ripcord.Metric.
func (m *metric) Read(ctx context.Context) (ripcord.Reading, error) {
	info, err := m.client.ask(ctx, "show info")
	if err != nil {
		return ripcord.Reading{}, err
	}
	facts := parseInfo(info)
	rows, err := m.client.stat(ctx, m.settings.Backend)
	if err != nil {
		return ripcord.Reading{}, err
	}
	reading := ripcord.Reading{At: m.now()}
	// A process that starts again counts from zero.
	life := m.settings.Backend + "@" + facts["Pid"] + "-" + facts["Start_time_sec"]
	reading.New = m.arm(rows, m.sides.New, life)
	reading.Old = m.arm(rows, m.sides.Old, life)
	return reading, nil
}

// arm tells of the servers of one side.
func (m *metric) arm(rows []row, side ripcord.Side, life string) ripcord.Arm {
	mine := ofSide(rows, side)
	if m.settings.Value != "" {
		return ripcord.Arm{Value: average(mine, m.settings.Value)}
	}
	var arm ripcord.Arm
	for _, r := range mine {
		requests, failures := counted(r)
		arm.Counters = append(arm.Counters, ripcord.Counter{
			Series: life + "/" + r["svname"] + "#" + r["sid"] + "=" + r["addr"], Requests: requests, Failures: failures,
		})
	}
	return arm
}

// ofSide returns the servers of a side: by its addresses, else by its colour.
func ofSide(rows []row, side ripcord.Side) []row {
	var placed, named []row
	addresses, names := split(side.Addresses), Settings{Colour: side.Colour}
	for _, r := range rows {
		if r["svname"] == "BACKEND" {
			continue
		}
		if slices.Contains(addresses, r["addr"]) {
			placed = append(placed, r)
		}
		if side.Colour != "" && names.names(r["svname"]) {
			named = append(named, r)
		}
	}
	if len(placed) > 0 {
		return placed
	}
	return named
}

// counted returns what a server was asked and what failed: answers of its own with
// 5xx, those that HAProxy gave in its place because no connection could be made,
// after all retries, or because it gave no valid answer, and what was asked again,
// mostly of another server: users have not seen that, but the server has failed.
func counted(r row) (requests, failures float64) {
	failed := r.number("econ") + r.number("eresp") + r.number("wretr")
	if r["mode"] != "http" {
		return max(r.number("stot"), failed), failed
	}
	for _, class := range []string{"hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"} {
		requests += r.number(class)
	}
	return requests + failed, r.number("hrsp_5xx") + failed
}

// average returns the servers' averages in seconds, each counted by how many of
// its last requests it is of; nil where there was no request.
func average(rows []row, column string) *float64 {
	const window = 1024 // requests, by HAProxy
	total, weight := 0.0, 0.0
	for _, r := range rows {
		requests, _ := counted(r)
		n := min(requests, window)
		total += n * r.number(column) / 1000
		weight += n
	}
	if weight == 0 || !slices.ContainsFunc(rows, func(r row) bool { return strings.TrimSpace(r[column]) != "" }) {
		return nil
	}
	mean := total / weight
	return &mean
}
