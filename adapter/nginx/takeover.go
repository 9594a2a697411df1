package nginx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// understand reads what our file says now, also where a person has written it.
func (s *Settings) understand(text string) (model, error) {
	if strings.TrimSpace(text) == "" {
		return model{Upstream: s.Upstream}, nil
	}
	if m, err := readModel(text); err == nil || !strings.HasPrefix(text, digestMark) {
		if err == nil && m.Upstream != s.Upstream {
			return m, fmt.Errorf("it is the file of upstream %s, not of %s", m.Upstream, s.Upstream)
		}
		if err == nil {
			return m, nil
		}
		return s.takeOver(text)
	}
	return model{}, errEdited
}

// takeOver reads a file that a person has written: one upstream, and nothing that
// would be lost.
func (s *Settings) takeOver(text string) (model, error) {
	m := model{Upstream: s.Upstream}
	list, err := parse(text)
	if err != nil {
		return m, err
	}
	found := false
	for _, d := range list {
		switch {
		case d.name == "upstream" && len(d.args) == 1 && d.args[0] == s.Upstream && !found:
			found = true
			if m, err = takeUpstream(m, d); err != nil {
				return m, err
			}
		case d.name == "log_format" && len(d.args) > 0 && d.args[0] == formatName(s.Upstream):
		default:
			return m, fmt.Errorf("line %d: %s stands beside upstream %s; move it to another file, because this one is Ripcord's alone", d.line, strings.Join(append([]string{d.name}, d.args...), " "), s.Upstream)
		}
	}
	if !found && len(list) > 0 {
		return m, fmt.Errorf("it has no `upstream %s`", s.Upstream)
	}
	return m, nil
}

// takeUpstream adds what a person's upstream says.
func takeUpstream(m model, upstream *directive) (model, error) {
	old := side{Share: full}
	for _, d := range upstream.block {
		words := append([]string{d.name}, d.args...)
		for n, word := range words {
			words[n] = quoted(word)
		}
		switch {
		case d.braces:
			return m, fmt.Errorf("line %d: a block %s within an upstream is more than Ripcord can keep", d.line, d.name)
		case d.name == "server" && len(d.args) > 0:
			at, options, err := takeServer(d)
			if err != nil {
				return m, err
			}
			if at.Weight == 0 {
				continue
			}
			if m.Options == "" {
				m.Options = options
			}
			old.Servers = append(old.Servers, at)
		case slices.Contains([]string{"least_conn", "ip_hash", "hash", "random", "least_time"}, d.name):
			m.Method = strings.Join(words, " ")
		default:
			m.Keep = append(m.Keep, strings.Join(words, " "))
		}
	}
	if len(old.Servers) > 0 {
		m.Sides = []side{old}
	}
	return m, nil
}

// takeServer reads a server line; one that is down has weight 0.
func takeServer(d *directive) (at server, options string, err error) {
	at = server{Address: d.args[0], Weight: 1}
	var rest []string
	for _, option := range d.args[1:] {
		weight, weighs := strings.CutPrefix(option, "weight=")
		switch {
		case weighs:
			if at.Weight, err = strconv.Atoi(weight); err != nil || at.Weight < 1 || at.Weight > maxWeight {
				return at, "", fmt.Errorf("line %d: weight %q", d.line, weight)
			}
		case option == "down":
			return server{}, "", nil
		case option == "backup":
			return at, "", fmt.Errorf("line %d: server %s is a backup, which nginx cannot have beside a split; remove it", d.line, at.Address)
		default:
			rest = append(rest, quoted(option))
		}
	}
	return at, strings.Join(rest, " "), nil
}

const maxWeight = 65535
