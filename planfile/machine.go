package planfile

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// maxMachines is how many machines a file may name.
const maxMachines = 500

// machine is one entry of `machines`.
type machine struct {
	spec ripcord.MachineSpec
	at   position
	jump reference
}

// readMachines reads `machines`: a server each, or a map with one.
func (d *decoder) readMachines(n *node) {
	d.names(n, "machines", func(name string, value *node) {
		m := &machine{at: value.at}
		d.machines[name] = m
		read := func(n *node) { m.spec.SSH = d.server(n) }
		d.openly("a machine", func() {
			if value.kind != mapNode {
				read(value)
				return
			}
			d.object(value, "machine", "a machine", fields{
				"ssh":         read,
				"address":     func(n *node) { m.spec.Address = d.filled(n, "address") },
				"identity":    func(n *node) { m.spec.Identity = d.paths(n, "identity") },
				"passphrase":  func(n *node) { m.spec.Passphrase = d.hidden(n, "passphrase") },
				"known_hosts": func(n *node) { m.spec.KnownHosts = d.paths(n, "known_hosts") },
				"jump":        func(n *node) { m.jump = reference{d.filled(n, "jump"), n.at} },
				"sudo":        func(n *node) { m.spec.Sudo = d.boolean(n, "sudo") },
			})
			d.missing(value, "ssh", "add `ssh: deploy@10.0.0.5`", "the machine %s does not say where its SSH server is", name)
		})
	})
	if len(d.machines) > maxMachines {
		d.add(n.at, 1, "split the file", "the file names %d machines; at most %d are possible", len(d.machines), maxMachines)
	}
	for _, name := range sorted(slices.Collect(maps.Keys(d.machines))) {
		d.checkJump(name)
	}
}

// server reads USER@HOST:PORT.
func (d *decoder) server(n *node) string {
	text := d.filled(n, "ssh")
	if text != "" && (strings.ContainsAny(text, " \t\n/") || strings.HasPrefix(text, "@") || strings.HasSuffix(text, "@") || strings.HasSuffix(text, ":")) {
		d.add(n.at, firstLine(n), "write USER@HOST or USER@HOST:PORT, for example deploy@10.0.0.5:22", "%q is no SSH server", short(text))
	}
	return text
}

// paths reads files of this machine; relative ones lie in the plan file's folder,
// and those that begin with ~/ in the home of whoever runs Ripcord.
func (d *decoder) paths(n *node, what string) []string {
	all := d.texts(n, what)
	for i, path := range all {
		if path != "" && !filepath.IsAbs(path) && !strings.HasPrefix(path, "~/") {
			all[i] = filepath.Join(d.options.Directory, path)
		}
	}
	return all
}

// hidden reads a text that must be the reference of a secret.
func (d *decoder) hidden(n *node, what string) string {
	was := d.open
	d.open = ""
	defer func() { d.open = was }()
	text := d.filled(n, what)
	if text != "" && !strings.HasPrefix(text, "${secret:") {
		d.add(n.at, 1, "write ${secret:NAME}, and declare NAME in secrets", "%s stands in the file for everybody to read", what)
	}
	return text
}

// checkJump checks that a machine's jump leads somewhere, and not in a circle.
func (d *decoder) checkJump(name string) {
	m := d.machines[name]
	if m.jump.name == "" {
		return
	}
	if d.machines[m.jump.name] == nil {
		others := slices.DeleteFunc(sorted(slices.Collect(maps.Keys(d.machines))), func(other string) bool { return other == name })
		d.add(m.jump.at, len(m.jump.name), d.didYouMean(m.jump.name, others, "machines are:"), "there is no machine %q to jump over", short(m.jump.name))
		return
	}
	m.spec.Jump = m.jump.name
	passed := []string{name}
	for at := m; at != nil && at.jump.name != ""; at = d.machines[at.jump.name] {
		passed = append(passed, at.jump.name)
		if slices.Contains(passed[:len(passed)-1], at.jump.name) {
			d.add(m.jump.at, len(m.jump.name), "let one of them be reached without a jump", "the jump leads in a circle: %s", strings.Join(passed, " -> "))
			return
		}
	}
}

// machineName reads the name of a machine.
func (d *decoder) machineName(n *node) string {
	name := d.filled(n, "machine")
	if name != "" && d.machines[name] == nil {
		known := sorted(slices.Collect(maps.Keys(d.machines)))
		fix := d.didYouMean(name, known, "machines are:")
		if len(known) == 0 {
			fix = "add `machines: {" + short(name) + ": {ssh: deploy@10.0.0.5}}`"
		}
		d.add(n.at, firstLine(n), fix, "there is no machine %q", short(name))
		return ""
	}
	return name
}

// machineNames reads several machines, each once; `all` is every one.
func (d *decoder) machineNames(n *node) []string {
	if n.kind == textNode && n.text == "all" && d.machines["all"] == nil {
		return sorted(slices.Collect(maps.Keys(d.machines)))
	}
	var names []string
	for _, item := range listOf(n) {
		name := d.machineName(item)
		if name != "" && slices.Contains(names, name) {
			d.add(item.at, firstLine(item), "keep one of them", "the machine %s is named twice", name)
			continue
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// machineSpecs are the machines as the plan has them.
func (d *decoder) machineSpecs() map[string]ripcord.MachineSpec {
	if len(d.machines) == 0 {
		return nil
	}
	specs := make(map[string]ripcord.MachineSpec, len(d.machines))
	for name, m := range d.machines {
		specs[name] = m.spec
	}
	return specs
}
