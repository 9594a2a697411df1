package blobs

import (
	"strings"
	"testing"
)

// FuzzParseKey: whatever a key file holds, reading it ends with a key or an error
// that does not show the text.
func FuzzParseKey(f *testing.F) {
	f.Add("# comment\n\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n")
	f.Add("AGE-SECRET-KEY-1")
	f.Add("\r\n\x00#")
	f.Fuzz(func(t *testing.T, text string) {
		identity, err := parseKey("key.txt", text)
		if (err == nil) != (identity != nil) {
			t.Fatalf("identity %v, error %v", identity != nil, err)
		}
		if trimmed := strings.TrimSpace(text); err != nil && len(trimmed) > 30 && strings.Contains(err.Error(), trimmed) {
			t.Fatal("the error shows the text")
		}
	})
}
