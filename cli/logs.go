package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type logsOptions struct {
	run, service           string
	follow, undo, evidence bool
	raw                    bool
	lines                  int
}

func (c *command) logsVerb() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [STEP]",
		Short: "Show what steps or instances printed",
		Long: "Show what the steps of a run printed, also of a step that is in progress. --evidence shows what\n" +
			"was frozen when the run failed, --service what the instances of a service printed.\n\n" +
			"On a terminal, colours and other control sequences are left out, unless --raw asks for them; a\n" +
			"file or pipe gets every byte.",
		Example: "  ripcord logs\n  ripcord logs assets --run 20260102-030405-ab3d\n  ripcord logs --follow\n" +
			"  ripcord logs --evidence\n  ripcord logs --service web --lines 200",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var step ripcord.StepID
			if len(args) == 1 {
				step = ripcord.StepID(args[0])
			}
			return c.logs(cmd, step, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "which run (default: the newest of the plan file's application, else of the only one)")
	f.BoolVarP(&o.follow, "follow", "F", false, "go on until the run has ended")
	f.BoolVar(&o.undo, "undo", false, "only what going back printed")
	f.BoolVar(&o.evidence, "evidence", false, "what was frozen when the run failed")
	f.StringVar(&o.service, "service", "", "what the instances of this service printed")
	f.BoolVar(&o.raw, "raw", false, "on a terminal as well, show every byte as it was printed")
	f.IntVar(&o.lines, "lines", 100, "how many lines of each instance")
	return exits(cmd, "0 shown, 2 there is no such run, step or service")
}

func (c *command) logs(cmd *cobra.Command, step ripcord.StepID, o logsOptions) error {
	ctx := cmd.Context()
	if o.follow && c.output == "json" {
		return usage("--follow never ends with one JSON document").WithFix("leave out --follow, or --output json")
	}
	if o.raw {
		c.Terminal = false
	}
	a, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer c.close(a)
	if o.service != "" {
		return c.serviceLogs(ctx, a, o)
	}
	summary, err := a.Locate(ctx, app.Selector{Run: ripcord.RunID(o.run), Environment: c.environment}, c.file)
	if err != nil {
		return err
	}
	state, err := a.State(ctx, summary.Run)
	if err != nil {
		return err
	}
	if step != "" && state.Steps[step] == nil {
		return ripcord.Errorf(ripcord.CodeNotFound, "run %s has no step %s", summary.Run, step).WithFix("its steps are: %s", stepNames(state))
	}
	if o.evidence {
		return c.evidence(ctx, a, summary.Run, step)
	}
	return c.stepLogs(ctx, a, summary.Run, app.LogSelect{Step: step, Undo: o.undo}, o.follow)
}

func stepNames(s runState) string {
	names := make([]string, 0, len(s.Plan.Steps))
	for i := range s.Plan.Steps {
		names = append(names, string(s.Plan.Steps[i].ID))
	}
	return strings.Join(names, ", ")
}

// stepLogs prints the logs of steps, each attempt below a line that names it.
func (c *command) stepLogs(ctx context.Context, a *app.App, run ripcord.RunID, sel app.LogSelect, follow bool) error {
	to := &logPrinter{command: c, newline: true}
	if follow {
		err := a.FollowLogs(ctx, run, sel, to.piece)
		if errors.Is(err, errSignal) {
			return nil // that is how people end it
		}
		return err
	}
	logs, err := a.Logs(ctx, run, sel)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(map[string]any{"run": run, "logs": logs})
	}
	for _, l := range logs {
		to.piece(l, l.Text)
		if l.Running {
			to.line("--- %s goes on; --follow shows it\n", l.Step)
		}
	}
	to.line("")
	if len(logs) == 0 {
		c.say("nothing was printed")
	}
	return nil
}

// logPrinter prints logs, and remembers where it is.
type logPrinter struct {
	*command
	last    app.Log
	newline bool
	shown   cleaner
}

// piece prints a part of a log, below a line that names it where it is a new one.
func (p *logPrinter) piece(l app.Log, text string) {
	if l.Step != p.last.Step || l.Direction != p.last.Direction || l.Attempt != p.last.Attempt {
		p.line("--- %s, %s, attempt %d, %s\n", l.Step, directionWord(l.Direction), l.Attempt, l.StartedAt.UTC().Format(time.RFC3339))
		p.last, p.shown = l, cleaner{}
	}
	if p.Terminal {
		text = p.shown.clean(text)
	}
	p.print(text)
	p.newline = strings.HasSuffix(text, "\n")
}

// line begins a new line, and prints something on it.
func (p *logPrinter) line(format string, args ...any) {
	if !p.newline {
		p.printf("\n")
	}
	p.printf(format, args...)
	p.newline = true
}

func directionWord(direction string) string {
	if direction == "undo" {
		return "going back"
	}
	return "forward"
}

func (c *command) evidence(ctx context.Context, a *app.App, run ripcord.RunID, step ripcord.StepID) error {
	pieces, err := a.Evidence(ctx, run, step)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.json(map[string]any{"run": run, "evidence": pieces})
	}
	for _, p := range pieces {
		c.printf("--- %s\n%s", p.Name, p.Text)
		if !strings.HasSuffix(p.Text, "\n") {
			c.printf("\n")
		}
	}
	if len(pieces) == 0 {
		c.say("run %s has no evidence: it is kept when a run fails, of steps that can show some", run)
	}
	return nil
}

// serviceLogs prints the newest lines of a service's instances.
func (c *command) serviceLogs(ctx context.Context, a *app.App, o logsOptions) error {
	logs, services, unseen, err := a.ServiceLogs(ctx, o.service, c.environment, o.lines)
	if err != nil {
		return err
	}
	if len(logs) == 0 && len(unseen) == 0 {
		return ripcord.Errorf(ripcord.CodeNotFound, "no instance of a service %s is wanted here", o.service).WithFix("%s", servicesFix(services))
	}
	if c.output == "json" {
		return c.json(map[string]any{"service": o.service, "instances": logs, "unseen": append([]string{}, unseen...)})
	}
	paths := make([]string, 0, len(logs))
	for _, l := range logs {
		c.printf("--- %s %s, %s, %s\n", l.ID, l.Version, l.Colour, l.Address)
		for _, line := range l.Lines {
			c.printf("%s\n", line)
		}
		if l.Runtime == "" {
			paths = append(paths, l.Log)
		} else if o.follow {
			c.printf("--- to follow it%s: %s\n", before(" on machine ", l.Machine), l.Log+" --follow")
		}
	}
	for _, why := range unseen {
		c.printf("--- NOT SEEN: %s\n", why)
	}
	if !o.follow || len(paths) == 0 {
		return nil
	}
	return c.tail(ctx, paths)
}

func servicesFix(names []string) string {
	if len(names) == 0 {
		return "release one with a deploy step first"
	}
	return "services with instances: " + strings.Join(names, ", ")
}

// tailEvery is how often followed files are looked at.
const tailEvery = 250 * time.Millisecond

// tailAtOnce is how much of a file is shown in one go, in bytes.
const tailAtOnce = 4 << 20

// tail prints what is appended to files until a signal comes.
func (c *command) tail(ctx context.Context, paths []string) error {
	at, shown := make(map[string]int64), make(map[string]*cleaner)
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			at[path] = info.Size()
		}
	}
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, path := range paths {
			if shown[path] == nil {
				shown[path] = &cleaner{}
			}
			if err := c.appended(path, at, shown[path]); err != nil {
				return err
			}
		}
	}
}

// appended prints a file from where it was; one that is shorter was rotated.
func (c *command) appended(path string, at map[string]int64, shown *cleaner) error {
	f, err := os.Open(path) //nolint:gosec // an instance's log in our state directory
	if err != nil {
		return nil // an instance that was stopped has no log any more
	}
	defer func() { _ = f.Close() }() // reading only
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < at[path] {
		at[path] = 0
	}
	text, err := io.ReadAll(io.NewSectionReader(f, at[path], min(info.Size()-at[path], tailAtOnce)))
	at[path] += int64(len(text))
	if c.Terminal {
		text = []byte(shown.clean(string(text)))
	}
	c.print(string(text))
	return err
}
