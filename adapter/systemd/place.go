package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// loopback is where instances listen: the balancer stands before them.
const loopback = "127.0.0.1"

// place is where this run's units go. It is recorded before the first of them is
// written, and again when a port has to change, so that every later attempt finds
// and reuses it.
type place struct {
	Colour string `json:"colour"`
	Ports  []int  `json:"ports"`
}

func (p *place) address(number int) string {
	return net.JoinHostPort(loopback, strconv.Itoa(p.Ports[number-1]))
}

// recorded returns the newest place among the progress.
func recorded(progress []json.RawMessage) (p place, ok bool, err error) {
	if len(progress) == 0 {
		return p, false, nil
	}
	if err := json.Unmarshal(progress[len(progress)-1], &p); err != nil {
		return p, false, fmt.Errorf("read the recorded ports: %w", err)
	}
	return p, true, nil
}

// settle returns the place of this run: the recorded one, or a new one that it
// records. A recorded port that somebody took while no unit of ours held it is
// replaced.
func (s *Step) settle(ctx context.Context, a ripcord.Attempt, h host, all []unit) (place, error) {
	p, ok, err := recorded(a.Progress)
	if err != nil {
		return p, err
	}
	if !ok || len(p.Ports) != s.settings.Instances {
		if p.Colour, err = s.freeColour(a.Before, all); err != nil {
			return p, err
		}
		p.Ports = make([]int, s.settings.Instances)
	}
	if err := s.vacant(p.Colour, all); err != nil {
		return p, err
	}
	changed, taken := !ok, map[int]bool{}
	for i := range all {
		taken[portOf(all[i].Address)] = true
	}
	own := map[int]bool{}
	for _, u := range s.own(all) {
		own[portOf(u.Address)] = true
	}
	for i, port := range p.Ports {
		if port != 0 && (own[port] || !taken[port] && h.free(ctx, port)) {
			taken[port] = true
			continue
		}
		if p.Ports[i], err = s.freePort(ctx, h, p.Colour, i+1, taken); err != nil {
			return p, err
		}
		taken[p.Ports[i]], changed = true, true
	}
	if changed {
		err = a.Record(ctx, p)
	}
	return p, err
}

// freeColour is the colour that nothing used before this run.
func (s *Step) freeColour(before ripcord.Observation, all []unit) (string, error) {
	sets := setsOf(all)
	if before.Exact {
		var err error
		if sets, err = parseImage(before.Image); err != nil {
			return "", err
		}
	}
	used := map[string]string{}
	for _, have := range sets {
		if have.Run != string(s.scope.Run) {
			used[have.Colour] = have.Run
		}
	}
	for _, colour := range []string{blue, green} {
		if _, busy := used[colour]; !busy {
			return colour, nil
		}
	}
	return "", &ripcord.Failure{
		Class: ripcord.FailedTarget, Final: true,
		Summary: fmt.Sprintf("both colours of %s are in use, blue by run %s and green by run %s: finish or stop one of them first", s.settings.Service, used[blue], used[green]),
	}
}

// vacant fails when another run has moved into the colour since.
func (s *Step) vacant(colour string, all []unit) error {
	for i := range all {
		if all[i].Colour == colour && !s.mine(&all[i]) {
			return &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("run %s started %s in %s, the colour that this run has chosen", all[i].Run, s.settings.Service, colour),
			}
		}
	}
	return nil
}

// portOf is the port of an address, 0 for none.
func portOf(address string) int {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

// freePort finds a port that nobody listens on. Each instance begins to look
// elsewhere, so that services that start side by side seldom meet.
func (s *Step) freePort(ctx context.Context, h host, colour string, number int, taken map[int]bool) (int, error) {
	first, last := s.settings.firstPort, s.settings.lastPort
	hash := fnv.New32a()
	// A hash cannot fail.
	_, _ = hash.Write([]byte((&labels{
		Application: s.scope.Application, Environment: s.scope.Environment, Service: s.settings.Service, Colour: colour, Number: number,
	}).name()))
	size := last - first + 1
	for i := range size {
		port := first + (int(hash.Sum32())+i)%size
		if !taken[port] && h.free(ctx, port) {
			return port, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("no port in %d-%d is free for %s; widen ports", first, last, s.settings.Service),
	}
}

// free reports whether nobody listens on the port. What listens there without
// answering shows when the instance starts.
func (h host) free(ctx context.Context, port int) bool {
	c, err := h.machine.Dial(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err == nil {
		_ = c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() == nil
}
