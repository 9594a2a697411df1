package local

import (
	"slices"

	"github.com/ripcord-dev/ripcord"
)

// byStrength orders requests that arrived together: abort, rollback, pause, rest.
func byStrength(requests []ripcord.Request) []ripcord.Request {
	sorted := slices.Clone(requests)
	slices.SortStableFunc(sorted, func(a, b ripcord.Request) int { return strength(a.Verb) - strength(b.Verb) })
	return sorted
}

func strength(v ripcord.Verb) int {
	switch v {
	case ripcord.VerbAbort:
		return 0
	case ripcord.VerbRollback:
		return 1
	case ripcord.VerbPause:
		return 2
	case ripcord.VerbClose, ripcord.VerbHold, ripcord.VerbResume, ripcord.VerbRetry, ripcord.VerbSkip,
		ripcord.VerbApprove, ripcord.VerbReject:
		return 3
	}
	return 4
}
