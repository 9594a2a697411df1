package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type planOptions struct {
	planFlags
	offline, runbook bool
}

func (c *command) planVerb() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a release would do, and what can go back",
		Long: "Show every step: what would change, whether and how it can go back, how long step and undo take\n" +
			"(from history; else the time-out, as a bound), and the point of no return. Nothing is changed.",
		Example: "  ripcord plan --version v2\n  ripcord plan --offline\n  ripcord plan --runbook > runbook.md",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.plan(cmd, o) },
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.offline, "offline", false, "make no check of what is there now")
	cmd.Flags().BoolVar(&o.runbook, "runbook", false, "print how to go back by hand if Ripcord itself is dead")
	return cmd
}

func (c *command) plan(cmd *cobra.Command, o planOptions) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	plan, err := a.Load(ctx, c.selection(o.planFlags))
	if err != nil {
		return err
	}
	if o.runbook {
		c.printf("%s", runbook(plan))
		return nil
	}
	preview, err := a.Explain(ctx, plan, o.offline)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(map[string]any{
			"application": plan.Application, "environment": plan.Environment, "version": plan.Version, "plan": preview,
		})
	}
	c.planText(preview)
	return nil
}

func (c *command) planText(p *app.Preview) {
	c.printf("%s: %d steps\n\n", p.Plan.Name(), len(p.Steps))
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "step\tkind\tnow\tway back\ttakes\tundo takes")
	for _, s := range p.Steps {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Kind, nowOf(s), wayOf(s), lasts(s.Duration), undoLasts(s))
	}
	_ = w.Flush()
	c.printf("\n")
	for _, s := range p.Steps {
		if s.Changes != "" {
			c.printf("%s: %s\n", s.ID, s.Changes)
		}
	}
	if p.NoReturn != "" {
		c.printf("\nPoint of no return: step %s. From there on, not everything can go back.\n", p.NoReturn)
	} else {
		c.printf("\nNo point of no return: until the commit, everything can go back.\n")
	}
	if p.LastGood != "" {
		c.printf("Last good: %s\n", p.LastGood)
	}
	for _, warning := range p.Warnings {
		c.printf("WARNING: %s\n", warning)
	}
}

func nowOf(s app.StepPreview) string {
	switch {
	case s.Skip != "":
		return "skipped"
	case s.Now == ripcord.Present:
		return "already there"
	}
	return string(s.Now)
}

func wayOf(s app.StepPreview) string {
	if s.Reversal.Loss != "" {
		return fmt.Sprintf("%s, losing %s", s.Reversal.Way, s.Reversal.Loss)
	}
	return string(s.Reversal.Way)
}

func lasts(e app.Expected) string {
	d := time.Duration(e.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
	switch {
	case e.Samples > 0:
		return fmt.Sprintf("%s (median of %d)", d, e.Samples)
	case e.Seconds == 0:
		return "no limit"
	}
	return "at most " + d.String()
}

func undoLasts(s app.StepPreview) string {
	switch s.Reversal.Way {
	case ripcord.WayNone, ripcord.WayNothing:
		return "-"
	case ripcord.WayExact, ripcord.WayRestorable, ripcord.WayUnverified:
	}
	return lasts(s.Undo)
}
