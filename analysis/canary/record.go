package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// How often is written down what, so that an hour with two metrics stays below a
// megabyte or two, and a day is no more than a few times that. The crash that a
// state is kept for loses only how the time was divided, since counters go on
// counting: so the longer a canary lasts, the less often it is needed.
const (
	stateEvery  = 30 * time.Second
	stateParts  = 20
	recordEvery = 10 * time.Second
	recordMost  = 30 * time.Second
	recordParts = 360
)

// Record is what an analyze step records of each decision.
type Record struct {
	Decision analysis.Decision `json:"decision"`
	// State is the judge's, in some of the records.
	State json.RawMessage `json:"state,omitempty"`
	// Choices are the methods that the state was gathered by, of metrics whose plan
	// leaves them open.
	Choices map[string]analysis.Choice `json:"choices,omitempty"`
}

// Records reads what analyze steps have recorded, oldest first; what is no such
// record is left out.
func Records(progress []json.RawMessage) []Record {
	var records []Record
	for _, raw := range progress {
		var r Record
		if json.Unmarshal(raw, &r) == nil && !r.Decision.At.IsZero() {
			records = append(records, r)
		}
	}
	return records
}

// judge is where the recorded one left off, or a new one, and the choices of methods
// that it goes by: those of its beginning.
func (s *Step) judge(a ripcord.Attempt) (*analysis.Judge, map[string]analysis.Choice, error) {
	for _, r := range slices.Backward(Records(a.Progress)) {
		if r.State == nil {
			continue
		}
		j, err := analysis.Restore(s.spec(r.Choices), r.State)
		if err != nil {
			return nil, nil, ripcord.Errorf(ripcord.CodeInternal, "what the analysis has recorded cannot be read: %w", err)
		}
		return j, r.Choices, nil
	}
	chosen, err := s.choices()
	if err != nil {
		_, _ = fmt.Fprintf(a.Output, "what is known of the old version is not used: %v\n", err)
	}
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		_, _ = fmt.Fprintf(a.Output, "%s: %s\n", name, chosen[name].Reason)
	}
	j, err := analysis.New(s.spec(chosen))
	return j, chosen, err
}

// recorder writes decisions down, with the judge's state now and then.
type recorder struct {
	began, saved, wrote time.Time
	verdict             analysis.Verdict
	// newest is the last decision, written down or not.
	newest analysis.Decision
	points []analysis.Point
	write  func(ctx context.Context, data any) error
	// choices are those that the judge goes by.
	choices map[string]analysis.Choice
}

// newRecorder goes on where the recorded decisions end.
func newRecorder(a ripcord.Attempt, choices map[string]analysis.Choice) *recorder {
	r := &recorder{write: a.Record, choices: choices}
	for _, old := range Records(a.Progress) {
		r.note(old.Decision)
	}
	return r
}

// note remembers a decision that is written down.
func (r *recorder) note(d analysis.Decision) {
	if r.began.IsZero() {
		r.began = d.At
	}
	r.newest, r.verdict, r.wrote = d, d.Verdict, d.At
	if len(r.points) >= mostPoints {
		r.points = r.points[1:]
	}
	r.points = append(r.points, d.Point())
}

// record writes a decision down if it is the last one, a new one, or the last that
// was written is old enough.
func (r *recorder) record(ctx context.Context, j *analysis.Judge, d analysis.Decision, last bool) error {
	r.newest = d
	age := d.At.Sub(r.began)
	save := last || r.saved.IsZero() || d.At.Sub(r.saved) >= max(stateEvery, age/stateParts)
	if !save && d.Verdict == r.verdict && d.At.Sub(r.wrote) < min(recordMost, max(recordEvery, age/recordParts)) {
		return nil
	}
	entry := Record{Decision: d}
	if save {
		state, err := j.State()
		if err != nil {
			return fmt.Errorf("the state of the analysis: %w", err)
		}
		entry.State, entry.Choices, r.saved = state, r.choices, d.At
	}
	if err := r.write(ctx, entry); err != nil {
		return err
	}
	r.note(d)
	return nil
}
