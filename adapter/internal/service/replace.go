package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Replace makes a step put its instances in the places of the old ones, which
// are stopped first, instead of beside them: on the same ports.
type Replace struct {
	// Numbers are the instances that the step replaces; empty is all of them.
	Numbers []int `json:"numbers,omitempty"`
	// Rest also stops old instances with a number above all new ones.
	Rest bool `json:"rest,omitempty"`
	// MaxUnavailable is how many of the service's instances may be away or ill
	// while the step replaces its own; 0 is no bound.
	MaxUnavailable int `json:"max_unavailable,omitempty"`
	// Look changes nothing, and tells where the instances are.
	Look bool `json:"look,omitempty"`
}

// Refuse refuses numbers that no instance has.
func (r *Replace) Refuse(instances int, wrong Problem) error {
	if r == nil {
		return nil
	}
	for i, number := range r.Numbers {
		if number < 1 || number > instances || slices.Contains(r.Numbers[:i], number) {
			return wrong("name each of the instances from 1 once", "replace.numbers has %d, and there are %d instances", number, instances)
		}
	}
	if r.MaxUnavailable < 0 {
		return wrong("use a positive number", "replace.max_unavailable is negative")
	}
	return nil
}

// New returns the numbers of the instances that the step starts.
func (r *Replace) New(instances int) []int {
	if len(r.Numbers) > 0 {
		return r.Numbers
	}
	numbers := make([]int, instances)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// Has reports whether the step is about the instance of a number.
func (r *Replace) Has(number, instances int) bool {
	return slices.Contains(r.New(instances), number) || number > instances && (r.Rest || len(r.Numbers) == 0)
}

// Words are the step's instances for people: "instances 1 and 2 of web".
func (r *Replace) Words(service string, instances int) string {
	if len(r.Numbers) == 0 {
		return "all instances of " + service
	}
	words := make([]string, len(r.Numbers))
	for i, number := range r.Numbers {
		words[i] = strconv.Itoa(number)
	}
	text := "instance " + words[0] + " of " + service
	if last := len(words) - 1; last > 0 {
		text = "instances " + strings.Join(words[:last], ", ") + " and " + words[last] + " of " + service
	}
	if len(words) < instances {
		text += " (" + strconv.Itoa(instances) + " in all)"
	}
	return text
}

// Replaced is what a step writes down before it stops the first old instance:
// where the new ones go, and what has to be there again when it is taken back.
type Replaced struct {
	Place
	Old []Old `json:"old,omitempty"`
}

// Old is one instance that was there before.
type Old struct {
	ID      string `json:"id"`
	Number  int    `json:"number"`
	Address string `json:"address"`
	Colour  string `json:"colour"`
	Version string `json:"version"`
	// Healthy says that it was: whoever brings it back waits until it is again.
	Healthy bool `json:"healthy,omitempty"`
	// Listens says that something answered at its address at least.
	Listens bool `json:"listens,omitempty"`
	// Spec is what it was started with, where the runtime does not keep that.
	Spec *ripcord.BlobRef `json:"spec,omitempty"`
}

// RecordedReplaced returns the newest among the progress.
func RecordedReplaced(progress []json.RawMessage) (r Replaced, ok bool, err error) {
	if len(progress) == 0 {
		return r, false, nil
	}
	if err := json.Unmarshal(progress[len(progress)-1], &r); err != nil {
		return r, false, fmt.Errorf("read what was recorded of the old instances: %w", err)
	}
	return r, true, nil
}

// Ask notes how the old instances fare, in the order in which they are there.
func (r *Replaced) Ask(ctx context.Context, h *Health, dial Dialer) {
	addresses := make([]string, len(r.Old))
	for i := range r.Old {
		addresses[i] = r.Old[i].Address
	}
	connected := h.connects()
	healthy, listens := h.ProbeAll(ctx, dial, addresses), connected.ProbeAll(ctx, dial, addresses)
	for i := range r.Old {
		r.Old[i].Healthy, r.Old[i].Listens = healthy[i] == nil, listens[i] == nil
	}
}

// connects is a health that asks for a connection only.
func (h *Health) connects() Health {
	return Health{
		TCP: true, Interval: h.Interval, Timeout: h.Timeout, StartTimeout: h.StartTimeout, Successes: 1, Failures: h.Failures, Flapping: h.Flapping,
	}
}

// Return waits until each old instance fares as it did before it was stopped: one
// that was ill need not become healthy, it is enough that it listens. W knows the
// old instances, which have been ordered.
func (r *Replaced) Return(ctx context.Context, w Watch) error {
	now, err := w.Runtime.Look(ctx)
	if err != nil {
		return err
	}
	w.Place = r.OldPlace()
	well, there := w, w
	connected := w.Health.connects()
	there.Health = &connected
	for i := range r.Old {
		switch old := &r.Old[i]; {
		case old.Healthy:
			well.Follow(old.Number, now[old.Number].Restarts)
		case old.Listens:
			there.Follow(old.Number, now[old.Number].Restarts)
		}
	}
	if err := well.Wait(ctx); err != nil {
		return err
	}
	return there.Wait(ctx)
}

// OldPlace is where the old instances were.
func (r *Replaced) OldPlace() Place {
	var p Place
	for i := range r.Old {
		for len(p.Ports) < r.Old[i].Number {
			p.Ports = append(p.Ports, 0)
		}
		p.Colour, p.Ports[r.Old[i].Number-1] = r.Old[i].Colour, portOf(r.Old[i].Address)
		if host, _, err := net.SplitHostPort(r.Old[i].Address); err == nil {
			p.Host = host
		}
	}
	return p
}

// Within returns the place of the instances with these numbers: the ports that
// the old ones have, and free ones where there is none. The colour is the run's
// own, if it has one already.
func (c *Chooser) Within(ctx context.Context, numbers []int, all []Instance) (p Place, err error) {
	if own := Of(c.Run, all); len(own) > 0 {
		p.Colour = own[0].Colour
	} else if p.Colour, err = c.Colour(all); err != nil {
		return p, err
	}
	p.Host, p.Ports = c.Host, make([]int, slices.Max(numbers))
	taken := map[int]bool{}
	for i := range all {
		port := portOf(all[i].Address)
		taken[port] = true
		if slices.Contains(numbers, all[i].Number) {
			p.Ports[all[i].Number-1] = port
		}
	}
	for _, number := range numbers {
		if p.Ports[number-1] != 0 {
			continue
		}
		if p.Ports[number-1], err = c.Port(ctx, p.Colour, number, taken); err != nil {
			return p, err
		}
		taken[p.Ports[number-1]] = true
	}
	return p, nil
}

// ReplacedOutputs are what later steps are told of instances that took the places
// of others.
func ReplacedOutputs(progress []json.RawMessage, own []Instance) (map[string]ripcord.Output, error) {
	r, ok, err := RecordedReplaced(progress)
	if err != nil {
		return nil, err
	}
	addresses, colour, _ := told(own)
	if ok {
		addresses, colour = r.Addresses(), r.Colour
	}
	old := make([]Instance, len(r.Old))
	for i := range r.Old {
		old[i] = Instance{Colour: r.Old[i].Colour, Version: r.Old[i].Version, Address: r.Old[i].Address}
	}
	before, oldColour, oldVersion := told(old)
	return map[string]ripcord.Output{
		"addresses": {Value: addresses}, "colour": {Value: colour},
		"old_addresses": {Value: before}, "old_colour": {Value: oldColour}, "old_version": {Value: oldVersion},
	}, nil
}

// LookOutputs tell where each instance is now: address_1 and so on, empty where
// there is none yet, and address_rest for those above. A number that several
// have gives all of their addresses.
func LookOutputs(instances int, all []Instance) map[string]ripcord.Output {
	at := map[string][]string{"address_rest": nil}
	for number := 1; number <= instances; number++ {
		at[AddressKey(number)] = nil
	}
	for i := range all {
		key := AddressKey(all[i].Number)
		if all[i].Number > instances {
			key = "address_rest"
		}
		at[key] = append(at[key], all[i].Address)
	}
	outputs := make(map[string]ripcord.Output, len(at))
	for key, addresses := range at {
		outputs[key] = ripcord.Output{Value: strings.Join(addresses, ",")}
	}
	return outputs
}

// AddressKey is the output with the address of an instance.
func AddressKey(number int) string { return "address_" + strconv.Itoa(number) }

// Room waits until so few others are away or ill that the step's own may be
// replaced. Missing tells how many are, and which one is.
func (r *Replace) Room(ctx context.Context, own int, h *Health, missing func(ctx context.Context) (int, string, error)) error {
	if r.MaxUnavailable == 0 {
		return nil
	}
	limit := time.NewTimer(h.StartTimeout.Std())
	defer limit.Stop()
	pause := time.NewTicker(h.Interval.Std())
	defer pause.Stop()
	for {
		others, which, err := missing(ctx)
		if err != nil {
			return err
		}
		if others+own <= r.MaxUnavailable || others == 0 {
			return nil
		}
		select {
		case <-pause.C:
		case <-limit.C:
			return &ripcord.Failure{
				Class: ripcord.FailedHealth,
				Summary: fmt.Sprintf("%s, so that with the %d to be replaced %d would be unavailable, and at most %d may be: heal it, raise max_unavailable, or use strategy recreate",
					which, own, others+own, r.MaxUnavailable),
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Downtime is how long the step's instances are away at most.
func (s *Settings) Downtime() ripcord.Duration { return s.Grace + s.Health.StartTimeout }

// ReplaceText says what the step does, for people. Old describes what is there;
// empty is nothing.
func (s *Settings) ReplaceText(version, old string) string {
	r := s.Replace
	words := r.Words(s.Service, s.Instances)
	if r.Look {
		return "looks where the instances of " + s.Service + " are; changes nothing"
	}
	if old == "" {
		return fmt.Sprintf("starts %s %s", words, version)
	}
	text := fmt.Sprintf("stops %s (%s), and then starts %s on the same ports", words, old, version)
	if len(r.Numbers) > 0 {
		return text + fmt.Sprintf("; unavailable meanwhile, for at most %s", s.Downtime())
	}
	return text + fmt.Sprintf("; DOWNTIME: %s does not answer meanwhile, for at most %s (grace %s, start_timeout %s)",
		s.Service, s.Downtime(), s.Grace, s.Health.StartTimeout)
}
