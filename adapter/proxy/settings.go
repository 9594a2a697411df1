package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
)

// Settings are those of a step of kind shift.
type Settings struct {
	Service  string `json:"service"`
	Balancer string `json:"balancer"`
	// Listen is the address that clients connect to, host:port.
	Listen string `json:"listen"`
	// Strategy is "blue-green" or "canary"; Weight says how much is shifted.
	Strategy string `json:"strategy"`
	// Targets are addresses, separated by commas.
	Targets string `json:"targets"`
	// Colour names the new side.
	Colour string `json:"colour,omitempty"`
	// Weight is the part of the requests in percent that the new side has
	// afterwards, 0 to 100; absent is all.
	Weight *float64         `json:"weight,omitempty"`
	Health dataplane.Health `json:"health"`
	Limits dataplane.Limits `json:"limits"`
	// TLS, Affinity and Testers are those of the listener from now on; absent
	// is none. Relative paths start at the plan file's folder.
	TLS      *dataplane.TLS      `json:"tls,omitempty"`
	Affinity *dataplane.Affinity `json:"affinity,omitempty"`
	Testers  *dataplane.Testers  `json:"testers,omitempty"`
	// Drain is how long requests and upgraded connections of the side that
	// lost the route may last.
	Drain ripcord.Duration `json:"drain_timeout"`
	// Ready is how long the new side may take to become ready.
	Ready ripcord.Duration `json:"ready_timeout"`
	// Members, when State is drain or ready, are the targets that the step takes
	// out of rotation or puts back, whatever their side: addresses, separated by
	// commas; none where none has traffic yet. Nothing is shifted then.
	Members string `json:"members,omitempty"`
	State   string `json:"state,omitempty"`
	// MaxUnavailable is how many targets of a side may be out of rotation or not
	// ready with those that leave it; 0 is no bound.
	MaxUnavailable int `json:"max_unavailable,omitempty"`
}

// The states of Members.
const (
	stateDrain = "drain"
	stateReady = "ready"
)

const (
	blueGreen      = "blue-green"
	canary         = "canary"
	everything     = 100 // percent
	defaultPatient = ripcord.Duration(30 * time.Second)
)

func decode(spec ripcord.StepSpec) (Settings, error) {
	s := Settings{Strategy: blueGreen, Drain: defaultPatient, Ready: defaultPatient}
	decoder := json.NewDecoder(bytes.NewReader(spec.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of kind shift")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: text after the end of the settings", spec.ID)
	}
	return s, s.validate(spec)
}

func (s *Settings) validate(spec ripcord.StepSpec) error {
	wrong := func(fix, format string, args ...any) error {
		return ripcord.Errorf(ripcord.CodePlan, "step %q: "+format, append([]any{spec.ID}, args...)...).WithFix("%s", fix)
	}
	switch {
	case s.Balancer == "":
		return wrong("name the balancer", "no balancer")
	case s.Strategy != blueGreen && s.Strategy != canary:
		return wrong("use blue-green or canary", "the strategy %q is not one that the proxy knows", s.Strategy)
	case s.State != "" && s.State != stateDrain && s.State != stateReady:
		return wrong("use drain or ready", "the state %q is not one that the proxy knows", s.State)
	case s.MaxUnavailable < 0:
		return wrong("use a positive number", "max_unavailable is negative")
	case s.Targets == "" && s.State == "":
		return wrong("deploy the service in an earlier step", "no targets")
	case !(s.weight() >= 0 && s.weight() <= everything):
		return wrong("give a percentage from 0 to 100", "weight is %g", s.weight())
	case s.Drain < 0 || s.Ready <= 0:
		return wrong("give a number of seconds", "drain_timeout is %s and ready_timeout is %s", s.Drain, s.Ready)
	}
	if err := dataplane.ValidAddress(s.Listen); err != nil {
		return wrong("write HOST:PORT, for example 127.0.0.1:8080", "listen: %w", err)
	}
	if err := s.front().Validate(); err != nil {
		return wrong("see the settings of the balancer", "%w", err)
	}
	side := dataplane.Side{Name: "side", Targets: []string{"127.0.0.1:1"}, Health: s.Health, Limits: s.Limits}
	if !unresolved(s.Targets) && s.State == "" {
		side.Targets = s.targets()
	}
	if s.Colour != "" && !unresolved(s.Colour) {
		side.Name = s.Colour
	}
	if err := side.Validate(); err != nil {
		return wrong("see the settings of kind shift", "%w", err)
	}
	return nil
}

// unresolved reports whether text still holds a reference, as at plan time.
func unresolved(text string) bool { return strings.Contains(text, "${") }

func (s *Settings) targets() []string { return addresses(s.Targets) }

func addresses(text string) []string {
	var targets []string
	for target := range strings.SplitSeq(text, ",") {
		if target = strings.TrimSpace(target); target != "" {
			targets = append(targets, target)
		}
	}
	return targets
}

func (s *Settings) weight() float64 {
	if s.Weight == nil {
		return everything
	}
	return *s.Weight
}

// resolve makes the paths absolute.
func (s *Settings) resolve(directory string) {
	if s.TLS == nil {
		return
	}
	absolute := func(path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(directory, path)
	}
	s.TLS = &dataplane.TLS{Certificate: absolute(s.TLS.Certificate), Key: absolute(s.TLS.Key)}
}

// front is what clients are to meet.
func (s *Settings) front() dataplane.Front {
	return dataplane.Front{TLS: s.TLS, Affinity: s.Affinity, Testers: s.Testers}
}

// side is what traffic is to go to, under a name that fits beside the sides
// that have traffic: those are never changed.
func (s *Settings) side(state *dataplane.State) dataplane.Side {
	side := dataplane.Side{Name: s.Colour, Targets: s.targets(), Health: s.Health, Limits: s.Limits}
	if side.Name == "" {
		slices.Sort(side.Targets)
		sum := sha256.Sum256([]byte(strings.Join(side.Targets, ",")))
		side.Name = hex.EncodeToString(sum[:4])
	}
	side = side.WithDefaults()
	if state == nil {
		return side
	}
	var taken []string
	for _, there := range routed(state) {
		if sameTargets(there, side) {
			side.Name = there.Name
			return side
		}
		taken = append(taken, there.Name)
	}
	for slices.Contains(taken, side.Name) {
		side.Name += "-next"
	}
	return side
}

// routed returns the sides that have traffic: that of the route first.
func routed(state *dataplane.State) []dataplane.Side {
	var sides []dataplane.Side
	if side := state.Side(state.Route); side != nil {
		sides = append(sides, *side)
	}
	if state.Split != nil {
		sides = append(sides, *state.Side(state.Split.Side))
	}
	return sides
}

// goal is the route that the step brings about from a state that has a side
// named side. Where no other side has traffic, that side gets all of it.
func (s *Settings) goal(state *dataplane.State, side string) dataplane.RouteChange {
	front := s.front()
	if s.weight() >= everything || state.Route == "" || state.Route == side {
		return dataplane.RouteChange{Side: side, Front: &front}
	}
	return dataplane.RouteChange{
		Side: state.Route, Split: &dataplane.Split{Side: side, Weight: s.weight()}, Front: &front,
	}
}

// reached reports whether the state's route is the change's.
func reached(state *dataplane.State, c dataplane.RouteChange) bool {
	return state.Route == c.Side && sameSplit(state.Split, c.Split) && (c.Front == nil || state.Front.Equal(*c.Front))
}

func sameSplit(a, b *dataplane.Split) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameTargets reports whether both sides send the same traffic to the same
// places, whatever their names.
func sameTargets(a, b dataplane.Side) bool {
	return slices.Equal(a.Targets, b.Targets) && a.Health == b.Health && a.Limits == b.Limits
}
