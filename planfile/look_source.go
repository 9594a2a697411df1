package planfile

import (
	"encoding/json"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// lookSources is how many files and folders of a version are listed by name.
const lookSources = 40

// sources lists what a version consists of, at the top of the folder: all that
// is not data, documentation, or there for people and tools only.
func (f *folder) sources() []string {
	entries, err := fs.ReadDir(f.fs, ".")
	if err != nil {
		return nil
	}
	no := regexp.MustCompile(`(?i)^(\..*|ripcord.*|.*\.(md|rst|log|db|db-.*|sqlite3?|pid|sock|pyc|service|ya?ml|sh|bak|tmp)|licen[cs]e.*|readme.*|changelog.*|` +
		`makefile|procfile|dockerfile.*|docs?|tests?|__tests__|spec|coverage|tmp|temp|logs?|data|uploads|media|backups?|migrations|__pycache__|venv|env|.*\.egg-info|.*test.*\.(py|js|mjs|cjs|ts))$`)
	plain := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	var names []string
	for _, e := range entries {
		if no.MatchString(e.Name()) || !plain.MatchString(e.Name()) || !f.is(e.Name(), e.IsDir()) {
			continue
		}
		names = append(names, e.Name())
	}
	if venv := f.venv(); venv != "" {
		names = append(names, venv)
	}
	if len(names) > lookSources {
		return nil
	}
	return names
}

// program is how an interpreted application is started.
type program struct {
	// command is written as YAML.
	command []string
	// sure says that the application was seen to take the port that it is given.
	sure bool
	// entry is the file that begins; its text tells about ports and health.
	entry string
}

// interpreted makes a service of a program, with the files that its version
// consists of: a later rollback starts them again, whatever lies here then.
func (f *folder) interpreted(p program) {
	text := f.read(p.entry)
	lines := []string{`environment: {PORT: "${instance.port}", HOST: 127.0.0.1}`}
	if kept := f.sources(); len(kept) > 0 {
		lines = append(lines, "artifact: ["+strings.Join(kept, ", ")+"]   # all that a version consists of is kept with it; add new files here")
	}
	if health := regexp.MustCompile(`["'/](health[a-z]*|readyz?|livez|ping)["'/]`).FindStringSubmatch(text); health != nil {
		lines = append(lines, "health: {http: /"+health[1]+"}")
	}
	f.service("web", "["+strings.Join(p.command, ", ")+"]", true, lines...)
	if at := len(f.services) - 1; p.sure && f.services[at].name == "web" && f.front == "web" {
		f.services[at].sure = true
	} else if !p.sure {
		f.note("%s: make it listen on the port in the environment variable PORT, then use the service below", p.entry)
	}
}

// takesPort finds out how a program is told its port: by the environment, or by
// a flag that has to be added.
func takesPort(text string) (flags []string, sure bool) {
	switch {
	case regexp.MustCompile(`\bPORT\b`).MatchString(text):
		return nil, true
	case regexp.MustCompile(`["']--port["']`).MatchString(text):
		return []string{"--port", `"${instance.port}"`}, true
	}
	return nil, false
}

// kept is the path of a file of the version that is kept, as YAML.
func kept(name string) string { return `"${release.directory}/` + name + `"` }

// node finds the scripts of a package.json, or a server without one.
func (f *folder) node() {
	var p struct {
		Name    string            `json:"name"`
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	declared := json.Unmarshal([]byte(f.read("package.json")), &p) == nil
	if p.Name != "" && !f.is("go.mod", false) {
		f.name = word(path.Base(p.Name))
	}
	if p.Scripts["build"] != "" {
		// Not a step: what a service runs is kept with the release when it begins.
		f.note("package.json: the script build; before each release: npm ci && npm run build")
	}
	start := p.Scripts["start"]
	if start != "" {
		f.note("package.json: the script start")
	}
	entry, flags := "", []string(nil)
	if m := regexp.MustCompile(`^node\s+(?:\./)?([A-Za-z0-9._/-]+)((?:\s+[A-Za-z0-9._=/-]+)*)$`).FindStringSubmatch(strings.TrimSpace(start)); m != nil {
		entry, flags = m[1], strings.Fields(m[2])
	}
	if entry == "." || entry == "" && declared && start == "" {
		entry = path.Clean(p.Main)
	}
	for _, name := range []string{entry, entry + ".js", "server.js", "server.mjs", "index.js", "index.mjs", "app.js"} {
		if regexp.MustCompile(`^[A-Za-z0-9._/-]+$`).MatchString(name) && fs.ValidPath(name) && f.is(name, false) && (start == "" || entry != "") {
			f.nodeProgram(name, flags)
			return
		}
	}
	if start == "" {
		return
	}
	lines := []string{`environment: {PORT: "${instance.port}"}`}
	if names := f.sources(); len(names) > 0 {
		lines = append(lines, "artifact: ["+strings.Join(names, ", ")+"]   # all that a version consists of is kept with it; add new files here")
	}
	f.service("web", `'cd "${release.directory}" && exec npm start'`, true, lines...)
}

func (f *folder) nodeProgram(entry string, flags []string) {
	text := f.read(entry)
	listens := regexp.MustCompile(`\.listen\(|createServer|express\(|fastify|koa`).MatchString(text)
	if !listens && !f.is("package.json", false) {
		return
	}
	more, sure := takesPort(text)
	if !f.is("package.json", false) {
		f.note("%s: a Node program", entry)
	}
	f.interpreted(program{command: slices.Concat([]string{"node", kept(entry)}, flags, more), sure: sure && listens, entry: entry})
}

// venv is the folder of a virtual environment, where there is one.
func (f *folder) venv() string {
	for _, name := range []string{".venv", "venv"} {
		if f.is(name+"/pyvenv.cfg", false) {
			return name
		}
	}
	return ""
}

// python finds the usual entry points.
func (f *folder) python() {
	declared := f.is("pyproject.toml", false) || f.is("requirements.txt", false) || f.is("manage.py", false) || f.venv() != ""
	interpreter := "python3"
	if venv := f.venv(); venv != "" {
		interpreter = kept(venv + "/bin/python")
	}
	if f.is("manage.py", false) {
		f.note("a Django project")
		f.interpreted(program{entry: "manage.py", command: []string{interpreter, kept("manage.py"), "runserver", "--noreload", `"${instance.address}"`}})
		f.step("migrate-database", `run: {command: "python3 manage.py migrate"}   # add undo and check`)
		return
	}
	for _, entry := range []string{"app.py", "main.py", "server.py", "wsgi.py", "asgi.py"} {
		text := f.read(entry)
		if text == "" || !declared && !regexp.MustCompile(`(?i)flask|fastapi|http\.server|socketserver|aiohttp|tornado|bottle|uvicorn`).MatchString(text) {
			continue
		}
		f.note("%s: a Python program", entry)
		f.pythonProgram(interpreter, entry, text)
		return
	}
	if declared {
		f.note("a Python project; its service needs the command that starts it")
	}
}

// pythonProgram knows the servers that a Python program may need.
func (f *folder) pythonProgram(interpreter, entry, text string) {
	needs := f.read("requirements.txt") + f.read("pyproject.toml")
	module := strings.TrimSuffix(entry, ".py")
	p := program{entry: entry, sure: true}
	made := regexp.MustCompile(`(?m)^(\w+)\s*(?::.*)?=\s*(Flask|FastAPI|Starlette)\(`).FindStringSubmatch(text)
	flags, takes := takesPort(text)
	switch {
	case made != nil && made[2] != "Flask":
		p.command = []string{interpreter, "-m", "uvicorn", "--app-dir", `"${release.directory}"`, "--port", `"${instance.port}"`, `"` + module + ":" + made[1] + `"`}
		f.uses(needs, "uvicorn")
	case made != nil && strings.Contains(needs, "gunicorn"):
		p.command = []string{interpreter, "-m", "gunicorn", "--chdir", `"${release.directory}"`, "--bind", `"${instance.address}"`, `"` + module + ":" + made[1] + `"`}
	case made != nil && !takes:
		p.command = []string{interpreter, "-m", "flask", "--app", kept(entry), "run", "--port", `"${instance.port}"`}
	default:
		p.command, p.sure = slices.Concat([]string{interpreter, kept(entry)}, flags), takes
	}
	f.interpreted(p)
}

// uses notes a server that nothing declares.
func (f *folder) uses(declared, name string) {
	if !strings.Contains(declared, name) {
		f.note("%s is needed as well: python3 -m pip install %s", name, name)
	}
}
