package cli

import (
	"context"
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
	run              string
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
	cmd.Flags().StringVar(&o.run, "run", "", "with --runbook: of this run's frozen plan instead of the plan file")
	return exits(cmd, "0 shown, 2 bad plan or arguments, 6 something that a service depends on does not answer")
}

func (c *command) plan(cmd *cobra.Command, o planOptions) error {
	ctx := cmd.Context()
	if o.run != "" && !o.runbook {
		return usage("--run goes with --runbook").WithFix("%s shows a run", c.again("show "+o.run))
	}
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	if o.run != "" {
		return c.runbookOf(cmd, a, ripcord.RunID(o.run))
	}
	plan, err := a.Load(ctx, c.selection(o.planFlags))
	if err != nil {
		return err
	}
	if o.runbook {
		return c.printRunbook(plan)
	}
	preview, err := a.Explain(ctx, plan, o.offline)
	if err != nil {
		return err
	}
	preview.Warnings = append(preview.Warnings, c.unattended(cmd.Context(), a)...)
	if c.output == "json" {
		return c.json(map[string]any{
			"application": plan.Application, "environment": plan.Environment, "version": plan.Version, "plan": preview,
		})
	}
	c.planText(preview)
	return nil
}

// unattended says what would leave a started run without an executor.
func (c *command) unattended(ctx context.Context, a *app.App) []string {
	var warnings []string
	if c.noKeeper {
		warnings = append(warnings, "with --no-keeper nobody goes on with the run when its process dies: it waits for `"+c.again("recover")+"`")
		return warnings
	}
	if boot := c.boot(ctx, a.StateDir()); boot.Unit == "" {
		warnings = append(warnings, "the run survives its terminal, but after a reboot it waits for `"+c.again("recover")+"`: `"+boot.Fix+"` lets it go on by itself")
	}
	return warnings
}

// runbookOf prints the runbook of a run's frozen plan.
func (c *command) runbookOf(cmd *cobra.Command, a *app.App, run ripcord.RunID) error {
	summary, err := a.Find(cmd.Context(), app.Selector{Run: run})
	if err != nil {
		return err
	}
	state, err := a.State(cmd.Context(), summary.Run)
	if err != nil {
		return err
	}
	return c.printRunbook(state.Plan)
}

func (c *command) printRunbook(plan *ripcord.Plan) error {
	return c.didOnly(map[string]string{"runbook": runbook(plan)}, "%s", runbook(plan))
}

func (c *command) planText(p *app.Preview) {
	c.printf("%s: %s\n\n", p.Plan.Name(), count(len(p.Steps), "step"))
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
	if p.TrafficFirst {
		c.printf("Going back, traffic comes first: %s.\n", joined(p.BackOrder, ", then "))
	}
	if p.LastGood != "" {
		c.printf("Last good: %s\n", p.LastGood)
		for _, side := range p.OldSides {
			c.printf("  %s\n", side)
		}
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
	d := spell(time.Duration(e.Seconds * float64(time.Second)))
	switch {
	case e.Samples > 0:
		return fmt.Sprintf("%s (median of %d)", d, e.Samples)
	case e.Seconds == 0:
		return "no limit"
	}
	return "at most " + d
}

func undoLasts(s app.StepPreview) string {
	switch s.Reversal.Way {
	case ripcord.WayNone, ripcord.WayNothing:
		return "-"
	case ripcord.WayExact, ripcord.WayRestorable, ripcord.WayUnverified:
	}
	return lasts(s.Undo)
}
