package systemd

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// runner is systemd as whoever follows instances sees it.
type runner struct {
	step *Step
	host host
}

// dial connects from the machine.
func (h host) dial() service.Dialer { return service.DialerOf(h.machine) }

// start writes this run's units and starts them. One that an earlier attempt left
// is kept when it is healthy; otherwise it starts afresh, for how that attempt
// failed is no failure of this one.
func (s *Step) start(ctx context.Context, h host, w *service.Watch, all []unit, numbers []int) error {
	l := s.labels(w.Place, 0)
	if err := s.bring(ctx, h, &l); err != nil {
		return err
	}
	var stale []unit
	var fresh []int
	for _, number := range numbers {
		restarts := 0
		old := s.find(all, number)
		switch {
		case old != nil && old.running() && old.Address == w.Place.Address(number) && s.settings.Health.Probe(ctx, h.dial(), old.Address) == nil:
			restarts = old.Restarts
		case old != nil:
			stale, fresh = append(stale, *old), append(fresh, number)
		default:
			fresh = append(fresh, number)
		}
		w.Follow(number, restarts)
	}
	if err := h.halt(ctx, stale); err != nil {
		return err
	}
	return s.order(ctx, h, w.Place, fresh...)
}

// find returns this run's unit of a number, nil for none.
func (s *Step) find(all []unit, number int) *unit {
	for i := range all {
		if s.mine(&all[i]) && all[i].Number == number {
			return &all[i]
		}
	}
	return nil
}

// order writes units and starts them.
func (s *Step) order(ctx context.Context, h host, p service.Place, numbers ...int) error {
	if len(numbers) == 0 {
		return nil
	}
	names := make([]string, len(numbers))
	for i, number := range numbers {
		d, err := s.definition(ctx, p, number)
		if err != nil {
			return err
		}
		if err := h.install(ctx, d); err != nil {
			return err
		}
		names[i] = d.labels.name()
	}
	return h.start(ctx, names...)
}

// Order starts a unit.
func (r runner) Order(ctx context.Context, p service.Place, number int) error {
	return r.step.order(ctx, r.host, p, number)
}

// Halt stops one.
func (r runner) Halt(ctx context.Context, p service.Place, number int) error {
	l := r.step.labels(p, number)
	return r.host.halt(ctx, []unit{{labels: l, Name: l.name()}})
}

// Look tells how this run's units fare.
func (r runner) Look(ctx context.Context) (map[int]service.Status, error) {
	_, all, err := r.step.service(ctx)
	if err != nil {
		return nil, err
	}
	now := map[int]service.Status{}
	for _, u := range r.step.own(all) {
		now[u.Number] = service.Status{Running: u.running(), Ended: u.ended(), Restarts: u.Restarts}
	}
	return now, nil
}

// Name is the unit's.
func (r runner) Name(p service.Place, number int) string { return r.step.unitName(p.Colour, number) }

// Tail returns the end of its log.
func (r runner) Tail(ctx context.Context, p service.Place, number, lines int) []string {
	l := r.step.labels(p, number)
	text, err := r.host.tail(ctx, &unit{labels: l, Name: l.name()}, lines)
	if err != nil {
		return nil // a failure without its log is still the failure
	}
	return text
}

// Dead tells how a unit ended.
func (r runner) Dead(ctx context.Context, p service.Place, number int) *ripcord.Failure {
	_, all, err := r.step.service(ctx)
	if err != nil {
		return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: r.Name(p, number) + " ended before it was healthy"}
	}
	now := r.step.find(all, number)
	if now == nil {
		return &ripcord.Failure{
			Class:   ripcord.FailedTarget,
			Summary: fmt.Sprintf("unit %d of %s was removed by somebody else", number, r.step.settings.Service),
		}
	}
	how, exit := now.exit()
	return &ripcord.Failure{
		Class: ripcord.FailedCommand, Exit: exit,
		Summary: fmt.Sprintf("%s %s before it was healthy", now.Name, how),
	}
}

// killedStatus is how a shell exits whose program was ended by SIGKILL.
const killedStatus = 128 + int(unix.SIGKILL)

// starved says that the kernel ended a unit for want of memory, as the rest of a
// sentence. systemd knows that with control groups of version 2; before, SIGKILL
// comes from there as a rule when there is a limit.
func (u *unit) starved() string {
	killed := u.ExitStatus == int(unix.SIGKILL) || u.ExitStatus == killedStatus
	switch {
	case u.Result == "oom-kill" && u.Memory == "":
		return ", because the machine's memory was used up"
	case u.Result == "oom-kill":
		return ", because it needed more memory than its limit of " + u.Memory
	case killed && u.Memory != "":
		return ", probably because it needed more memory than its limit of " + u.Memory
	}
	return ""
}

// exit tells how the newest process of a unit ended.
func (u *unit) exit() (how string, exit *ripcord.Exit) {
	const exited = 1
	if u.refused() {
		return "was not taken by systemd (systemctl status " + u.Name + " says why), and failed", nil
	}
	if u.ExitCode == 0 && u.running() {
		return "ended, and systemd has started it again,", nil
	}
	if u.ExitCode == 0 {
		return "ended (" + u.Result + ")", nil
	}
	if u.ExitCode != exited {
		signal := unix.SignalName(unix.Signal(u.ExitStatus))
		return "was ended by " + signal + u.starved(), &ripcord.Exit{Signal: signal}
	}
	if u.ExitStatus == killedStatus && u.starved() != "" {
		return "exited with status 137, which is SIGKILL's" + u.starved(), &ripcord.Exit{Code: u.ExitStatus}
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
