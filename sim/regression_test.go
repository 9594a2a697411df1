package sim_test

import "testing"

// TestRegressions replays seeds that once found a flaw. A change of the
// scenarios turns a seed into another one, so each flaw has a test of its own
// where the engine is tested; these are kept because they cost nothing.
func TestRegressions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		seed uint64
	}{
		{"a pause before the start was lost", 6},
		{"a step began although another one had just failed", 7},
		{"what Prepare made stayed after the commit", 8},
		{"a rollback waited for a pause of the way forward", 28},
		{"a request was taken after the run's end", 59},
		{"a first check outlived its run", 157},
		{"an interrupted step did not take up its place", 275},
		{"a skipped step was undone without a look", 407},
		{"a person's retry could not override a blind check", 975},
		{"a held run with a waiting rollback could not be closed", 16630},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			replay(t, test.seed)
		})
	}
}
