package analysis

import (
	"encoding/json"
	"fmt"
	"math"
)

type fuseState struct {
	header
	Spec       Fuse         `json:"spec"`
	Limit      float64      `json:"limit"`
	Ratio      CountProcess `json:"ratio"`
	Floor      FloorProcess `json:"floor"`
	Seconds    float64      `json:"seconds"`
	Share      float64      `json:"share"`
	RatioSoFar gain         `json:"ratio_so_far"`
	FloorSoFar gain         `json:"floor_so_far"`
	Bursts     bursts       `json:"bursts"`
	Dullness   float64      `json:"dullness"`
	Each       *capped      `json:"each,omitempty"`
}

// MarshalJSON writes the state; UnmarshalJSON reads exactly the same bits back.
func (p FuseProcess) MarshalJSON() ([]byte, error) {
	s := fuseState{
		header: header{stateVersion, "fuse"}, Spec: p.spec, Limit: p.limit, Ratio: p.ratio, Floor: p.floor,
		Seconds: p.seconds, Share: p.share, RatioSoFar: p.ratioSoFar, FloorSoFar: p.floorSoFar,
		Bursts: p.bursts, Dullness: p.dullness,
	}
	if p.spec.Independent {
		s.Each = &p.each
	}
	return json.Marshal(s)
}

// UnmarshalJSON restores a state that MarshalJSON wrote; the error has ErrState
// in its chain.
func (p *FuseProcess) UnmarshalJSON(data []byte) error {
	var s fuseState
	if err := decodeState(data, &s); err != nil {
		return err
	}
	if err := s.check("fuse"); err != nil {
		return err
	}
	if err := s.Spec.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if s.Floor.method != MethodCounts || s.Ratio.divisor != 1 {
		return fmt.Errorf("%w: a process belongs to something else than a fuse", ErrState)
	}
	b := s.Bursts
	if (s.Each != nil) != s.Spec.Independent {
		return fmt.Errorf("%w: the components belong to something else than this fuse", ErrState)
	}
	counts := []float64{s.Seconds, b.Seconds, b.Failures, b.Last, float64(b.Blocks), b.Squares, b.Sum}
	for _, v := range append(counts, s.Limit, s.Dullness-1, s.Share, 1-s.Share) {
		if !(v >= 0 && v <= math.MaxFloat64) {
			return fmt.Errorf("%w: a fuse with %v", ErrState, v)
		}
	}
	*p = FuseProcess{
		spec: s.Spec, limit: s.Limit, ratio: s.Ratio, floor: s.Floor, seconds: s.Seconds, share: s.Share,
		ratioSoFar: s.RatioSoFar, floorSoFar: s.FloorSoFar, bursts: b, dullness: s.Dullness,
	}
	if s.Each != nil {
		p.each = *s.Each
	}
	return nil
}

// fits reports whether the process was gathered under the same limits as the one
// that begins so.
func (p FuseProcess) fits(begin FuseProcess) bool {
	return p.spec == begin.spec && p.limit == begin.limit &&
		p.ratio.tolerance == begin.ratio.tolerance && p.floor.floor == begin.floor.floor
}
