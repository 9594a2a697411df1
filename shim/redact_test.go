package shim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// redacted writes text in pieces of the given size through a redactor.
func redacted(t *testing.T, secrets []string, text string, piece int) string {
	t.Helper()
	var out bytes.Buffer
	r := newRedactor(&out, secrets)
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := r.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRedact(t *testing.T) {
	t.Parallel()
	pem := "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
	encode := base64.StdEncoding.EncodeToString
	quoted, _ := json.Marshal(`pass"word\1`)
	for _, c := range []struct {
		name, text, want string
		secrets          []string
	}{
		{"none", "hello", "hello", nil},
		{"empty secrets", "hello", "hello", []string{"", ""}},
		{"plain", "a hunter2 b hunter2", "a [secret] b [secret]", []string{"hunter2"}},
		{"side by side", "hunter2hunter2.", "[secret].", []string{"hunter2"}},
		{"only its beginning", "hunter 2 hunter", "hunter 2 hunter", []string{"hunter2"}},
		{"one within the other", "xabcdefx abcd xbcdx", "x[secret]x a[secret] x[secret]x", []string{"abcdef", "bcd"}},
		{"overlapping", "-abcabd-", "-[secret]-", []string{"abcab", "cabd"}},
		{"short", "a1b", "a[secret]b", []string{"1"}},
		{"multi-line", "<" + pem + ">", "<[secret]>", []string{pem}},
		{"a line of it", "got hkiG9w0BAQEFAASC here", "got [secret] here", []string{pem}},
		{"with carriage returns", "MIIEvQIBADANBgkq\r\n", "[secret]\r\n", []string{pem}},
		{"base64", encode([]byte("hunter2")), "[secret]==", []string{"hunter2"}},
		{"base64 of a line end too", encode([]byte("hunter2\n")), "[secret]=", []string{"hunter2"}},
		{"base64 behind a name", "Basic " + encode([]byte("me:hunter2-long")), "Basic bWU[secret]", []string{"hunter2-long"}},
		{"in a URL", url.QueryEscape("p&ss w/rd+1"), "[secret]", []string{"p&ss w/rd+1"}},
		{"in JSON", string(quoted), `"[secret]"`, []string{`pass"word\1`}},
		{"in hexadecimal", "68756e74657232", "[secret]", []string{"hunter2"}},
	} {
		for _, piece := range []int{1, 2, 3, 7, 1 << 20} {
			got := redacted(t, c.secrets, c.text, piece)
			if strings.HasPrefix(c.name, "base64") { // a few bits at its ends belong to the neighbours
				if !strings.Contains(got, Removed) || len(got) > len(c.want)+3 {
					t.Errorf("%s in pieces of %d: %q", c.name, piece, got)
				}
				continue
			}
			if got != c.want {
				t.Errorf("%s in pieces of %d: %q, want %q", c.name, piece, got, c.want)
			}
		}
	}
}

func TestRedactHoldsBackNothingInnocent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := newRedactor(&out, []string{"secret-value"})
	for _, step := range []struct{ in, want string }{
		{"progress 10%\n", "progress 10%\n"}, {"sec", ""}, {"onds\n", "seconds\n"}, {"secret-", ""}, {"value\n", "[secret]\n"},
	} {
		out.Reset()
		if _, err := r.Write([]byte(step.in)); err != nil || out.String() != step.want {
			t.Errorf("after %q: %q %v, want %q", step.in, &out, err, step.want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("abc", "xabcx", "bcd", uint8(2))
	f.Add("aab", "aaab", "ab", uint8(1))
	f.Fuzz(func(t *testing.T, secret, text, other string, piece uint8) {
		secrets := []string{secret, other}
		whole := redacted(t, secrets, text, len(text)+1)
		if got := redacted(t, secrets, text, int(piece)+1); got != whole {
			t.Fatalf("pieces change the result: %q, whole %q", got, whole)
		}
		if want := slowly(disguises(secrets), text); whole != want {
			t.Fatalf("got %q, want %q", whole, want)
		}
	})
}

// slowly is what a redactor should do, without a stream.
func slowly(values []string, text string) string {
	covered := make([]bool, len(text))
	for _, value := range values {
		for at := 0; value != "" && at+len(value) <= len(text); at++ {
			if text[at:at+len(value)] == value {
				for i := range len(value) {
					covered[at+i] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range len(text) {
		switch {
		case !covered[i]:
			out.WriteByte(text[i])
		case i == 0 || !covered[i-1]:
			out.WriteString(Removed)
		}
	}
	return out.String()
}

func BenchmarkRedact(b *testing.B) {
	line := []byte(strings.Repeat("a usual line of output that a program prints\n", 1000))
	var out bytes.Buffer
	r := newRedactor(&out, []string{"hunter2-long", "another one here"})
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		out.Reset()
		_, _ = r.Write(line)
	}
}
