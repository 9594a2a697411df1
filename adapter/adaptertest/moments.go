//go:build !race

package adaptertest

// moments is how many touches of the outside an Apply is interrupted at.
const moments = 6
