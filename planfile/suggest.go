package planfile

import (
	"slices"
	"strings"
)

// nearest returns the candidate that name was probably meant to be, or "".
func nearest(name string, candidates []string) string {
	lower := strings.ToLower(name)
	for _, meant := range synonyms(lower) {
		if slices.Contains(candidates, meant) {
			return meant
		}
	}
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, candidate := range candidates {
		if apart := len(name) - len(candidate); apart > len(name)/2+1 || -apart > len(name)/2+4 {
			continue
		}
		if d := distance(lower, strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// maxSuggestions is how many problems get a suggestion; a file with more has
// other sorrows.
const maxSuggestions = 10 * MaxErrors

// didYouMean returns a fix that names the nearest candidate and then all.
func (p *problems) didYouMean(name string, candidates []string, all string) string {
	if len(p.list) > maxSuggestions {
		return all + " (see the problems before)"
	}
	fix := ""
	if best := nearest(name, candidates); best != "" {
		fix = "did you mean \"" + best + "\"? "
	}
	if len(candidates) == 0 {
		return fix + all + " none"
	}
	return fix + all + " " + strings.Join(candidates, ", ")
}

// synonyms returns the words of this file that other tools call name.
func synonyms(name string) []string {
	switch name {
	case "from", "src", "path", "file":
		return []string{"source", "path"}
	case "to", "dest", "dst", "target":
		return []string{"destination", "targets"}
	case "env", "vars", "environment_variables":
		return []string{"environment", "variables", "environments"}
	case "cwd", "dir", "workdir", "working_directory", "chdir":
		return []string{"directory"}
	case "cmd", "exec", "script", "shell", "args", "entrypoint":
		return []string{"command", "run"}
	case "rollback", "revert", "down":
		return []string{"undo"}
	case "verify", "test", "creates", "unless", "onlyif":
		return []string{"check"}
	case "replicas", "count", "scale", "processes":
		return []string{"instances"}
	case "healthcheck", "health_check", "probe", "readiness":
		return []string{"health", "check"}
	case "depends", "requires", "after", "dependson":
		return []string{"needs", "depends_on"}
	case "retries":
		return []string{"retry", "attempts"}
	case "steps", "tasks", "stages", "jobs", "pipeline":
		return []string{"release"}
	case "app", "project":
		return []string{"application"}
	case "duration", "time", "seconds":
		return []string{"for"}
	case "url":
		return []string{"http"}
	case "port", "address", "bind":
		return []string{"listen", "ports"}
	case "if", "only_if", "condition":
		return []string{"when"}
	case "delay", "interval_seconds", "pause":
		return []string{"backoff", "interval", "wait"}
	case "loadbalancer", "load_balancer", "proxy", "lb":
		return []string{"balancer", "balancers"}
	case "copy", "template", "upload":
		return []string{"files"}
	default:
		return foreignKinds(name)
	}
}

// foreignKinds returns the step kind that other tools call name.
func foreignKinds(name string) []string {
	switch name {
	case "sleep":
		return []string{"wait"}
	case "approval", "confirm":
		return []string{"approve"}
	case "switch", "route", "promote":
		return []string{"shift"}
	case "monitor", "bake", "observe":
		return []string{"watch"}
	default:
		return nil
	}
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b. Long words are not compared.
func distance(a, b string) int {
	const longest = 64
	x, y := []rune(a), []rune(b)
	if len(x) > longest || len(y) > longest {
		return longest
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
