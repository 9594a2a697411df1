package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

func TestRow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		successes        int
		stable, interval time.Duration
		want             int
	}{
		{0, 0, 0, 1},
		{3, 0, time.Second, 3},
		{2, time.Second, 200 * time.Millisecond, 6},
		{2, 1100 * time.Millisecond, 200 * time.Millisecond, 7},
		{9, time.Second, time.Second, 9},
		{1, time.Millisecond, time.Second, 2},
	} {
		if got := health.Row(test.successes, test.stable, test.interval); got != test.want {
			t.Errorf("Row(%d, %s, %s) = %d, want %d", test.successes, test.stable, test.interval, got, test.want)
		}
	}
}

func TestSteadiness(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, answers string // g is good, b is bad
		row           int
		well, flaps   bool
	}{
		{"well at once", "ggg", 3, true, false},
		{"not yet", "gg", 3, false, false},
		{"a slow start is no flapping", strings.Repeat("b", 50) + "ggg", 3, true, false},
		{"one slip begins anew", "ggbgg", 3, false, false},
		{"one slip is forgiven", "ggbggg", 3, true, false},
		{"good, bad, good, bad", "gbgbgb", 1, false, true},
		{"by luck", "gbgbgbgggg", 3, false, true},
		{"steady again", "gbgbgb" + strings.Repeat("g", 16), 3, true, false},
		{"steady for longer", "gbgbgb" + strings.Repeat("g", 30), 3, true, false},
		{"every other pair", "ggbbggbbggbb", 2, false, true},
		{"once in ten", strings.Repeat("gggggggggb", 2) + "ggg", 3, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := health.Steadiness{Row: test.row}
			s.Flapping.Complete()
			for _, answer := range test.answers {
				s.Take(answer == 'g')
			}
			if s.Well() != test.well || s.Flaps() != test.flaps {
				t.Errorf("well %v, flaps %v; want %v, %v: %s", s.Well(), s.Flaps(), test.well, test.flaps, s.Describe())
			}
		})
	}
}
