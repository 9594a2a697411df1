package service

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Loopback is where instances listen on this machine: the balancer stands before
// them.
const Loopback = "127.0.0.1"

// The colours.
const (
	Blue  = "blue"
	Green = "green"
)

// Place is where a run's instances go. It is recorded before the first of them
// starts, and again when a port has to change, so that every later attempt finds
// and reuses it.
type Place struct {
	Colour string `json:"colour"`
	Ports  []int  `json:"ports"`
	// Host is the machine's address that instances listen on; empty is Loopback.
	Host string `json:"host,omitempty"`
	// Image is what the instances are made of, where that is not frozen already.
	Image string `json:"image,omitempty"`
}

// Address is that of an instance; numbers begin with 1.
func (p *Place) Address(number int) string {
	return net.JoinHostPort(cmp.Or(p.Host, Loopback), strconv.Itoa(p.Ports[number-1]))
}

// Addresses are those of all instances, separated by commas. One without a port
// is not the run's.
func (p *Place) Addresses() string {
	var words []string
	for i, port := range p.Ports {
		if port != 0 {
			words = append(words, p.Address(i+1))
		}
	}
	return strings.Join(words, ",")
}

func address(port int) string { return net.JoinHostPort(Loopback, strconv.Itoa(port)) }

// Recorded returns the newest place among the progress.
func Recorded(progress []json.RawMessage) (p Place, ok bool, err error) {
	if len(progress) == 0 {
		return p, false, nil
	}
	if err := json.Unmarshal(progress[len(progress)-1], &p); err != nil {
		return p, false, fmt.Errorf("read the recorded ports: %w", err)
	}
	return p, true, nil
}

// Chooser finds places for a service's instances.
type Chooser struct {
	Service   string
	Run       ripcord.RunID
	Instances int
	Ports     Range
	// Host is the machine's address that instances listen on; empty is Loopback.
	Host string
	// ID names an instance, unlike all others on the machine.
	ID func(colour string, number int) string
	// Free reports whether nobody listens on the port.
	Free func(ctx context.Context, port int) bool
	// Any finds a free port where Ports gives no range.
	Any func(ctx context.Context, taken map[int]bool) (int, error)
}

// Settle returns the place of the run: the recorded one, or a new one that it
// records. A recorded port that somebody took while no instance of the run held
// it is replaced. Before tells which runs have used which colour when the step
// began.
func (c *Chooser) Settle(ctx context.Context, a ripcord.Attempt, before, now []Instance) (Place, error) {
	p, ok, err := Recorded(a.Progress)
	if err != nil {
		return p, err
	}
	if !ok || len(p.Ports) != c.Instances {
		if p.Colour, err = c.Colour(before); err != nil {
			return p, err
		}
		p.Ports = make([]int, c.Instances)
	}
	p.Host = c.Host
	if err := c.Vacant(p.Colour, now); err != nil {
		return p, err
	}
	changed, own, taken := !ok, map[int]bool{}, map[int]bool{}
	for i := range now {
		port := portOf(now[i].Address)
		taken[port], own[port] = true, own[port] || now[i].Run == string(c.Run)
	}
	for i, port := range p.Ports {
		if port != 0 && (own[port] || !taken[port] && c.Free(ctx, port)) {
			taken[port] = true
			continue
		}
		if p.Ports[i], err = c.Port(ctx, p.Colour, i+1, taken); err != nil {
			return p, err
		}
		taken[p.Ports[i]], changed = true, true
	}
	if changed {
		err = a.Record(ctx, p)
	}
	return p, err
}

// Colour is the one that no other run uses.
func (c *Chooser) Colour(instances []Instance) (string, error) {
	used := map[string]string{}
	for i := range instances {
		if have := &instances[i]; have.Run != string(c.Run) {
			used[have.Colour] = have.Run
		}
	}
	for _, colour := range []string{Blue, Green} {
		if _, busy := used[colour]; !busy {
			return colour, nil
		}
	}
	return "", &ripcord.Failure{
		Class: ripcord.FailedTarget, Final: true,
		Summary: fmt.Sprintf("both colours of %s are in use, blue by run %s and green by run %s: finish or stop one of them first", c.Service, used[Blue], used[Green]),
	}
}

// Vacant fails when another run has moved into the colour since.
func (c *Chooser) Vacant(colour string, now []Instance) error {
	for i := range now {
		if now[i].Colour == colour && now[i].Run != string(c.Run) {
			return &ripcord.Failure{
				Class: ripcord.FailedTarget, Final: true,
				Summary: fmt.Sprintf("run %s started %s in %s, the colour that this run has chosen", now[i].Run, c.Service, colour),
			}
		}
	}
	return nil
}

// Port finds a port that nobody listens on. In a range each instance begins to
// look elsewhere, so that services that start side by side seldom meet.
func (c *Chooser) Port(ctx context.Context, colour string, number int, taken map[int]bool) (int, error) {
	if c.Ports == (Range{}) {
		return c.Any(ctx, taken)
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(c.ID(colour, number))) // a hash cannot fail
	size := c.Ports.Last - c.Ports.First + 1
	for i := range size {
		port := c.Ports.First + (int(hash.Sum32())+i)%size
		if !taken[port] && c.Free(ctx, port) {
			return port, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return 0, &ripcord.Failure{
		Class:   ripcord.FailedTarget,
		Summary: fmt.Sprintf("no port in %d-%d is free for %s; widen ports", c.Ports.First, c.Ports.Last, c.Service),
	}
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
