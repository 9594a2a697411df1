package app

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/store/blobs"
)

// openBlobs opens what lies encrypted beside the journal. Without its key the
// journal can still be looked at, and a run go back as far as no blob is needed.
func (a *App) openBlobs(key string) (err error) {
	dir := filepath.Join(a.dir, "blobs")
	a.blobs, err = blobs.Open(dir, key, blobLimit, blobs.WithRoom(a.store.GiveRoom))
	if problem, ok := errors.AsType[*blobs.KeyError](err); ok {
		a.keyless = problem
		a.blobs, err = blobs.OpenLocked(dir, problem)
		return err
	}
	if err == nil && !a.options.ReadOnly {
		err = remember(a.dir, keyNote, key)
	}
	return err
}

// KeyProblem is why what is encrypted cannot be read; nil where it can.
func (a *App) KeyProblem() error {
	if a.keyless == nil {
		return nil // not a nil *KeyError in an interface
	}
	return a.keyless
}

// needKey refuses what cannot do without the key, before anything is changed.
func (a *App) needKey() error { return a.KeyProblem() }

// needKeyForward refuses to carry on, without the key, a run that goes forward:
// before-images could not be kept. One that goes back, or is to, goes as far as
// no blob is needed, and holds there.
func (a *App) needKeyForward(ctx context.Context, run ripcord.RunID, verb ripcord.Verb) error {
	if a.keyless == nil {
		return nil
	}
	switch verb {
	case ripcord.VerbAbort, ripcord.VerbRollback, ripcord.VerbClose:
		return nil
	case ripcord.VerbApprove, ripcord.VerbReject, ripcord.VerbPause, ripcord.VerbResume, ripcord.VerbRetry, ripcord.VerbSkip, ripcord.VerbHold:
	}
	state, err := a.State(ctx, run)
	if err != nil || state.Back || state.Committed || len(state.Plan.Reverts) > 0 {
		return err
	}
	if state.WantBy != nil && (state.Want == ripcord.VerbAbort || state.Want == ripcord.VerbRollback) {
		return nil
	}
	fix := ""
	if e, ok := errors.AsType[*ripcord.Error](error(a.keyless)); ok {
		fix = e.Fix + "; or "
	}
	return ripcord.Errorf(ripcord.CodePlan, "%w; nothing was changed", error(a.keyless)).
		WithFix("%s`ripcord recover --rollback --run %s` goes back as far as that needs no key", fix, run)
}

// warnOfKey says that a way back is tried without the key.
func (a *App) warnOfKey() {
	if a.keyless != nil {
		a.options.warn(a.keyless.Error() + ". Going back is tried all the same, and holds where a kept file is needed")
	}
}
