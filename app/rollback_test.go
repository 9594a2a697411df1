package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

func TestStandingLeavesOutWhatWasTakenBack(t *testing.T) {
	t.Parallel()
	release := func(id ripcord.RunID) ripcord.Summary {
		return ripcord.Summary{Run: id, Purpose: ripcord.PurposeRelease, Committed: true}
	}
	again := func(id, of ripcord.RunID) ripcord.Summary {
		return ripcord.Summary{Run: id, Purpose: ripcord.PurposeRollback, Committed: true, Returns: of}
	}
	undo := func(id, of, to ripcord.RunID) ripcord.Summary {
		return ripcord.Summary{Run: id, Purpose: ripcord.PurposeRollback, Committed: true, Reverts: []ripcord.RunID{of}, Returns: to}
	}
	failed := ripcord.Summary{Run: "failed", Purpose: ripcord.PurposeRelease}
	tests := []struct {
		name string
		runs []ripcord.Summary // newest first
		want []ripcord.RunID
	}{
		{"releases", []ripcord.Summary{release("3"), failed, release("1")}, []ripcord.RunID{"3", "1"}},
		{"undone", []ripcord.Summary{undo("u", "3", "2"), release("3"), release("2"), release("1")}, []ripcord.RunID{"2", "1"}},
		{"executed again", []ripcord.Summary{again("a", "2"), release("3"), release("2"), release("1")}, []ripcord.RunID{"a", "1"}},
		{"again, twice", []ripcord.Summary{again("b", "a"), release("4"), again("a", "2"), release("3"), release("2"), release("1")}, []ripcord.RunID{"b", "1"}},
		{"again, then released", []ripcord.Summary{release("4"), again("a", "1"), release("3"), release("2"), release("1")}, []ripcord.RunID{"4", "a"}},
		{"again, then undone", []ripcord.Summary{undo("u", "a", "3"), again("a", "2"), release("3"), release("2")}, []ripcord.RunID{"3", "2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []ripcord.RunID
			for _, r := range standing(test.runs) {
				got = append(got, r.Run)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
