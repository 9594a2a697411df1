package local

import "runtime/debug"

// The garbage collector's target: how much the heap grows before it is collected,
// in percent of what is alive.
const (
	usualGrowth = 100
	moreGrowth  = 200
)

// SpendMemory lets the heap of a process that carries out runs grow more before
// it is collected: it is a few megabytes small, and collecting it took a sixth of
// the processor time of many runs at once. Whoever has set GOGC is heard.
func SpendMemory() {
	if before := debug.SetGCPercent(moreGrowth); before != usualGrowth {
		debug.SetGCPercent(before)
	}
}
