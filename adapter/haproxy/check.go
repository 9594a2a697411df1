package haproxy

import (
	"context"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	v, err := s.look(ctx)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, s.plain(ctx, err)
	}
	data, err := v.image.bytes()
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	presence, err := s.presence(ctx, v.image)
	return ripcord.Observation{
		Presence: presence, Image: data, Exact: true,
		Detail: "traffic of backend " + s.settings.Backend + " goes to " + v.image.routed(),
	}, err
}

// presence says how much of the shift is there.
func (s *Step) presence(ctx context.Context, now image) (ripcord.Presence, error) {
	if s.open() {
		return ripcord.Absent, nil
	}
	targets, err := s.targets(ctx)
	if err != nil {
		return ripcord.Unknown, err
	}
	there := 0
	for _, target := range targets {
		for _, at := range now.Servers {
			if at.Address == target && at.Admin == ready && (s.settings.names(at.Name) || at.Made == 0) {
				there++
				break
			}
		}
	}
	if there == 0 {
		return ripcord.Absent, nil
	}
	g, err := s.settings.toward(now, targets)
	if err != nil {
		return ripcord.Partial, nil //nolint:nilerr // a name that is taken is told by Apply
	}
	if there == len(targets) && g.image.sameServers(now) && s.settings.agrees(now) {
		return ripcord.Present, nil
	}
	return ripcord.Partial, nil
}

// open reports whether the new side is not known yet, as at plan time.
func (s *Step) open() bool { return unresolved(s.settings.Targets) || unresolved(s.settings.Colour) }

// Explain implements ripcord.Explainer.
func (s *Step) Explain(ctx context.Context) (string, error) {
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	v, err := s.look(ctx)
	if err != nil {
		return "", s.plain(ctx, err)
	}
	text, err := s.change(ctx, v.image)
	if err != nil {
		return "", err
	}
	return strings.Join(append([]string{text}, s.warnings(v)...), "; note: "), nil
}

// change says what the shift would do.
func (s *Step) change(ctx context.Context, now image) (string, error) {
	share := percent(s.settings.share())
	if s.open() {
		return fmt.Sprintf("%s of the traffic of backend %s goes to the new servers; now it goes to %s", share, s.settings.Backend, now.routed()), nil
	}
	presence, err := s.presence(ctx, now)
	if err != nil {
		return "", err
	}
	targets, err := s.targets(ctx)
	if err != nil {
		return "", err
	}
	g, err := s.settings.toward(now, targets)
	if err != nil {
		return "", err
	}
	if presence == ripcord.Present {
		return fmt.Sprintf("nothing: traffic of backend %s goes to %s already", s.settings.Backend, now.routed()), nil
	}
	return fmt.Sprintf("%s of the traffic of backend %s goes to %s; now it goes to %s",
		g.weights.describe(), s.settings.Backend, strings.Join(g.newer, ", "), now.routed()), nil
}

// warnings are what people should know of their configuration.
func (s *Step) warnings(v view) []string {
	var out []string
	backend := s.settings.Backend
	if s.settings.Config == "" {
		out = append(out, "a reload or restart of HAProxy forgets this shift: set the balancer's `config` to the file that HAProxy reads")
		return append(out, stickyWarning(v, backend)...)
	}
	file, err := readConfig(s.settings.Config, backend)
	if err != nil {
		return append(out, err.Error())
	}
	has := func(text ...string) bool { return file.says(text...) }
	if !has("option", "idle-close-on-response") {
		out = append(out, "without `option idle-close-on-response` a reload of HAProxy loses requests on kept connections")
	}
	if !has("retry-on") {
		out = append(out, "without `retry-on all-retryable-errors` and `option redispatch` a request to a server that dies is lost")
	} else if !has("http-request", "disable-l7-retry") {
		out = append(out, "`retry-on` also sends POST again: add `http-request disable-l7-retry if METH_POST`")
	}
	if s.settings.Health.HTTP != "" && !has("option", "httpchk") {
		out = append(out, "HAProxy's own checks only connect: add `option httpchk GET "+s.settings.Health.HTTP+"` to backend "+backend)
	}
	if !has("timeout", "check") {
		out = append(out, fmt.Sprintf("without `timeout check` an answer to a check must come within its interval (%s), so a busy server counts as down: add `timeout check 2s`", s.settings.Health.Interval))
	}
	if has("default-server") {
		out = append(out, "servers that are made at run time do not inherit `default-server`: give what they need as the balancer's `options`")
	}
	return append(out, stickyWarning(v, backend)...)
}

func stickyWarning(v view, backend string) []string {
	if !v.image.Sticky {
		return nil
	}
	return []string{"backend " + backend + " keeps visitors by cookie, in which servers made at run time cannot take part in HAProxy 2.6: " +
		"declare servers with cookies for both colours (blue1, green1 ...), disabled"}
}

// says reports whether any line begins with these words.
func (c *config) says(begin ...string) bool {
	for _, line := range c.text {
		words := words(line)
		if len(words) >= len(begin) && strings.Join(words[:len(begin)], " ") == strings.Join(begin, " ") {
			return true
		}
	}
	return false
}
