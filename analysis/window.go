package analysis

import "math"

const (
	// maxShareJump is how much the odds of the canary's share may differ within a
	// window before its largest share is used: more than chance moves them over
	// shareBlock seconds, less than a stage does.
	maxShareJump = 1.5
	shareBlock   = 10.0
	// shareErrors is how many standard errors apart two single looks must be. Between
	// them, chance moves the share of a few requests far.
	shareErrors = 4.0
)

// window collects intervals until it is full. A process of windows must not look
// into one that is not: its fraction would be one of the observer's choosing.
type window struct {
	Seconds float64 `json:"seconds,omitempty"`
	Counts  Counts  `json:"counts"`
	// Least and Most are the canary's smallest and largest share so far, of the
	// intervals in which both arms had requests; LeastOf and MostOf are of how many
	// requests.
	Least   float64 `json:"least,omitempty"`
	Most    float64 `json:"most,omitempty"`
	LeastOf float64 `json:"least_of,omitempty"`
	MostOf  float64 `json:"most_of,omitempty"`
	// Block are the requests of the block so far, BlockSeconds its length, Low and
	// High the smallest and largest share of the blocks before it.
	Block        Counts  `json:"block,omitzero"`
	BlockSeconds float64 `json:"block_seconds,omitempty"`
	Low          float64 `json:"low,omitempty"`
	High         float64 `json:"high,omitempty"`
}

func (w window) add(i Interval) window {
	w.Seconds += i.Seconds
	w.Counts = w.Counts.Plus(i.Counts)
	s := i.Counts.Share()
	if s <= 0 || s >= 1 {
		return w
	}
	all := i.Counts.New.Requests + i.Counts.Old.Requests
	if w.Least == 0 || s < w.Least {
		w.Least, w.LeastOf = s, all
	}
	if s > w.Most {
		w.Most, w.MostOf = s, all
	}
	w.Block, w.BlockSeconds = w.Block.Plus(i.Counts), w.BlockSeconds+i.Seconds
	if !full(w.BlockSeconds, shareBlock) {
		return w
	}
	if s = w.Block.Share(); w.Low == 0 || s < w.Low {
		w.Low = s
	}
	w.High = max(w.High, s)
	w.Block, w.BlockSeconds = Counts{}, 0
	return w
}

// share is the pooled one, or the largest where the share changed within the
// window: pooled over a change, a rise of both versions' rates would look like
// the canary's (Simpson's paradox).
func (w window) share() float64 {
	if w.jumped() {
		return w.Most
	}
	return w.Counts.Share()
}

// jumped reports whether the share changed, and not by chance: that of long blocks
// did, or that of two looks by more than their few requests explain.
func (w window) jumped() bool {
	if odds(w.High) > maxShareJump*odds(w.Low) {
		return true
	}
	if odds(w.Most) <= maxShareJump*odds(w.Least) {
		return false
	}
	if w.LeastOf == 0 || w.MostOf == 0 { // a state of before these were kept
		return true
	}
	pooled := (w.Least*w.LeastOf + w.Most*w.MostOf) / (w.LeastOf + w.MostOf)
	return w.Most-w.Least > shareErrors*math.Sqrt(pooled*(1-pooled)*(1/w.LeastOf+1/w.MostOf))
}

func odds(share float64) float64 { return share / (1 - share) }
