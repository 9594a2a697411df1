package local

import (
	"context"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// checked journals the before-image. Where Apply follows at once, its intent
// becomes durable with it: nothing happens between the two, so one flush to the
// disk is enough for both, and Apply still begins after either.
func (t *task) checked(ctx context.Context, seen *ripcord.Sighting) error {
	e := ripcord.Entry{Kind: ripcord.StepChecked, Step: t.id, Seen: seen}
	t.was.Before, t.command = seen, engine.Command{Op: engine.OpApply, Step: t.id, Attempt: t.was.Attempts + 1}
	step, err := t.open(ctx)
	if err != nil {
		return t.append(ctx, e) // the Apply that is decided then says why
	}
	a, err := t.attempt(ctx, t.command.Attempt, false)
	if err != nil {
		return t.append(ctx, e)
	}
	if applies, err := t.checkedAndIntended(ctx, e); err != nil || !applies {
		return err
	}
	return t.effect(ctx, step, a)
}

// checkedAndIntended makes the before-image durable, and with it the intent if
// that is what follows. It reports whether Apply is to begin.
func (t *task) checkedAndIntended(ctx context.Context, checked ripcord.Entry) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil || !t.wants(t.state.After(checked), t.command) {
		return false, t.appendLocked(ctx, checked)
	}
	return true, t.appendLocked(ctx, checked, t.intent())
}
