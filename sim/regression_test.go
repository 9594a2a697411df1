package sim_test

import "testing"

// TestRegressions replays seeds that found flaws of the engine. A change of the
// scenarios turns a seed into another one: then find new ones by simulating the
// engine of before, or rely on the tests of package engine, where each flaw has
// one of its own.
func TestRegressions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		seed uint64
	}{
		{"what Prepare made stayed after the commit", 20},
		{"a first check outlived its run", 23},
		{"a step was prepared while the run went back", 28},
		{"a run that was paused and held looked as if it ran", 29},
		{"a bundle that failed stopped every executor", 83},
		{"a run that succeeded was listed with a failure", 111},
		{"a request was taken after the run's end", 141},
		{"a step began although another one had just failed", 347},
		{"one order of a person stood for several undos", 383},
		{"a step began while the run was held", 708},
		{"an orphan did not take up its place", 844},
		{"a skipped step was undone without a look", 1055},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			replay(t, test.seed)
		})
	}
}
