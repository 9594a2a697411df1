package planfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord/planfile"
)

func TestApplication(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"application: shop\nrelease: []\n":                "shop",
		"# plan\napplication: \"web-2\"   # the second\n": "web-2",
		"application: 'shop'\r\nrelease: [\n":             "shop",
		"release:\n  - run: {application: shop}\n":        "",
		"  application: shop\n":                           "",
		"":                                                "",
	} {
		name := filepath.Join(t.TempDir(), "ripcord.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := planfile.Application(name); got != want {
			t.Errorf("%q is of %q, want %q", text, got, want)
		}
	}
	if got := planfile.Application(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("no file is of %q", got)
	}
}
