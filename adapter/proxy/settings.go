package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
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
	// Strategy is "blue-green".
	Strategy string `json:"strategy"`
	// Targets are addresses, separated by commas.
	Targets string `json:"targets"`
	// Colour names the new side.
	Colour string           `json:"colour,omitempty"`
	Health dataplane.Health `json:"health"`
	Limits dataplane.Limits `json:"limits"`
	// Drain is how long requests and upgraded connections of the side that
	// lost the route may last.
	Drain ripcord.Duration `json:"drain_timeout"`
	// Ready is how long the new side may take to become ready.
	Ready ripcord.Duration `json:"ready_timeout"`
}

const (
	blueGreen      = "blue-green"
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
	case s.Strategy != blueGreen:
		return wrong("use blue-green", "the strategy %q is not one that the proxy knows", s.Strategy)
	case s.Targets == "":
		return wrong("deploy the service in an earlier step", "no targets")
	case s.Drain < 0 || s.Ready <= 0:
		return wrong("give a number of seconds", "drain_timeout is %s and ready_timeout is %s", s.Drain, s.Ready)
	}
	if err := dataplane.ValidAddress(s.Listen); err != nil {
		return wrong("write HOST:PORT, for example 127.0.0.1:8080", "listen: %w", err)
	}
	side := dataplane.Side{Name: "side", Targets: []string{"127.0.0.1:1"}, Health: s.Health, Limits: s.Limits}
	if !unresolved(s.Targets) {
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

func (s *Settings) targets() []string {
	var targets []string
	for target := range strings.SplitSeq(s.Targets, ",") {
		if target = strings.TrimSpace(target); target != "" {
			targets = append(targets, target)
		}
	}
	return targets
}

// side is what traffic is to go to, under the name that fits beside the state's
// routed side: a side that has the route is never changed.
func (s *Settings) side(state *dataplane.State) dataplane.Side {
	side := dataplane.Side{Name: s.Colour, Targets: s.targets(), Health: s.Health, Limits: s.Limits}
	if side.Name == "" {
		slices.Sort(side.Targets)
		sum := sha256.Sum256([]byte(strings.Join(side.Targets, ",")))
		side.Name = hex.EncodeToString(sum[:4])
	}
	side = side.WithDefaults()
	if state == nil || state.Route == "" {
		return side
	}
	routed := *state.Side(state.Route)
	if sameTargets(routed, side) {
		side.Name = routed.Name
	} else if routed.Name == side.Name {
		side.Name += "-next"
	}
	return side
}

// sameTargets reports whether both sides send the same traffic to the same
// places, whatever their names.
func sameTargets(a, b dataplane.Side) bool {
	return slices.Equal(a.Targets, b.Targets) && a.Health == b.Health && a.Limits == b.Limits
}
