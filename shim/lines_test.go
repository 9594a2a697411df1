package shim

import "testing"

func TestPlain(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"plain text, ümlaut\tand tab":          "plain text, ümlaut\tand tab",
		"\x1b[31mRED\x1b[0m":                   "RED",
		"\x1b[1;38;5;196mbold\x1b[m":           "bold",
		"\x1b]0;evil title\athe line":          "the line",
		"\x1b]8;;http://x\x1b\\link":           "link",
		"\x1b(Bcharset \x1bc reset":            "charset  reset",
		"back\b\bspace \a bell \x00 \u009b31m": "backspace  bell  31m",
		"broken \xff\xfe":                      "broken ?",
		"cut \x1b":                             "cut ",
		"cut \x1b[3":                           "cut 3",
	}
	for line, want := range tests {
		if got := Plain(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
