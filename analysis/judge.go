package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNotNewer is in the chain of the error about an observation that is not newer
// than the last one; the judge has not changed. After a crash it means: this one
// is known already.
var ErrNotNewer = errors.New("the observation is not newer than the last one")

// Observation is what was read of all metrics at one time.
type Observation struct {
	At time.Time
	// Alone says that all traffic goes to the new version, so that the old one
	// can have no requests: after the last stage and during the watch.
	Alone bool
	// Samples are by name of metric; one that is missing was not read, which is
	// no data.
	Samples map[string]Sample
}

// Judge judges one canary from its first request to the end of its watch. Stages
// change only the traffic share; the judge goes on. It is not safe for use by
// several goroutines at once.
type Judge struct {
	spec   Spec
	tracks []track
	last   time.Time
	// verdict is a roll-back that was decided; it stays.
	verdict *final
}

// final is a roll-back with its reason.
type final struct {
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
	Culprits []string  `json:"culprits"`
}

// New begins to judge; the error is one of CodePlan.
func New(spec Spec) (*Judge, error) {
	spec, err := spec.WithDefaults()
	if err != nil {
		return nil, err
	}
	j := &Judge{spec: spec}
	for _, m := range spec.Metrics {
		e, err := m.begin(spec.Alpha)
		if err != nil {
			return nil, err
		}
		j.tracks = append(j.tracks, track{Evidence: e, Outcome: OutcomeNoData})
	}
	return j, nil
}

// Observe takes an observation in and decides.
func (j *Judge) Observe(o Observation) (Decision, error) {
	o.At = o.At.UTC().Round(0) // as it will be when it is restored
	if !o.At.After(j.last) {
		return Decision{}, fmt.Errorf("%w: %s, %s", ErrNotNewer, o.At.Format(time.RFC3339Nano), j.last.Format(time.RFC3339Nano))
	}
	j.last = o.At
	for i, m := range j.spec.Metrics {
		sample, ok := o.Samples[m.Name]
		if !ok {
			if j.tracks[i].Heard.IsZero() {
				j.tracks[i].Heard = o.At
			}
			j.tracks[i].silent(OutcomeNoData, "it was not read")
			continue
		}
		j.tracks[i].observe(m, sample, o.At, o.Alone)
	}
	return j.decide(), nil
}

// Decide repeats the decision after the last observation, as a restored judge
// needs it.
func (j *Judge) Decide() Decision { return j.decide() }

// Spec is what the judge judges by, with the defaults filled in.
func (j *Judge) Spec() Spec { return j.spec }

// decide weighs: what is proved against the canary comes before silence, and
// silence before what is proved in favour of it.
func (j *Judge) decide() Decision {
	d := Decision{At: j.last, Verdict: VerdictContinue, Limit: logLimit(j.spec.Alpha)}
	against := j.weigh(&d)
	d.LogE = Combine(against)
	if j.verdict == nil {
		j.verdict = j.condemn(d, against)
	}
	switch promote, why := j.proved(); {
	case j.verdict != nil:
		d.Verdict, d.Reason, d.Culprits = VerdictRollBack, j.verdict.Reason, j.verdict.Culprits
	case len(j.overdue(ReactionHold)) > 0:
		d.Verdict = VerdictHold
		d.Reason = fmt.Sprintf("no word from %s for too long", strings.Join(j.overdue(ReactionHold), ", "))
	case promote:
		d.Verdict, d.Reason = VerdictPromote, why
	default:
		d.Reason = "nothing is proved yet, either way"
	}
	d.MayAdvance = (d.Verdict == VerdictContinue || d.Verdict == VerdictPromote) && len(j.missing()) == 0
	return d
}

// weigh describes every metric and returns the evidence that counts.
func (j *Judge) weigh(d *Decision) []Weighted {
	var against []Weighted
	for i, m := range j.spec.Metrics {
		t := j.tracks[i]
		e := evidenceOf(m, t, j.spec.Alpha, j.spec.Beta, j.last)
		d.Evidence = append(d.Evidence, e)
		logE, counts := t.logE()
		if counts && m.Action == ActionFail {
			against = append(against, Weighted{Name: m.Name, Weight: m.Weight, LogE: logE})
		}
		if t.broken(m, ActionWarn) || counts && m.Action == ActionWarn && logE >= d.Limit {
			d.Warnings = append(d.Warnings, m.Name)
		}
		if t.Outcome != OutcomePass {
			d.Silent = append(d.Silent, m.Name)
		}
	}
	return against
}

// condemn returns the roll-back that the evidence asks for, or nil.
func (j *Judge) condemn(d Decision, against []Weighted) *final {
	for i, m := range j.spec.Metrics {
		if j.tracks[i].broken(m, ActionFail) {
			return &final{d.At, j.tracks[i].describeRule(m), []string{m.Name}}
		}
	}
	if silent := j.overdue(ReactionFail); len(silent) > 0 {
		return &final{d.At, fmt.Sprintf("no word from %s for too long, and its policy is to fail", strings.Join(silent, ", ")), silent}
	}
	if len(against) == 0 || d.LogE < d.Limit {
		return nil
	}
	culprits := Culprits(against, j.spec.Alpha)
	if len(culprits) == 0 { // together they are enough, none of them alone
		culprits = []string{strongest(against)}
	}
	for _, e := range d.Evidence {
		if e.Metric == culprits[0] {
			return &final{d.At, e.describe(), culprits}
		}
	}
	return &final{d.At, "the evidence is enough", culprits}
}

func strongest(all []Weighted) string {
	best := all[0]
	for _, m := range all[1:] {
		if m.LogE > best.LogE {
			best = m
		}
	}
	return best.Name
}

// proved reports whether every metric of failures proves the canary to be good
// enough while no other one is silent. Each must prove it by itself, so the
// chance of a wrong promotion is that of the weakest one (intersection-union).
func (j *Judge) proved() (bool, string) {
	count := 0
	for i, m := range j.spec.Metrics {
		if m.Kind != KindErrors || m.Action != ActionFail {
			continue
		}
		if j.tracks[i].Evidence.Promote.LogE() < logLimit(j.spec.Beta) {
			return false, ""
		}
		count++
	}
	if count == 0 || len(j.missing()) > 0 {
		return false, ""
	}
	return true, "the new version is proved to be good enough"
}

// missing are the metrics that keep a gate closed: those that say nothing, unless
// their policy is to go on without them and its time has passed.
func (j *Judge) missing() []string {
	var names []string
	for i, m := range j.spec.Metrics {
		t := j.tracks[i]
		if t.Outcome == OutcomePass || m.warnsOnly() || t.overdue(m, j.last) == ReactionContinue {
			continue
		}
		names = append(names, m.Name)
	}
	return names
}

// overdue are the metrics whose policy does this now.
func (j *Judge) overdue(what Reaction) []string {
	var names []string
	for i, m := range j.spec.Metrics {
		if j.tracks[i].overdue(m, j.last) == what {
			names = append(names, m.Name)
		}
	}
	return names
}

type judgeState struct {
	header
	Names   []string  `json:"names"`
	Tracks  []track   `json:"tracks"`
	Last    time.Time `json:"last,omitzero"`
	Verdict *final    `json:"verdict,omitempty"`
}

// State is everything the judge knows, for Restore.
func (j *Judge) State() ([]byte, error) {
	s := judgeState{header: header{stateVersion, "judge"}, Tracks: j.tracks, Last: j.last, Verdict: j.verdict}
	for _, m := range j.spec.Metrics {
		s.Names = append(s.Names, m.Name)
	}
	return json.Marshal(s)
}

// Restore goes on where a judge with the same spec left off; the result decides
// bit for bit as that one would have. The error about a state that does not fit
// has ErrState in its chain.
func Restore(spec Spec, state []byte) (*Judge, error) {
	j, err := New(spec)
	if err != nil {
		return nil, err
	}
	var s judgeState
	if err := decodeState(state, &s); err != nil {
		return nil, err
	}
	if err := s.check("judge"); err != nil {
		return nil, err
	}
	if len(s.Tracks) != len(j.tracks) || len(s.Names) != len(j.tracks) {
		return nil, fmt.Errorf("%w: %d metrics, not %d", ErrState, len(s.Tracks), len(j.tracks))
	}
	for i, m := range j.spec.Metrics {
		if s.Names[i] != m.Name {
			return nil, fmt.Errorf("%w: metric %q where the spec has %q", ErrState, s.Names[i], m.Name)
		}
		if err := s.Tracks[i].fits(j.tracks[i]); err != nil {
			return nil, fmt.Errorf("%w: metric %q %w", ErrState, m.Name, err)
		}
	}
	for i := range s.Tracks { // a state from before there were fuses begins one
		if s.Tracks[i].Evidence.Fuse == nil {
			s.Tracks[i].Evidence.Fuse = j.tracks[i].Evidence.Fuse
		}
	}
	j.tracks, j.last, j.verdict = s.Tracks, s.Last, s.Verdict
	return j, nil
}
