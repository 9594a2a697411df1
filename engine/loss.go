package engine

import "github.com/ripcord-dev/ripcord"

// losing reports whether the undo waits for a person to accept what it loses.
func (t *Step) losing() bool { return t.Loss != "" && !t.LossAccepted }

func (d *decision) asksLoss(t *Step) {
	if t.AskedBack {
		return
	}
	d.record(ripcord.Entry{Kind: ripcord.StepAsked, Step: t.Spec.ID, Back: true, Reason: "Going back loses data: " + t.Loss + ". Is that accepted?"})
}

// refusedLoss takes in that an undo was refused for what it would lose, or was not.
func (t *Step) refusedLoss(f *ripcord.Failure) {
	t.Loss = ""
	if f != nil && f.Loss != "" {
		t.Loss, t.AskedBack = f.Loss, false
		t.UndoFailures-- // nothing was tried
	}
}
