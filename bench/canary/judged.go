package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
	"github.com/ripcord-dev/ripcord/bench/peers"
)

// verdict is what one rule said of one canary.
type verdict struct {
	rule string
	// word is rolls back, holds or goes on.
	word string
	// seconds is when it said so, or for how long it went on.
	seconds float64
	harmed  float64
	note    string
}

const (
	rollsBack = "rolls back"
	holds     = "holds"
	goesOn    = "goes on"
)

func (v verdict) String() string {
	if v.word == goesOn {
		return fmt.Sprintf("goes on [%.0f]", v.harmed)
	}
	return fmt.Sprintf("%s, %.0f s [%.0f]", v.word, v.seconds, v.harmed)
}

// result is what became of one scenario.
type result struct {
	scenario scenario
	ours     verdict
	theirs   []verdict
	// back is how long in seconds the way back took once it was asked for.
	back float64
	// sent and failed are what the customers saw from the canary's beginning on.
	sent, failed int
}

// theirRules are those that are fed with the stream.
func theirRules(s scenario) []struct {
	name string
	rule peers.Rule
} {
	const tick = 1
	every := func(limit float64, fails int, flagger bool) peers.Rule {
		return &peers.EveryMinute{Limit: limit, Fails: fails, Tick: tick, Latency: flagger, SilenceFails: flagger, SilenceAborts: !flagger}
	}
	return []struct {
		name string
		rule peers.Rule
	}{
		{"Flagger-like, 5 fails, 99 %", every(.01, 5, true)},
		{"Flagger-like, 5 fails, 3 times the rate", every(peers.Tuned(s.base), 5, true)},
		{"Argo-like, limit 0, 3 times", every(peers.Tuned(s.base), 1, false)},
		{"Argo-like, limit 3, 3 times", every(peers.Tuned(s.base), 4, false)},
	}
}

// judge feeds the stream to the peers' rules.
func (s *stream) judge(of scenario) ([]verdict, error) {
	var all []verdict
	for _, named := range theirRules(of) {
		v := verdict{rule: named.name, word: goesOn}
		for i, each := range s.seconds {
			back, err := named.rule.Look(i, each.Look)
			if err != nil {
				return nil, err
			}
			if back {
				v.word, v.seconds, v.harmed = rollsBack, each.at.Sub(s.began).Seconds(), s.harmed(of.harm, each.at)
				break
			}
		}
		if v.word == goesOn {
			v.seconds, v.harmed = s.lasted(), s.harmed(of.harm, time.Now())
		}
		all = append(all, v)
	}
	return all, nil
}

// lasted is for how long in seconds the canary was watched.
func (s *stream) lasted() float64 {
	if len(s.seconds) == 0 {
		return 0
	}
	return s.seconds[len(s.seconds)-1].at.Sub(s.began).Seconds()
}

// table has a line for each scenario.
func table(results []result) string {
	text := strings.Builder{}
	text.WriteString("| new version | Ripcord |")
	for _, named := range theirRules(scenario{}) {
		text.WriteString(" " + named.name + " |")
	}
	text.WriteString("\n|---|---|---|---|---|---|\n")
	for _, r := range results {
		text.WriteString("| " + r.scenario.name + " | " + r.ours.String() + " |")
		for _, v := range r.theirs {
			text.WriteString(" " + v.String() + " |")
		}
		text.WriteString("\n")
	}
	text.WriteString("\n")
	for _, r := range results {
		wrong := r.ours.word == rollsBack
		if r.scenario.good == wrong {
			_, _ = fmt.Fprintf(&text, "not as it should be: %s: Ripcord %s\n", r.scenario.name, r.ours)
		}
		_, _ = fmt.Fprintf(&text, "%s: %s; %d requests sent, %d failed; back %.1f s after it was asked for\n", r.scenario.name, r.ours.note, r.sent, r.failed, r.back)
	}
	return text.String()
}

func figures(results []result) []figure.Figure {
	all := make([]figure.Figure, 0, len(results))
	for _, r := range results {
		var theirs []string
		for _, v := range r.theirs {
			theirs = append(theirs, v.rule+": "+v.String())
		}
		f := figure.Of("canary: "+r.scenario.name+", Ripcord "+r.ours.word, "s", []float64{r.ours.seconds})
		all = append(all, f.With("[harmed requests] %.0f; %s", r.ours.harmed, strings.Join(theirs, "; ")))
	}
	return all
}
