package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ripcord-dev/ripcord/keeper"
)

// TestCronStarts: what CronLine writes is found again, and nothing else.
func TestCronStarts(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"/var/lib/ripcord", "/srv/my state", "/srv/it's 100% \"mine\"", `/srv/back\slash`} {
		line := keeper.CronLine([]string{"/usr/local/bin/ripcord", "__keeper", "--state-dir", dir, "--stay"})
		if program, ok := cronStarts(line, dir); !ok || program != "/usr/local/bin/ripcord" {
			t.Errorf("%q is not found in %s: %q", dir, line, program)
		}
		if _, ok := cronStarts("# "+line, dir); ok {
			t.Errorf("%q is found in a comment", dir)
		}
		if _, ok := cronStarts(line, dir+"2"); ok {
			t.Errorf("%q is taken for another", dir)
		}
	}
	for line, want := range map[string]string{
		"@reboot root /opt/ripcord __keeper --state-dir=/s --stay": "/opt/ripcord",
		"@reboot  cd / && /opt/ripcord __keeper --state-dir /s":    "/opt/ripcord",
		"@daily /opt/ripcord __keeper --state-dir /s":              "",
		"@reboot /opt/ripcord keeper start --state-dir /s":         "",
		"@reboot /opt/ripcord __keeper --state-dir":                "",
		"@reboot true % /opt/ripcord __keeper --state-dir /s":      "",
	} {
		if program, _ := cronStarts(line, "/s"); program != want {
			t.Errorf("%s starts %q, want %q", line, program, want)
		}
	}
}

func FuzzCronWords(f *testing.F) {
	f.Add(` /a 'b c' "d" e\ f \% % g`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, word := range cronWords(line) {
			if strings.Contains(word, "\n") && !strings.Contains(line, "\n") {
				t.Errorf("%q gives %q", line, word)
			}
		}
	})
}

// TestProgramOf: the program of a unit is found again.
func TestProgramOf(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"/usr/local/bin/ripcord", "/opt/my tools/ripcord", `/opt/100% $x "q" \b/ripcord`} {
		unit := keeper.Unit("d", "", []string{program, "__keeper", "--state-dir", "/s", "--stay"})
		if diff := cmp.Diff(program, programOf(unit)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if line := strings.TrimSpace(execStart(program, "/s")); !strings.Contains(unit, line) {
			t.Errorf("%s is not in\n%s", line, unit)
		}
	}
}
