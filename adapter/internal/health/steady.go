package health

import (
	"fmt"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Flapping says when something that is now well and now not is neither: it has
// changed so often within its newest answers.
type Flapping struct {
	// Changes is how often; 0 is 5, which is the third time that something that
	// was well is not.
	Changes int `json:"changes,omitempty"`
	// Within is of how many answers, counted from the first good one on; 0 is 20.
	Within int `json:"within,omitempty"`
}

const (
	defaultChanges = 5
	defaultWithin  = 20
	longestWithin  = 1000
)

// Complete fills in the defaults.
func (f *Flapping) Complete() {
	if f.Changes == 0 {
		f.Changes = defaultChanges
	}
	if f.Within == 0 {
		f.Within = max(defaultWithin, f.Changes+1)
	}
}

// Refuse refuses what never or always flaps. The error is of CodePlan and begins
// with kind.
func (f *Flapping) Refuse(kind string) error {
	if f.Changes < 2 || f.Within <= f.Changes || f.Within > longestWithin {
		return ripcord.Errorf(ripcord.CodePlan, "%s: flapping is %d changes within %d answers", kind, f.Changes, f.Within).
			WithFix("write 2 changes at least, within more answers than that, %d at most", longestWithin)
	}
	return nil
}

// Row is how many good answers in a row make something steadily well: successes
// of them, and as many as it takes to be well for stable, asked every interval.
func Row(successes int, stable, interval time.Duration) int {
	if stable <= 0 || interval <= 0 {
		return max(1, successes)
	}
	return max(1, successes, int((stable+interval-1)/interval)+1)
}

// Steadiness judges answers one after the other. It looks at no clock: time is
// the number of answers.
type Steadiness struct {
	// Row is how many good answers in a row are needed.
	Row      int
	Flapping Flapping

	good, bad int
	// answers are the newest ones since the first good one.
	answers []bool
}

// Take counts an answer.
func (s *Steadiness) Take(well bool) {
	if well {
		s.good, s.bad = s.good+1, 0
	} else {
		s.good, s.bad = 0, s.bad+1
	}
	if !well && len(s.answers) == 0 {
		return // it is still starting
	}
	s.answers = append(s.answers, well)
	s.answers = s.answers[max(0, len(s.answers)-s.Flapping.Within):]
}

// Good is how many good answers in a row there were last.
func (s *Steadiness) Good() int { return s.good }

// Bad is how many bad answers in a row there were last.
func (s *Steadiness) Bad() int { return s.bad }

// Well reports whether it is steadily well.
func (s *Steadiness) Well() bool { return s.good >= s.Row && !s.Flaps() }

// Flaps reports whether it is well and not well by turns.
func (s *Steadiness) Flaps() bool {
	return s.Flapping.Changes > 0 && s.changes() >= s.Flapping.Changes
}

func (s *Steadiness) changes() int {
	changes := 0
	for i := 1; i < len(s.answers); i++ {
		if s.answers[i] != s.answers[i-1] {
			changes++
		}
	}
	return changes
}

// Describe says how it flaps, or how long it has been well.
func (s *Steadiness) Describe() string {
	switch {
	case s.Flaps():
		return fmt.Sprintf("it is flapping: well and not well by turns, %d changes within its newest %d answers", s.changes(), len(s.answers))
	case s.good > 0:
		return fmt.Sprintf("it answers well, but only %s, %d times are needed", Times(s.good), s.Row)
	}
	return ""
}
