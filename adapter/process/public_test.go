package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/service"
)

// published is a step of another user with a bundle.
func published(t *testing.T) *Step {
	t.Helper()
	top := t.TempDir()
	if err := os.Chmod(filepath.Dir(top), 0o755); err != nil { // others are to come in
		t.Fatal(err)
	}
	s := &Step{
		settings: Settings{Settings: service.Settings{Service: "web", Command: []string{"./bin/web"}, Artifact: []string{"data"}, User: "4711:4711"}},
		scope:    ripcord.Scope{Directory: filepath.Join(top, "app"), Bundle: filepath.Join(top, "bundles", "b1"), Public: filepath.Join(top, "public", "state"), Now: time.Now},
	}
	for name, mode := range map[string]os.FileMode{"bin/web": 0o700, "data/in/x": 0o600, "secret": 0o600} {
		for _, dir := range []string{s.scope.Directory, s.scope.Bundle} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("in/x", filepath.Join(s.scope.Bundle, "data", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(s.scope.Bundle), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLayOut: another user gets the program and the artifacts, nothing else, and
// what somebody changed there is made anew.
func TestLayOut(t *testing.T) {
	t.Parallel()
	s := published(t)
	bundle := s.scope.Bundle
	var said strings.Builder
	err := s.layOut(&said)
	if os.Geteuid() != 0 {
		if err == nil {
			t.Error("nobody but root can do this")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.scope.Public, "b1", "web")
	if s.scope.Bundle != dir || said.Len() > 0 {
		t.Errorf("the files are in %s, said %q", s.scope.Bundle, said.String())
	}
	want := map[string]os.FileMode{"bin": 0o755, "bin/web": 0o755, "data/in": 0o755, "data/in/x": 0o644}
	for name, mode := range want {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if link, err := os.Readlink(filepath.Join(dir, "data", "link")); link != "in/x" {
		t.Errorf("the link leads to %q, %v", link, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err == nil {
		t.Error("what is no artifact was laid out")
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "web"), []byte("evil"), 0o755); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(s.scope.Public, "b0", ".laying-out-web"), filepath.Join(s.scope.Public, "b2", ".laying-out-api")
	for _, left := range []string{old, young, filepath.Join(s.scope.Public, "b1", ".laying-out-web")} {
		if err := os.MkdirAll(filepath.Join(left, "new", "data"), 0o700); err != nil { // as of a process that was killed
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	s.scope.Bundle = bundle
	if err := s.layOut(&said); err != nil || !strings.Contains(said.String(), "laid out again") {
		t.Errorf("%v, said %q", err, said.String())
	}
	if data, err := os.ReadFile(filepath.Join(dir, "bin", "web")); string(data) != "bin/web" {
		t.Errorf("it holds %q, %v", data, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.scope.Public, "b1", ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if there(old) || !there(young) {
		t.Errorf("what was left of another release: %t, what may be at work: %t", there(old), there(young))
	}
}

// TestFeasible: what would make the start fail is said beforehand.
func TestFeasible(t *testing.T) {
	t.Parallel()
	s := published(t)
	if os.Geteuid() != 0 {
		if err := s.Feasible(t.Context()); ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), "only root") {
			t.Errorf("not root gave %v", err)
		}
		return
	}
	if err := s.Feasible(t.Context()); err != nil {
		t.Errorf("all is well, and yet: %v", err)
	}
	refused := func(words string) {
		t.Helper()
		if err := s.Feasible(t.Context()); ripcord.CodeOf(err) != ripcord.CodePlan || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
	s.settings.User = "no-such-user"
	refused("there is no user no-such-user")
	s.settings.User = "4711:4711"
	if err := os.Chmod(s.scope.Directory, 0o700); err != nil {
		t.Fatal(err)
	}
	refused(s.scope.Directory + " is closed to it")
	s.settings.Directory = "/"
	s.settings.Command, s.settings.Artifact = []string{filepath.Join(s.scope.Directory, "bin", "web")}, nil
	if err := s.Feasible(t.Context()); err != nil { // it is copied
		t.Error(err)
	}
	closed := filepath.Dir(filepath.Dir(s.scope.Public))
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("cannot reach")
	s.settings.User = "0"
	if err := s.Feasible(t.Context()); err != nil {
		t.Errorf("root is refused: %v", err)
	}
}
