package script

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOutputs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       map[string]string
		wrong      string
	}{
		{name: "nothing", text: "", want: map[string]string{}},
		{name: "values", text: "a=1\n\nb-2=x=y z\nc=\n", want: map[string]string{"a": "1", "b-2": "x=y z", "c": ""}},
		{name: "no newline at the end", text: "a=1", want: map[string]string{"a": "1"}},
		{name: "block", text: "a<<EOF\nb=2\n\n  x\nEOF\nc=3\n", want: map[string]string{"a": "b=2\n\n  x", "c": "3"}},
		{name: "empty block", text: "a<<E\nE\n", want: map[string]string{"a": ""}},
		{name: "marks within a value", text: "a=b<<c\n", want: map[string]string{"a": "b<<c"}},
		{name: "no end", text: "x=1\na<<EOF\nb\n", wrong: "line 2: the value of a has no end"},
		{name: "no end word", text: "a<<\n", wrong: "line 1: a<< needs a word"},
		{name: "no name", text: "=1\n", wrong: "line 1: neither"},
		{name: "text", text: "hello s3cret\n", wrong: "line 1: neither"},
		{name: "space", text: "a = 1\n", wrong: "line 1: neither"},
		{name: "twice", text: "a=1\na=2\n", wrong: "line 2: a is written twice"},
		{name: "binary", text: "a=\x00\n", wrong: "no UTF-8 text"},
		{name: "not UTF-8", text: "a=\xff\n", wrong: "no UTF-8 text"},
		{name: "long", text: "a=" + strings.Repeat("x", outputsLimit), wrong: "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseOutputs([]byte(test.text))
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("error %v, want %q", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzParseOutputs(f *testing.F) {
	for _, seed := range []string{"a=1\nb<<EOF\nx\nEOF\n", "a<<", "=\n", "a<<b\na<<c\nb", "é=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := parseOutputs(data)
		if err != nil {
			return
		}
		var text strings.Builder
		for name, value := range values {
			end := "END"
			for strings.Contains(value, end) {
				end += "X"
			}
			lines := value + "\n"
			if value == "" {
				lines = ""
			}
			text.WriteString(name + "<<" + end + "\n" + lines + end + "\n")
		}
		again, err := parseOutputs([]byte(text.String()))
		if err != nil && len(text.String()) <= outputsLimit {
			t.Fatalf("what was read cannot be written and read again: %v\n%q", err, text.String())
		}
		if diff := cmp.Diff(values, again); err == nil && diff != "" {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}
