package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

// portTries is how often an instance gets another port because somebody was
// faster.
const portTries = 5

// tailLines is how many lines of its log a failing instance is quoted with.
const tailLines = 20

// watch starts instances and follows them until they are healthy.
type watch struct {
	step      *Step
	attempt   ripcord.Attempt
	place     place
	instances []*starting
}

// starting is one instance on its way.
type starting struct {
	number   int
	restarts int // those of an earlier attempt do not count
	ports    int // how often it got another port
	good     int // successful probes in a row
	last     error
}

// start orders one instance. Before is what was known of it, nil for nothing: one
// that an earlier attempt left is kept when it is healthy. Otherwise it starts
// afresh, for how that attempt failed is no failure of this one.
func (w *watch) start(ctx context.Context, number int, before *ripcord.InstanceStatus) error {
	i := &starting{number: number}
	if before != nil {
		i.restarts = before.Restarts
		if !before.Running || w.step.probe(ctx, w.place.address(number)) != nil {
			if err := w.step.scope.Supervisor.Stop(ctx, before.ID); err != nil {
				return fmt.Errorf("stop %s: %w", before.ID, err)
			}
			i.restarts = 0
		}
	}
	w.instances = append(w.instances, i)
	return w.order(ctx, i)
}

func (w *watch) order(ctx context.Context, i *starting) error {
	instance, err := w.step.instance(ctx, w.place, i.number)
	if err != nil {
		return err
	}
	err = w.step.scope.Supervisor.Start(ctx, instance)
	if ripcord.CodeOf(err) == ripcord.CodeRefused { // ours, but from an attempt with another environment
		if err := w.step.scope.Supervisor.Stop(ctx, instance.ID); err != nil {
			return fmt.Errorf("stop %s: %w", instance.ID, err)
		}
		i.restarts = 0
		err = w.step.scope.Supervisor.Start(ctx, instance)
	}
	if err != nil {
		if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
			return failure
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &ripcord.Failure{
			Class:   ripcord.FailedCommand,
			Summary: fmt.Sprintf("%s instance %d could not be started: %v", w.step.settings.Service, i.number, err),
		}
	}
	return nil
}

// wait returns when every instance has passed enough probes in a row, and fails
// as soon as one of them exits or time is over.
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

// look probes once and then asks the supervisor who lives, in this order: a
// probe that somebody else answered on a dead instance's port does not count.
func (w *watch) look(ctx context.Context) (healthy bool, err error) {
	to := make([]string, len(w.instances))
	for i, one := range w.instances {
		to[i] = w.place.address(one.number)
	}
	results := w.step.probeAll(ctx, to)
	all, err := w.step.list(ctx)
	if err != nil {
		return false, err
	}
	healthy = true
	for n, i := range w.instances {
		now := status(all, w.step.id(w.place.Colour, i.number))
		if i.died(now) {
			healthy, i.good = false, 0
			if err := w.dead(ctx, i, now); err != nil {
				return false, err
			}
			continue
		}
		i.good++
		if i.last = results[n]; i.last != nil || !now.Running {
			i.good = 0
		}
		healthy = healthy && i.good >= w.step.settings.Health.Successes
	}
	return healthy, nil
}

// died reports whether the instance exited since it was ordered.
func (i *starting) died(now *ripcord.InstanceStatus) bool {
	return now == nil || now.Restarts > i.restarts || !now.Running && now.LastExit != nil
}

// dead gives the instance another port when somebody else holds its own;
// otherwise its exit is the step's failure.
func (w *watch) dead(ctx context.Context, i *starting, now *ripcord.InstanceStatus) error {
	lines := w.tail(ctx, i)
	if now != nil && i.ports < portTries && w.portTaken(ctx, i, now, lines) {
		return w.move(ctx, i)
	}
	failure := &ripcord.Failure{
		Class: ripcord.FailedCommand, Lines: lines,
		Summary: fmt.Sprintf("%s instance %d is gone before it was healthy", w.step.settings.Service, i.number),
	}
	if now != nil && now.LastExit != nil {
		failure.Exit = now.LastExit
		how := fmt.Sprintf("exited with status %d", now.LastExit.Code)
		if now.LastExit.Signal != "" {
			how = fmt.Sprintf("was ended by signal %q", now.LastExit.Signal)
		}
		failure.Summary = fmt.Sprintf("%s instance %d %s before it was healthy", w.step.settings.Service, i.number, how)
	}
	return quoting(failure)
}

// portTaken reports whether the instance could not have the port it was given.
func (w *watch) portTaken(ctx context.Context, i *starting, now *ripcord.InstanceStatus, lines []string) bool {
	if free(ctx, w.place.Ports[i.number-1]) {
		return false
	}
	said := regexp.MustCompile(`(?i)address already in use|EADDRINUSE|port .*\bin use`).MatchString(strings.Join(lines, "\n"))
	return said || !now.Running
}

// move starts the instance again on another port.
func (w *watch) move(ctx context.Context, i *starting) error {
	id := w.step.id(w.place.Colour, i.number)
	if err := w.step.scope.Supervisor.Stop(ctx, id); err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	taken := map[int]bool{}
	for _, port := range w.place.Ports {
		taken[port] = true
	}
	old := w.place.address(i.number)
	port, err := w.step.freePort(ctx, id, taken)
	if err != nil {
		return err
	}
	w.place.Ports = append([]int(nil), w.place.Ports...)
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
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: w.tail(ctx, i),
			Summary: fmt.Sprintf("%s instance %d was not healthy %s: %s", w.step.settings.Service, i.number, when, why),
		}
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedHealth,
		Summary: fmt.Sprintf("the instances of %s were not healthy all at once in time", w.step.settings.Service),
	}
}

func (w *watch) tail(ctx context.Context, i *starting) []string {
	lines, err := w.step.scope.Supervisor.Tail(ctx, w.step.id(w.place.Colour, i.number), tailLines)
	if err != nil {
		return nil // a failure without its log is still the failure
	}
	return lines
}

// quoting adds the line of the log that says most to the summary.
func quoting(f *ripcord.Failure) *ripcord.Failure {
	if line := health.LastWords(f.Lines); line != "" {
		f.Summary += ": " + line
	}
	return f
}

// note writes one line to the step's log.
func note(output io.Writer, format string, args ...any) {
	if output != nil {
		_, _ = fmt.Fprintf(output, format+"\n", args...) // the log must not stop the effect
	}
}
