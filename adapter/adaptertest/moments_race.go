//go:build race

package adaptertest

// moments is how many touches of the outside an Apply is interrupted at: fewer
// than without the race detector, which makes every helper process slow.
const moments = 2
