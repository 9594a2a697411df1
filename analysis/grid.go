package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// stateVersion is written into every saved state. A reader refuses a newer one.
// Version 2 may hold a fuse, which a reader of version 1 would lose.
const stateVersion = 2

// ErrState is in the chain of every error about a saved state that cannot be
// restored.
var ErrState = errors.New("not a saved state of the analysis")

// The sizes of the grids.
const (
	ratioCount       = 12
	stakeCount       = 8
	improvementCount = 8
)

// ratios are the alternatives of CountProcess and FloorProcess: how many times
// worse than tolerated the canary may be. A mixture over them is within ln 12 of
// knowing the true ratio beforehand.
func ratios() [ratioCount]float64 {
	return [ratioCount]float64{1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64}
}

// stakes are the bets of FractionProcess, as shares of the largest bet that
// cannot ruin it.
func stakes() [stakeCount]float64 {
	return [stakeCount]float64{.02, .05, .1, .2, .4, .6, .8, .95}
}

// improvements are the alternatives of PromoteProcess: how much better than the
// limit the canary may be.
func improvements() [improvementCount]float64 {
	return [improvementCount]float64{.02, .05, .1, .2, .3, .5, .7, .85}
}

// finite refuses logarithms that no sum of valid intervals gives.
func finite(logs []float64) error {
	for _, l := range logs {
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return fmt.Errorf("%w: a logarithm is %v", ErrState, l)
		}
	}
	return nil
}

// header names the process in its saved state, so that one is not restored as
// another.
type header struct {
	Version int    `json:"v"`
	Kind    string `json:"kind"`
}

func (h header) check(kind string) error {
	if h.Version < 1 || h.Version > stateVersion {
		return fmt.Errorf("%w: version %d, this program reads up to %d", ErrState, h.Version, stateVersion)
	}
	if h.Kind != kind {
		return fmt.Errorf("%w: it is of kind %q, not %q", ErrState, h.Kind, kind)
	}
	return nil
}

// decodeState reads data into state, and wraps what is wrong with it.
func decodeState(data []byte, state any) error {
	if err := json.Unmarshal(data, state); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	return nil
}

// fill copies logs into an array of exactly that length.
func fill(into, logs []float64) error {
	if len(logs) != len(into) {
		return fmt.Errorf("%w: %d logarithms, not %d", ErrState, len(logs), len(into))
	}
	if err := finite(logs); err != nil {
		return err
	}
	copy(into, logs)
	return nil
}
