package planfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// variable is a plan-time value. It is read when it is first used.
type variable struct {
	value *node
	// literal is the value given with --set.
	literal *string
	text    string
	// wanted are the secrets that the text refers to.
	wanted map[string]bool
	state  int // 0 unread, 1 being read, 2 read
}

// use is a reference to an output of another step.
type use struct {
	step string
	key  string
	at   position
	// width is that of the reference in the file.
	width int
}

// maxExpanded is how many bytes references may add to a file, so that variables
// made of variables cannot fill the memory.
const maxExpanded = 4 << 20

// expand replaces the references in a scalar that are known before the run and
// checks those that stay until then. In shell text, what the shell would
// understand and we do not is left alone.
func (d *decoder) expand(n *node, shell bool) string {
	text := n.text
	if !strings.Contains(text, "${") {
		return text
	}
	var out strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			out.WriteString(text)
			return out.String()
		}
		if i > 0 && text[i-1] == '$' {
			out.WriteString(text[:i-1] + "${")
			d.escaped(n, text[i:])
			text = text[i+2:]
			continue
		}
		out.WriteString(text[:i])
		text = text[i:]
		end := strings.IndexByte(text, '}')
		if end < 0 {
			if !shell {
				d.reference(n, text, "close it with \"}\", or write \"$${\" for a plain \"${\"", "the reference %q is not closed", short(text))
			}
			out.WriteString(text)
			return out.String()
		}
		name := text[2:end]
		if value, ok := d.resolve(n, name, shell); ok {
			if d.left -= len(value); d.left < 0 {
				d.reference(n, text[:end+1], "make the variables shorter", "the values of references grow beyond %d bytes", maxExpanded)
				d.left = maxExpanded / 8
				return ""
			}
			out.WriteString(value)
			text = text[end+1:]
			continue
		}
		out.WriteString("${")
		text = text[2:]
	}
}

// escaped reports an escape that would not survive until the run.
func (d *decoder) escaped(n *node, rest string) {
	for _, prefix := range []string{"${secret:", "${steps.", "${instance.", "${release.", "${side."} {
		if strings.HasPrefix(rest, prefix) {
			d.reference(n, "$"+prefix, "put the text into a file of its own and name that", "a plain %q cannot be written here", prefix)
		}
	}
}

// reference reports a problem of a reference within a scalar.
func (d *decoder) reference(n *node, part, fix, format string, args ...any) {
	at := d.source.find(n.at, strings.Count(n.text, "\n")+1, part)
	d.add(at, len([]rune(part)), fix, format, args...)
}

// resolve returns what stands for ${name}; ok is false where the text is not
// ours but the shell's.
func (d *decoder) resolve(n *node, name string, shell bool) (text string, ok bool) {
	part := "${" + name + "}"
	kind, rest, _ := strings.Cut(name, ".")
	switch {
	case name == "application":
		return d.application, true
	case name == "environment":
		return d.environment, true
	case name == "version":
		if d.version == "" {
			d.reference(n, part, "give one with --version, or write `version: v1` into the file", "${version} is used, but the release has no version")
		}
		return d.version, true
	case kind == "var":
		return d.variable(n, part, rest), true
	case strings.HasPrefix(name, "secret:"):
		d.secret(n, part, strings.TrimPrefix(name, "secret:"))
		return part, true
	case kind == "steps":
		d.output(n, part, rest)
		return part, true
	case kind == "instance" || kind == "release":
		d.ofInstance(n, part, name)
		return part, true
	case kind == "side":
		d.ofSide(n, part, name)
		return part, true
	case shell && shellText(name):
		return "", false
	}
	d.unknown(n, part, name)
	return part, true
}

// shellText reports whether the shell understands ${name}: a variable, maybe
// with an operator behind it.
func shellText(name string) bool {
	name = strings.TrimLeft(name, "#!")
	word := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	return word == "" || strings.ContainsRune(":-=+?%#/^,@*[", rune(word[0])) && !strings.HasPrefix(name, "secrets:")
}

// unknown reports a reference that nobody knows.
func (d *decoder) unknown(n *node, part, name string) {
	known := []string{"application", "environment", "version"}
	for v := range d.variables {
		known = append(known, "var."+v)
	}
	for _, s := range d.steps {
		known = append(known, "steps."+s.name+".outputs.KEY")
	}
	known = append(sorted(known), "secret:NAME")
	fix := ""
	if best := nearest(name, known); best != "" {
		fix = "did you mean ${" + best + "}? "
	} else if _, ok := d.variables[name]; ok {
		fix = "did you mean ${var." + name + "}? "
	} else if secret, found := strings.CutPrefix(name, "secrets:"); found {
		fix = "did you mean ${secret:" + secret + "}? "
	}
	if len(known) > 12 {
		known = append(known[:12], "...")
	}
	d.reference(n, part, fix+"known are: "+strings.Join(known, ", ")+"; write $"+part+" for the text itself", "unknown reference %s", short(part))
}

// variable returns a variable's value.
func (d *decoder) variable(n *node, part, name string) string {
	v := d.variables[name]
	if v == nil {
		names := make([]string, 0, len(d.variables))
		for known := range d.variables {
			names = append(names, known)
		}
		d.reference(n, part, d.didYouMean(name, sorted(names), "variables are:"), "the variable %q is not declared", name)
		return ""
	}
	switch {
	case v.literal != nil:
		return *v.literal
	case v.state == 1:
		d.reference(n, part, "give one of them a plain value", "the variable %q is made of itself", name)
		return ""
	case v.state == 0:
		v.state = 1
		uses, instance, wanted, open := d.uses, d.instance, d.wanted, d.open
		v.wanted = map[string]bool{}
		d.uses, d.instance, d.wanted, d.open = nil, false, v.wanted, ""
		v.text = d.text(v.value, "the variable "+name)
		d.uses, d.instance, d.wanted, d.open = uses, instance, wanted, open
		v.state = 2
	}
	if len(v.wanted) > 0 && d.refusesSecret(n, part) {
		return v.text
	}
	maps.Copy(d.wanted, v.wanted)
	return v.text
}

// refusesSecret reports a secret where nobody would put its value in.
func (d *decoder) refusesSecret(n *node, part string) bool {
	if d.open == "" {
		return false
	}
	d.reference(n, part, "write the value itself, or use a variable without a secret", "%s cannot hold a secret: nobody puts its value in here", d.open)
	return true
}

// openly reads what is kept as it stands.
func (d *decoder) openly(what string, read func()) {
	was := d.open
	d.open = what
	read()
	d.open = was
}

// secret checks a reference to a secret.
func (d *decoder) secret(n *node, part, name string) {
	if d.refusesSecret(n, part) {
		return
	}
	if _, ok := d.secrets[name]; !ok && !isEnvironmentName(name) {
		names := make([]string, 0, len(d.secrets))
		for known := range d.secrets {
			names = append(names, known)
		}
		d.reference(n, part, d.didYouMean(name, sorted(names), "declare it under `secrets:`, or use the name of an environment variable (A-Z, 0-9, _); declared are:"),
			"the secret %q is not declared", name)
		return
	}
	d.wanted[name] = true
}

// isEnvironmentName reports whether an undeclared secret of this name is taken
// from the environment.
func isEnvironmentName(name string) bool {
	rest := strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	return name != "" && rest == "" && (name[0] < '0' || name[0] > '9')
}

// output notes a reference to another step's output; it is checked when all
// steps are known.
func (d *decoder) output(n *node, part, rest string) {
	words := strings.Split(rest, ".")
	if len(words) != 3 || words[1] != "outputs" || !validName(words[2]) {
		d.reference(n, part, "write ${steps.NAME.outputs.KEY}", "%s is not a reference to an output", short(part))
		return
	}
	if d.uses == nil {
		d.reference(n, part, "use it within a step or a service's command", "outputs of steps are not known here")
		return
	}
	at := d.source.find(n.at, strings.Count(n.text, "\n")+1, part)
	*d.uses = append(*d.uses, use{words[0], words[2], at, len([]rune(part))})
}

// ofInstance checks a reference to the instance that a command belongs to.
func (d *decoder) ofInstance(n *node, part, name string) {
	known := []string{"instance.address", "instance.port", "instance.number", "release.directory"}
	switch {
	case !slices.Contains(known, name):
		d.reference(n, part, d.didYouMean(name, known, "known are:"), "unknown reference %s", short(part))
	case !d.instance:
		d.reference(n, part, "use it in the command or environment of a service", "%s has a meaning within a service only", part)
	}
}

// ofSide checks a reference to the version that a metric is asked for.
func (d *decoder) ofSide(n *node, part, name string) {
	known := []string{"side.colour", "side.addresses", "side.instances", "side.version"}
	switch {
	case !slices.Contains(known, name):
		d.reference(n, part, d.didYouMean(name, known, "known are:"), "unknown reference %s", short(part))
	case !d.side:
		d.reference(n, part, "use it in a metric that a canary is judged by", "%s has a meaning within a metric only", part)
	}
}

// setVariables takes the values given with --set.
func (d *decoder) setVariables() {
	names := make([]string, 0, len(d.variables))
	for name := range d.variables {
		names = append(names, name)
	}
	names = sorted(names)
	given := make([]string, 0, len(d.options.Set))
	for name := range d.options.Set {
		given = append(given, name)
	}
	for _, name := range sorted(given) {
		value := d.options.Set[name]
		if d.variables[name] == nil {
			d.flag("--set "+name, d.didYouMean(name, names, "variables are:"), "the file declares no variable %q", name)
			continue
		}
		if strings.Contains(value, "${") {
			d.flag("--set "+name, "give a plain value; references belong into the file", "the value holds a reference (%q)", short(value))
			continue
		}
		d.variables[name].literal = &value
	}
}

// readVariables reads `variables`.
func (d *decoder) readVariables(n *node) {
	d.names(n, "variables", func(name string, value *node) {
		d.variables[name] = &variable{value: value}
	})
}

// checkVariables reads all variables, for the errors of those that nothing uses.
func (d *decoder) checkVariables() {
	wanted := d.wanted
	d.wanted = map[string]bool{}
	defer func() { d.wanted = wanted }()
	names := make([]string, 0, len(d.variables))
	for name := range d.variables {
		names = append(names, name)
	}
	for _, name := range sorted(names) {
		if v := d.variables[name]; v.state == 0 && v.literal == nil {
			d.variable(v.value, "", name)
		}
	}
}

// readSecrets reads `secrets`.
func (d *decoder) readSecrets(n *node) {
	d.names(n, "secrets", func(name string, value *node) {
		var s ripcord.SecretSource
		before := len(d.list)
		ok := d.object(value, "secret", "a secret", fields{
			"env":     func(n *node) { s.Env = d.filled(n, "env") },
			"file":    func(n *node) { s.File = d.filled(n, "file") },
			"command": func(n *node) { s.Command = d.command(n, "command") },
		})
		if ok && len(value.fields) != 1 && len(d.list) == before {
			d.add(value.at, 1, "give exactly one of env, file, command", "the secret %q has %s", name, counted(len(value.fields), "source"))
		}
		d.secrets[name] = s
	})
}

// counted says "no source", "1 source", "2 sources".
func counted(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}
