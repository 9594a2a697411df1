package keeper

import "time"

// Limits on how fast something that keeps dying is started again.
const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
	// backoffReset is the life after which a death is the first again.
	backoffReset = 60 * time.Second
	// backoffSteady is the life after which the first death is taken for an
	// accident: what it served stands still until it is there again.
	backoffSteady = 5 * time.Second
)

// backoff counts the deaths of one thing that should live.
type backoff struct{ next time.Duration }

// died returns how long to wait after a death that ended the given life.
func (b *backoff) died(life time.Duration) time.Duration {
	if life >= backoffReset || b.next == 0 {
		b.next = backoffFirst
		if life >= backoffSteady {
			return 0
		}
	}
	wait := b.next
	b.next = min(2*b.next, backoffMost)
	return wait
}
