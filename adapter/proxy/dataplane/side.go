package dataplane

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Side is one of the target sets that the route can point to, as data.
type Side struct {
	// Name is the side's colour or another short word.
	Name string `json:"name"`
	// Targets are host:port addresses.
	Targets []string `json:"targets"`
	Health  Health   `json:"health"`
	Limits  Limits   `json:"limits"`
}

// Health says how a side's targets are probed.
type Health struct {
	// HTTP is the path whose answer must have a 2xx status; empty probes by
	// connecting only.
	HTTP     string           `json:"http,omitempty"`
	Interval ripcord.Duration `json:"interval,omitempty"`
	Timeout  ripcord.Duration `json:"timeout,omitempty"`
	// Successes and Failures are how many equal probes in a row change a
	// target's readiness.
	Successes int `json:"successes,omitempty"`
	Failures  int `json:"failures,omitempty"`
}

// Limits bound what a side costs. Zero fields take their defaults.
type Limits struct {
	// MaxInFlight is how many requests the whole proxy works on while this side
	// has the route; more are answered 503.
	MaxInFlight int `json:"max_in_flight,omitempty"`
	// MaxWebSockets is the same for upgraded connections.
	MaxWebSockets int `json:"max_websockets,omitempty"`
	// ReplayBody is the size in bytes up to which a request's body is read
	// before it is sent, so that it can be sent again.
	ReplayBody int `json:"replay_body,omitempty"`
	// Dial limits connecting to a target.
	Dial ripcord.Duration `json:"dial,omitempty"`
	// ResponseHeader limits the wait from the end of the request to the
	// header of the answer.
	ResponseHeader ripcord.Duration `json:"response_header,omitempty"`
	// Idle is how long an unused connection to a target is kept. It must be
	// shorter than the application's own limit (5 s in Node).
	Idle ripcord.Duration `json:"idle,omitempty"`
}

// The bounds of a side.
const (
	maxSides         = 16
	maxTargets       = 256
	maxNameLength    = 64
	defaultInFlight  = 4096
	defaultWebSocket = 4096
	defaultReplay    = 64 << 10
	maxReplay        = 1 << 20
)

// WithDefaults returns s with each zero field replaced by its default, the
// targets sorted: equal sides have equal JSON.
func (s Side) WithDefaults() Side {
	s.Targets = slices.Clone(s.Targets)
	slices.Sort(s.Targets)
	h, l := &s.Health, &s.Limits
	orDuration(&h.Interval, 200*time.Millisecond)
	orDuration(&h.Timeout, time.Second)
	orInt(&h.Successes, 2)
	orInt(&h.Failures, 2)
	orInt(&l.MaxInFlight, defaultInFlight)
	orInt(&l.MaxWebSockets, defaultWebSocket)
	orInt(&l.ReplayBody, defaultReplay)
	orDuration(&l.Dial, time.Second)
	orDuration(&l.ResponseHeader, 30*time.Second)
	orDuration(&l.Idle, 4*time.Second)
	return s
}

func orDuration(d *ripcord.Duration, value time.Duration) {
	if *d == 0 {
		*d = ripcord.Duration(value)
	}
}

func orInt(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// Validate reports the first thing that is wrong with the side.
func (s Side) Validate() error {
	if err := validName(s.Name); err != nil {
		return err
	}
	if len(s.Targets) == 0 {
		return fmt.Errorf("side %s has no targets", s.Name)
	}
	if len(s.Targets) > maxTargets {
		return fmt.Errorf("side %s has %d targets; the most is %d", s.Name, len(s.Targets), maxTargets)
	}
	seen := make(map[string]bool, len(s.Targets))
	for _, target := range s.Targets {
		if err := ValidAddress(target); err != nil {
			return fmt.Errorf("side %s: %w", s.Name, err)
		}
		if seen[target] {
			return fmt.Errorf("side %s names target %s twice", s.Name, target)
		}
		seen[target] = true
	}
	if err := s.Health.Validate(); err != nil {
		return fmt.Errorf("side %s: %w", s.Name, err)
	}
	if err := s.Limits.Validate(); err != nil {
		return fmt.Errorf("side %s: %w", s.Name, err)
	}
	return nil
}

// Validate reports the first field that is out of its bounds.
func (h Health) Validate() error {
	if h.HTTP != "" && (!strings.HasPrefix(h.HTTP, "/") || strings.ContainsFunc(h.HTTP, isControlOrSpace)) {
		return fmt.Errorf("health path %q: it must begin with / and hold no spaces", h.HTTP)
	}
	if h.Successes < 0 || h.Failures < 0 || h.Successes > 1000 || h.Failures > 1000 {
		return errors.New("health thresholds must be between 1 and 1000")
	}
	return within(map[string]ripcord.Duration{"health interval": h.Interval, "health timeout": h.Timeout}, 10*time.Millisecond)
}

// Validate reports the first field that is out of its bounds.
func (l Limits) Validate() error {
	if l.MaxInFlight < 0 || l.MaxWebSockets < 0 || l.ReplayBody < 0 {
		return errors.New("limits must not be negative")
	}
	if l.ReplayBody > maxReplay {
		return fmt.Errorf("limit replay_body is %d bytes; the most is %d", l.ReplayBody, maxReplay)
	}
	return within(map[string]ripcord.Duration{
		"limit dial": l.Dial, "limit response_header": l.ResponseHeader, "limit idle": l.Idle,
	}, time.Millisecond)
}

// within reports a duration that is neither zero (the default) nor between
// least and a day.
func within(durations map[string]ripcord.Duration, least time.Duration) error {
	for name, d := range durations {
		if d != 0 && (d.Std() < least || d.Std() > 24*time.Hour) {
			return fmt.Errorf("%s is %v; it must be between %v and 24h", name, d, least)
		}
	}
	return nil
}

func validName(name string) error {
	if name == "" || len(name) > maxNameLength {
		return fmt.Errorf("side name %q must have 1 to %d characters", name, maxNameLength)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("side name %q may hold letters, digits, dot, dash and underscore only", name)
		}
	}
	if strings.Trim(name, ".") == "" {
		return fmt.Errorf("side name %q is only dots", name)
	}
	return nil
}

// ValidAddress reports whether addr is host:port with a port from 1 to 65535.
func ValidAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q is not host:port", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %q: the port must be a number from 1 to 65535", addr)
	}
	if strings.ContainsFunc(host, isControlOrSpace) || strings.ContainsAny(host, "/?#@,") {
		return fmt.Errorf("address %q: bad host", addr)
	}
	return nil
}

func isControlOrSpace(r rune) bool { return r <= ' ' || r == 0x7f }

// equal reports whether both sides are the same after defaults.
func (s Side) equal(o Side) bool {
	s, o = s.WithDefaults(), o.WithDefaults()
	return s.Name == o.Name && s.Health == o.Health && s.Limits == o.Limits && slices.Equal(s.Targets, o.Targets)
}
