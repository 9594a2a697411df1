package planfile

import (
	"regexp"
	"slices"
)

// serviceLimits are what one instance may use. systemd or the
// Docker engine keeps them.
type serviceLimits struct {
	Memory string `json:"memory,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Tasks  int    `json:"tasks,omitempty"`
	Files  int    `json:"files,omitempty"`
}

// laterRuntimes are known and not available yet.
func laterRuntimes() []string {
	return []string{"podman", "kubernetes", "nomad", "compose", "ssh"}
}

// runtime reads what runs a service; it is the name of an adapter as well.
func (d *decoder) runtime(n *node) string {
	if slices.Contains(laterRuntimes(), n.text) {
		d.add(n.at, n.width(), "use runtime: process", "the runtime %s is not available in this version", n.text)
		return ""
	}
	return d.word(n, "runtime", "process", "systemd", "docker")
}

// limits reads what one instance may use.
func (d *decoder) limits(n *node) *serviceLimits {
	l := &serviceLimits{}
	d.object(n, "service_limits", "a service's limits", fields{
		"memory": func(n *node) {
			l.Memory = d.shaped(n, "memory", `^[1-9][0-9]*[KMGT]?$`, "a size", "write bytes with K, M, G or T, for example 512M")
		},
		"cpu": func(n *node) {
			l.CPU = d.shaped(n, "cpu", `^[1-9][0-9]*%$`, "a share of a processor", "write a percentage, for example 50% or 200%")
		},
		"tasks": func(n *node) { l.Tasks = d.integer(n, "tasks", 1, 1<<20) },
		"files": func(n *node) { l.Files = d.integer(n, "files", 1, 1<<30) },
	})
	return l
}

// shaped reads a text of a given shape.
func (d *decoder) shaped(n *node, what, shape, noun, fix string) string {
	text := d.filled(n, what)
	if text != "" && !regexp.MustCompile(shape).MatchString(text) {
		d.add(n.at, firstLine(n), fix, "%s %q is not %s", what, short(text), noun)
	}
	return text
}
