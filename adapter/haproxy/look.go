package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Bits of srv_admin_state and srv_check_state, from HAProxy's management guide.
const (
	adminMaint   = 0x01 | 0x02 | 0x20
	adminDrain   = 0x08 | 0x10
	checkEnabled = 0x02 | 0x04
	checkThere   = 0x02
)

// marks are what HAProxy sees of a server now.
type marks struct {
	status, check, detail string
	// sessions are in flight or waiting.
	sessions int
}

// fresh reports whether the last check since the server was told of was good.
func (h marks) fresh() bool {
	return strings.HasPrefix(h.status, "UP") && !strings.Contains(h.status, "/") && strings.HasSuffix(h.check, "OK")
}

// describe says why a server is not ready in HAProxy's view.
func (h marks) describe() string {
	text := "HAProxy marks it " + h.status
	switch {
	case h.status == "":
		return "HAProxy does not know it"
	case h.check == "" || h.check == "INI":
		text += ", no check has ended yet"
	default:
		text += ", its last check says " + h.check
	}
	if h.detail != "" {
		text += " (" + h.detail + ")"
	}
	return text
}

// view is what there is of the backend now.
type view struct {
	image   image
	health  map[string]marks
	process string
	version string
	algo    string
	mode    string
}

// errNoBackend: HAProxy knows no such backend.
var errNoBackend = errors.New("HAProxy has no such backend")

// look asks HAProxy for the backend, and reads our lines of its configuration.
func (s *Step) look(ctx context.Context) (view, error) {
	v, err := s.servers(ctx)
	if err != nil || s.settings.Config == "" {
		return v, err
	}
	file, err := readConfig(s.settings.Config, s.settings.Backend)
	if err != nil {
		return v, err
	}
	lines := file.lines()
	v.image.Lines = &lines
	return v, nil
}

// servers asks HAProxy for the backend.
func (s *Step) servers(ctx context.Context) (view, error) {
	return s.client.look(ctx, s.settings.Backend)
}

func (c client) look(ctx context.Context, backend string) (view, error) {
	v := view{image: image{Backend: backend}, health: map[string]marks{}}
	info, err := c.ask(ctx, "show info")
	if err != nil {
		return v, err
	}
	facts := parseInfo(info)
	v.process, v.version = facts["Pid"]+"-"+facts["Start_time_sec"], facts["Version"]
	stats, err := c.stat(ctx, backend)
	if err != nil {
		return v, err
	}
	text, err := c.ask(ctx, "show servers state "+backend)
	if err != nil {
		return v, err
	}
	states, err := parseState(text)
	if err != nil {
		return v, err
	}
	bySID := map[string]row{}
	for _, r := range stats {
		if r["svname"] == "BACKEND" {
			v.algo, v.mode = r["algo"], r["mode"]
			v.image.Sticky = v.image.Sticky || r["cookie"] != ""
			continue
		}
		bySID[r["sid"]] = r
		v.image.Sticky = v.image.Sticky || r["cookie"] != ""
	}
	v.image.Servers = make([]server, 0, len(states))
	for _, state := range states {
		stat := bySID[state["srv_id"]]
		there := serverOf(state, stat)
		v.image.Servers = append(v.image.Servers, there)
		v.health[there.Name] = marks{
			status: stat["status"], check: stat["check_status"], detail: stat["last_chk"],
			sessions: int(stat.number("scur") + stat.number("qcur")),
		}
	}
	slices.SortFunc(v.image.Servers, func(a, b server) int { return strings.Compare(a.Name, b.Name) })
	return v, nil
}

// stat returns the rows of the backend and its servers.
func (c client) stat(ctx context.Context, backend string) ([]row, error) {
	const backendAndServers = "6"
	text, err := c.ask(ctx, "show stat "+backend+" "+backendAndServers+" -1")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(text, "No such proxy") {
		return nil, fmt.Errorf("%w: %s", errNoBackend, backend)
	}
	rows, err := parseStat(text)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%w: %s", errNoBackend, backend)
	}
	return rows, err
}

// serverOf joins what HAProxy tells of a server in two tables.
func serverOf(state, stat row) server {
	admin, _ := strconv.Atoi(state["srv_admin_state"])
	checks, _ := strconv.Atoi(state["srv_check_state"])
	weight, _ := strconv.Atoi(state["srv_uweight"])
	there := server{
		Name: state["srv_name"], Address: canonical(state["srv_addr"], state["srv_port"]), Weight: weight, Admin: ready,
		Checks: checksOff, Backup: stat.number("bck") > 0,
	}
	switch {
	case checks&checkThere == 0:
		there.Checks = checksNone
	case checks&checkEnabled == checkEnabled:
		there.Checks = checksOn
	}
	switch {
	case admin&adminMaint != 0:
		there.Admin = maint
	case admin&adminDrain != 0:
		there.Admin = drain
	}
	if id, err := strconv.Atoi(state["srv_id"]); err == nil && id >= firstID && state["srv_f_forced_id"] == "1" {
		there.Made = id
	}
	return there
}

// targets returns the addresses of the new side as HAProxy shows them.
func (s *Step) targets(ctx context.Context) ([]string, error) {
	return resolve(ctx, s.settings.targets())
}

// resolve returns addresses as HAProxy shows them, sorted.
func resolve(ctx context.Context, targets []string) ([]string, error) {
	var out []string
	for _, target := range targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			return nil, err
		}
		if net.ParseIP(host) == nil {
			found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			if err != nil || len(found) == 0 {
				return nil, &ripcord.Failure{Class: ripcord.FailedTarget, Summary: fmt.Sprintf("the address of %s is not known: %v", host, err)}
			}
			slices.SortFunc(found, netip.Addr.Compare)
			host = found[0].Unmap().String()
		}
		out = append(out, canonical(host, port))
	}
	slices.Sort(out)
	return out, nil
}
