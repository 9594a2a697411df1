package cli

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/analysis"
	"github.com/ripcord-dev/ripcord/analysis/canary"
)

type measureOptions struct {
	planFlags
	lasts time.Duration
}

func (c *command) measureVerb() *cobra.Command {
	var o measureOptions
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Learn how failures of the version that runs now cluster, for canaries",
		Long: "Watch the version that runs now, as if it were a release of itself, and keep how its failures\n" +
			"cluster: where they are independent, later canaries are judged by each request, several times\n" +
			"sooner. Releases measure as well, as long as they last. Nothing is changed; an interrupt ends it\n" +
			"early, and keeps what was seen.",
		Example: "  ripcord measure\n  ripcord measure --for 1h\n  ripcord measure --for 0s     # only say what is known",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.measure(cmd, o) },
	}
	o.add(cmd)
	cmd.Flags().DurationVar(&o.lasts, "for", 20*time.Minute, "how long")
	return exits(cmd, "0 measured, 2 bad plan or arguments")
}

// longestMeasure bounds --for.
const longestMeasure = 24 * time.Hour

func (c *command) measure(cmd *cobra.Command, o measureOptions) error {
	if o.lasts < 0 || o.lasts > longestMeasure {
		return usage("--for %s", o.lasts).WithFix("write up to 24h, for example 20m")
	}
	a, err := c.open(cmd.Context(), false)
	if err != nil {
		return err
	}
	defer c.close(a)
	plan, err := a.Load(cmd.Context(), c.selection(o.planFlags))
	if err != nil {
		return err
	}
	known, err := a.Measure(cmd.Context(), plan, o.lasts, c.Stderr)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(map[string]any{"application": plan.Application, "environment": plan.Environment, "measured": known})
	}
	for i := range known.Metrics {
		c.printf("%s", measured(&known.Metrics[i]))
	}
	return nil
}

// measured says what is known of one metric.
func measured(m *canary.Measured) string {
	how := "by requests"
	if m.Choice.Method == analysis.MethodFractions {
		how = "by windows"
	}
	seen := ripcord.Duration(time.Duration(m.Seconds) * time.Second)
	return fmt.Sprintf("%s: old versions were seen for %s: %s of %s requests failed\n  canaries are judged %s: %s\n",
		m.Metric, seen, whole(m.Failures), whole(m.Requests), how, m.Choice.Reason)
}

func whole(v float64) string { return fmt.Sprintf("%.0f", math.Round(v)) }
