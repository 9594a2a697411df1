package remote

import (
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
)

func FuzzParseExit(f *testing.F) {
	for _, text := range []string{"0 0 0 1 2", "137 1 0 1 2", "x", "", "1 2 3 4", "300 0 0 0 0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if exit, err := parseExit(text, time.Unix(1, 0)); err == nil && exit.Signal != "" && exit.Code <= 128 {
			t.Errorf("%q gives %+v", text, exit)
		}
	})
}

// However what a command prints is cut into pieces, no secret is passed on.
func FuzzPrinted(f *testing.F) {
	f.Add("the s3cret is s3cret", "s3cret", 3)
	f.Add("aaaa", "aa", 1)
	f.Fuzz(func(t *testing.T, text, secret string, size int) {
		if secret == "" || strings.Contains("***", secret) || strings.Contains(secret, "*") || size < 1 {
			return
		}
		var out strings.Builder
		p := newPrinted(ripcord.Command{Output: &out, Secrets: []string{secret}})
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			_, _ = p.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		p.finish()
		if strings.Contains(text, secret) && strings.Contains(out.String(), secret) {
			t.Errorf("%q in pieces of %d gives %q", text, size, out.String())
		}
	})
}
