package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

// controlVerb describes a verb that asks something of a run.
type controlVerb struct {
	verb           ripcord.Verb
	short, long    string
	example        string
	step           bool // the argument names a step
	needsReason    bool
	toEnd          bool // it returns when the run has ended or is held again
	backWasTheGoal bool
}

// controlVerbs is the list of verbs that go through the request table.
func controlVerbs() []controlVerb {
	return []controlVerb{
		{verb: ripcord.VerbPause, short: "Start nothing new until resume", example: "  ripcord pause --reason \"waiting for the database team\""},
		{verb: ripcord.VerbResume, short: "End a pause", example: "  ripcord resume"},
		{
			verb: ripcord.VerbRetry, step: true, toEnd: true, short: "Try again what the run is held for, or an undo that hangs",
			long: "Try again what the run is held for. While the run goes back, the name of the step whose undo is in\n" +
				"progress stops this try of it, with its whole process group; a look at what is there follows, then\n" +
				"the next try. Nothing else stops an undo: it may only be slow, and abort lets it end.",
			example: "  ripcord retry\n  ripcord retry assets --reason \"its undo hangs on a dead mount\"",
		},
		{
			verb: ripcord.VerbSkip, step: true, toEnd: true, short: "Leave what the run is held for as it is, and go on",
			long: "Leave what the run is held for as it is, and go on. While the run goes back, the name of the step\n" +
				"whose undo is in progress stops this undo and leaves the step as it is then.",
			example: "  ripcord skip assets --reason \"done by hand\"",
		},
		{verb: ripcord.VerbApprove, step: true, short: "Answer a step's question with yes", example: "  ripcord approve go-live"},
		{verb: ripcord.VerbReject, step: true, short: "Answer a step's question with no", example: "  ripcord reject go-live --reason \"marketing is not ready\""},
		{verb: ripcord.VerbAbort, toEnd: true, backWasTheGoal: true, short: "Stop now, then roll back", long: "Stop what is going on, then take everything back. Works at any moment; repeating it does no harm.", example: "  ripcord abort --reason \"wrong version\""},
		{verb: ripcord.VerbClose, toEnd: true, needsReason: true, short: "End a held run as it is, finished by hand", long: "End a held run as it is: a person finished it by hand. Who, why and the state of each step are kept.\nA run that hangs in an undo can be closed as well: the undo is stopped before.", example: "  ripcord close --reason \"restored the config by hand, ticket 4711\""},
	}
}

type controlOptions struct{ run, reason string }

func (c *command) controlCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, v := range controlVerbs() {
		commands = append(commands, c.controlCommand(v))
	}
	return commands
}

func (c *command) controlCommand(v controlVerb) *cobra.Command {
	var o controlOptions
	use, args := string(v.verb), cobra.NoArgs
	if v.step {
		use, args = use+" [STEP]", cobra.MaximumNArgs(1)
	}
	cmd := &cobra.Command{
		Use: use, Short: v.short, Long: v.long, Example: v.example, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := ripcord.Request{Verb: v.verb, Who: c.User, Reason: o.reason}
			if len(args) == 1 {
				r.Step = ripcord.StepID(args[0])
			}
			if v.needsReason && o.reason == "" {
				return usage("%s needs --reason, for whoever reads the journal later", v.verb).WithFix("%s", c.again(string(v.verb)+` --reason "..."`))
			}
			return c.control(cmd, v, r, ripcord.RunID(o.run))
		},
	}
	cmd.Flags().StringVar(&o.run, "run", "", "which run (default: the unfinished one of the plan file's application, else the only one)")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
	codes := "0 it took effect"
	if v.toEnd {
		codes = "0 done, 3 the release failed and was rolled back, 4 held, 5 rollback incomplete"
	}
	if v.backWasTheGoal {
		codes = "0 it is back, 4 held, waiting for a person, 5 rollback incomplete"
	}
	return exits(cmd, codes+",\n2 no such run, 6 it can have no effect now, 8 interrupted")
}

func (c *command) control(cmd *cobra.Command, v controlVerb, r ripcord.Request, run ripcord.RunID) error {
	ctx := cmd.Context()
	a, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer c.close(a)
	summary, err := a.Locate(ctx, app.Selector{Run: run, Unfinished: true, Environment: c.environment}, c.file)
	if err != nil {
		return err
	}
	r.Run = summary.Run
	return c.ask(cmd, a, v, r)
}

// ask brings the request to the run and prints how it stands then.
func (c *command) ask(cmd *cobra.Command, a *app.App, v controlVerb, r ripcord.Request) error {
	ctx := cmd.Context()
	before, err := a.State(ctx, r.Run)
	if err != nil {
		return err
	}
	if before.State.Ended() {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s has ended (%s): there is nothing to %s", r.Run, words(string(before.State)), r.Verb).
			WithFix("`ripcord show --run %s` tells how; `ripcord rollback` takes a committed release back", r.Run)
	}
	if r.Step == "" && v.step && v.verb != ripcord.VerbRetry {
		r.Step = a.Asking(before)
	}
	if err := c.tellTakeOver(cmd, a, before, r); err != nil {
		return err
	}
	ctx, stop := c.onSignals(ctx, a, before.Plan.OnCancel)
	defer stop()
	state, refused, err := a.Control(ctx, r, v.toEnd, c.progress(before.Plan))
	switch {
	case err != nil:
		return c.interrupted(cmd, a, r.Run, err)
	case refused != "" && !repeated(r.Verb, state):
		return ripcord.Errorf(ripcord.CodeRefused, "%s", refused).WithFix("`ripcord show --run %s` tells how the run stands", r.Run)
	}
	if !v.toEnd && !state.State.Ended() && state.Hold == nil {
		return c.asked(cmd, a, state, r)
	}
	// What is asked for took effect even where the run was back before we looked.
	return c.ended(cmd, a, state, v.backWasTheGoal || !v.toEnd)
}

// tellTakeOver says that this command does more than it seems to: where the
// process of the run has died, it carries the run out from here on. A pause does
// not, and a held run needs nobody.
func (c *command) tellTakeOver(cmd *cobra.Command, a *app.App, before runState, r ripcord.Request) error {
	if r.Verb == ripcord.VerbPause || before.Hold != nil || before.State == ripcord.StatePlanned {
		return nil
	}
	living, err := a.Living(cmd.Context(), r.Run)
	if err != nil || living {
		return err
	}
	c.aside("nobody carries run %s out, because its process has died: this command takes the run over, as `%s` does, and goes on until it has ended or is held",
		r.Run, c.again("recover"))
	return nil
}

// repeated reports whether the run does already what is asked for once more.
func repeated(verb ripcord.Verb, s runState) bool {
	return (verb == ripcord.VerbAbort || verb == ripcord.VerbRollback) && s.Back
}

// asked reports a request that took effect while the run goes on elsewhere.
func (c *command) asked(cmd *cobra.Command, a *app.App, state runState, r ripcord.Request) error {
	if c.output == "json" {
		return c.jsonRun(cmd, a, state)
	}
	living, err := a.Living(cmd.Context(), r.Run)
	if err != nil {
		return err
	}
	e := c.endingOf(state, c.standing(cmd.Context(), a, state, living))
	e.Why = fmt.Sprintf("%s by %s%s", r.Verb, r.Who, before(": ", r.Reason))
	c.end(e)
	return nil
}
