package planfile

import (
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// serviceHealth is when an instance counts as ready, and when no more.
type serviceHealth struct {
	HTTP         string           `json:"http,omitempty"`
	TCP          bool             `json:"tcp,omitempty"`
	GRPC         *grpcSettings    `json:"grpc,omitempty"`
	SQL          *sqlSettings     `json:"sql,omitempty"`
	Command      []string         `json:"command,omitempty"`
	Docker       bool             `json:"docker,omitempty"`
	Interval     ripcord.Duration `json:"interval"`
	Timeout      ripcord.Duration `json:"timeout"`
	StartTimeout ripcord.Duration `json:"start_timeout"`
	Successes    int              `json:"successes"`
	Stable       ripcord.Duration `json:"stable,omitempty"`
	Failures     int              `json:"failures,omitempty"`
	Flapping     *flapping        `json:"flapping,omitempty"`
}

// grpcSettings ask the standard health service.
type grpcSettings struct {
	Address string         `json:"address,omitempty"`
	Service string         `json:"service,omitempty"`
	TLS     *trustSettings `json:"tls,omitempty"`
}

// trustSettings say whom an encrypted question trusts.
type trustSettings struct {
	Authority string `json:"authority,omitempty"`
	Name      string `json:"name,omitempty"`
}

// sqlSettings ask a database.
type sqlSettings struct {
	URL    string  `json:"url"`
	Driver string  `json:"driver,omitempty"`
	Query  string  `json:"query,omitempty"`
	Equals *string `json:"equals,omitempty"`
}

// flapping says how much to and fro is too much.
type flapping struct {
	Changes int `json:"changes"`
	Within  int `json:"within"`
}

func defaultHealth() *serviceHealth {
	return &serviceHealth{Interval: seconds(.2), Timeout: seconds(2), StartTimeout: seconds(30), Successes: 2, Stable: seconds(1)}
}

// health reads when an instance counts as ready. A text is the path of http.
func (d *decoder) health(n *node) *serviceHealth {
	h := defaultHealth()
	if n.kind == textNode {
		switch n.text {
		case "tcp":
			h.TCP = true
		case "grpc":
			h.GRPC = &grpcSettings{}
		default:
			d.openly("a service's health", func() { h.HTTP = d.urlPath(n, "health") })
		}
		return h
	}
	ok := d.object(n, "health", "a service's health", fields{
		"http":          func(n *node) { d.openly("a service's health", func() { h.HTTP = d.urlPath(n, "http") }) },
		"tcp":           func(n *node) { h.TCP = d.boolean(n, "tcp") },
		"grpc":          func(n *node) { h.GRPC = d.grpc(n, false) },
		"sql":           func(n *node) { d.ofOneInstance(func() { h.SQL = d.sql(n) }) },
		"command":       func(n *node) { d.ofOneInstance(func() { h.Command = d.command(n, "command") }) },
		"docker":        func(n *node) { h.Docker = d.boolean(n, "docker") },
		"interval":      func(n *node) { h.Interval = d.positive(n, "interval") },
		"timeout":       func(n *node) { h.Timeout = d.positive(n, "timeout") },
		"start_timeout": func(n *node) { h.StartTimeout = d.positive(n, "start_timeout") },
		"successes":     func(n *node) { h.Successes = d.integer(n, "successes", 1, 100) },
		"stable":        func(n *node) { h.Stable = d.duration(n, "stable") },
		"failures":      func(n *node) { h.Failures = d.integer(n, "failures", 1, 1000) },
		"flapping":      func(n *node) { h.Flapping = d.flapping(n) },
	})
	if ok {
		d.checkHealth(h, n)
	}
	return h
}

// ofOneInstance reads what may name the instance that is asked.
func (d *decoder) ofOneInstance(read func()) {
	was := d.instance
	d.instance = true
	read()
	d.instance = was
}

// checkHealth reports settings that do not go together, and fills in tcp.
func (d *decoder) checkHealth(h *serviceHealth, n *node) {
	first := ""
	for _, key := range []string{"http", "grpc", "sql", "command", "tcp"} {
		v := n.field(key)
		switch {
		case v == nil, key == "tcp" && !h.TCP, key == "grpc" && h.GRPC == nil:
		case first != "":
			d.add(v.at, v.width(), "keep one of "+first+" and "+key, "a service's health is both %s and %s", first, key)
		default:
			first = key
		}
	}
	if first == "" && !h.Docker {
		h.TCP = true
	}
	if v := n.field("stable"); h.Stable >= h.StartTimeout {
		switch {
		case v != nil:
			d.add(v.at, v.width(), "write less than start_timeout, which is "+h.StartTimeout.String(), "stable is %s: no instance could become ready in time", h.Stable)
		default:
			h.Stable = h.StartTimeout / 2
		}
	}
}

// asked makes a probe of targets ask what the service is asked.
func (h *serviceHealth) asked(p *probeSettings) {
	p.Path, p.GRPC, p.SQL, p.Command = h.HTTP, h.GRPC, h.SQL, h.Command
}

// lives gives a probe the service's thresholds, where the file sets them.
func (h *serviceHealth) lives(p *probeSettings) {
	p.Failures, p.Flapping = h.Failures, h.Flapping
}

// grpc reads whom to ask over gRPC. A text is an address; where the instance is
// asked, true or the name of a gRPC service.
func (d *decoder) grpc(n *node, addressed bool) *grpcSettings {
	g := &grpcSettings{}
	switch {
	case n.kind == boolNode && !addressed:
		if n.text != "true" {
			return nil
		}
		return g
	case n.kind == textNode && addressed:
		g.Address = d.hostPort(n, "grpc", "127.0.0.1:50051")
		return g
	case n.kind == textNode:
		g.Service = d.filled(n, "grpc")
		return g
	}
	known := fields{
		"service": func(n *node) { g.Service = d.filled(n, "service") },
		"tls":     func(n *node) { g.TLS = d.trust(n) },
	}
	shape, what := "service_grpc", "grpc of a service's health"
	if addressed {
		shape, what = "grpc", "a check's grpc"
		known["address"] = func(n *node) { g.Address = d.hostPort(n, "address", "127.0.0.1:50051") }
	}
	if d.object(n, shape, what, known) && addressed {
		d.missing(n, "address", "add `address: 127.0.0.1:50051`", "grpc does not say which server")
	}
	return g
}

// trust reads how an encrypted question is checked. True takes the system's
// authorities.
func (d *decoder) trust(n *node) *trustSettings {
	t := &trustSettings{}
	if n.kind == boolNode {
		if n.text != "true" {
			return nil
		}
		return t
	}
	d.object(n, "grpc_tls", "tls", fields{
		"authority": func(n *node) { t.Authority = d.filled(n, "authority") },
		"name":      func(n *node) { t.Name = d.filled(n, "name") },
	})
	return t
}

// sql reads which database is asked, and what.
func (d *decoder) sql(n *node) *sqlSettings {
	s := &sqlSettings{}
	if n.kind == textNode {
		s.URL = d.databaseURL(n, "sql")
		return s
	}
	ok := d.object(n, "sql", "sql", fields{
		"url": func(n *node) { s.URL = d.databaseURL(n, "url") },
		"database": func(n *node) {
			if of := d.database(n); of != nil {
				s.URL, s.Driver = of.url, of.kind
			}
		},
		"query": func(n *node) { s.Query = d.filled(n, "query") },
		"equals": func(n *node) {
			text := d.text(n, "equals")
			s.Equals = &text
		},
	})
	if !ok {
		return s
	}
	at, database := n.field("url"), n.field("database")
	switch {
	case at != nil && database != nil:
		d.add(database.at, database.width(), "keep one of url and database", "sql has both url and database")
	case at == nil && database == nil && len(d.misspelt[n]) == 0:
		d.add(n.at, 1, `add url: "${secret:DATABASE_URL}", or database: NAME`, "sql does not say which database")
	}
	return s
}

// databaseURL reads where a database is. A password has no place in a file.
func (d *decoder) databaseURL(n *node, what string) string {
	text := d.filled(n, what)
	scheme, _, _ := strings.Cut(text, ":")
	known := []string{"postgres", "postgresql", "mysql", "mariadb", "sqlite"}
	if text != "" && !strings.HasPrefix(text, "${") && !slices.Contains(known, scheme) {
		d.add(n.at, firstLine(n), "begin with postgres://, mysql://, mariadb:// or sqlite:", "%s is not the address of a database", what)
	}
	return text
}

// hostPort reads HOST:PORT.
func (d *decoder) hostPort(n *node, what, example string) string {
	text := d.filled(n, what)
	host, port, found := cutLast(text, ":")
	if text != "" && !strings.Contains(text, "${") && (!found || host == "" || !portRange(port, port)) {
		d.add(n.at, firstLine(n), "write HOST:PORT, for example "+example, "%s %q is no address", what, short(text))
	}
	return text
}

// flapping reads how much to and fro is too much.
func (d *decoder) flapping(n *node) *flapping {
	f := &flapping{Changes: 5, Within: 20}
	if !d.object(n, "flapping", "flapping", fields{
		"changes": func(n *node) { f.Changes = d.integer(n, "changes", 2, 999) },
		"within":  func(n *node) { f.Within = d.integer(n, "within", 3, 1000) },
	}) {
		return f
	}
	if f.Within <= f.Changes {
		d.add(n.at, 1, "write within: at least one more than changes", "%d changes cannot be seen within %d answers", f.Changes, f.Within)
	}
	return f
}
