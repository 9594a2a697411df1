package nginx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// model is what our file says.
type model struct {
	Upstream string `json:"upstream"`
	// Cookie and Log are those of the settings.
	Cookie string `json:"cookie,omitempty"`
	Log    string `json:"log,omitempty"`
	// Method is how servers of one side share its requests, as nginx says it;
	// empty is in turns. While there is a split, the split decides.
	Method string `json:"method,omitempty"`
	// Options are what the user gave to the servers.
	Options string `json:"options,omitempty"`
	// Keep is what else the upstream says.
	Keep []string `json:"keep,omitempty"`
	// Sides are those with servers; the newest is the first.
	Sides []side `json:"sides"`
}

// side is one version.
type side struct {
	Name string `json:"name,omitempty"`
	// Share is its part of the requests in percent.
	Share   float64  `json:"share"`
	Servers []server `json:"servers"`
}

// server is where requests of a side go, by weight within the side.
type server struct {
	Address string `json:"address"`
	Weight  int    `json:"weight"`
	// Out of rotation: it keeps its place, and gets no requests.
	Out bool `json:"out,omitempty"`
}

// addresses are sorted.
func (s side) addresses() []string {
	out := make([]string, 0, len(s.Servers))
	for _, server := range s.Servers {
		out = append(out, server.Address)
	}
	slices.Sort(out)
	return out
}

// out are the addresses out of rotation.
func (s side) out() []string {
	var out []string
	for _, server := range s.Servers {
		if server.Out {
			out = append(out, server.Address)
		}
	}
	slices.Sort(out)
	return out
}

func (s side) describe() string {
	out := s.out()
	name := strings.Join(slices.DeleteFunc(s.addresses(), func(address string) bool { return slices.Contains(out, address) }), ", ")
	if len(out) > 0 {
		name = strings.TrimPrefix(name+"; out of rotation: "+strings.Join(out, ", "), "; ")
	}
	if s.Name != "" {
		name = s.Name + " (" + name + ")"
	}
	return percent(s.Share) + " to " + name
}

// routed says where the requests go.
func (m model) routed() string {
	var parts []string
	for _, s := range m.Sides {
		if s.Share > 0 {
			parts = append(parts, s.describe())
		}
	}
	if len(parts) == 0 {
		return "nowhere"
	}
	return strings.Join(parts, " and ")
}

// knows reports whether a side with these servers has a place, whatever its share.
func (m model) knows(addresses []string) bool {
	return slices.ContainsFunc(m.Sides, func(s side) bool { return slices.Equal(s.addresses(), addresses) })
}

// equal compares what the file makes nginx do.
func (m model) equal(o model) bool {
	a, errA := json.Marshal(m)
	b, errB := json.Marshal(o)
	return errA == nil && errB == nil && string(a) == string(b)
}

const shareScale = 1e6 // shares are kept to a millionth of a percent

// toward is what a shift makes of what there is: the new side first, and the
// others with what is left, in the proportions that they had.
func (s *Settings) toward(before model) model {
	goal := before
	goal.Upstream, goal.Cookie, goal.Log = s.Upstream, s.Cookie, s.Log
	if goal.Options == "" {
		goal.Options = fmt.Sprintf("max_fails=%d fail_timeout=5s", s.Health.Failures)
	}
	newer := side{Name: s.Colour, Share: full}
	for _, target := range split(s.Targets) {
		newer.Servers = append(newer.Servers, server{Address: target, Weight: 1})
	}
	var others []side
	total := 0.0
	for _, old := range before.Sides {
		if slices.Equal(old.addresses(), newer.addresses()) {
			newer.Servers = old.Servers
			continue
		}
		if old.Share > 0 {
			others = append(others, old)
			total += old.Share
		}
	}
	if s.share() < full && len(others) > 0 {
		newer.Share = s.share()
	} else {
		others = nil
	}
	for n := range others {
		others[n].Share = math.Round(others[n].Share/total*(full-newer.Share)*shareScale) / shareScale
	}
	goal.Sides = append([]side{newer}, others...)
	return goal
}

// The first two lines of our file.
const (
	digestMark = "# ripcord 1 "
	modelMark  = "# ripcord model "
)

// text is our file.
func (m model) text() (string, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	rest := modelMark + string(data) + "\n" + m.render()
	return digestMark + digest(rest) + "\n" + rest, nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

var (
	// errNotOurs: a file that Ripcord has not written.
	errNotOurs = errors.New("the file is not Ripcord's")
	// errEdited: a file that Ripcord has written and somebody else has changed.
	errEdited = errors.New("somebody changed the file by hand")
)

// readModel reads the model in our file.
func readModel(text string) (model, error) {
	first, rest, ok := strings.Cut(text, "\n")
	if !strings.HasPrefix(first, digestMark) {
		return model{}, errNotOurs
	}
	line, _, more := strings.Cut(rest, "\n")
	data, found := strings.CutPrefix(line, modelMark)
	if !ok || !more || !found || first != digestMark+digest(rest) {
		return model{}, errEdited
	}
	var m model
	if err := json.Unmarshal([]byte(data), &m); err != nil {
		return m, fmt.Errorf("%w: its model cannot be read: %w", errEdited, err)
	}
	return m, nil
}
