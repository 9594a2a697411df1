package figure_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

func TestFigure(t *testing.T) {
	t.Parallel()
	f := figure.Of("speed", "steps", []float64{5, 1, 4, 2, 3})
	if f.Median != 3 || f.Low != 2 || f.High != 4 || f.Count != 5 {
		t.Errorf("%+v", f)
	}
	for aim, want := range map[float64]string{2: "reached", 3: "reached", 4: "missed", 0: ""} {
		if got := f.AtLeast(aim).Verdict(); got != want {
			t.Errorf("at least %v: %q, want %q", aim, got, want)
		}
	}
	for aim, want := range map[float64]string{2: "missed", 4: "reached", 0: ""} {
		if got := f.Below(aim).Verdict(); got != want {
			t.Errorf("below %v: %q, want %q", aim, got, want)
		}
	}
	if empty := figure.Of("none", "", nil); empty.Median != 0 {
		t.Errorf("%+v", empty)
	}
}
