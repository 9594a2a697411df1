package process

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"

	"github.com/ripcord-dev/ripcord"
)

// host is where instances listen: the balancer stands before them.
const host = "127.0.0.1"

// place is where this run's instances go. It is recorded before the first of
// them starts, and again when a port has to change, so that every later attempt
// finds and reuses it.
type place struct {
	Colour string `json:"colour"`
	Ports  []int  `json:"ports"`
}

func (p *place) address(number int) string {
	return net.JoinHostPort(host, strconv.Itoa(p.Ports[number-1]))
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
// records. A recorded port that somebody took while no instance of ours held it
// is replaced.
func (s *Step) settle(ctx context.Context, a ripcord.Attempt, all []ripcord.InstanceStatus) (place, error) {
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
	changed, taken := !ok, portsOf(all)
	for i, port := range p.Ports {
		if port != 0 && (taken[port] || free(ctx, port)) {
			taken[port] = true
			continue
		}
		if p.Ports[i], err = s.freePort(ctx, s.id(p.Colour, i+1), taken); err != nil {
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
func (s *Step) freeColour(before ripcord.Observation, all []ripcord.InstanceStatus) (string, error) {
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
func (s *Step) vacant(colour string, all []ripcord.InstanceStatus) error {
	for i := range all {
		if all[i].Labels[labelColour] == colour && !s.mine(&all[i]) {
			return &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("run %s started %s in %s, the colour that this run has chosen", all[i].Labels[labelRun], s.settings.Service, colour),
			}
		}
	}
	return nil
}

// portsOf returns the ports of instances.
func portsOf(all []ripcord.InstanceStatus) map[int]bool {
	ports := map[int]bool{}
	for i := range all {
		if _, text, err := net.SplitHostPort(all[i].Labels[labelAddress]); err == nil {
			if port, err := strconv.Atoi(text); err == nil {
				ports[port] = true
			}
		}
	}
	return ports
}

// freePort finds a port that nobody listens on. In a range each instance begins
// to look elsewhere, so that services that start side by side seldom meet.
func (s *Step) freePort(ctx context.Context, id string, taken map[int]bool) (int, error) {
	first, last := s.settings.firstPort, s.settings.lastPort
	if first == 0 {
		return anyPort(ctx, taken)
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id)) // a hash cannot fail
	size := last - first + 1
	for i := range size {
		port := first + (int(hash.Sum32())+i)%size
		if !taken[port] && free(ctx, port) {
			return port, nil
		}
	}
	return 0, &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("no port in %d-%d is free for %s; widen ports", first, last, s.settings.Service),
	}
}

// free reports whether the port can be listened on.
func free(ctx context.Context, port int) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// anyPort lets the kernel choose.
func anyPort(ctx context.Context, taken map[int]bool) (int, error) {
	for range 100 {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		address, ok := listener.Addr().(*net.TCPAddr)
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		if ok && !taken[address.Port] {
			return address.Port, nil
		}
	}
	return 0, &ripcord.Failure{Class: ripcord.FailedInternal, Summary: "the machine has no free port"}
}
