package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/app"
)

type statusOptions struct {
	application     string
	exitCode, watch bool
}

func (c *command) statusVerb() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is going on now and what is last good",
		Long: "Show for each application and environment what is last good and since when, the run that is\n" +
			"going on or was interrupted with the next command, the instances, and the traffic of each side.",
		Example: "  ripcord status\n  ripcord status --watch\n  ripcord status -e production --exit-code",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.status(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.application, "application", "", "only this application")
	f.BoolVar(&o.exitCode, "exit-code", false, "end with the code of what is going on")
	f.BoolVarP(&o.watch, "watch", "w", false, "show it again whenever it changes")
	return exits(cmd, "0 always; with --exit-code: 0 fine or going on, 3 the newest release failed and was rolled back,\n"+
		"4 held, waiting for a person, 5 the newest way back is not complete, 8 interrupted. The most urgent one counts")
}

func (c *command) status(cmd *cobra.Command, o statusOptions) error {
	ctx := cmd.Context()
	if o.watch && c.output == "json" {
		return usage("--watch never ends with one JSON document").WithFix("leave out --watch, or --output json")
	}
	a, err := c.open(ctx, true)
	if err != nil {
		return c.nothingYet(err, []app.Status{})
	}
	defer c.close(a)
	filter := ripcord.Filter{Application: o.application, Environment: c.environment}
	if o.watch {
		return c.watchStatus(ctx, a, filter)
	}
	list, err := a.Status(ctx, filter)
	if err != nil {
		return err
	}
	if o.exitCode {
		c.code = exitOfStatus(list)
	}
	if c.output == "json" {
		return c.json(list)
	}
	c.statusText(c.Stdout, list)
	return nil
}

// exitOfStatus is the code of what is most urgent.
func exitOfStatus(list []app.Status) int {
	codes := map[int]bool{}
	for _, s := range list {
		switch {
		case s.Interrupted:
			codes[exitInterrupted] = true
		case s.State == ripcord.StateHeld:
			codes[exitHeld] = true
		case s.State == ripcord.StateRolledBack && (s.Verified == nil || !*s.Verified):
			codes[exitIncomplete] = true
		case s.State == ripcord.StateRolledBack:
			codes[exitRolledBack] = true
		}
	}
	for _, code := range []int{exitInterrupted, exitHeld, exitIncomplete, exitRolledBack} {
		if codes[code] {
			return code
		}
	}
	return exitDone
}

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// watchStatus shows the status again whenever it changed, until a signal comes.
func (c *command) watchStatus(ctx context.Context, a *app.App, filter ripcord.Filter) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var shown []byte
	for {
		list, err := a.Status(ctx, filter)
		if err != nil && ctx.Err() == nil {
			return err
		}
		var text bytes.Buffer
		c.statusText(&text, list)
		if ctx.Err() == nil && !bytes.Equal(text.Bytes(), shown) {
			if c.Terminal {
				c.print("\x1b[H\x1b[2J")
				c.printf("%s   (Ctrl-C ends)\n\n", c.Now().UTC().Format(time.RFC3339))
			} else if shown != nil {
				c.printf("\n")
			}
			c.printf("%s", text.Bytes())
			shown = text.Bytes()
		}
		select {
		case <-ctx.Done():
			return nil // that is how people end it
		case <-ticker.C:
		}
	}
}

func (c *command) statusText(to io.Writer, list []app.Status) {
	if len(list) == 0 {
		_, _ = fmt.Fprintf(to, "Nothing was released yet. Begin with: %s\n", c.again("release"))
	}
	for i, s := range list {
		if i > 0 {
			_, _ = fmt.Fprintln(to)
		}
		_, _ = fmt.Fprintf(to, "%s in %s\n", s.Application, s.Environment)
		w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
		row := func(name, format string, args ...any) {
			_, _ = fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
		}
		if s.Good != nil {
			row("last good", "%s since %s (run %s)", s.Good.Version, stamp(s.Good.Since), s.Good.Run)
		} else {
			row("last good", "none yet")
		}
		c.statusRun(row, s)
		for _, i := range s.Instances {
			row("instance", "%s", instanceLine(i))
		}
		for _, why := range s.Unseen {
			row("instance", "NOT SEEN: %s", why)
		}
		for _, t := range s.Traffic {
			trafficRows(row, t)
		}
		_ = w.Flush() // a closed terminal never stops a run
	}
}

type rowFunc func(name, format string, args ...any)

// statusRun tells of the run that is going on, or how the newest one ended.
func (c *command) statusRun(row rowFunc, s app.Status) {
	run := string(s.Run)
	if s.State.Ended() {
		if s.Good == nil || s.Good.Run != s.Run {
			row("newest", "%s %s %s at %s%s", s.Purpose, toVersion(s.View), stateWord(s.View), stamp(*s.EndedAt), before(": ", causeOf(s.View)))
			row("", "%s", c.again("show "+run))
		}
		return
	}
	what := fmt.Sprintf("%s %s by %s since %s: %s, %d of %d steps done", s.Purpose, toVersion(s.View), s.StartedBy, stamp(s.StartedAt), stateWord(s.View), s.Done, s.Total)
	row("run", "%s (run %s)", what, run)
	for _, t := range s.Active {
		if t.Asks != "" {
			row("", "step %s waits for a person: %s", t.ID, t.Asks)
			row("next", "%s", c.again("approve "+string(t.ID)+" --run "+run))
		} else {
			row("", "step %s %s since %s", t.ID, words(string(t.State)), stamp(t.Since))
			c.undoRow(row, t, run)
		}
	}
	for _, v := range s.Canaries {
		canaryRows(row, v)
	}
	switch {
	case s.Interrupted:
		row("next", "%s, or back: %s", c.again("recover --run "+run), c.again("recover --rollback --run "+run))
	case s.State == ripcord.StateHeld:
		because := summaryOf(s.View)
		if strings.Contains(s.Reason, because) || strings.Contains(because, s.Reason) {
			because = ""
		}
		row("held", "%s%s", s.Reason, before(": ", because))
		row("next", "%s says what can be done", c.again("show "+run))
	case s.State == ripcord.StatePaused:
		row("next", "%s", c.again("resume --run "+run))
	}
}

func causeOf(v app.View) string {
	if v.Cause == nil || v.FailedStep == nil {
		return ""
	}
	return fmt.Sprintf("step %s: %s", *v.FailedStep, v.Cause.Summary)
}

func summaryOf(v app.View) string {
	if v.Cause == nil {
		return ""
	}
	return v.Cause.Summary
}

func instanceLine(i app.InstanceView) string {
	state := "DOWN, is started again"
	switch {
	case i.Running && i.StartedAt.IsZero():
		state = "up"
	case i.Running:
		state = "up since " + stamp(i.StartedAt)
	case i.Runtime != "":
		state = "DOWN"
	}
	words := []string{i.Service, i.Version, i.Colour, i.Address, state, count(i.Restarts, "restart")}
	if i.Runtime != "" {
		words = append(words, i.Runtime)
	}
	if i.Machine != "" {
		words = append(words, "machine "+i.Machine)
	}
	return strings.Join(words, "  ")
}

func trafficRows(row rowFunc, t app.Traffic) {
	if t.Problem != "" {
		row("traffic", "%s on %s: no numbers: %s", t.Balancer, t.Listen, t.Problem)
		return
	}
	route := t.Route
	if route == "" {
		route = "nobody"
	}
	row("traffic", "%s on %s goes to %s", t.Balancer, t.Listen, route)
	for _, side := range t.Sides {
		name := side.Name
		if name == "" {
			name = "nobody"
		}
		refused := ""
		if side.Refused > 0 {
			refused = fmt.Sprintf(", %d refused by the proxy itself", side.Refused)
		}
		row("", "%s: %s, %s%s, %d in flight, half within %s, 99%% within %s", name, countOf(side.Requests, "request"), countOf(side.Errors, "error"),
			refused, side.InFlight, millis(side.P50Seconds), millis(side.P99Seconds))
	}
}

func millis(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond).String()
}
