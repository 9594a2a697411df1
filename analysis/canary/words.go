package canary

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord/analysis"
)

// line is a decision in one line, for the step's log.
func line(d analysis.Decision) string {
	parts := make([]string, 0, len(d.Evidence))
	for i := range d.Evidence {
		parts = append(parts, Describe(d.Evidence[i]))
	}
	return string(d.Verdict) + ": " + strings.Join(parts, "; ")
}

// lines quote the evidence: what each metric has to say.
func lines(d analysis.Decision) []string {
	all := make([]string, 0, len(d.Evidence))
	for i := range d.Evidence {
		all = append(all, Describe(d.Evidence[i]))
	}
	return all
}

// Describe says what one metric has to say, for people.
func Describe(e analysis.Evidence) string {
	text := e.Metric + ": "
	switch {
	case e.Outcome == analysis.OutcomeNoData || e.Outcome == analysis.OutcomeError:
		text += string(e.Outcome)
		if e.Note != "" {
			text += " (" + e.Note + ")"
		}
		if e.Limit == 0 {
			return text
		}
	case e.Total != nil && e.Boundary > 0:
		text += fmt.Sprintf("slower than %s: new %s, old %s", seconds(e.Boundary), share(e.Total.New), share(e.Total.Old))
	case e.Total != nil:
		text += fmt.Sprintf("new %s, old %s", share(e.Total.New), share(e.Total.Old))
	case e.New != nil && e.Old != nil:
		text += fmt.Sprintf("new %s, old %s", number(*e.New), number(*e.Old))
	case e.New != nil:
		text += "new " + number(*e.New)
	}
	if e.Limit > 0 {
		text += fmt.Sprintf(", evidence %s of %s", eValue(e.LogE), eValue(e.Limit))
	}
	return text
}

func share(a analysis.ArmCounts) string {
	return fmt.Sprintf("%s of %s (%s %%)", number(a.Failures), number(a.Requests), strconv.FormatFloat(100*a.Rate(), 'g', 3, 64))
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func seconds(v float64) string {
	if v < 1 {
		return number(v*1000) + " ms"
	}
	return number(v) + " s"
}

// eValue writes an e-value that is kept as a logarithm.
func eValue(log float64) string {
	if log > math.Log(1e6) {
		return "over a million"
	}
	return strconv.FormatFloat(math.Exp(log), 'g', 3, 64)
}
