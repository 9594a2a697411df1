package peers_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord/bench/peers"
)

// after is the second at which a rule rolls back, 0 where it does not within an hour.
func after(t *testing.T, rule peers.Rule, look func(second int) peers.Look) int {
	t.Helper()
	for i := range 3600 {
		back, err := rule.Look(i, look(i))
		if err != nil {
			t.Fatal(err)
		}
		if back {
			return i + 1
		}
	}
	return 0
}

func TestEveryMinute(t *testing.T) {
	t.Parallel()
	good := func(int) peers.Look { return peers.Look{NewRequests: 100} }
	bad := func(int) peers.Look { return peers.Look{NewRequests: 100, NewFailures: 2} }
	slow := func(int) peers.Look { return peers.Look{NewRequests: 100, Slow: 2} }
	nobody := func(int) peers.Look { return peers.Look{} }
	down := func(second int) peers.Look { return peers.Look{NewRequests: 100, Down: second >= 30} }
	flagger := func() peers.Rule {
		return &peers.EveryMinute{Limit: .01, Tick: 1, Fails: 5, Latency: true, SilenceFails: true}
	}
	argo := func() peers.Rule { return &peers.EveryMinute{Limit: .01, Tick: 1, Fails: 1, SilenceAborts: true} }
	for name, c := range map[string]struct {
		rule peers.Rule
		look func(int) peers.Look
		want int
	}{
		"Flagger, good": {flagger(), good, 0}, "Argo, good": {argo(), good, 0},
		"Flagger, bad": {flagger(), bad, 300}, "Argo, bad": {argo(), bad, 60},
		"Flagger, slow": {flagger(), slow, 300}, "Argo, slow": {argo(), slow, 0},
		"Flagger, nobody": {flagger(), nobody, 300}, "Argo, nobody": {argo(), nobody, 41},
		"Flagger, down": {flagger(), down, 360}, "Argo, down": {argo(), down, 71},
	} {
		if got := after(t, c.rule, c.look); got != c.want {
			t.Errorf("%s: after %d s, not %d", name, got, c.want)
		}
	}
}
