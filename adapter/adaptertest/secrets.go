package adaptertest

import (
	"context"
	"regexp"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Secrets maps names to values.
type Secrets map[string]string

// Expand replaces each ${secret:NAME}; a name that is not there is an error.
func (s Secrets) Expand(_ context.Context, text string) (expanded string, values []string, err error) {
	expanded = regexp.MustCompile(`\$\{secret:([^}]*)\}`).ReplaceAllStringFunc(text, func(reference string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(reference, "${secret:"), "}")
		value, ok := s[name]
		if !ok && err == nil {
			err = ripcord.Errorf(ripcord.CodePlan, "there is no secret %q", name)
		}
		values = append(values, value)
		return value
	})
	return expanded, values, err
}
