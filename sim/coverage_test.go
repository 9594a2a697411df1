package sim_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/sim"
)

// covers fails when something that the simulation is there for was not seen.
func covers(t *testing.T, total sim.Coverage) {
	t.Helper()
	wanted := []string{
		"crash", "crash half-way through apply", "crash half-way through undo", "crash before step.", "crash after step.",
		"crash before run.", "crash after run.", "crash blob", "crash while going back", "crash while held", "crash after commit",
		"attached again", "orphan ended alone", "fenced off", "stale effect refused", "stalled", "journal failed", "blob failed",
		"bundle failed", "left on hold", "blocked", "changed by others", "hung until aborted", "undo hung until retry", "undo hung until skip", "undo hung until abort", "undo hung until close", "undo stopped", "rollback run", "verified", "stood beside others",
		"request refused", "went on with the next step", "ended succeeded", "ended rolled_back", "ended closed",
	}
	for _, verb := range []ripcord.Verb{
		ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbClose, ripcord.VerbHold, ripcord.VerbPause, ripcord.VerbResume,
		ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbApprove, ripcord.VerbReject,
	} {
		wanted = append(wanted, "did "+string(verb))
	}
	for _, kind := range []ripcord.EntryKind{
		ripcord.RunStarted, ripcord.RunAttached, ripcord.RunBundled, ripcord.RunPaused, ripcord.RunResumed, ripcord.RunHeld,
		ripcord.RunReleased, ripcord.RunWatching, ripcord.RunRollingBack, ripcord.RunEvidence, ripcord.RunCommitted,
		ripcord.RunSucceeded, ripcord.RunRolledBack, ripcord.RunClosed, ripcord.RunControl,
		ripcord.StepChecked, ripcord.StepFound, ripcord.StepSkipped, ripcord.StepAsked, ripcord.StepPreparing,
		ripcord.StepPrepared, ripcord.StepIntent, ripcord.StepProgress, ripcord.StepApplied, ripcord.StepFailed,
		ripcord.StepSettled, ripcord.StepUndoIntent, ripcord.StepUndone, ripcord.StepUndoFailed, ripcord.StepDiscarded,
		ripcord.StepLeft, ripcord.StepFinished, ripcord.StepUnfinished,
	} {
		wanted = append(wanted, string(kind))
	}
	for _, what := range wanted {
		if total[what] == 0 {
			t.Errorf("no seed has seen %q", what)
		}
		t.Logf("%8d seeds have seen %s", total[what], what)
	}
}
