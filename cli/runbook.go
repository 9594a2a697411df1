package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// runbook is how a person goes back without Ripcord: traffic first, then the
// other steps, newest first.
func runbook(p *ripcord.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Going back by hand: %s\n\n", p.Name())
	fmt.Fprintf(&b, "For the night when Ripcord itself does not start. Work in %s.\n", p.Directory)
	fmt.Fprintf(&b, "Take back only steps that were begun; `done` and `in progress` of the last output say which.\n\n")
	n := 0
	for _, traffic := range []bool{true, false} {
		for _, s := range slices.Backward(p.Steps) {
			if s.Traits.Traffic != traffic || s.Skip != "" || s.Traits.Reversal.Way == ripcord.WayNothing {
				continue
			}
			n++
			fmt.Fprintf(&b, "%d. step `%s` (%s)\n   %s\n", n, s.ID, s.Kind, byHand(s))
		}
	}
	if n == 0 {
		b.WriteString("No step changes anything.\n")
	}
	fmt.Fprintf(&b, "\nThen tell Ripcord, once it runs again: `ripcord close --reason \"taken back by hand\"`.\n")
	return b.String()
}

func byHand(s ripcord.StepSpec) string {
	r := s.Traits.Reversal
	switch {
	case r.Way == ripcord.WayNone:
		return "has no way back: leave it"
	case r.How != "":
		return strings.ReplaceAll(r.How, "\n", "\n   ")
	case s.Ask != nil && s.Ask.Undo != "":
		return s.Ask.Undo
	}
	return "no instructions are known for this kind of step"
}
