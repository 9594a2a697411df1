package keeper

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// TestOwnBinary: an instance that is ripcord itself is started again after an
// upgrade that removed the binary which started it; programs of others are not
// replaced.
func TestOwnBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, old := filepath.Join(dir, "new"), filepath.Join(dir, "old")
	if err := os.WriteFile(self, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, program, label, want string
	}{
		{"removed", old, old, self},
		{"still there", self, self, self},
		{"not ours", old, "", old},
	}
	for _, test := range tests {
		i := ripcord.Instance{Args: []string{test.program, "__proxy"}, Labels: map[string]string{"binary": test.label}}
		if diff := cmp.Diff([]string{test.want, "__proxy"}, ownBinary(i, self).Args); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if i.Args[0] != test.program {
			t.Errorf("%s: the wanted instance itself was changed", test.name)
		}
	}
}
