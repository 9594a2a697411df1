package planfile

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// balancer is one entry of `balancers`.
type balancer struct {
	name   string
	at     position
	listen string
	health proxyHealth
	limits map[string]any
	front  frontSettings
	// kind is the balancer's, and of are the settings of one that is not ours.
	kind string
	of   map[string]any
}

// proxyHealth is how the proxy probes the instances behind it.
type proxyHealth struct {
	HTTP      string           `json:"http,omitempty"`
	Interval  ripcord.Duration `json:"interval"`
	Timeout   ripcord.Duration `json:"timeout"`
	Successes int              `json:"successes"`
	Failures  int              `json:"failures"`
}

// laterBalancers are known and not available yet.
func laterBalancers() []string {
	return []string{"caddy", "traefik", "kamal_proxy", "alb", "azure_front_door"}
}

// only returns the single field of a map that names a kind, or nil.
func (d *decoder) only(n *node, what string, kinds, later []string) *field {
	if n.kind != mapNode {
		d.wrong(n, what, "a map with its kind as the key", "{"+kinds[0]+": ...}")
		return nil
	}
	if len(n.fields) != 1 {
		at, width := n.at, 1
		if len(n.fields) > 1 {
			at, width = n.fields[1].at, len([]rune(n.fields[1].key))
		}
		d.add(at, width, "give exactly one of: "+join(kinds), "%s has %s", what, counted(len(n.fields), "kind"))
		return nil
	}
	f := &n.fields[0]
	if slices.Contains(later, f.key) {
		d.add(f.at, len(f.key), "use one of: "+join(kinds), "%s of kind %s is not available in this version", what, f.key)
		return nil
	}
	if slices.Contains(kinds, f.key) {
		return f
	}
	d.add(f.at, len([]rune(f.key)), d.didYouMean(f.key, kinds, "kinds are:"), "%s cannot be of kind %q", what, short(f.key))
	return nil
}

// readBalancers reads `balancers`.
func (d *decoder) readBalancers(n *node) {
	kinds := []string{"proxy", "haproxy", "nginx"}
	d.names(n, "balancers", func(name string, value *node) {
		b := &balancer{name: name, at: value.at, health: proxyHealth{
			Interval: seconds(.2), Timeout: seconds(1), Successes: 2, Failures: 2,
		}}
		d.balancers[name] = b
		if d.shapes != nil {
			d.shapes["balancer"] = sorted(slices.Clone(kinds))
		}
		f := d.only(value, "the balancer "+name, kinds, laterBalancers())
		if f == nil {
			return
		}
		b.kind = f.key
		read := map[string]func(*balancer, *node){"proxy": d.readProxy, "haproxy": d.readHAProxy, "nginx": d.readNginx}[f.key]
		d.openly("a balancer", func() { read(b, f.value) })
	})
}

// readProxy reads the built-in proxy's settings.
func (d *decoder) readProxy(b *balancer, n *node) {
	ok := d.object(n, "proxy", "a proxy", fields{
		"listen":   func(n *node) { b.listen = d.listen(n) },
		"health":   func(n *node) { d.readBalancerHealth(b, n) },
		"limits":   func(n *node) { b.limits = d.readLimits(n) },
		"tls":      func(n *node) { b.front.TLS = d.readTLS(n) },
		"affinity": func(n *node) { b.front.Affinity = d.readAffinity(n) },
		"testers":  func(n *node) { b.front.Testers = d.readTesters(n) },
	})
	if ok {
		d.missing(n, "listen", "add `listen: 127.0.0.1:8080`", "the proxy of balancer %s does not say where it listens", b.name)
	}
}

// listen reads host:port.
func (d *decoder) listen(n *node) string {
	text := d.filled(n, "listen")
	_, port, err := net.SplitHostPort(text)
	number, convErr := strconv.Atoi(port)
	if text != "" && !strings.Contains(text, "${") && (err != nil || convErr != nil || number < 0 || number > 65535) {
		d.add(n.at, firstLine(n), "write HOST:PORT, for example 127.0.0.1:8080 or :8080", "listen %q is no address", short(text))
	}
	return text
}

// readLimits reads the proxy's limits and time-outs.
func (d *decoder) readLimits(n *node) map[string]any {
	limits := map[string]any{}
	number := func(key string, high int) func(*node) {
		return func(n *node) { limits[key] = d.integer(n, key, 1, high) }
	}
	duration := func(key string) func(*node) {
		return func(n *node) { limits[key] = d.positive(n, key) }
	}
	size := func(key string) func(*node) {
		return func(n *node) {
			const most = 1 << 20
			value := d.size(n, key)
			if value > most {
				d.add(n.at, n.width(), "write at most 1MiB", "%s is %d bytes", key, value)
			}
			limits[key] = value
		}
	}
	d.object(n, "limits", "a proxy's limits", fields{
		"max_in_flight":   number("max_in_flight", 1_000_000),
		"max_websockets":  number("max_websockets", 1_000_000),
		"replay_body":     size("replay_body"),
		"dial":            duration("dial"),
		"response_header": duration("response_header"),
		"idle":            duration("idle"),
	})
	return limits
}

// seconds is a duration of s seconds.
func seconds(s float64) ripcord.Duration {
	return ripcord.Duration(s * 1e9)
}

// join lists names.
func join(names []string) string { return strings.Join(names, ", ") }
