package health_test

import (
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/internal/health"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		set  health.Settings
		want string
	}{
		{health.Settings{Targets: "${steps.deploy-web.outputs.addresses}", Path: "/healthz"}, "the new instances (deploy-web) answer /healthz"},
		{health.Settings{Targets: "${steps.a.outputs.addresses},${steps.b.outputs.addresses}, 127.0.0.1:1"}, "the new instances (a, b) and 127.0.0.1:1 accept connections"},
		{health.Settings{Targets: "127.0.0.1:1"}, "127.0.0.1:1 accepts connections"},
		{health.Settings{Targets: "127.0.0.1:1", Path: "/", Status: 204}, "127.0.0.1:1 answers / with status 204"},
		{health.Settings{HTTP: "http://a/b", Contains: "ok"}, "http://a/b answers and says what is expected"},
		{health.Settings{HTTP: "http://a/b"}, "http://a/b answers"},
		{health.Settings{TCP: "a:1"}, "a:1 accepts connections"},
		{health.Settings{Command: []string{"sh", "-c", "test -e x"}}, "`test -e x` exits with 0"},
	}
	for _, test := range tests {
		if got := test.set.Describe(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	for n, want := range map[int]string{1: "once", 2: "twice in a row", 3: "3 times in a row"} {
		if got := health.Times(n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]string{
		"":                                  {"", " "},
		"the end":                           {"begin", "the end", ""},
		"panic: out of stock":               {"serving", "panic: out of stock", "", "goroutine 7 [running]:", "\tmain.go:64"},
		"TypeError: x is not a function":    {"at a.js:1", "TypeError: x is not a function", "    at Object.<anonymous>", "", "Node.js v20.20.2"},
		"sqlite3.OperationalError: no disk": {"Traceback (most recent call last):", "sqlite3.OperationalError: no disk", "cleaning up"},
		"KeyError: 'PORT'":                  {"  File app.py, line 3", "KeyError: 'PORT'"},
		"Errors: 0":                         {"Errors: 0"},
	} {
		if got := health.LastWords(lines); got != want {
			t.Errorf("%q: got %q, want %q", lines, got, want)
		}
	}
}
