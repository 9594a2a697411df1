//go:build !race

package sim_test

// defaultSeeds takes about a minute on two cores.
const defaultSeeds = 100_000
