package planfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord"
)

// write makes files with their folders below a new folder.
func write(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBundleListsWhatTheWayBackNeeds(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"publish.sh": "", "scripts/undo.sh": "", "scripts/check.sh": "", "sql/down.sql": "", "unused.sh": "",
		"bin/shop": "", "conf/a": "", "left-out.sh": "", "watch.sh": "", "with space.sh": "", "key.pem": "", "my file.txt": "", "token.sh": "",
	})
	outside := write(t, map[string]string{"secret.sh": ""})
	if err := os.Symlink(filepath.Join(outside, "secret.sh"), filepath.Join(dir, "link.sh")); err != nil {
		t.Fatal(err)
	}
	text := `
application: shop
secrets: {KEY: {file: key.pem}, TOKEN: {command: [./token.sh]}}
services: {web: {command: ["${release.directory}/bin/shop", "${instance.address}"], artifact: [public]}}
bundle: migrations
release:
  - run:
      command: cd . && ./publish.sh --sql=sql/down.sql; ./link.sh ${secret:KEY} | cat "my file.txt" ${secret:TOKEN} ` + outside + `/secret.sh ../x
      undo: {command: [./undo.sh, "../with space.sh"]}
      check: ./check.sh
      directory: .
  - run: {command: [./publish.sh], undo: ["./undo.sh", "../with space.sh"], check: './check.sh > out', directory: scripts}
  - run: ./left-out.sh
    when: false
  - files: {source: conf, destination: /etc/shop}
  - deploy: web
  - watch: {for: 1m, checks: [./watch.sh]}
`
	f, err := Parse("ripcord.yaml", []byte(text), Options{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan(ripcord.PurposeRelease)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bin/shop", "conf", "migrations", "my file.txt", "public", "publish.sh", "scripts/check.sh", "scripts/undo.sh", "sql/down.sql", "token.sh",
		"watch.sh", "with space.sh",
	}
	if diff := cmp.Diff(want, Bundle(plan)); diff != "" {
		t.Errorf("Bundle (-want +got):\n%s", diff)
	}
}

func TestBundleOfAFolderThatIsGoneIsEmpty(t *testing.T) {
	t.Parallel()
	plan := ripcord.Plan{Directory: filepath.Join(t.TempDir(), "gone"), Steps: []ripcord.StepSpec{{Settings: []byte(`{"command":["./x.sh"]}`)}}}
	if got := Bundle(plan); len(got) != 0 {
		t.Errorf("Bundle = %v, want nothing", got)
	}
}
