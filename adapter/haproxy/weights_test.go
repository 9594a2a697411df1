package haproxy

import (
	"math"
	"slices"
	"testing"
)

func TestWeigh(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		share float64
		count int
		old   []int
		want  weights
		off   float64 // the largest error that is allowed, in percent of all traffic
	}{
		{"5 % of 2+2", 5, 2, []int{100, 100}, weights{}, 1e-9},
		{"half a percent of 2+2", 0.5, 2, []int{100, 100}, weights{}, 1e-9},
		{"a quarter", 25, 2, []int{100, 100}, weights{}, 1e-9},
		{"a third of one and one", 33.3, 1, []int{1}, weights{}, 0.05},
		{"a tenth of a percent", 0.1, 4, []int{100}, weights{new: []int{1, 0, 0, 0}, old: []int{256}}, 0.3},
		{"nearly all", 99.9, 1, []int{100}, weights{new: []int{256}, old: []int{1}}, 0.5},
		{"many", 1, 10, []int{1, 1, 1}, weights{}, 0.02},
		{"all", 100, 2, []int{7, 9}, weights{new: []int{100, 100}, old: []int{0, 0}}, 1e-9},
		{"none", 0, 2, []int{7}, weights{new: []int{0, 0}, old: []int{7}}, 1e-9},
		{"nobody before", 5, 1, nil, weights{new: []int{100}, old: []int{}}, 95},
	} {
		got := weigh(test.share, test.count, test.old)
		if test.want.new != nil && (!slices.Equal(got.new, test.want.new) || !slices.Equal(got.old, test.want.old)) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		if off := math.Abs(got.share() - test.share); off > test.off {
			t.Errorf("%s: %+v gives %v %%", test.name, got, got.share())
		}
		for _, w := range slices.Concat(got.new, got.old) {
			if w < 0 || w > maxWeight {
				t.Errorf("%s: weight %d", test.name, w)
			}
		}
	}
}

// TestWeighKeepsProportions: old servers that had different weights keep them.
func TestWeighKeepsProportions(t *testing.T) {
	t.Parallel()
	for share := 0.5; share < 100; share += 0.5 {
		got := weigh(share, 3, []int{200, 100})
		if off := math.Abs(got.share() - share); off > 0.3 {
			t.Errorf("%v %%: %+v is off by %v", share, got, off)
		}
		if part := float64(got.old[0]) / float64(sum(got.old)); math.Abs(part-2.0/3) > 0.02 {
			t.Errorf("%v %%: the old servers' proportions change: %+v", share, got)
		}
	}
}

func FuzzWeigh(f *testing.F) {
	f.Add(5.0, 2, 100, 100)
	f.Add(99.99, 7, 1, 256)
	f.Fuzz(func(t *testing.T, share float64, count, a, b int) {
		if !(share >= 0 && share <= 100) || count < 1 || count > 200 || a < 1 || a > maxWeight || b < 1 || b > maxWeight {
			return
		}
		got := weigh(share, count, []int{a, b})
		if len(got.new) != count || len(got.old) != 2 {
			t.Fatalf("%+v", got)
		}
		for _, w := range slices.Concat(got.new, got.old) {
			if w < 0 || w > maxWeight {
				t.Fatalf("weight %d", w)
			}
		}
		if share > 0 && sum(got.new) == 0 || share < 100 && sum(got.old) == 0 {
			t.Fatalf("%v %% became %+v", share, got)
		}
	})
}
