package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/app"
)

// canaryRows tell how a canary stands: stages, share, and the evidence of each
// metric against its limit.
func canaryRows(row rowFunc, v app.CanaryView) {
	row("canary", "%s: %s%% of the traffic on the new version; stages: %s", v.Service, percentOf(v.Share), stagesOf(v))
	if v.Decision == nil {
		return
	}
	for _, line := range v.Lines() {
		row("", "%s", line)
	}
	row("", "%s", verdictOf(v.Decision))
}

// stagesOf lists the stages with where the canary is.
func stagesOf(v app.CanaryView) string {
	list := make([]string, 0, len(v.Stages))
	for _, s := range v.Stages {
		word := percentOf(s.Share) + "%"
		switch s.State {
		case ripcord.StepIsApplied, ripcord.StepIsFound:
			word += " done"
		case ripcord.StepIsRunning:
			word += " begins"
		case ripcord.StepIsUndone, ripcord.StepIsUndoneUnverified:
			word += " taken back"
		case ripcord.StepIsPending, ripcord.StepIsUndoing, ripcord.StepIsFailed, ripcord.StepIsSkipped:
			word += " " + words(string(s.State))
		}
		list = append(list, word)
	}
	return strings.Join(list, ", ")
}

func percentOf(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) }

// verdictOf says what is decided from all metrics together.
func verdictOf(d *analysis.Decision) string {
	all := fmt.Sprintf("all together: evidence %s of %s", eValue(d.LogE), eValue(d.Limit))
	if d.Reason != "" {
		all += "; " + string(d.Verdict) + ": " + d.Reason
	}
	return all
}

// eValue writes an e-value that is kept as a logarithm.
func eValue(log float64) string {
	const most = 1e6
	if log > math.Log(most) {
		return "over a million"
	}
	return strconv.FormatFloat(math.Exp(log), 'g', 3, 64)
}

// showCanaries tells in show how canaries were judged.
func (c *command) showCanaries(v app.View) {
	for _, canary := range v.Canaries {
		c.printf("\ncanary %s: %s\n", canary.Service, stagesOf(canary))
		if canary.Decision == nil {
			continue
		}
		for _, line := range canary.Lines() {
			c.printf("  %s\n", line)
		}
		c.printf("  %s\n", verdictOf(canary.Decision))
		if canary.Harmed != nil {
			c.printf("  %s of the new version failed in all\n", countOf(uint64(*canary.Harmed), "request"))
		}
	}
}
