package cli

import (
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// undoIsLong is how long an undo goes on before status says how to stop it.
const undoIsLong = time.Minute

// undoRow says how to stop an undo that goes on for long: nothing else does.
func (c *command) undoRow(row rowFunc, t app.ActiveStep, run string) {
	if t.State != ripcord.StepIsUndoing || c.Now().Sub(t.Since) < undoIsLong {
		return
	}
	step := string(t.ID) + " --run " + run
	row("", "its undo goes on for %s; should it hang: %s stops this try and tries again, %s leaves the step as it is",
		c.Now().Sub(t.Since).Round(time.Second), c.again("retry "+step), c.again("skip "+step))
}
