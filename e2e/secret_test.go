package e2e_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord/shim"
)

// planted are secrets in every place that a plan can name one in.
var planted = []string{
	"PLANTED-in-environment-3fa9", "PLANTED-in-a-file-77c1", "PLANTED-from-a-command-0b2e", "PLANTED-in-an-output-91d4",
}

// TestSecrets: planted values are found nowhere: not in the state directory, not
// in what is printed, exported or shown. The targets hold them, as they should.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "secret")
	w.env = []string{"SHOP_TOKEN=" + planted[0]}
	for i, name := range []string{"token", "other-token", "made"} {
		w.write("../"+name, planted[i+1]+"\n")
	}
	var said bytes.Buffer
	say := func(r result) { said.WriteString(r.String()) }
	say(w.release(0, "v1"))
	w.set["healthy"] = "false"
	say(w.release(3, "v2", "-o", "json"))
	w.set["healthy"] = "true"
	w.remove("site/used")
	say(w.release(0, "v3", "-o", "json"))
	say(w.do("rollback", "--dry-run"))
	for _, args := range [][]string{
		{"show"},
		{"show", "-o", "json"},
		{"status"},
		{"status", "-o", "json"},
		{"history"},
		{"logs"},
		{"logs", "--evidence"},
		{"logs", "--service", "web"},
		{"journal", "export"},
		{"plan", "--set", "listen=" + w.listen, "--set", "ports=" + w.ports, "--set", "service=" + w.set["service"], "--set", "home=" + w.dir},
	} {
		say(w.must(0, args...))
	}
	if !strings.Contains(said.String(), shim.Removed) {
		t.Error("nothing was hidden, so the secrets were not printed at all")
	}
	found := make(map[string][]string)
	for _, secret := range planted {
		if strings.Contains(said.String(), secret) {
			found[secret] = append(found[secret], "what was printed")
		}
	}
	w.search(w.state, found)
	for secret, places := range found {
		t.Errorf("%s is found in %s", secret, strings.Join(places, ", "))
	}
	if got := w.read("site/conf/token.conf"); !strings.Contains(got, planted[1]) {
		t.Errorf("the target holds %q", got)
	}
}

// search looks for the planted values below a folder.
func (w *world) search(dir string, found map[string][]string) {
	w.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path == filepath.Join(w.state, "bundles") {
			return filepath.SkipDir // unpacked, it holds what the plan's folder holds
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range planted {
			if bytes.Contains(data, []byte(secret)) {
				found[secret] = append(found[secret], path)
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}
