package analysis

// maxShareJump is how much the odds of the canary's share may differ within a
// window before its largest share is used: more than chance moves them, less than
// a stage does.
const maxShareJump = 1.5

// window collects intervals until it is full. A process of windows must not look
// into one that is not: its fraction would be one of the observer's choosing.
type window struct {
	Seconds float64 `json:"seconds,omitempty"`
	Counts  Counts  `json:"counts"`
	// Least and Most are the canary's smallest and largest share so far, of the
	// intervals in which both arms had requests.
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
}

func (w window) add(i Interval) window {
	w.Seconds += i.Seconds
	w.Counts = w.Counts.Plus(i.Counts)
	if s := i.Counts.Share(); s > 0 && s < 1 {
		if w.Most == 0 {
			w.Least, w.Most = s, s
		}
		w.Least, w.Most = min(w.Least, s), max(w.Most, s)
	}
	return w
}

// share is the pooled one, or the largest where the share changed within the
// window: pooled over a change, a rise of both versions' rates would look like
// the canary's (Simpson's paradox).
func (w window) share() float64 {
	if odds(w.Most) > maxShareJump*odds(w.Least) {
		return w.Most
	}
	return w.Counts.Share()
}

func odds(share float64) float64 { return share / (1 - share) }
