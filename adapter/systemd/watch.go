package systemd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// portTries is how often an instance gets another port because somebody was
// faster.
const portTries = 5

// tailLines is how many lines of its log a failing instance is quoted with.
const tailLines = 20

// watch starts units and follows them until they are healthy.
type watch struct {
	step      *Step
	host      host
	attempt   ripcord.Attempt
	place     place
	instances []*starting
}

// starting is one unit on its way.
type starting struct {
	number   int
	restarts int // those of an earlier attempt do not count
	ports    int // how often it got another port
	good     int // successful probes in a row
	last     error
}

// start writes this run's units and starts them. One that an earlier attempt left
// is kept when it is healthy; otherwise it starts afresh, for how that attempt
// failed is no failure of this one.
func (w *watch) start(ctx context.Context, all []unit) error {
	l := w.step.labels(w.place, 0)
	if err := w.step.bring(ctx, w.host, &l); err != nil {
		return err
	}
	var stale []unit
	var fresh []*starting
	for number := 1; number <= w.step.settings.Instances; number++ {
		i := &starting{number: number}
		w.instances = append(w.instances, i)
		if old := w.find(all, number); old != nil {
			if old.running() && old.Address == w.place.address(number) && w.step.probe(ctx, w.host, old.Address) == nil {
				i.restarts = old.Restarts
				continue
			}
			stale = append(stale, *old)
		}
		fresh = append(fresh, i)
	}
	if err := w.host.halt(ctx, stale); err != nil {
		return err
	}
	return w.order(ctx, fresh...)
}

// find returns the unit of a number, nil for none.
func (w *watch) find(all []unit, number int) *unit {
	for i := range all {
		if w.step.mine(&all[i]) && all[i].Number == number {
			return &all[i]
		}
	}
	return nil
}

// order writes units and starts them.
func (w *watch) order(ctx context.Context, instances ...*starting) error {
	if len(instances) == 0 {
		return nil
	}
	names := make([]string, len(instances))
	for n, i := range instances {
		d, err := w.step.definition(ctx, w.place, i.number)
		if err != nil {
			return err
		}
		if err := w.host.install(ctx, d); err != nil {
			return err
		}
		names[n] = d.labels.name()
	}
	return w.host.start(ctx, names...)
}

// wait returns when every unit has passed enough probes in a row, and fails as
// soon as one of them exits or time is over.
func (w *watch) wait(ctx context.Context) error {
	limit := time.NewTimer(w.step.settings.Health.StartTimeout.Std())
	defer limit.Stop()
	pause := time.NewTicker(w.step.settings.Health.Interval.Std())
	defer pause.Stop()
	for {
		healthy, err := w.look(ctx)
		if ctx.Err() != nil {
			return w.stopped(ctx)
		}
		if healthy || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-limit.C:
			return w.late(ctx, "within "+w.step.settings.Health.StartTimeout.String())
		case <-ctx.Done():
			return w.stopped(ctx)
		}
	}
}

// stopped is how waiting ends with its context: when the attempt's time is over,
// the instances' health is what there is to say.
func (w *watch) stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return w.late(context.WithoutCancel(ctx), "before the attempt's time was over")
	}
	return ctx.Err()
}

// look probes once and then asks systemd who lives, in this order: a probe that
// somebody else answered on a dead instance's port does not count.
func (w *watch) look(ctx context.Context) (healthy bool, err error) {
	to := make([]string, len(w.instances))
	for i, one := range w.instances {
		to[i] = w.place.address(one.number)
	}
	results := w.step.probeAll(ctx, w.host, to)
	_, all, err := w.step.service(ctx)
	if err != nil {
		return false, err
	}
	healthy = true
	for n, i := range w.instances {
		now := w.find(all, i.number)
		if now == nil || now.Restarts > i.restarts || now.ended() {
			healthy, i.good = false, 0
			if err := w.dead(ctx, i, now); err != nil {
				return false, err
			}
			continue
		}
		i.good++
		if i.last = results[n]; i.last != nil || !now.running() {
			i.good = 0
		}
		healthy = healthy && i.good >= w.step.settings.Health.Successes
	}
	return healthy, nil
}

// dead gives the instance another port when somebody else holds its own;
// otherwise its exit is the step's failure.
func (w *watch) dead(ctx context.Context, i *starting, now *unit) error {
	if now == nil {
		return &ripcord.Failure{
			Class:   ripcord.FailedTarget,
			Summary: fmt.Sprintf("unit %d of %s was removed by somebody else", i.number, w.step.settings.Service),
		}
	}
	lines := w.tail(ctx, i)
	if i.ports < portTries && taken(lines) && !w.host.free(ctx, w.place.Ports[i.number-1]) {
		return w.move(ctx, i, now)
	}
	how, exit := now.exit()
	return quoting(&ripcord.Failure{
		Class: ripcord.FailedCommand, Lines: lines, Exit: exit,
		Summary: fmt.Sprintf("%s %s before it was healthy", now.Name, how),
	})
}

// taken reports whether an instance says that its port was not to be had.
func taken(lines []string) bool {
	return regexp.MustCompile(`(?i)address already in use|EADDRINUSE|port .*\bin use`).MatchString(strings.Join(lines, "\n"))
}

// exit tells how the newest process of a unit ended.
func (u *unit) exit() (how string, exit *ripcord.Exit) {
	const exited = 1
	if u.refused() {
		return "was not taken by systemd (systemctl status " + u.Name + " says why), and failed", nil
	}
	if u.ExitCode == 0 {
		return "ended (" + u.Result + ")", nil
	}
	if u.ExitCode != exited {
		signal := unix.SignalName(unix.Signal(u.ExitStatus))
		return "was ended by " + signal, &ripcord.Exit{Signal: signal}
	}
	exit = &ripcord.Exit{Code: u.ExitStatus}
	// What systemd could not do before it came to the program.
	before := map[int]string{
		200: "could not be started: its user cannot enter its directory",
		203: "could not be started: its program is not there or cannot be executed",
		216: "could not be started: its group cannot be used",
		217: "could not be started: its user cannot be used",
	}
	if how, ok := before[u.ExitStatus]; ok {
		return how + ", and failed", exit
	}
	return fmt.Sprintf("exited with status %d", u.ExitStatus), exit
}

// move starts the instance again on another port.
func (w *watch) move(ctx context.Context, i *starting, now *unit) error {
	if err := w.host.halt(ctx, []unit{*now}); err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, port := range w.place.Ports {
		taken[port] = true
	}
	old := w.place.address(i.number)
	port, err := w.step.freePort(ctx, w.host, w.place.Colour, i.number, taken)
	if err != nil {
		return err
	}
	w.place.Ports = slices.Clone(w.place.Ports)
	w.place.Ports[i.number-1] = port
	if err := w.attempt.Record(ctx, w.place); err != nil {
		return err
	}
	i.ports, i.restarts = i.ports+1, 0
	note(w.attempt.Output, "somebody else listens on %s: instance %d moves to %s", old, i.number, w.place.address(i.number))
	return w.order(ctx, i)
}

// late is the failure of instances that run but did not become healthy in time.
func (w *watch) late(ctx context.Context, when string) error {
	for _, i := range w.instances {
		if i.good >= w.step.settings.Health.Successes {
			continue
		}
		why := "it answers, but not often enough in a row"
		switch {
		case i.last != nil:
			why = i.last.Error()
		case i.good == 0:
			why = "it was not asked yet"
		}
		l := w.step.labels(w.place, i.number)
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: w.tail(ctx, i),
			Summary: fmt.Sprintf("%s was not healthy %s: %s", l.name(), when, why),
		}
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedHealth,
		Summary: fmt.Sprintf("the units of %s were not healthy all at once in time", w.step.settings.Service),
	}
}

func (w *watch) tail(ctx context.Context, i *starting) []string {
	l := w.step.labels(w.place, i.number)
	lines, err := w.host.tail(ctx, &unit{labels: l, Name: l.name()}, tailLines)
	if err != nil {
		return nil // a failure without its log is still the failure
	}
	return lines
}

// quoting adds the last line of the log to the summary.
func quoting(f *ripcord.Failure) *ripcord.Failure {
	for _, line := range slices.Backward(f.Lines) {
		if line = strings.TrimSpace(line); line != "" {
			f.Summary += ": " + line
			break
		}
	}
	return f
}
