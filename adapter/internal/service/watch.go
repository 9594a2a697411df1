package service

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
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

// Status is how one instance fares.
type Status struct {
	// Running: its program is there. Ended: it ended and was not started again.
	Running, Ended bool
	// Sick, when not empty, is what the runtime itself says against its health.
	Sick     string
	Restarts int
}

// Runtime is what runs a service's instances.
type Runtime interface {
	// Order starts an instance of the run in its place.
	Order(ctx context.Context, p Place, number int) error
	// Halt stops one, to be ordered again.
	Halt(ctx context.Context, p Place, number int) error
	// Look tells how the run's instances fare, by number.
	Look(ctx context.Context) (map[int]Status, error)
	// Name is how people call one.
	Name(p Place, number int) string
	// Tail returns the newest lines of its log, without secrets.
	Tail(ctx context.Context, p Place, number, lines int) []string
	// Dead is the failure of one that ended or is gone, without its log.
	Dead(ctx context.Context, p Place, number int) *ripcord.Failure
}

// Watch follows instances that were ordered until they are healthy.
type Watch struct {
	Runtime Runtime
	Chooser *Chooser
	Health  *Health
	Dial    Dialer
	Attempt ripcord.Attempt
	Place   Place

	instances []*starting
}

// starting is one instance on its way.
type starting struct {
	number   int
	restarts int // those of an earlier attempt do not count
	ports    int // how often it got another port
	answers  health.Steadiness
	asked    bool
	last     error
}

// Follow adds an instance that has been ordered, and has been restarted so often
// before.
func (w *Watch) Follow(number, restarts int) {
	w.instances = append(w.instances, &starting{number: number, restarts: restarts, answers: w.Health.steadiness()})
}

// Wait returns when every instance has passed enough probes in a row, and fails
// as soon as one of them exits or time is over.
func (w *Watch) Wait(ctx context.Context) error {
	limit := time.NewTimer(w.Health.StartTimeout.Std())
	defer limit.Stop()
	pause := time.NewTicker(w.Health.Interval.Std())
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
			return w.late(ctx, "within "+w.Health.StartTimeout.String())
		case <-ctx.Done():
			return w.stopped(ctx)
		}
	}
}

// stopped is how waiting ends with its context: when the attempt's time is over,
// the instances' health is what there is to say.
func (w *Watch) stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return w.late(context.WithoutCancel(ctx), "before the attempt's time was over")
	}
	return ctx.Err()
}

// look probes once and then asks the runtime who lives, in this order: a probe
// that somebody else answered on a dead instance's port does not count.
func (w *Watch) look(ctx context.Context) (healthy bool, err error) {
	to := make([]string, len(w.instances))
	for n, i := range w.instances {
		to[n] = w.Place.Address(i.number)
	}
	results := w.Health.ProbeAll(ctx, w.Dial, to)
	all, err := w.Runtime.Look(ctx)
	if err != nil {
		return false, err
	}
	healthy = true
	for n, i := range w.instances {
		now, there := all[i.number]
		if !there || now.Restarts > i.restarts || now.Ended {
			healthy, i.answers, i.asked = false, w.Health.steadiness(), false
			if err := w.dead(ctx, i, there && !now.Running); err != nil {
				return false, err
			}
			continue
		}
		if i.hears(results[n], now); !i.answers.Well() {
			healthy = false
		}
	}
	return healthy, nil
}

// hears takes the answer to one probe.
func (i *starting) hears(answer error, now Status) {
	if answer == nil && now.Sick != "" {
		answer = errors.New(now.Sick)
	}
	if i.asked = true; answer != nil {
		i.last = answer
	}
	i.answers.Take(answer == nil && now.Running)
}

// dead gives the instance another port when somebody else holds its own;
// otherwise its end is the step's failure.
func (w *Watch) dead(ctx context.Context, i *starting, down bool) error {
	lines := w.Runtime.Tail(ctx, w.Place, i.number, tailLines)
	if i.ports < portTries && (down || taken(lines)) && !w.Chooser.Free(ctx, w.Place.Ports[i.number-1]) {
		return w.move(ctx, i)
	}
	failure := w.Runtime.Dead(ctx, w.Place, i.number)
	failure.Lines = lines
	if line := health.LastWords(lines); line != "" {
		failure.Summary += ": " + line
	}
	return failure
}

// taken reports whether an instance says that its port was not to be had.
func taken(lines []string) bool {
	return regexp.MustCompile(`(?i)address already in use|EADDRINUSE|port .*\bin use`).MatchString(strings.Join(lines, "\n"))
}

// move starts the instance again on another port.
func (w *Watch) move(ctx context.Context, i *starting) error {
	if err := w.Runtime.Halt(ctx, w.Place, i.number); err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, port := range w.Place.Ports {
		taken[port] = true
	}
	old := w.Place.Address(i.number)
	port, err := w.Chooser.Port(ctx, w.Place.Colour, i.number, taken)
	if err != nil {
		return err
	}
	w.Place.Ports = slices.Clone(w.Place.Ports)
	w.Place.Ports[i.number-1] = port
	if err := w.Attempt.Record(ctx, w.Place); err != nil {
		return err
	}
	i.ports, i.restarts = i.ports+1, 0
	Note(w.Attempt.Output, "somebody else listens on %s: instance %d moves to %s", old, i.number, w.Place.Address(i.number))
	return w.Runtime.Order(ctx, w.Place, i.number)
}

// late is the failure of instances that run but did not become healthy in time.
func (w *Watch) late(ctx context.Context, when string) error {
	for _, i := range w.instances {
		if i.answers.Well() {
			continue
		}
		return &ripcord.Failure{
			Class: ripcord.FailedHealth, Lines: w.Runtime.Tail(ctx, w.Place, i.number, tailLines),
			Summary: fmt.Sprintf("%s was not healthy %s: %s", w.Runtime.Name(w.Place, i.number), when, i.trouble()),
		}
	}
	return &ripcord.Failure{
		Class:   ripcord.FailedHealth,
		Summary: fmt.Sprintf("the instances of %s were not healthy all at once in time", w.Chooser.Service),
	}
}

// trouble says why an instance is not healthy.
func (i *starting) trouble() string {
	said := i.answers.Describe()
	switch {
	case !i.asked:
		return "it was not asked yet"
	case i.last == nil:
		return said
	case said == "":
		return i.last.Error()
	}
	return said + "; its last bad answer: " + i.last.Error()
}
