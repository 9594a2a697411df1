package nginx

import (
	"path/filepath"
	"slices"
	"strings"
)

// use is how the configuration uses our file.
type use struct {
	// included says that an include in the http block names our file.
	included bool
	// elsewhere are definitions of the upstream in other files.
	elsewhere []place
	// passes send requests to the upstream; variable says that others go where a
	// variable says.
	passes   []place
	variable bool
	// deaf are access_log directives that keep requests from our log.
	deaf []place
	// names are all directives outside of our file.
	names map[string]bool
}

func (u *use) says(name string) bool { return u.names[name] }

// use finds out how the configuration uses our file.
func (t *tree) use(s Settings) use {
	u := use{names: map[string]bool{}}
	ours := filepath.Clean(s.Include)
	logs := map[*directive][]place{} // by the block around them
	t.visit(func(p place) {
		if p.file.path == ours || resolved(p.file.path) == resolved(ours) {
			return
		}
		u.names[p.name] = true
		switch {
		case p.name == "include" && len(p.args) == 1 && p.inside("http"):
			u.included = u.included || globs(t.absolute(p.args[0]), ours)
		case p.name == "upstream" && slices.Equal(p.args, []string{s.Upstream}) && p.inside("http"):
			u.elsewhere = append(u.elsewhere, p)
		case strings.HasSuffix(p.name, "_pass") && len(p.args) == 1 && len(p.in) > 0 && p.in[0].name == "http":
			u.pass(p, s.Upstream)
		case p.name == "access_log" && len(p.in) > 0:
			around := p.in[len(p.in)-1]
			logs[around] = append(logs[around], p)
		}
	})
	for _, pass := range u.passes {
		u.deaf = append(u.deaf, deaf(pass, logs, s.Log)...)
	}
	return u
}

func (u *use) pass(p place, upstream string) {
	to := p.args[0]
	if _, after, ok := strings.Cut(to, "://"); ok {
		to = after
	}
	to, _, _ = strings.Cut(to, "/")
	switch {
	case to == upstream:
		u.passes = append(u.passes, p)
	case strings.Contains(to, "$"):
		u.variable = true
	}
}

// deaf returns the directive that keeps a location's requests from a log: the
// nearest access_log counts, and those of the http block stand beside ours.
func deaf(pass place, logs map[*directive][]place, log string) []place {
	for _, around := range slices.Backward(pass.in) {
		here := logs[around]
		if len(here) == 0 {
			continue
		}
		off := slices.IndexFunc(here, func(p place) bool { return len(p.args) > 0 && p.args[0] == "off" })
		switch {
		case off >= 0: // it silences all others beside it
			return here[off : off+1]
		case around.name == "http" || slices.ContainsFunc(here, func(p place) bool { return len(p.args) > 1 && p.args[0] == log }):
			return nil
		}
		return here[:1]
	}
	return nil
}
