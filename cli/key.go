package cli

import (
	"errors"

	"github.com/ripcord-dev/ripcord"
)

// warnOfKey says that there is no key, and what to do: a verb that only looks at
// the journal needs none.
func (c *command) warnOfKey(problem error) {
	text := problem.Error()
	if e, ok := errors.AsType[*ripcord.Error](problem); ok && e.Fix != "" {
		text += "; " + e.Fix
	}
	c.warn(text)
}
