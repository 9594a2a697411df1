package script

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	sh := func(text string) []string { return []string{"sh", "-c", text} }
	tests := []struct {
		argv []string
		want []string
	}{
		{[]string{"./undo.sh", "./data.txt"}, []string{"./undo.sh"}},
		{[]string{"rm", "-f", "./data.txt"}, nil},
		{[]string{"python3", "-u", "undo.py", "x.txt"}, []string{"undo.py"}},
		{[]string{"python3", "-m", "http.server"}, nil},
		{[]string{"env", "A=b", "bash", "-e", "undo.sh"}, nil},
		{[]string{"env", "A=b", "bash", "undo.sh"}, []string{"undo.sh"}},
		{sh("./undo.sh --all ./data"), []string{"./undo.sh"}},
		{sh("A=1 ./a.sh && cd x; ./b.sh | (./c.sh)\nsh d.sh"), []string{"./a.sh", "./b.sh", "./c.sh", "d.sh"}},
		{sh(`"./quoted.sh" $DIR/undo.sh`), nil},
		{sh("rm -f ./site/a"), nil},
		{nil, nil},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.argv, " "), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, scripts(test.argv)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReplaceScripts(t *testing.T) {
	t.Parallel()
	got := replaceScripts([]string{"sh", "-c", "set -e; ./a.sh ./a.sh || ./b.sh\n"}, map[string]string{"./a.sh": "/kept it/a.sh"})
	want := []string{"sh", "-c", "set -e; '/kept it/a.sh' ./a.sh || ./b.sh\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		argv []string
		want string
	}{
		{[]string{"./a.sh", "two words", "it's"}, `./a.sh 'two words' 'it'\''s'`},
		{[]string{"sh", "-c", "set -e\n./b.sh\n"}, "set -e ..."},
		{[]string{"sh", "-c", "\n./b.sh\n"}, "./b.sh"},
		{[]string{"x", strings.Repeat("y", 80)}, "x " + strings.Repeat("y", 58) + " ..."},
	}
	for _, test := range tests {
		if got := shown(test.argv); got != test.want {
			t.Errorf("shown(%q) = %q, want %q", test.argv, got, test.want)
		}
	}
}
