package haproxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Settings are those of a step of kind shift with a balancer of this kind.
type Settings struct {
	Service  string `json:"service"`
	Balancer string `json:"balancer"`
	// Socket is the path of a stats socket with level admin.
	Socket string `json:"socket"`
	// Backend is the section whose servers are changed.
	Backend string `json:"backend"`
	// Config is the file that HAProxy reads when it is reloaded or restarted;
	// empty leaves it to the user to keep what is changed.
	Config string `json:"config"`
	// Validate is the command that tests a configuration; %s stands for the file.
	Validate []string `json:"validate"`
	// Options are added to each server that is made: "maxconn 100 ssl verify none".
	Options string `json:"options"`
	// Targets are addresses, separated by commas.
	Targets string `json:"targets"`
	// Colour names the servers of the new side: blue1, blue2. Without one their
	// name is made of the targets.
	Colour string `json:"colour"`
	// Weight is the share of traffic for the new side, in percent; nil is 100.
	Weight *float64 `json:"weight"`
	Health Health   `json:"health"`
	// Drain is how long requests of a side without traffic may last.
	Drain ripcord.Duration `json:"drain_timeout"`
	// Ready is how long a side may take to become ready.
	Ready ripcord.Duration `json:"ready_timeout"`
	// Members, when State is drain or ready, are the addresses, separated by commas,
	// whose servers the step takes out of rotation or puts back; none where none
	// has traffic yet. Nothing is shifted then.
	Members string `json:"members"`
	State   string `json:"state"`
	// MaxUnavailable is how many servers may be out of rotation or down with those
	// that leave it; 0 is no bound.
	MaxUnavailable int `json:"max_unavailable"`
}

// Health says what HAProxy's checks of a new server and our own probe ask.
type Health struct {
	// HTTP is the path of our own probe; HAProxy's checks ask what the backend's
	// `option httpchk` says. Empty connects only.
	HTTP     string           `json:"http"`
	Interval ripcord.Duration `json:"interval"`
	Timeout  ripcord.Duration `json:"timeout"`
	// Successes and Failures are how many equal checks in a row change a
	// server's state.
	Successes int `json:"successes"`
	Failures  int `json:"failures"`
}

const (
	defaultPatient = ripcord.Duration(30 * time.Second)
	full           = 100.0 // percent
)

func decode(spec ripcord.StepSpec) (Settings, error) {
	s := Settings{Drain: defaultPatient, Ready: defaultPatient, Validate: []string{"haproxy", "-c", "-f", "%s"}}
	decoder := json.NewDecoder(bytes.NewReader(spec.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of kind shift, and the balancer's with those of haproxy")
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
	name := regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
	switch {
	case !filepath.IsAbs(s.Socket):
		return wrong("write the path of the `stats socket` line, for example /run/haproxy/admin.sock", "socket %q is not an absolute path", s.Socket)
	case !name.MatchString(s.Backend):
		return wrong("write the name of a backend or listen section", "backend %q is not a name", s.Backend)
	case s.Config != "" && !filepath.IsAbs(s.Config):
		return wrong("write an absolute path, for example /etc/haproxy/haproxy.cfg", "config %q is not an absolute path", s.Config)
	case len(s.Validate) < 2 || s.Validate[0] == "" || !strings.Contains(strings.Join(s.Validate[1:], " "), "%s"):
		return wrong("write it like [haproxy, -c, -f, \"%s\"]", "validate is no command with %%s for the file")
	case strings.ContainsAny(s.Options, ";\n\r\"'\\#$<"):
		return wrong("write words as on a server line, for example maxconn 100", "options %q holds characters that a server line cannot have here", s.Options)
	case s.State != "" && s.State != ready && s.State != drain:
		return wrong("use drain or ready", "the state %q is not one that HAProxy's servers have here", s.State)
	case s.MaxUnavailable < 0:
		return wrong("use a positive number", "max_unavailable is negative")
	case s.Targets == "" && s.State == "":
		return wrong("deploy the service in an earlier step", "no targets")
	case s.Colour != "" && !unresolved(s.Colour) && !name.MatchString(s.Colour):
		return wrong("write a word, for example blue", "colour %q is not a name", s.Colour)
	case s.Weight != nil && !(*s.Weight >= 0 && *s.Weight <= full):
		return wrong("write a percentage from 0 to 100", "weight %v is not a share of traffic", *s.Weight)
	case s.Drain < 0 || s.Ready <= 0:
		return wrong("give a number of seconds", "drain_timeout is %s and ready_timeout is %s", s.Drain, s.Ready)
	}
	if s.Colour == "" {
		targets := s.targets()
		slices.Sort(targets)
		sum := sha256.Sum256([]byte(strings.Join(targets, ",")))
		s.Colour = "side-" + hex.EncodeToString(sum[:3]) + "-"
	}
	s.Health = s.Health.withDefaults()
	if err := s.Health.validate(); err != nil {
		return wrong("see the settings of kind shift", "%w", err)
	}
	if unresolved(s.Targets) || s.State != "" {
		return nil
	}
	if err := s.validTargets(); err != nil {
		return wrong("write HOST:PORT, for example 127.0.0.1:8080", "targets: %w", err)
	}
	return nil
}

// withDefaults fills in what is 0.
func (h Health) withDefaults() Health {
	if h.Interval == 0 {
		h.Interval = ripcord.Duration(200 * time.Millisecond)
	}
	if h.Timeout == 0 {
		h.Timeout = ripcord.Duration(time.Second)
	}
	if h.Successes == 0 {
		h.Successes = 2
	}
	if h.Failures == 0 {
		h.Failures = 2
	}
	return h
}

func (h Health) validate() error {
	switch {
	case h.HTTP != "" && !strings.HasPrefix(h.HTTP, "/"):
		return errors.New("health: http is a path that begins with /")
	case h.Interval.Std() < 10*time.Millisecond || h.Interval.Std() > time.Hour:
		return errors.New("health: the interval must lie between 10ms and 1h")
	case h.Timeout <= 0 || h.Timeout.Std() > time.Hour:
		return errors.New("health: the timeout must lie between 0 and 1h")
	case h.Successes < 1 || h.Failures < 1 || h.Successes > 1000 || h.Failures > 1000:
		return errors.New("health: successes and failures must lie between 1 and 1000")
	}
	return nil
}

func (s *Settings) validTargets() error {
	targets := s.targets()
	if len(targets) == 0 {
		return errors.New("no address")
	}
	seen := map[string]bool{}
	for _, target := range targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
			return errors.New(strconv.Quote(target) + " is not HOST:PORT")
		}
		if strings.ContainsAny(host, " ;\n\t\\\"'#") {
			return errors.New(strconv.Quote(host) + " is not a host")
		}
		if seen[target] {
			return errors.New(target + " stands there twice")
		}
		seen[target] = true
	}
	return nil
}

// share is the new side's share of traffic in percent.
func (s *Settings) share() float64 {
	if s.Weight == nil {
		return full
	}
	return *s.Weight
}

// unresolved reports whether text still holds a reference, as at plan time.
func unresolved(text string) bool { return strings.Contains(text, "${") }

func (s *Settings) targets() []string { return split(s.Targets) }

func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// checkWords are how a server line asks for HAProxy's checks.
func (s *Settings) checkWords() string {
	every := strconv.FormatInt(max(1, s.Health.Interval.Std().Milliseconds()), 10) + "ms"
	words := "check inter " + every + " fastinter " + every + " downinter " + every +
		" rise " + strconv.Itoa(s.Health.Successes) + " fall " + strconv.Itoa(s.Health.Failures)
	if s.Options != "" {
		words += " " + strings.Join(strings.Fields(s.Options), " ")
	}
	return words
}

// canonical returns an address as HAProxy shows it: an IP address and a port.
func canonical(host, port string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port)
}
