package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
	"github.com/ripcord-dev/ripcord/engine"
)

type runState = *engine.State

// json prints the one document that --output json promises.
func (c *command) json(v any) error {
	e := json.NewEncoder(c.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (c *command) close(a *app.App) {
	if err := a.Close(); err != nil {
		c.warn("closing the journal: " + err.Error())
	}
}

// nothingYet answers a verb that only looks where no state directory is yet:
// that is no error.
func (c *command) nothingYet(err error, empty any) error {
	if ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return err
	}
	if c.output == "json" {
		return c.json(empty)
	}
	dir, dirErr := app.StateDir(c.appOptions(true))
	if dirErr != nil {
		return dirErr
	}
	c.printf("Nothing was released from here yet: there is no journal in %s.\nBegin with: %s\n", dir, c.again("init"))
	return nil
}

// noteInterrupted says on standard error that a run waits for recover, whatever
// the verb is about.
func (c *command) noteInterrupted(ctx context.Context, a *app.App, known func(app.View) bool) {
	views, err := a.Interrupted(ctx)
	if err != nil {
		return // the verb itself meets the same trouble and reports it
	}
	for _, v := range views {
		if known(v) {
			continue
		}
		c.warn("run " + string(v.Run) + " (" + nameOf(v) + ") was interrupted; `" +
			c.again("recover --run "+string(v.Run)) + "` goes on, with --rollback it goes back")
	}
}

// ownInterrupted names the verbs that deal with interrupted runs themselves.
func ownInterrupted(cmd *cobra.Command) bool {
	switch cmd.Name() {
	case "release", "adopt", "show", "recover", "status", "doctor", "abort", "rollback", "__keeper", "__execute":
		return true
	}
	return false
}

func (c *command) versionVerb() *cobra.Command {
	return exits(&cobra.Command{
		Use: "version", Short: "Print the version of this binary", Example: "  ripcord version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.didOnly(map[string]string{"version": c.Version}, "ripcord %s\n", c.Version)
		},
	}, "0 printed")
}

// didOnly prints a result that --quiet does not silence.
func (c *command) didOnly(result any, format string, args ...any) error {
	if c.output == "json" {
		return c.json(result)
	}
	c.printf(format, args...)
	return nil
}
