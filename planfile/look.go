package planfile

import (
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// The limits of looking at a folder.
const (
	lookSize    = 64 << 10 // bytes read of a file
	lookScripts = 10
)

// look finds what a release of the folder may consist of. What says most about
// how the application is started comes first.
func (f *folder) look() {
	f.goModule()
	f.node()
	f.procfile()
	f.unit()
	f.python()
	f.containers()
	f.makefile()
	f.scripts()
	f.migrations()
	f.site()
}

// read returns the beginning of a file, "" when it is not there or not text.
func (f *folder) read(name string) string {
	file, err := f.fs.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // nothing was written
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(file, lookSize))
	if err != nil {
		return ""
	}
	return string(data)
}

// is reports whether a regular file, or a folder, is there.
func (f *folder) is(name string, dir bool) bool {
	info, err := fs.Stat(f.fs, name)
	return err == nil && info.IsDir() == dir && (dir || info.Mode().IsRegular())
}

// glob returns the files that match, in order, without odd names.
func (f *folder) glob(pattern string) []string {
	names, err := fs.Glob(f.fs, pattern)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sorted(names), func(name string) bool {
		return strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) || !f.is(name, false)
	})
}

// goModule finds the main packages of a Go module.
func (f *folder) goModule() {
	m := regexp.MustCompile(`(?m)^module\s+(\S+)`).FindStringSubmatch(f.read("go.mod"))
	if m == nil {
		return
	}
	f.name = word(path.Base(m[1]))
	var mains []string
	if strings.Contains(f.read("main.go"), "package main") {
		mains = append(mains, ".")
	}
	for _, name := range f.glob("cmd/*/main.go") {
		mains = append(mains, "./"+path.Dir(name))
	}
	for i, pkg := range mains {
		program := f.name
		if pkg != "." {
			program = word(path.Base(pkg))
		}
		// Not a step: what a service runs is kept with the release when it begins.
		f.note("go.mod: the program %s; before each release: go build -o bin/%s %s", program, program, pkg)
		if i == 0 {
			f.service("web", "[./bin/"+program+"]", true, `environment: {PORT: "${instance.port}", ADDRESS: "${instance.address}"}`, "artifact: bin/"+program)
		}
	}
}

// procfile finds the processes of a Procfile.
func (f *folder) procfile() {
	for line := range strings.Lines(f.read("Procfile")) {
		m := regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(\S.*?)\s*$`).FindStringSubmatch(line)
		if m == nil || !printable(m[2]) {
			continue
		}
		if m[1] == "release" {
			f.note("Procfile: a release command")
			f.step("release-command", "run: {command: "+quote(m[2])+"}   # add undo and check")
			continue
		}
		f.note("Procfile: the process %s", word(m[1]))
		if m[1] == "web" {
			f.procfileWeb(m[2])
		} else {
			f.service(word(m[1]), quote(m[2]), false)
		}
	}
}

// procfileWeb makes a service of the web process, in the files that are kept.
func (f *folder) procfileWeb(command string) {
	lines := []string{`environment: {PORT: "${instance.port}"}`}
	names := f.sources()
	if len(names) == 0 {
		f.service("web", quote("exec "+command), true, lines...)
		return
	}
	lines = append(lines, "artifact: ["+strings.Join(names, ", ")+"]   # all that a version consists of is kept with it; add new files here")
	f.service("web", strings.Replace(quote("cd RELEASE && exec "+command), "RELEASE", "${release.directory}", 1), true, lines...)
}

// unit finds systemd units.
func (f *folder) unit() {
	for _, name := range append(f.glob("*.service"), f.glob("*/*.service")...) {
		m := regexp.MustCompile(`(?m)^ExecStart=[-@:+!]*(\S.*?)\s*$`).FindStringSubmatch(f.read(name))
		if m == nil || !printable(m[1]) {
			continue
		}
		f.note("%s: a systemd unit (Ripcord supervises its program itself)", name)
		f.service(word(strings.TrimSuffix(path.Base(name), ".service")), quote("exec "+m[1]), false)
	}
}

// containers finds Dockerfile and docker-compose files. Running them is left to
// commands of the user.
func (f *folder) containers() {
	if f.is("Dockerfile", false) {
		f.note("Dockerfile: an image")
		image := f.name + ":$RIPCORD_VERSION"
		f.step("image", "run:", "  command: "+quote(`docker build -t "`+image+`" .`),
			"  undo: "+quote(`docker image rm --force "`+image+`"`), "  check: "+quote(`docker image inspect "`+image+`" > /dev/null`))
	}
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"} {
		if f.is(name, false) {
			f.note("%s: containers", name)
			f.bundle = append(f.bundle, name)
			f.step("containers", `run: {command: "docker compose up --detach --wait"}   # add an undo that brings the old images back`)
			return
		}
	}
}

// makefile finds targets that a release usually has.
func (f *folder) makefile() {
	text := f.read("Makefile")
	has := func(target string) bool {
		return regexp.MustCompile(`(?m)^` + target + `\s*:([^=]|$)`).MatchString(text)
	}
	if has("build") {
		// Not a step: what a service runs is kept with the release when it begins.
		f.note("Makefile: the target build; before each release: make build")
	}
	if has("test") {
		f.note("Makefile: the target test")
		f.step("make-test", "run: {command: make test, changes: nothing}")
	}
	for _, target := range []string{"migrate", "publish", "deploy", "release"} {
		if !has(target) {
			continue
		}
		f.note("Makefile: the target %s", target)
		undo := ""
		for _, back := range []string{"un" + target, target + "-undo", target + "-down", "rollback"} {
			if undo == "" && has(back) {
				undo = back
			}
		}
		if undo == "" {
			f.step("make-"+target, "run: {command: make "+target+"}   # add undo and check")
		} else {
			f.step("make-"+target, "run: {command: make "+target+", undo: make "+undo+"}   # add check")
		}
	}
}

// scripts finds shell scripts; those that look like an undo are taken as such.
func (f *folder) scripts() {
	names := append(f.glob("*.sh"), f.glob("scripts/*.sh")...)
	backward := regexp.MustCompile(`^(un|rollback|revert|undo|down)`)
	count := 0
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".sh")
		if backward.MatchString(base) || !printable(name) {
			continue
		}
		if count++; count > lookScripts {
			f.note("more scripts than are listed here")
			return
		}
		f.note("the script %s", name)
		lines := []string{"run:", "  command: " + script("./"+name)}
		for _, back := range []string{"un" + base, "undo-" + base, "rollback-" + base, "rollback", "undo"} {
			if at := path.Join(path.Dir(name), back+".sh"); slices.Contains(names, at) {
				lines = append(lines, "  undo: "+script("./"+at))
				break
			}
		}
		if len(lines) == 2 {
			lines = append(lines, "  # undo: the command that takes it back", "  # check: a command that exits with 0 when it is done, 1 when not")
		}
		f.step(word(base), lines...)
	}
}

// script writes the path of a script as a command.
func script(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9._/-]+$`).MatchString(name) {
		return name
	}
	return "[" + quote(name) + "]"
}

// migrations finds folders with database migrations.
func (f *folder) migrations() {
	for _, name := range []string{"migrations", "db/migrations", "db/migrate", "sql/migrations", "prisma/migrations"} {
		if f.is(name, true) {
			f.note("%s: database migrations; run them with your own tool in a run step, with an undo", name)
			f.bundle = append(f.bundle, name)
		}
	}
}

// site finds a static site.
func (f *folder) site() {
	for _, name := range []string{"public", "dist", "site", "_site", "www", "static"} {
		if f.is(name+"/index.html", false) {
			f.note("%s: a static site", name)
			f.step("site", "files: {source: "+name+", destination: "+quote("/var/www/"+f.name)+", delete: true}")
			return
		}
	}
	if f.is("index.html", false) && !f.is("package.json", false) {
		f.note("index.html: a static site")
		f.step("site", "files: {source: index.html, destination: "+quote("/var/www/"+f.name+"/index.html")+"}")
	}
}

// printable reports whether a text can stand on a line of the plan file.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
