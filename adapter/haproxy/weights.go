package haproxy

import (
	"math"
	"strconv"
)

const (
	maxWeight = 256 // of one server, by HAProxy
	// serving is the weight of each new server once it has all traffic: in the
	// middle, so that a later share can be set exactly.
	serving = 100
	// closeEnough is the relative error of a share up to which all new servers
	// get the same weight.
	closeEnough = 0.02
)

// weights are those that make a share.
type weights struct {
	new, old []int
}

// share returns the new side's part of all traffic in percent.
func (w weights) share() float64 {
	newer, older := sum(w.new), sum(w.old)
	if newer+older == 0 {
		return 0
	}
	return full * float64(newer) / float64(newer+older)
}

// describe says which share is really set: "5 % (13 of 260)".
func (w weights) describe() string {
	return percent(w.share()) + " (" + strconv.Itoa(sum(w.new)) + " of " + strconv.Itoa(sum(w.new)+sum(w.old)) + ")"
}

func percent(p float64) string { return strconv.FormatFloat(p, 'g', 4, 64) + " %" }

// weigh finds the whole weights of count new servers beside the old ones that
// come nearest to a share in percent. The old servers keep their proportions. All
// new servers get the same weight unless the share would be off by more than
// closeEnough of itself.
func weigh(share float64, count int, old []int) weights {
	switch {
	case count == 0:
		return weights{new: []int{}, old: old}
	case share <= 0:
		return weights{new: even(0, count), old: old}
	case share >= full || sum(old) == 0:
		return weights{new: even(serving*count, count), old: make([]int, len(old))}
	}
	best := search(share, count, old, count)
	if math.Abs(best.share()-share) > closeEnough*share {
		best = search(share, count, old, 1)
	}
	return best
}

// search tries every scale of the old side and its present weights, with the new
// side's total in steps. Of equal shares the smallest weights are best: HAProxy's
// round robin gives a server that joins its first request within 16 times the sum
// of all weights.
func search(share float64, count int, old []int, step int) weights {
	best := weights{}
	least := math.Inf(1)
	for scale := 1; scale <= maxWeight+1; scale++ {
		older := old
		if scale <= maxWeight {
			older = scaled(old, scale)
		}
		total := sum(older)
		ideal := share / (full - share) * float64(total) / float64(step)
		for _, steps := range []int{int(math.Ceil(ideal)), int(math.Floor(ideal))} {
			newer := min(max(steps, 1)*step, maxWeight*count/step*step)
			w := weights{new: even(newer, count), old: older}
			if off := math.Abs(w.share()-share) + full*distortion(old, older); off < least-1e-9 {
				best, least = w, off
			}
		}
	}
	return best
}

// scaled gives the heaviest of the servers this weight, and the others theirs in
// proportion, none of them 0.
func scaled(old []int, heaviest int) []int {
	most := 0
	for _, w := range old {
		most = max(most, w)
	}
	out := make([]int, len(old))
	for i, w := range old {
		out[i] = max(1, int(math.Round(float64(w)*float64(heaviest)/float64(most))))
	}
	return out
}

// distortion is how far a server's part of its side has moved at most.
func distortion(before, after []int) float64 {
	most := 0.0
	for i := range before {
		was, is := float64(before[i])/float64(sum(before)), float64(after[i])/float64(sum(after))
		most = max(most, math.Abs(was-is))
	}
	return most
}

// even spreads a total over servers.
func even(total, count int) []int {
	out := make([]int, count)
	for i := range out {
		out[i] = total / count
		if i < total%count {
			out[i]++
		}
	}
	return out
}

func sum(weights []int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	return total
}
