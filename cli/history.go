package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type historyOptions struct {
	application, state, version string
	limit                       int
}

func (c *command) historyVerb() *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use: "history", Short: "List runs, newest first",
		Long:    "List runs, newest first: what was released, taken back or adopted, when, by whom and how it ended.",
		Example: "  ripcord history\n  ripcord history -e production --state rolled_back --limit 5\n  ripcord history --version v2 -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.history(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.application, "application", "", "only this application")
	f.StringVar(&o.state, "state", "", "only runs in this state, for example held or rolled_back")
	f.StringVar(&o.version, "version", "", "only runs of this version")
	f.IntVar(&o.limit, "limit", 20, "at most so many runs; 0 is all")
	return exits(cmd, "0 listed, 2 bad arguments")
}

// runStates are the words that --state takes.
func runStates() []string {
	return []string{
		string(ripcord.StatePlanned), string(ripcord.StateRunning), string(ripcord.StatePaused), string(ripcord.StateHeld),
		string(ripcord.StateWatching), string(ripcord.StateCommitted), string(ripcord.StateRollingBack),
		string(ripcord.StateSucceeded), string(ripcord.StateRolledBack), string(ripcord.StateClosed),
	}
}

func (c *command) history(cmd *cobra.Command, o historyOptions) error {
	switch {
	case o.limit < 0:
		return usage("--limit is a number of runs, not %d", o.limit)
	case o.state != "" && !slices.Contains(runStates(), o.state):
		return usage("there is no state %q", o.state).WithFix("states are: %s", strings.Join(runStates(), ", "))
	}
	a, err := c.open(cmd.Context(), true)
	if err != nil {
		return c.nothingYet(err, []app.View{})
	}
	defer c.close(a)
	filter := ripcord.Filter{Application: o.application, Environment: c.environment, Limit: o.limit}
	if o.state != "" || o.version != "" {
		filter.Limit = 0
	}
	views, err := a.FilterHistory(cmd.Context(), filter, o.limit, func(s ripcord.Summary) bool {
		return (o.state == "" || string(s.State) == o.state) && (o.version == "" || s.Version == o.version)
	})
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(views)
	}
	if len(views) == 0 {
		c.printf("no run matches\n")
		return nil
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "RUN\tAPPLICATION\tENVIRONMENT\tVERSION\tPURPOSE\tSTATE\tSTARTED\tTOOK\tBY")
	for _, v := range views {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Run, v.Application, v.Environment, versionWord(v), v.Purpose,
			stateWord(v), v.StartedAt.Format(time.RFC3339), took(v), v.StartedBy)
	}
	return w.Flush()
}

// versionWord is the version that a run brings; a rollback may leave nothing.
func versionWord(v app.View) string {
	if v.Version == "" {
		return "nothing"
	}
	return v.Version
}

// nameOf is what a run concerns, in words: "shop v2 in production".
func nameOf(v app.View) string {
	return v.Application + before(" ", v.Version) + " in " + v.Environment
}

// stateWord is a run's state with what a reader must not miss.
func stateWord(v app.View) string {
	word := words(string(v.State))
	switch {
	case v.Interrupted:
		return word + ", interrupted"
	case v.Verified != nil && !*v.Verified && v.State == ripcord.StateRolledBack:
		return word + ", unverified"
	case v.LastGood:
		return word + ", last good"
	}
	return word
}

func took(v app.View) string {
	if v.EndedAt == nil {
		return "-"
	}
	return spell(v.EndedAt.Sub(v.StartedAt))
}

// toVersion follows the purpose of a run: "of v2", and of a rollback, which
// brings an earlier version back, "to v1".
func toVersion(v app.View) string {
	if v.Purpose == ripcord.PurposeRollback {
		return "to " + versionWord(v)
	}
	return "of " + versionWord(v)
}
