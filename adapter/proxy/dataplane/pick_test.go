package dataplane

import (
	"log/slog"
	"testing"
	"time"
)

func testSide(t *testing.T, initial readiness, targets ...string) *liveSide {
	t.Helper()
	now := func() time.Time { return time.Unix(0, 0) }
	return newLiveSide(Side{Name: "blue", Targets: targets}, initial, now)
}

func TestPick(t *testing.T) {
	t.Parallel()
	s := testSide(t, ready, "a:1", "b:1", "c:1")
	a, b, c := s.targets[0], s.targets[1], s.targets[2]
	seen := map[*target]int{}
	for range 30 {
		seen[s.pick(nil).target]++
	}
	if seen[a] != 10 || seen[b] != 10 || seen[c] != 10 {
		t.Errorf("30 picks: %d %d %d", seen[a], seen[b], seen[c])
	}
	a.inFlight.Store(2)
	b.inFlight.Store(1)
	if got := s.pick(nil).target; got != c {
		t.Errorf("the least busy is c, not %s", got.addr)
	}
	c.state.Store(int32(failed))
	if got := s.pick(nil).target; got != b {
		t.Errorf("the least busy ready one is b, not %s", got.addr)
	}
	if got := s.pick([]*target{b}).target; got != a {
		t.Errorf("after b comes a, not %s", got.addr)
	}
	if got := s.pick([]*target{a, b}).target; got != c {
		t.Errorf("with no ready one left, c is tried")
	}
	if got := s.pick([]*target{a, b, c}).target; got != nil {
		t.Errorf("after all comes nothing, not %s", got.addr)
	}
}

// TestNote follows a target's readiness through its probes.
func TestNote(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		initial readiness
		probes  string // + and -
		want    readiness
		ejected bool // by the last one
	}{
		{"one success is not enough", unknown, "+", unknown, false},
		{"two are", unknown, "++", ready, false},
		{"not in a row", unknown, "+-+", unknown, false},
		{"never ready is no ejection", unknown, "--", failed, false},
		{"one failure is not enough", ready, "-", ready, false},
		{"two are", ready, "--", failed, true},
		{"once only", ready, "---", failed, false},
		{"it comes back", ready, "--++", ready, false},
		{"assumed until said otherwise", assumed, "-", assumed, false},
		{"assumed and failed", assumed, "--", failed, true},
		{"assumed and confirmed", assumed, "++", ready, false},
	}
	for _, test := range tests {
		s := testSide(t, test.initial, "a:1")
		p := &prober{side: s, log: slog.New(slog.DiscardHandler)}
		var ejected bool
		for _, c := range test.probes {
			ejected = p.note(s.targets[0], ProbeResult{OK: c == '+'})
		}
		if got := s.targets[0].readiness(); got != test.want || ejected != test.ejected {
			t.Errorf("%s: %v, ejected %t; want %v, %t", test.name, got, ejected, test.want, test.ejected)
		}
	}
}
