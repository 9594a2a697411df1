package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

func (c *command) showVerb() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use:   "show [RUN]",
		Short: "Show one run: its steps, its cause, its way back",
		Long: "Show one run: each step and whether it can still be undone, why the run failed, what people\n" +
			"asked of it, and the evidence that was kept. RUN may be shortened.",
		Example: "  ripcord show\n  ripcord show 20260102-030405-ab3d -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				run = args[0]
			}
			return c.show(cmd, run)
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "which run (default: the newest of the plan file's application, else of the only one)")
	return exits(cmd, "0 shown, 2 there is no such run")
}

func (c *command) show(cmd *cobra.Command, run string) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer c.close(a)
	summary, err := a.Locate(ctx, app.Selector{Run: ripcord.RunID(run), Environment: c.environment}, c.file)
	if err != nil {
		return err
	}
	view, err := a.Show(ctx, summary)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(view)
	}
	c.showHead(view)
	if len(view.Steps) == 0 {
		c.printf("\nIts entries were pruned; this is all that is left of it.\n")
		return nil
	}
	c.showSteps(view)
	c.showCanaries(view)
	c.showRest(view)
	c.tellOldSides(cmd, a, summary.Run)
	state, err := a.State(ctx, summary.Run)
	if err != nil {
		return err
	}
	c.end(c.endingOf(state, c.standing(ctx, a, state, !view.Interrupted)))
	return nil
}

func (c *command) showHead(v app.View) {
	c.printf("run %s   %s   %s (%s%s)\n", v.Run, stateWord(v), nameOf(v), v.Purpose, leaving(v))
	c.printf("started %s by %s", v.StartedAt.Format(time.RFC3339), v.StartedBy)
	if v.EndedAt != nil {
		c.printf(", took %s", took(v))
	}
	if v.RecoverySeconds != nil {
		c.printf(", of that the way back %.1f s", *v.RecoverySeconds)
	}
	c.printf("\n")
}

// leaving says of a rollback of the first release what it leaves.
func leaving(v app.View) string {
	if v.Version == "" {
		return ", nothing is released after it"
	}
	return ""
}

func (c *command) showSteps(v app.View) {
	c.printf("\n")
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "STEP\tKIND\tSTATE\tTRIES\tTOOK\tWAY BACK\tCAN BE UNDONE")
	undoable := 0
	for _, s := range v.Steps {
		took := "-"
		if s.StartedAt != nil && s.EndedAt != nil {
			took = s.EndedAt.Sub(*s.StartedAt).Round(time.Millisecond).String()
		}
		can := "-"
		if s.Undoable {
			can, undoable = "yes", undoable+1
		} else if s.State == ripcord.StepIsApplied && s.WayBack != ripcord.WayNothing {
			can = "no"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", s.ID, s.Kind, words(string(s.State)), s.Attempts, took, s.WayBack, can)
	}
	_ = w.Flush() // a closed terminal never stops a run
	for _, s := range v.Steps {
		if s.Reason != "" {
			c.printf("%s was left out: %s\n", s.ID, s.Reason)
		}
	}
}

func (c *command) showRest(v app.View) {
	if v.Cause != nil && v.FailedStep != nil {
		c.printf("\nstep %s failed (%s): %s\n", *v.FailedStep, v.Cause.Class, v.Cause.Summary)
		for _, line := range v.Cause.Lines {
			c.printf("  > %s\n", line)
		}
	}
	if len(v.Requests) > 0 {
		c.printf("\nrequests\n")
	}
	for _, r := range v.Requests {
		c.printf("  %s  %s%s by %s%s%s\n", r.At.UTC().Format(time.RFC3339), r.Verb, before(" ", string(r.Step)), r.Who,
			before(": ", r.Reason), before("; it had no effect: ", r.Refused))
	}
	if len(v.Evidence) > 0 {
		c.printf("\nevidence (%s): %s\n", c.again("logs --evidence --run "+string(v.Run)), strings.Join(v.Evidence, ", "))
	}
	if len(v.CleanupPending) > 0 {
		c.printf("\nnot cleaned up after the commit: %v\n", v.CleanupPending)
	}
}

// before puts a word in front of a text that is not empty.
func before(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}
