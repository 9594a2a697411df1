package app

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// fromEnvironment names the secrets that the plan's steps take from environment
// variables, sorted. Only the process that was started with those has them: not
// the keeper, and not whoever goes on with the run later.
func fromEnvironment(plan *ripcord.Plan) []string {
	found := make(map[string]bool)
	reference := regexp.MustCompile(`\$\{secret:([^}]*)\}`)
	for i := range plan.Steps {
		if plan.Steps[i].Skip != "" {
			continue
		}
		for _, match := range reference.FindAllStringSubmatch(string(plan.Steps[i].Settings), -1) {
			if source, declared := plan.Secrets[match[1]]; !declared || source.Env != "" {
				found[match[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// warnOfEnvironment tells which secrets a run in the background does not find.
func warnOfEnvironment(plan *ripcord.Plan) string {
	names := fromEnvironment(plan)
	if len(names) == 0 {
		return ""
	}
	what := "secret " + names[0] + " comes from an environment variable"
	if len(names) > 1 {
		what = "secrets " + strings.Join(names, ", ") + " come from environment variables"
	}
	return what + ": a run that the keeper carries out (--detach, a terminal that is gone, a reboot) does not have your environment. Take it from a file or a command, or start the keeper with it"
}
