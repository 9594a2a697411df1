package app

import (
	"encoding/json"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// warnOfArguments tells which steps put a secret into a command's arguments,
// where every user of the machine can read it while the command runs.
func warnOfArguments(plan *ripcord.Plan) []string {
	var warnings []string
	for _, spec := range plan.Steps {
		var commands struct {
			Command []string `json:"command"`
			Undo    []string `json:"undo"`
			Check   []string `json:"check"`
		}
		if json.Unmarshal(spec.Settings, &commands) != nil {
			continue // another kind of step gives these names another shape
		}
		words := strings.Join(append(append(commands.Command, commands.Undo...), commands.Check...), " ")
		if strings.Contains(words, "${secret:") {
			warnings = append(warnings, "step "+string(spec.ID)+" has a secret in its command line, which every user of the machine sees while it runs: "+
				"hand it over through `environment`")
		}
	}
	return warnings
}
