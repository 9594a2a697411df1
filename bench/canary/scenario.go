package main

import "time"

// harm is what of the new version's requests counts as harmed.
type harm string

const (
	byFailures harm = "failures"
	// bySlow are requests of more than half a second, byAll every request.
	bySlow harm = "slow"
	byAll  harm = "all"
	// byNone harms nobody: the version is good.
	byNone harm = "none"
)

// scenario is one release.
type scenario struct {
	name string
	// old and fresh are the faults that the two versions are built with; see
	// examples/shop/build.sh.
	old, fresh string
	// base is the old version's failure rate, which thresholds are tuned to.
	base float64
	harm harm
	// good says that rolling back would be wrong.
	good bool
	// measured lets Ripcord watch the old version before.
	measured bool
	// idle sends no requests.
	idle bool
	// memory adds a metric of memory, read from Prometheus.
	memory bool
	// downAfter stops Prometheus, which all is judged by, so long after the canary
	// has begun.
	downAfter time.Duration
}

// prometheus reports whether there is one.
func (s scenario) prometheus() bool { return s.memory || s.downAfter > 0 }

// scenarios are all of them, the longest ones first. The proxy's histogram has a
// boundary between 23 and 25.3 ms and none between 20 and 22 ms.
func scenarios() []scenario {
	return []scenario{
		{name: "0.1 to 0.5 % errors, old version measured before", old: "errors:0.1%", fresh: "errors:0.5%", base: .001, harm: byFailures, measured: true},
		{name: "0.1 to 0.5 % errors", old: "errors:0.1%", fresh: "errors:0.5%", base: .001, harm: byFailures},
		{name: "1 to 2 % errors", old: "errors:1%", fresh: "errors:2%", base: .01, harm: byFailures},
		{name: "a leak of 4 KiB a request", fresh: "leak:4096", harm: byNone, memory: true},
		{name: "20 ms, 10 % slower", old: "slow:20ms", fresh: "slow:22ms", harm: byAll},
		{name: "23 ms, 10 % slower", old: "slow:23ms", fresh: "slow:25300us", harm: byAll},
		{name: "0.5 % of requests a second slower", fresh: "stall:0.5%", harm: bySlow},
		{name: "good, no errors", harm: byNone, good: true},
		{name: "good, 0.1 % errors both", old: "errors:0.1%", fresh: "errors:0.1%", base: .001, harm: byNone, good: true},
		{name: "good, but no traffic at all", harm: byNone, good: true, idle: true},
		{name: "good, but Prometheus stops after 30 s", harm: byNone, good: true, downAfter: 30 * time.Second},
	}
}
