package backup

import (
	"time"

	"github.com/ripcord-dev/ripcord"
)

// phases measures how long the parts of a work take.
type phases struct {
	now   func() time.Time
	began time.Time
	last  time.Time
	all   []ripcord.RestorePhase
}

func measure(now func() time.Time) *phases {
	began := now()
	return &phases{now: now, began: began, last: began}
}

// done ends a phase.
func (p *phases) done(name string) {
	now := p.now()
	p.all = append(p.all, ripcord.RestorePhase{Name: name, Seconds: now.Sub(p.last).Seconds()})
	p.last = now
}

// seconds is how long all took until the end of the last phase.
func (p *phases) seconds() float64 { return p.last.Sub(p.began).Seconds() }
