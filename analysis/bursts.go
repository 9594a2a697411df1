package analysis

// burstPrior weighs against the first blocks, which say little: that many failures
// are taken to have been independent.
const burstPrior = 5.0

// knownPrior is the same where an A/A comparison has seen a hundred failures.
const knownPrior = 20.0

// bursts learns how much the old version's failures cluster in time: half the
// squared differences of neighbouring blocks over their mean. It is 1 for
// independent failures, also where their rate drifts, and the size of the clusters
// where they lie inside one block. Source: von Neumann's mean square successive
// difference (1941), over a Poisson variance.
type bursts struct {
	// Seconds and Failures are those of the block so far, Last the failures of the
	// one before it, Blocks how many there were.
	Seconds  float64 `json:"seconds"`
	Failures float64 `json:"failures"`
	Last     float64 `json:"last"`
	Blocks   int     `json:"blocks"`
	Squares  float64 `json:"squares"`
	Sum      float64 `json:"sum"`
}

func (b bursts) add(i Interval, block float64) bursts {
	b.Seconds += i.Seconds
	b.Failures += i.Counts.Old.Failures
	if !full(b.Seconds, block) {
		return b
	}
	if b.Blocks > 0 {
		jump := b.Failures - b.Last
		b.Squares += jump * jump / 2
		b.Sum += (b.Failures + b.Last) / 2
	}
	b.Last, b.Blocks, b.Failures, b.Seconds = b.Failures, b.Blocks+1, 0, 0
	return b
}

// dispersion is how much the failures cluster, with so many taken to be independent.
func (b bursts) dispersion(prior float64) float64 {
	return max(1, (prior+b.Squares)/(prior+b.Sum))
}
