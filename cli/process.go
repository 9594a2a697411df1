// Package cli is the command line: one file for each verb. A verb is an options
// struct and a run function; what it prints and which exit code it ends with is
// decided here, what it does in package app.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord/app"
)

// Process is what the process edge hands in.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(name string) (string, bool)
	Environ        func() []string
	// Self is the path of the running binary; Version its version.
	Self, Version string
	// User is who gives the commands, for the journal; Root says that it is root.
	User string
	Root bool
	// Terminal says that Stdout is one; Width returns its width in columns now.
	Terminal bool
	Width    func() int
	// Signals receives SIGINT and SIGTERM. SIGHUP is ignored by the edge.
	Signals <-chan os.Signal
	Now     func() time.Time
}

// command is what all verbs share.
type command struct {
	*Process
	log *slog.Logger

	stateDir, keyFile, publicDir, file, environment string
	output                                          string
	quiet, yes, noKeeper                            bool
	// begun says that the command line was understood; knowsInterrupted that the
	// verb deals with interrupted runs itself.
	begun, knowsInterrupted bool
	// places are the flags on the command line that say where things are.
	places []place
	// onSignal is who is in charge of signals now.
	onSignal atomic.Pointer[func(os.Signal)]
	// signalled says that a signal ended the verb.
	signalled atomic.Bool
	// shown is the display of a run that is on.
	shown atomic.Pointer[shown]
	// code is what a verb that did its job ends with.
	code int
}

// Run executes one command line and returns its exit code.
func Run(ctx context.Context, p *Process) int {
	c := &command{Process: p, log: slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	root := c.root() //nolint:contextcheck // each verb takes the context of its cobra command
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	ctx, stop := c.listen(ctx)
	defer stop()
	err := root.ExecuteContext(ctx)
	c.closeDisplay()
	if err != nil {
		if !c.begun {
			err = misunderstood(err)
		}
		return c.report(err)
	}
	return c.code
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "ripcord",
		Short:         "Release with a way back",
		Long:          "Ripcord runs a release as a plan of reversible steps, writes every step down before it\nhappens, and when anything fails brings everything back to the last good state.",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			c.begun, c.knowsInterrupted = true, ownInterrupted(cmd)
			c.given(cmd)
			return c.environmentFlags(cmd)
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&c.stateDir, "state-dir", "", "state directory (default /var/lib/ripcord for root, else ~/.local/state/ripcord)")
	f.StringVar(&c.keyFile, "key-file", "", "key of the encrypted blobs, outside of the state directory")
	f.StringVar(&c.publicDir, "public-dir", "", "where releases are laid out for programs that run as another user (default /var/lib/ripcord-releases)")
	f.StringVarP(&c.file, "file", "f", "ripcord.yaml", "plan file")
	f.StringVarP(&c.environment, "environment", "e", "", "environment to release to")
	f.StringVarP(&c.output, "output", "o", "text", "text or json")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "print only how it ended")
	f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&c.noKeeper, "no-keeper", false, "do not start the background process that outlives this one")
	for _, verb := range c.verbs() {
		root.AddCommand(verb)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w", err).WithFix("%s --help lists the flags", cmd.CommandPath())
	})
	return root
}

// verbs is the explicit list.
func (c *command) verbs() []*cobra.Command {
	return append([]*cobra.Command{
		c.initVerb(), c.planVerb(), c.planFileVerb(), c.adoptVerb(), c.releaseVerb(), c.rollbackVerb(), c.recoverVerb(),
		c.statusVerb(), c.showVerb(), c.historyVerb(), c.logsVerb(),
		c.journalVerb(), c.backupVerb(), c.migrateVerb(), c.keeperVerb(), c.doctorVerb(), c.measureVerb(), c.versionVerb(),
		c.keepHidden(), c.executeHidden(),
	}, c.controlCommands()...)
}

// open opens the state directory for a verb that changes it, or only looks.
func (c *command) open(ctx context.Context, readOnly bool) (*app.App, error) {
	a, err := app.Open(ctx, c.appOptions(readOnly), c.log)
	if err == nil && readOnly && a.KeyProblem() != nil {
		c.warnOfKey(a.KeyProblem())
	}
	if err == nil && !c.knowsInterrupted {
		c.noteInterrupted(ctx, a, func(app.View) bool { return false })
	}
	return a, err
}

func (c *command) appOptions(readOnly bool) app.Options {
	return app.Options{
		StateDir: c.stateDir, KeyFile: c.keyFile, PublicDir: c.publicDir, Self: c.Self, Version: c.Version, Root: c.Root,
		LookupEnv: c.LookupEnv, Environ: c.Environ, Now: c.Now, ReadOnly: readOnly, NoKeeper: c.noKeeper, Warn: c.warn,
	}
}

// warn tells the person behind the command something beside its result.
func (c *command) warn(text string) {
	if c.output == "json" {
		_ = json.NewEncoder(c.Stderr).Encode(map[string]string{"warning": text})
		return
	}
	_, _ = fmt.Fprintf(c.Stderr, "ripcord: %s\n", harmless(text))
}

// printf prints for people. What others wrote, and stands in it, does no harm
// to a terminal.
func (c *command) printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.Terminal {
		text = harmless(text)
	}
	c.print(text)
}

// print prints text as it is.
func (c *command) print(text string) {
	_, _ = io.WriteString(c.Stdout, text) // a closed terminal never stops a run
}
