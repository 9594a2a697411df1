package cli

import (
	"strings"
	"testing"
	"unicode"
)

func TestHarmless(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\ttext, Ünicode\n":        "plain\ttext, Ünicode\n",
		"\x1b[31mred\x1b[0m":            "red",
		"a\x1b[2J\x1b[Hb":               "ab",
		"\x1b]0;title\x07after":         "after",
		"\x1b]52;c;c2VjcmV0\x1b\\after": "after",
		"\x1bPdevice\x1b\\after":        "after",
		"\u009b31mred":                  "red",
		"\x1b]never ends\nnext line":    "\nnext line",
		"\x1b[12":                       "",
		"back\b\b\a\x00space":           "backspace",
		"\x1b(0line\x1b(B":              "line",
		"user\u202etxt.exe":             "usertxt.exe",
		"bytes \xff\xfe":                "bytes \ufffd\ufffd",
		"10%\r20%\r\n":                  "10%20%\n",
		"\x1b\x1b[31mx":                 "x",
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"10%\r100%\r": "100%", "a": "a", "\r": "", "x\ry": "y"} {
		if got := lastDrawn(in); got != want {
			t.Errorf("%q is drawn as %q, want %q", in, got, want)
		}
	}
}

// FuzzCleaner: whatever a program prints, and however it comes in pieces, no
// control character is left but line ends, tabs and carriage returns.
func FuzzCleaner(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m ü\x1b]0;t\x07", 3)
	f.Add("\xc3", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		var whole, split cleaner
		want := whole.clean(text)
		if strings.ContainsFunc(want, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }) {
			t.Errorf("%q is left of %q", want, text)
		}
		cut = min(max(cut, 0), len(text))
		if got := split.clean(text[:cut]) + split.clean(text[cut:]); got != want {
			t.Errorf("cut at %d it is %q, else %q", cut, got, want)
		}
		if lines := strings.Count(text, "\n"); strings.Count(want, "\n") != lines {
			t.Errorf("%d lines of %q became %q", lines, text, want)
		}
	})
}
