package analysis

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Against is what a rule compares the canary's value with.
type Against string

// The comparisons.
const (
	// AgainstNothing: the value itself. The default.
	AgainstNothing Against = ""
	// AgainstRatio: the canary's value divided by the baseline's.
	AgainstRatio Against = "ratio"
	// AgainstDifference: the canary's value less the baseline's.
	AgainstDifference Against = "difference"
)

// Rule is a plain threshold: a value above Max or below Min is a breach, and
// Breaches of them in the last Of readings fail. It has no error guarantee: it
// means what it says, and noise breaches it too.
type Rule struct {
	Max     *float64 `json:"max,omitempty"`
	Min     *float64 `json:"min,omitempty"`
	Against Against  `json:"against,omitempty"`
	// Breaches is how many breaches fail; 0 is 1. Of is in how many readings, at
	// most 64; 0 is the same number: one after another.
	Breaches int    `json:"breaches,omitempty"`
	Of       int    `json:"of,omitempty"`
	Action   Action `json:"action,omitempty"`
}

func (r Rule) withDefaults() Rule {
	if r.Breaches == 0 {
		r.Breaches = 1
	}
	if r.Of == 0 {
		r.Of = r.Breaches
	}
	if r.Action == "" {
		r.Action = ActionFail
	}
	return r
}

func (r Rule) check() error {
	for _, limit := range []*float64{r.Max, r.Min} {
		if limit != nil && (math.IsNaN(*limit) || math.IsInf(*limit, 0)) {
			return fmt.Errorf("a limit of %v is no number", *limit)
		}
	}
	switch {
	case r.Max == nil && r.Min == nil:
		return errors.New("a rule needs max or min")
	case r.Max != nil && r.Min != nil && *r.Min > *r.Max:
		return fmt.Errorf("min %v is above max %v", *r.Min, *r.Max)
	case r.Against != AgainstNothing && r.Against != AgainstRatio && r.Against != AgainstDifference:
		return fmt.Errorf("against %q is not known: ratio or difference", r.Against)
	case r.Breaches < 1 || r.Of < r.Breaches || r.Of > 64:
		return fmt.Errorf("%d breaches of %d readings: 1 to 64, and not more breaches than readings", r.Breaches, r.Of)
	case r.Action != ActionFail && r.Action != ActionWarn:
		return fmt.Errorf("action %q is not known: fail or warn", r.Action)
	}
	return nil
}

// subject is the number that the rule is about; false where the baseline does not
// allow one: it has no value, or a ratio to zero is asked for.
func (r Rule) subject(canary, baseline *float64) (float64, bool) {
	if r.Against == AgainstNothing {
		return *canary, true
	}
	if baseline == nil {
		return 0, false
	}
	v := *canary - *baseline
	if r.Against == AgainstRatio {
		v = *canary / *baseline
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// Breached is the memory of one rule: its last readings, the newest in the lowest
// bit. A reading without data is not counted, neither as a breach nor as none.
type Breached struct {
	Bits  uint64 `json:"bits"`
	Count int    `json:"count"`
}

// Add returns the memory after one more reading.
func (b Breached) Add(r Rule, value float64) Breached {
	bad := r.Max != nil && value > *r.Max || r.Min != nil && value < *r.Min
	b.Bits <<= 1
	if bad {
		b.Bits |= 1
	}
	if r.Of < 64 {
		b.Bits &= 1<<r.Of - 1
	}
	b.Count = min(b.Count+1, r.Of)
	return b
}

// Failed reports whether the rule's number of breaches is reached.
func (b Breached) Failed(r Rule) bool { return b.Breaches() >= r.Breaches }

// Breaches is how many of the rule's last readings were breaches.
func (b Breached) Breaches() int { return bits.OnesCount64(b.Bits) }
