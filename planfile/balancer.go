package planfile

// readHAProxy reads the settings of HAProxy.
func (d *decoder) readHAProxy(b *balancer, n *node) {
	b.of = map[string]any{}
	text := func(key string) func(*node) { return func(n *node) { b.of[key] = d.filled(n, key) } }
	ok := d.object(n, "haproxy", "an haproxy", fields{
		"socket":   text("socket"),
		"backend":  text("backend"),
		"config":   text("config"),
		"options":  text("options"),
		"validate": func(n *node) { b.of["validate"] = d.command(n, "validate") },
		"health":   func(n *node) { d.readBalancerHealth(b, n) },
	})
	if ok {
		d.missing(n, "socket", "add `socket: /run/haproxy/admin.sock`", "haproxy of balancer %s has no socket", b.name)
		d.missing(n, "backend", "add `backend: NAME`", "haproxy of balancer %s does not say which backend", b.name)
	}
}

// readNginx reads the settings of nginx.
func (d *decoder) readNginx(b *balancer, n *node) {
	b.of = map[string]any{}
	text := func(key string) func(*node) { return func(n *node) { b.of[key] = d.filled(n, key) } }
	ok := d.object(n, "nginx", "an nginx", fields{
		"include":  text("include"),
		"upstream": text("upstream"),
		"config":   text("config"),
		"program":  text("program"),
		"log":      text("log"),
		"cookie":   func(n *node) { b.of["cookie"] = d.token(n, "cookie", "the name of a cookie", "shop_visitor") },
		"health":   func(n *node) { d.readBalancerHealth(b, n) },
	})
	if ok {
		d.missing(n, "include", "add `include: /etc/nginx/conf.d/ripcord-"+b.name+".conf`", "nginx of balancer %s does not say which file is Ripcord's own", b.name)
		d.missing(n, "upstream", "add `upstream: NAME`", "nginx of balancer %s does not say which upstream", b.name)
	}
}

// readBalancerHealth reads how a balancer's targets are probed.
func (d *decoder) readBalancerHealth(b *balancer, n *node) {
	d.object(n, "proxy_health", "a balancer's health", fields{
		"interval":  func(n *node) { b.health.Interval = d.positive(n, "interval") },
		"timeout":   func(n *node) { b.health.Timeout = d.positive(n, "timeout") },
		"successes": func(n *node) { b.health.Successes = d.integer(n, "successes", 1, 100) },
		"failures":  func(n *node) { b.health.Failures = d.integer(n, "failures", 1, 100) },
	})
}
