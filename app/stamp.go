package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// unowned refuses a release of which a target belongs to another state
// directory, before anything is planned: each step looks again at its turn, but
// by then those before it would have had their effects. A run that goes back is
// never asked.
func (a *App) unowned(ctx context.Context, plan *ripcord.Plan) error {
	if plan.Purpose != ripcord.PurposeRelease {
		return nil
	}
	problems := a.foreign(ctx, plan)
	if len(problems) == 0 {
		return nil
	}
	texts := make([]error, 0, len(problems))
	var fixes []string
	for _, p := range problems {
		texts = append(texts, errors.New(p.text))
		if p.fix != "" && !slices.Contains(fixes, p.fix) {
			fixes = append(fixes, p.fix)
		}
	}
	return ripcord.Errorf(ripcord.CodeRefused, "%w", errors.Join(texts...)).WithFix("%s", strings.Join(append(fixes, "nothing was changed"), "; "))
}

// unusable is a target that a release may not begin with, and what to do.
type unusable struct{ text, fix string }

// takeOver is what to do about a target of another state directory.
const takeOver = "release from that one with --state-dir, or take the targets over with `ripcord adopt --take-over --reason ...`"

// foreign says which steps' targets another state directory changed last, or cannot
// be worked with at all.
func (a *App) foreign(ctx context.Context, plan *ripcord.Plan) []unusable {
	var found []unusable
	for _, spec := range plan.Steps {
		if spec.Skip != "" {
			continue
		}
		step, err := a.open(ctx, plan, spec)
		stamper, ok := step.(ripcord.Stamper)
		if err != nil || !ok {
			continue // the step says itself why it cannot be opened
		}
		stamp, err := stamper.Stamp(ctx)
		switch {
		case ripcord.CodeOf(err) == ripcord.CodeRefused && err != nil:
			found = append(found, unusable{fmt.Sprintf("line %d: step %s: %v", spec.Line, spec.ID, err), fixOf(err)})
		case err != nil || stamp == nil || stamp.State == a.store.StateID():
			// A stamp that cannot be read yet may be readable once the steps before are done.
		default:
			found = append(found, unusable{fmt.Sprintf("line %d: the target of step %s belongs to another state directory (%s, run %s)", spec.Line, spec.ID, stamp.State, stamp.Run), takeOver})
		}
	}
	return found
}

// fixOf is what an error says about mending it.
func fixOf(err error) string {
	if e, ok := errors.AsType[*ripcord.Error](err); ok {
		return e.Fix
	}
	return ""
}

// before puts a word in front of a text that is not empty.
func before(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}
