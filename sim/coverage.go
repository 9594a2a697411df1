package sim

import (
	"maps"
	"slices"
	"strings"
)

// Coverage counts what happened, so that a simulation that tests nothing is
// noticed.
type Coverage map[string]int

func (c Coverage) count(what string) { c[what]++ }

// crash counts a crash by what was going on.
func (c Coverage) crash(j *judge, where string) {
	c.count("crash")
	moment := ""
	for _, at := range []string{"half-way through apply", "half-way through undo", "before step.", "after step.", "before run.", "after run.", "blob"} {
		if strings.HasPrefix(where, at) || at == "blob" && strings.Contains(where, at) {
			moment = " " + at
		}
	}
	if moment != "" {
		c.count("crash" + moment)
	}
	switch {
	case j.back:
		c.count("crash while going back")
	case j.held:
		c.count("crash while held")
	case j.committed:
		c.count("crash after commit")
	}
}

// Add adds the other's counts, one for each kind: how many runs have seen it.
func (c Coverage) Add(other Coverage) {
	for what := range other {
		c[what]++
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
