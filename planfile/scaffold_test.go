package planfile

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// folders are what people have.
func folders() map[string]map[string]string {
	return map[string]map[string]string{
		"empty": {},
		"go": {
			"go.mod": "module example.com/me/Shop_One\n\ngo 1.26\n", "cmd/shop/main.go": "package main\n", "cmd/tool/main.go": "package main\n",
			"migrations/1.sql": "", "Dockerfile": "FROM scratch\n", "scripts/publish.sh": "", "scripts/unpublish.sh": "",
		},
		"node": {
			"package.json":       `{"name": "@me/shop", "scripts": {"start": "node .", "build": "vite"}}`,
			"docker-compose.yml": "services: {}\n", "dist/index.html": "",
		},
		"procfile":    {"Procfile": "web: gunicorn app:app --bind 0.0.0.0:${PORT} --name \"a b\"\nworker: ./work\nrelease: ./manage migrate\n# x\n", "requirements.txt": ""},
		"python":      {"pyproject.toml": "", "manage.py": ""},
		"script":      {"deploy.sh": "", "rollback.sh": "", "we ird\" ${x}.sh": "", "new\nline.sh": ""},
		"make":        {"Makefile": "build:\n\tgo build\nVAR := x\ndeploy: build\nrollback:\ntest:\n"},
		"site":        {"index.html": ""},
		"node-server": {"package.json": `{"name": "shop", "scripts": {"start": "node src/server.js --quiet"}}`, "src/server.js": "http.createServer(x).listen(process.env.PORT)\n// /healthz\n", "README.md": "", "shop.db": "", "node_modules/a/index.js": ""},
		"node-alone":  {"server.js": "require('http').createServer(f).listen(process.env.PORT || 3000)\nif (r.url === '/health') ok()\n"},
		"node-fixed":  {"package.json": "{}", "index.js": "express().listen(3000)\n"},
		"flask":       {"app.py": "app = Flask(__name__)\n", "requirements.txt": "flask\n", ".venv/pyvenv.cfg": "", ".venv/bin/python": "", "templates/a.html": "", "test_app.py": ""},
		"gunicorn":    {"app.py": "application = Flask(__name__)\n", "requirements.txt": "flask\ngunicorn\n"},
		"fastapi":     {"main.py": "app = FastAPI()\n", "pyproject.toml": ""},
		"http-server": {"server.py": "import http.server\nport = int(os.environ[\"PORT\"])\n\"/healthz\"\n", "pages/a.html": ""},
		"flag":        {"main.py": "parser.add_argument(\"--port\")\n", "requirements.txt": ""},
		"job":         {"main.py": "print(1)\n"},
		"unit":        {"shop.service": "[Service]\nExecStart=/usr/bin/shop --port 80\n"},
	}
}

// uncommented removes the "#" of every line that is YAML.
func uncommented(data []byte) []byte {
	return regexp.MustCompile(`(?m)^#(  [^* ]|    |[a-z])`).ReplaceAll(data, []byte("$1"))
}

func TestScaffoldMakesAPlanFileThatRuns(t *testing.T) {
	t.Parallel()
	for name, all := range folders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, all)
			data, err := Scaffold(dir)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Parse(DefaultName, data, Options{Directory: dir})
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			if strings.Contains(string(data), "name: try") {
				runs(t, f)
			} else if f.plan.Step("deploy-web") == nil || !bytes.Contains(f.plan.Step("deploy-web").Settings, []byte("artifact")) {
				t.Errorf("neither a step to try nor a service:\n%s", data)
			}
			if _, err := Parse(DefaultName, uncommented(data), Options{Directory: dir}); err != nil {
				t.Errorf("without \"#\":\n%v\n%s", err, uncommented(data))
			}
			if again, err := Scaffold(dir); err != nil || !bytes.Equal(again, data) {
				t.Errorf("a second call gives something else (%v)", err)
			}
			golden(t, filepath.Join("testdata", "scaffold", name+".golden"), strings.ReplaceAll(string(data), "application: "+word(filepath.Base(dir)), "application: FOLDER"))
		})
	}
}

// runs executes the first step, its check and its undo, twice.
func runs(t *testing.T, f *File) {
	t.Helper()
	plan, err := f.Plan(ripcord.PurposeRelease)
	if err != nil {
		t.Fatal(err)
	}
	shell := func(argv []string, want int) {
		t.Helper()
		c := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		c.Dir = plan.Directory
		_ = c.Run() // the exit status says it
		if got := c.ProcessState.ExitCode(); got != want {
			t.Errorf("%q exits with %d, want %d", argv, got, want)
		}
	}
	for range 2 {
		for i := range plan.Steps {
			s := settingsOfStep(t, plan.Steps[i])
			shell(s.Check, 1)
			shell(s.Command, 0)
			shell(s.Check, 0)
			shell(s.Undo, 0)
			shell(s.Check, 1)
		}
	}
}

func TestScaffoldOfNoFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "-gone"} {
		if _, err := Scaffold(dir); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("Scaffold(%s) = %v", dir, err)
		}
	}
}
