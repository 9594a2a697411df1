//go:build race

package sim_test

// defaultSeeds is smaller here: the race detector makes everything slow.
const defaultSeeds = 2_000
