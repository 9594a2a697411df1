package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// describe says in one sentence what the evidence against the canary is.
func (e Evidence) describe() string {
	limit := fmt.Sprintf("e-value %s, limit %s", exponential(e.LogE), exponential(e.Limit))
	switch {
	case e.fuseLeads():
		return e.describeFuse()
	case e.Kind == KindGauge:
		return fmt.Sprintf("%s: the new version is worse by %s more than tolerated, on average of %d points (%s)",
			e.Metric, number(e.Excess), e.Points, limit)
	case e.Total == nil:
		return fmt.Sprintf("%s: %s", e.Metric, limit)
	case e.Kind == KindLatency:
		return fmt.Sprintf("%s: %s of the new version's requests take longer than %s s, %s of the old version's (%s)",
			e.Metric, percent(e.Total.New), number(e.Boundary), percent(e.Total.Old), limit)
	default:
		return fmt.Sprintf("%s: %s of the new version's requests fail, %s of the old version's (%s)",
			e.Metric, percent(e.Total.New), percent(e.Total.Old), limit)
	}
}

// describeRule says which rule failed.
func (t *track) describeRule(m Metric) string {
	for i, r := range m.Rules {
		if r.Action != ActionFail || !t.Evidence.Rules[i].Failed(r) {
			continue
		}
		var limits []string
		if r.Max != nil {
			limits = append(limits, "above "+number(*r.Max))
		}
		if r.Min != nil {
			limits = append(limits, "below "+number(*r.Min))
		}
		subject := ""
		if r.Against != AgainstNothing {
			subject = "the " + string(r.Against) + " to the old version is "
		}
		return fmt.Sprintf("%s: %s%s, %d of the last %d readings", m.Name, subject, strings.Join(limits, " or "),
			t.Evidence.Rules[i].Breaches(), r.Of)
	}
	return m.Name
}

func percent(a ArmCounts) string { return number(100*a.Rate()) + " %" }

func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// exponential writes an e-value that is kept as a logarithm.
func exponential(logE float64) string {
	if logE < math.Log(1e6) {
		return strconv.FormatFloat(math.Exp(logE), 'f', 2, 64)
	}
	return "10^" + strconv.FormatFloat(logE/math.Ln10, 'f', 1, 64)
}

// fits refuses a track whose evidence is not of the kind that begins so, or was
// gathered under other limits.
func (t *track) fits(beginning track) error {
	is, begin := t.Evidence, beginning.Evidence
	if (is.Comparison == nil) != (begin.Comparison == nil) || (is.Promote == nil) != (begin.Promote == nil) ||
		(is.Latency == nil) != (begin.Latency == nil) || (is.Gauge == nil) != (begin.Gauge == nil) ||
		len(is.Rules) != len(begin.Rules) {
		return errors.New("is of another kind")
	}
	if is.Fuse != nil && begin.Fuse == nil {
		return errors.New("has a fuse, which is off now")
	}
	same := is.Fuse == nil || is.Fuse.fits(*begin.Fuse)
	if c := is.Comparison; c != nil {
		same = same && c.limits == begin.Comparison.limits && c.choice == begin.Comparison.choice &&
			is.Promote.worse == begin.Promote.worse && is.Promote.floor == begin.Promote.floor
	}
	if l := is.Latency; l != nil {
		same = l.limits == begin.Latency.limits && l.choice == begin.Latency.choice
	}
	if g := is.Gauge; g != nil {
		same = g.best == begin.Gauge.best && g.level == begin.Gauge.level
	}
	if !same {
		return errors.New("has other limits")
	}
	if err := t.Total.Check(); err != nil {
		return err
	}
	known := []Outcome{OutcomePass, OutcomeNoData, OutcomeError}
	if !slices.Contains(known, t.Outcome) {
		return fmt.Errorf("has the outcome %q", t.Outcome)
	}
	return errors.Join(t.New.fits(), t.Old.fits())
}

func (m Meter) fits() error {
	for name, s := range m.Series {
		values := append([]float64{s.Requests, s.Failures}, s.Counts...)
		bad := func(v float64) bool { return !(v >= 0 && v <= maxCount) }
		if len(s.Upper) != len(s.Counts) || len(s.Upper) > maxBoundaries || slices.ContainsFunc(values, bad) {
			return fmt.Errorf("has a series %q that cannot be", name)
		}
	}
	return nil
}
