package nginx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Settings are those of a step of kind shift with a balancer of this kind.
type Settings struct {
	Service  string `json:"service"`
	Balancer string `json:"balancer"`
	// Include is the file that is Ripcord's alone.
	Include string `json:"include"`
	// Upstream is the name in the user's `proxy_pass http://NAME;`.
	Upstream string `json:"upstream"`
	// Config is nginx's main file.
	Config string `json:"config"`
	// Program is nginx, with further words where it needs them: "nginx -p /srv".
	Program string `json:"program"`
	// Log is a file that nginx is to write for the metrics; empty is none.
	Log string `json:"log"`
	// Cookie keeps a visitor that has it on one version; empty decides for each
	// request.
	Cookie string `json:"cookie"`
	// Targets are addresses, separated by commas.
	Targets string `json:"targets"`
	// Colour names the new side; empty is allowed.
	Colour string `json:"colour"`
	// Weight is the share of requests for the new side, in percent; nil is 100.
	Weight *float64 `json:"weight"`
	Health Health   `json:"health"`
	// Drain is how long old workers may last at a full shift, and on the way back.
	Drain ripcord.Duration `json:"drain_timeout"`
	// Ready is how long the new side may take to become ready, and nginx to reload.
	Ready ripcord.Duration `json:"ready_timeout"`
	// Members, when State is drain or ready, are the addresses, separated by commas,
	// whose servers the step takes out of rotation or puts back; none where none
	// has traffic yet. Nothing is shifted then.
	Members string `json:"members"`
	State   string `json:"state"`
	// MaxUnavailable is how many servers may be out of rotation or not answer with
	// those that leave it; 0 is no bound.
	MaxUnavailable int `json:"max_unavailable"`
}

// Health says what is asked of the new side before it gets traffic.
type Health struct {
	// HTTP is the path; empty connects only.
	HTTP     string           `json:"http"`
	Interval ripcord.Duration `json:"interval"`
	Timeout  ripcord.Duration `json:"timeout"`
	// Successes is how many good answers in a row make a target ready; Failures
	// is how many failed requests in a row make nginx leave a target out.
	Successes int `json:"successes"`
	Failures  int `json:"failures"`
}

const (
	defaultPatient = ripcord.Duration(30 * time.Second)
	defaultConfig  = "/etc/nginx/nginx.conf"
	full           = 100.0 // percent
)

// What a step does with Members.
const (
	stateDrain = "drain"
	stateReady = "ready"
)

func decode(spec ripcord.StepSpec) (Settings, error) {
	s := Settings{Drain: defaultPatient, Ready: defaultPatient, Config: defaultConfig, Program: "nginx"}
	s.Health = Health{Interval: ripcord.Duration(200 * time.Millisecond), Timeout: ripcord.Duration(time.Second), Successes: 2, Failures: 2}
	decoder := json.NewDecoder(bytes.NewReader(spec.Settings))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "step %q: %w", spec.ID, err).
			WithFix("compare the step's settings with those of kind shift, and the balancer's with those of nginx")
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
	// The file is named in nginx's own language too, where these need quotes.
	path := regexp.MustCompile(`^/[^\s;{}"'\\$#*?\[\]|]+$`)
	switch {
	case !path.MatchString(s.Include) || filepath.Clean(s.Include) == filepath.Clean(s.Config):
		return wrong("write an absolute path of a file that is Ripcord's alone, for example /etc/nginx/conf.d/ripcord-shop.conf", "include %q cannot be used", s.Include)
	case !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(s.Upstream):
		return wrong("write the name in `proxy_pass http://NAME;`", "upstream %q is not a name", s.Upstream)
	case !path.MatchString(s.Config):
		return wrong("write an absolute path, for example "+defaultConfig, "config %q cannot be used", s.Config)
	case len(strings.Fields(s.Program)) == 0:
		return wrong("write nginx, or the path of it", "program is empty")
	case s.Log != "" && !path.MatchString(s.Log):
		return wrong("write an absolute path, for example /var/log/nginx/ripcord-shop.log", "log %q cannot be used", s.Log)
	case s.Cookie != "" && !regexp.MustCompile(`^[A-Za-z0-9_]+$`).MatchString(s.Cookie):
		return wrong("write the name of a cookie of letters, digits and _, which is what nginx can read", "cookie %q cannot be used", s.Cookie)
	case s.State != "" && s.State != stateDrain && s.State != stateReady:
		return wrong("use drain or ready", "the state %q is not one that servers have here", s.State)
	case s.MaxUnavailable < 0:
		return wrong("use a positive number", "max_unavailable is negative")
	case s.Targets == "" && s.State == "":
		return wrong("deploy the service in an earlier step", "no targets")
	case s.Colour != "" && !unresolved(s.Colour) && !regexp.MustCompile(`^[A-Za-z0-9_.-]+$`).MatchString(s.Colour):
		return wrong("write a word, for example blue", "colour %q is not a name", s.Colour)
	case s.Weight != nil && !(*s.Weight >= 0 && *s.Weight <= full):
		return wrong("write a percentage from 0 to 100", "weight %v is not a share of traffic", *s.Weight)
	case s.Drain < 0 || s.Ready <= 0:
		return wrong("give a number of seconds", "drain_timeout is %s and ready_timeout is %s", s.Drain, s.Ready)
	}
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

func (h *Health) validate() error {
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
	targets := split(s.Targets)
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
		if !regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`).MatchString(host) {
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

// open reports whether the new side is not known yet, as at plan time.
func (s *Settings) open() bool { return unresolved(s.Targets) || unresolved(s.Colour) }

// unresolved reports whether text still holds a reference, as at plan time.
func unresolved(text string) bool { return strings.Contains(text, "${") }

func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func percent(p float64) string { return strconv.FormatFloat(p, 'g', 4, 64) + " %" }
