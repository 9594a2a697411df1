package planfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Scaffold looks at a folder and returns a commented plan file for it. The file
// runs as it stands. A service that was seen to take its port is deployed; else
// its one step makes an empty folder, can tell whether that is there and takes it
// away again. The rest of what was found stands in it as comments that make a
// plan as well when their "#" is removed, because nobody but the user knows how
// to take these parts back. Nothing is written.
func Scaffold(dir string) ([]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the folder %s is unknown: %w", dir, err).WithFix("name a folder that exists")
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return nil, ripcord.Errorf(ripcord.CodePlan, "%s is not a folder", dir).WithFix("name a folder that exists")
	}
	f := &folder{fs: os.DirFS(abs), name: word(filepath.Base(abs))}
	f.look()
	return f.write(), nil
}

// folder is what was found in the user's folder.
type folder struct {
	fs   fs.FS
	name string
	// notes say what was found.
	notes []string
	// services are the lines of each service, by the order they were found.
	services []block
	// steps are the lines of each step.
	steps  []block
	bundle []string
	// front is the service behind the balancer.
	front string
}

// block is a few lines of YAML with the name of what they are about.
type block struct {
	name  string
	lines []string
	// sure says that the block was seen to run as it stands: it is no comment then.
	sure bool
}

// service adds a service, once per name; command is YAML. The first that listens gets the balancer.
func (f *folder) service(name, command string, listens bool, lines ...string) {
	for _, s := range f.services {
		if s.name == name {
			return
		}
	}
	all := []string{"  " + name + ":", "    command: " + command}
	for _, line := range lines {
		all = append(all, "    "+line)
	}
	if listens && f.front == "" {
		f.front = name
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "health:") }) {
			all = append(all, "    health: {tcp: true}   # better: {http: /healthz}")
		}
		all = append(all, "    balancer: front")
	}
	f.services = append(f.services, block{name: name, lines: all})
}

// step adds a step, once per name.
func (f *folder) step(name string, lines ...string) {
	for _, s := range f.steps {
		if s.name == name {
			return
		}
	}
	for i, line := range lines {
		if i == 0 {
			lines[i] = "  - " + line
		} else {
			lines[i] = "    " + line
		}
	}
	f.steps = append(f.steps, block{name: name, lines: append(lines, "    name: "+name)})
}

// note adds what was found.
func (f *folder) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// write writes the plan file.
func (f *folder) write() []byte {
	var b strings.Builder
	b.WriteString("# The plan of a release: what it consists of and how each part is taken back.\n" +
		"# It runs as it stands. `ripcord plan` shows it, `ripcord release` runs it, and\n" +
		"# `ripcord rollback` takes it back. All keys: docs/plan-file.md\n")
	for _, note := range f.notes {
		b.WriteString("#  * " + note + "\n")
	}
	b.WriteString("\napplication: " + f.name + "\n")
	f.writeServices(&b)
	b.WriteString("\n# Steps run from top to bottom. When one fails, those before it are undone.\nrelease:\n")
	if !f.sure() {
		b.WriteString("  # To try: this makes a folder. Replace it by your first step.\n" +
			"  - run:\n      command: mkdir -p .ripcord-try\n      undo: rmdir .ripcord-try\n      check: test -d .ripcord-try   # exit status 0: it is there, 1: it is not\n    name: try\n")
	}
	for i, s := range f.steps {
		if i > 0 || !f.sure() {
			b.WriteString("\n")
		}
		comment(&b, s.lines)
	}
	f.writeDeploys(&b)
	if len(f.bundle) > 0 {
		b.WriteString("\n# Further files that the way back needs are kept with each release.\n")
		comment(&b, []string{"bundle: [" + strings.Join(f.bundle, ", ") + "]"})
	}
	b.WriteString("\n# When a step fails: rollback, or {hold: 15m, then: rollback} to look at it first.\non_failure: rollback\n")
	return []byte(b.String())
}

// sure reports whether a service was found that runs as it stands.
func (f *folder) sure() bool {
	return slices.ContainsFunc(f.services, func(s block) bool { return s.sure })
}

// writeDeploys writes the steps that bring the services.
func (f *folder) writeDeploys(b *strings.Builder) {
	if len(f.services) == 0 {
		return
	}
	if !f.sure() || len(f.steps) > 0 {
		b.WriteString("\n")
	}
	if f.sure() {
		b.WriteString("  # Start the new version beside the old one, then move the traffic to it.\n")
	} else {
		b.WriteString("# Start the new version beside the old one, then move the traffic to it.\n")
	}
	for _, s := range f.services {
		put(b, s.sure, []string{"  - deploy: " + s.name})
	}
	if f.front != "" {
		put(b, f.sure(), []string{"  - shift: {service: " + f.front + ", strategy: blue-green}", "  - watch: 30s   # while it lasts, a crash takes the release back; 10m is better"})
	}
}

func (f *folder) writeServices(b *strings.Builder) {
	if len(f.services) == 0 {
		return
	}
	b.WriteString("\n# Programs that Ripcord starts, watches and stops. ${instance.address} and\n" +
		"# ${instance.port} are chosen for each instance, so that old and new run side by side.\n" +
		"# They run in this folder; ${release.directory} holds what is kept of their version.\n")
	put(b, f.sure(), []string{"services:"})
	for _, s := range f.services {
		put(b, s.sure, s.lines)
	}
	if f.front == "" {
		return
	}
	b.WriteString("# The built-in proxy in front of them.\n")
	put(b, f.sure(), []string{"balancers:", `  front: {proxy: {listen: "127.0.0.1:8080"}}   # where its users come to`})
}

// put writes lines, as a comment unless they are sure to run.
func put(b *strings.Builder, sure bool, lines []string) {
	if !sure {
		comment(b, lines)
		return
	}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
}

// comment writes lines with "#" at their beginning; a comment for people has a
// blank behind it.
func comment(b *strings.Builder, lines []string) {
	for _, line := range lines {
		b.WriteString("#" + line + "\n")
	}
}

// quote writes a text as YAML, so that it means itself and nothing in it is a
// reference of ours.
func quote(text string) string {
	text = strings.ReplaceAll(text, "${", "$${")
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(text) + `"`
}

// word makes a name out of any text.
func word(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, text)
	text = strings.Trim(regexp.MustCompile(`-+`).ReplaceAllString(text, "-"), "-")
	text = strings.TrimRight(text[:min(len(text), 40)], "-")
	if text == "" {
		return "application"
	}
	return text
}
