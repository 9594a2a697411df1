//go:build !race

package cli_test

import "testing"

// TestBackupStory is not played under the race detector: each of its commands
// stretches a password anew, which takes seconds there. What is concurrent in it has
// the tests of adapter/backup and adapter/kopia.
func TestBackupStory(t *testing.T) {
	t.Parallel()
	play(t, "testdata/backup")
}
