package haproxy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Admin states of a server.
const (
	ready = "ready"
	drain = "drain"
	maint = "maint"
)

// HAProxy's checks of a server.
const (
	checksNone = "none" // not configured
	checksOff  = "off"
	checksOn   = "on"
)

// firstID is the lowest id of the servers that Ripcord makes: HAProxy keeps it, and
// so does its configuration, so that it is known later which servers are ours.
const firstID = 726001

// server is what a shift changes of a server.
type server struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Weight  int    `json:"weight"`
	Admin   string `json:"admin"`
	// Checks are HAProxy's own: none, off or on.
	Checks string `json:"checks"`
	// Made is the id of a server that Ripcord made; 0 of others.
	Made int `json:"made,omitempty"`
	// Backup servers are left alone.
	Backup bool `json:"backup,omitempty"`
}

// carries reports whether new requests go there.
func (s *server) carries() bool { return s.Admin == ready && s.Weight > 0 && !s.Backup }

// use makes a server one of the new side.
func (s *server) use(address string) {
	s.Address, s.Admin = address, ready
	if s.Checks == checksOff {
		s.Checks = checksOn
	}
}

// image is the part of a backend that a shift changes: no counters, no checks'
// results. The servers are sorted by name.
type image struct {
	Backend string `json:"backend"`
	// Sticky says that the backend keeps visitors on their server by a cookie.
	Sticky  bool     `json:"sticky,omitempty"`
	Servers []server `json:"servers"`
	// Lines are Ripcord's in the configuration file; nil where none is set.
	Lines *string `json:"lines,omitempty"`
}

func (i image) bytes() ([]byte, error) { return json.Marshal(i) }

// sameServers reports whether both have the same servers in the same states.
func (i image) sameServers(o image) bool { return slices.Equal(i.Servers, o.Servers) }

// hasServers reports whether the servers of want are there. What somebody else
// added does not matter here.
func (i image) hasServers(want image) bool {
	for _, to := range want.Servers {
		is := i.server(to.Name)
		if is == nil || *is != to && (!is.Backup || !to.Backup) {
			return false
		}
	}
	return true
}

func (i image) sameLines(o image) bool {
	return (i.Lines == nil) == (o.Lines == nil) && (i.Lines == nil || *i.Lines == *o.Lines)
}

func (i image) lines() string {
	if i.Lines == nil {
		return ""
	}
	return *i.Lines
}

// server returns the server named name, or nil.
func (i image) server(name string) *server {
	for n := range i.Servers {
		if i.Servers[n].Name == name {
			return &i.Servers[n]
		}
	}
	return nil
}

// carriers are the servers that new requests go to.
func (i image) carriers() []server {
	return slices.DeleteFunc(slices.Clone(i.Servers), func(s server) bool { return !s.carries() })
}

// routed describes where the traffic goes, for people.
func (i image) routed() string {
	carriers := i.carriers()
	total := 0
	for _, s := range carriers {
		total += s.Weight
	}
	texts := make([]string, len(carriers))
	for n, s := range carriers {
		texts[n] = s.Name
		if part := full * float64(s.Weight) / float64(total); len(carriers) > 1 {
			texts[n] += " " + percent(part)
		}
	}
	const many = 6
	switch {
	case len(texts) == 0:
		return "nowhere"
	case len(texts) > many:
		return strings.Join(texts[:many], ", ") + fmt.Sprintf(" and %d more", len(texts)-many)
	}
	return strings.Join(texts, ", ")
}

// beforeImage reads the before-image of an attempt.
func beforeImage(a ripcord.Attempt) (image, error) {
	var before image
	if err := json.Unmarshal(a.Before.Image, &before); err != nil {
		return before, &ripcord.Failure{
			Class: ripcord.FailedInternal, Final: true,
			Summary: fmt.Sprintf("HAProxy's before-image cannot be read: %v", err),
		}
	}
	return before, nil
}

// goal is what a shift makes of an image.
type goal struct {
	image image
	// newer and older are the names of the servers of both sides, sorted.
	newer, older []string
	weights      weights
}

// clashError is a server that stands in the way of a new one.
type clashError struct{ name, address string }

func (e *clashError) Error() string {
	return fmt.Sprintf("the name %s is taken: that server has traffic and goes to %s", e.name, e.address)
}

// toward returns what the shift makes of before: a pure function, so that every
// attempt and the way back find the same. Targets are canonical addresses.
func (s *Settings) toward(before image, targets []string) (goal, error) {
	g := goal{image: before}
	g.image.Servers = slices.Clone(before.Servers)
	var rest []string
	for _, target := range targets {
		if !s.there(&g, target) {
			rest = append(rest, target)
		}
	}
	for _, target := range rest {
		if err := s.place(&g, target); err != nil {
			return g, err
		}
	}
	slices.SortFunc(g.image.Servers, func(a, b server) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(g.newer)
	old := []int{}
	for _, there := range before.carriers() {
		if !slices.Contains(g.newer, there.Name) {
			if s.names(there.Name) {
				return g, &clashError{there.Name, there.Address}
			}
			g.older = append(g.older, there.Name)
			old = append(old, there.Weight)
		}
	}
	g.weights = weigh(s.share(), len(g.newer), old)
	if w := present(g, before); w != nil && s.share() < full {
		g.weights = *w
	}
	for n, name := range g.newer {
		g.image.server(name).Weight = g.weights.new[n]
	}
	for n, name := range g.older {
		there := g.image.server(name)
		there.Weight = g.weights.old[n]
		if there.Weight == 0 && before.Sticky {
			there.Admin = maint // else visitors with a cookie would stay
		}
	}
	return g, nil
}

// present returns the weights that are there already, when they make a share that
// is as good as the goal's.
func present(g goal, before image) *weights {
	w := weights{}
	for _, name := range g.newer {
		there := before.server(name)
		if there == nil || !there.carries() {
			return nil
		}
		w.new = append(w.new, there.Weight)
	}
	for _, name := range g.older {
		w.old = append(w.old, before.server(name).Weight)
	}
	if best, is := g.weights.share(), w.share(); is > best*(1+closeEnough) || is < best*(1-closeEnough) {
		return nil
	}
	return &w
}

// names reports whether a server is named as those of this side: blue1, blue2.
func (s *Settings) names(name string) bool {
	digits, ok := strings.CutPrefix(name, s.Colour)
	if !ok || digits == "" {
		return false
	}
	_, err := strconv.ParseUint(digits, 10, 31)
	return err == nil
}

// there finds the server that goes to a target already.
func (s *Settings) there(g *goal, target string) bool {
	for n := range g.image.Servers {
		at := &g.image.Servers[n]
		if at.Address == target && g.free(at) && (s.names(at.Name) || at.Made == 0) {
			at.use(target)
			g.newer = append(g.newer, at.Name)
			return true
		}
	}
	return false
}

func (g *goal) free(at *server) bool { return !at.Backup && !slices.Contains(g.newer, at.Name) }

// place sends an idle server of this side's name to a target, else a new one.
func (s *Settings) place(g *goal, target string) error {
	for n := 1; ; n++ {
		name := s.Colour + strconv.Itoa(n)
		at := g.image.server(name)
		switch {
		case at == nil:
			g.image.Servers = append(g.image.Servers, server{Name: name, Address: target, Admin: ready, Checks: checksOn, Made: g.image.freeID()})
		case !g.free(at):
			continue
		case at.carries():
			return &clashError{at.Name, at.Address}
		default:
			at.use(target)
		}
		g.newer = append(g.newer, name)
		return nil
	}
}

func (i image) freeID() int {
	id := firstID
	for slices.ContainsFunc(i.Servers, func(s server) bool { return s.Made == id }) {
		id++
	}
	return id
}
