package cli

import (
	"bufio"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type rollbackOptions struct {
	to, run, reason, application string
	dryRun                       bool
}

func (c *command) rollbackVerb() *cobra.Command {
	var o rollbackOptions
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Take the run in progress back, or the newest release",
		Long: "Take back the run in progress; where none is, the newest committed release, or all down to --to.\n" +
			"Releases are unwound newest first while every way back still checks out; else the wanted\n" +
			"release's plan is executed again from its bundle. Which of the two is said before it begins.",
		Example: "  ripcord rollback\n  ripcord rollback --to v1 --reason \"customers see wrong prices\"",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.rollback(cmd, o) },
	}
	cmd.Flags().StringVar(&o.to, "to", "", "version or run to go back to (default: the release before)")
	cmd.Flags().StringVar(&o.run, "run", "", "the run to take back: the one in progress, or the newest release")
	cmd.Flags().StringVar(&o.application, "application", "", "application (default: the plan file's, else the only one here)")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say which way it would go, and do nothing")
	return exits(cmd, "0 it is back, 2 bad arguments (nothing changed), 4 held, waiting for a person, 5 rollback\nincomplete, 6 there is no way back, 8 interrupted")
}

func (c *command) rollback(cmd *cobra.Command, o rollbackOptions) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	meant, err := a.Meant(ctx, app.Selector{Run: ripcord.RunID(o.run), Application: o.application, Environment: c.environment}, c.file)
	if err != nil {
		return err
	}
	unfinished := meant
	unfinished.Unfinished = true
	going, err := a.Find(ctx, unfinished)
	if err == nil && !going.State.Ended() && o.to == "" {
		c.tellOldSides(cmd, a, going.Run)
		v := controlVerb{verb: ripcord.VerbRollback, toEnd: true, backWasTheGoal: true}
		return c.ask(cmd, a, v, ripcord.Request{Run: going.Run, Verb: ripcord.VerbRollback, Who: c.User, Reason: o.reason})
	}
	if err != nil && ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return err
	}
	newest, err := a.Find(ctx, meant)
	if err != nil {
		return err
	}
	if o.run != "" && !newest.Committed {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s has ended (%s): there is nothing to take back", newest.Run, words(string(newest.State))).
			WithFix("`ripcord status` tells what is released; `ripcord rollback` without --run takes that back")
	}
	ways, err := a.PlanRollback(ctx, newest.Application, newest.Environment, o.to)
	if err != nil {
		return err
	}
	if from := ways[0].From; o.run != "" && from.Run != newest.Run {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s is not what is released now: that is %s (%s)", newest.Run, from.Version, from.Run).
			WithFix("`ripcord rollback` without --run takes that back, with --to down to an earlier release")
	}
	return c.goBack(cmd, a, ways, o)
}

func (c *command) goBack(cmd *cobra.Command, a *app.App, ways []app.WayBack, o rollbackOptions) error {
	for _, way := range ways {
		c.say("%s", way)
		for _, line := range way.Proof() {
			c.say("  %s", line)
		}
	}
	if o.dryRun {
		if c.output == "json" {
			return c.json(wayViews(ways))
		}
		return nil
	}
	if !c.confirmed("Go back now?") {
		return usage("nothing was changed").WithFix("answer yes, or give --yes")
	}
	ctx, stop := c.onSignals(cmd.Context(), a, ripcord.CancelHold)
	defer stop()
	say := func(way app.WayBack) { c.aside("next: %s", way) }
	state, err := a.Rollback(ctx, ways, app.Begin{Who: c.User, Reason: o.reason}, say, c.progress(nil))
	if err != nil {
		return c.interrupted(cmd, a, a.Newest(state), err)
	}
	return c.ended(cmd, a, state, true)
}

// wayView is a way back as --dry-run gives it.
type wayView struct {
	From    string        `json:"from"`
	FromRun ripcord.RunID `json:"from_run"`
	To      string        `json:"to"`
	ToRun   ripcord.RunID `json:"to_run"`
	Unwind  bool          `json:"unwind"`
	Why     string        `json:"why,omitempty"`
	// OldSides are what there is, now, of the version that comes back.
	OldSides []app.OldSide `json:"old_sides,omitempty"`
	// Stays is what is not taken back, because an earlier plan knows nothing of it.
	Stays []string `json:"stays,omitempty"`
}

// tellOldSides says, before a run goes back, whether what it goes back to is alive.
// It is worth no error: going back waits for nothing.
func (c *command) tellOldSides(cmd *cobra.Command, a *app.App, run ripcord.RunID) {
	sides, err := a.OldSides(cmd.Context(), run)
	if err != nil {
		return
	}
	for _, side := range sides {
		c.say("%s", side)
	}
}

func wayViews(ways []app.WayBack) []wayView {
	views := make([]wayView, 0, len(ways))
	for _, w := range ways {
		views = append(views, wayView{w.From.Version, w.From.Run, w.To.Version, w.To.Run, w.Unwind, w.Why, w.OldSides, w.Stays})
	}
	return views
}

// confirmed asks on a terminal; elsewhere the command line itself is the word.
func (c *command) confirmed(question string) bool {
	if c.yes || !c.Terminal || c.output == "json" {
		return true
	}
	c.printf("%s [y/N] ", question)
	answer, _ := bufio.NewReader(c.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// say prints a line for people only.
func (c *command) say(format string, args ...any) {
	if c.output != "json" && !c.quiet {
		c.printf(format+"\n", args...)
	}
}
