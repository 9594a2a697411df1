package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/engine"
)

type runState = *engine.State

func (c *command) json(v any) error {
	e := json.NewEncoder(c.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (c *command) close(a *app.App) {
	if err := a.Close(); err != nil {
		_, _ = fmt.Fprintf(c.Stderr, "ripcord: closing the journal: %v\n", err)
	}
}

func (c *command) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.output == "json" {
				return c.json(map[string]string{"version": c.Version})
			}
			c.printf("ripcord %s\n", c.Version)
			return nil
		},
	}
}

func (c *command) showVerb() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use:     "show [RUN]",
		Short:   "Show one run: its steps, its cause, its way back",
		Example: "  ripcord show\n  ripcord show 20260102-030405-ab3d -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				run = args[0]
			}
			return c.show(cmd, run)
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "which run (default: the newest)")
	return cmd
}

func (c *command) show(cmd *cobra.Command, run string) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer c.close(a)
	summary, err := a.Find(ctx, app.Selector{Run: ripcord.RunID(run), Environment: c.environment})
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
	state, err := a.State(ctx, summary.Run)
	if err != nil {
		return err
	}
	c.showText(view)
	c.end(endingOf(state))
	return nil
}

func (c *command) showText(v app.View) {
	c.printf("run %s   %s   %s %s in %s\n", v.Run, words(string(v.State)), v.Application, v.Version, v.Environment)
	c.printf("started %s by %s", v.StartedAt.Format(time.RFC3339), v.StartedBy)
	if v.EndedAt != nil {
		c.printf(", took %s", v.EndedAt.Sub(v.StartedAt).Round(time.Millisecond))
	}
	if v.RecoverySeconds != nil {
		c.printf(", of that the way back %.1f s", *v.RecoverySeconds)
	}
	c.printf("\n\n")
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "step\tkind\tstate\ttook\tway back")
	for _, s := range v.Steps {
		took := ""
		if s.StartedAt != nil && s.EndedAt != nil {
			took = s.EndedAt.Sub(*s.StartedAt).Round(time.Millisecond).String()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Kind, words(string(s.State)), took, s.WayBack)
	}
	_ = w.Flush()
	if v.Cause != nil && len(v.Cause.Lines) > 0 {
		c.printf("\nlast lines of %s:\n  %s\n", v.FailedStep, strings.Join(v.Cause.Lines, "\n  "))
	}
}

func (c *command) statusVerb() *cobra.Command {
	var exitCode bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is going on and what is last good", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.list(cmd, true, exitCode) },
	}
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with the code of what is going on")
	return cmd
}

func (c *command) historyVerb() *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "List runs, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.list(cmd, false, false) },
	}
}

func (c *command) list(cmd *cobra.Command, _ bool, _ bool) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer c.close(a)
	views, err := a.History(ctx, ripcord.Filter{Environment: c.environment, Limit: 50})
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(views)
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "run\tapplication\tenvironment\tversion\tstate\tstarted")
	for _, v := range views {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Run, v.Application, v.Environment, v.Version, words(string(v.State)), v.StartedAt.Format(time.RFC3339))
	}
	return w.Flush()
}
