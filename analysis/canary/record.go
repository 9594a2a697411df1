package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
)

// stateEvery is how much of what the judge knows a crash may lose: only how the
// time was divided, since counters go on counting.
const stateEvery = 30 * time.Second

// Record is what an analyze step records of each decision.
type Record struct {
	Decision analysis.Decision `json:"decision"`
	// State is the judge's, in some of the records.
	State json.RawMessage `json:"state,omitempty"`
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

// judge is where the recorded one left off, or a new one.
func (s *Step) judge(progress []json.RawMessage) (*analysis.Judge, error) {
	records := Records(progress)
	for i := len(records) - 1; i >= 0; i-- {
		if records[i].State == nil {
			continue
		}
		j, err := analysis.Restore(s.set.spec(), records[i].State)
		if err != nil {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "what the analysis has recorded cannot be read: %w", err)
		}
		return j, nil
	}
	return analysis.New(s.set.spec())
}

// recorder writes decisions down, with the judge's state now and then.
type recorder struct {
	saved time.Time
	write func(ctx context.Context, data any) error
}

func (r *recorder) record(ctx context.Context, j *analysis.Judge, d analysis.Decision) error {
	entry := Record{Decision: d}
	if r.saved.IsZero() || d.At.Sub(r.saved) >= stateEvery || d.Verdict == analysis.VerdictRollBack {
		state, err := j.State()
		if err != nil {
			return fmt.Errorf("the state of the analysis: %w", err)
		}
		entry.State, r.saved = state, d.At
	}
	return r.write(ctx, entry)
}
