package docker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

// FuzzOpen gives settings that nobody wrote on purpose.
func FuzzOpen(f *testing.F) {
	f.Add(`{"service":"web","image":"shop:v2","ports":"1-2","user":"a:b","limits":{"memory":"1G","cpu":"150%"},"networks":["host"]}`)
	f.Add(`{"service":"web","image":"${steps.x.outputs.y}","command":[""],"volumes":["/a:/b:ro"]}`)
	f.Fuzz(func(t *testing.T, settings string) {
		_, err := New(nil).Open(t.Context(), ripcord.StepSpec{ID: "s", Settings: []byte(settings)}, ripcord.Scope{Application: "a", Environment: "e"})
		if err != nil && ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("the error is of %s: %v", ripcord.CodeOf(err), err)
		}
	})
}

// FuzzReference reads names of images; what is read is written the same again.
func FuzzReference(f *testing.F) {
	id := "sha256:" + strings.Repeat("0", 64)
	for _, seed := range []string{"shop", "shop:v2", "registry.example.com:5000/team/shop:v2", "[::1]:5000/shop", id, "shop@" + id, "shop:v2@" + id, "Shop", "shop:", "a//b", "localhost/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseReference(text)
		if err != nil {
			return
		}
		again, err := parseReference(r.String())
		if err != nil || again.String() != r.String() || again.repository != r.repository {
			t.Errorf("%q is %+v, which reads as %+v, %v", text, r, again, err)
		}
		if familiar(familiar(r.repository)) != familiar(r.repository) {
			t.Errorf("%q is familiar as %q, and that as %q", r.repository, familiar(r.repository), familiar(familiar(r.repository)))
		}
	})
}

// FuzzLog reads logs as engines send them, and labels as somebody may have edited
// them.
func FuzzLog(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x03one\x02\x00\x00\x00\x00\x00\x00\x03two"), `[[0,2,6]]`)
	f.Add([]byte("\x01\x00\x00"), `[[-1,9,9],[0,0,-1]]`)
	f.Fuzz(func(t *testing.T, log []byte, spans string) {
		text, err := unframed(bytes.NewReader(log))
		if err != nil || len(text) > len(log) {
			t.Errorf("%d bytes give %d, %v", len(log), len(text), err)
		}
		c := container{secrets: spans, texts: []string{"A=secret"}}
		c.mask(text)
		c = container{secrets: spansOf([]string{"A=secret"}, []string{"secret"}), texts: []string{"A=secret"}}
		if got := c.mask("it is secret"); got != "it is ***" {
			t.Errorf("masked it is %q", got)
		}
		_ = follow(bytes.NewReader(log), nil)
	})
}

// TestDigestIn: an image that was tagged anew is not the one of its new name.
func TestDigestIn(t *testing.T) {
	t.Parallel()
	a, b := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	for name, c := range map[string]struct {
		image string
		known []string
		want  string
	}{
		"own":          {"registry.example.com/shop:v2", []string{"other.example.com/shop@" + a, "registry.example.com/shop@" + b}, b},
		"hub":          {"docker.io/library/nginx:1", []string{"nginx@" + a}, a},
		"hub's team":   {"index.docker.io/team/shop", []string{"team/shop@" + a}, a},
		"built here":   {"shop:v2", nil, ""},
		"tagged anew":  {"registry.example.com/shop:v2", []string{"shop@" + a}, ""},
		"other's name": {"shop:v2", []string{"team/shop@" + a}, ""},
	} {
		r, err := parseReference(c.image)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.digestIn(c.known); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestSpeaks compares versions of the API as numbers.
func TestSpeaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, least string
		want           bool
	}{{"1.41", "1.41", true}, {"1.100", "1.41", true}, {"1.9", "1.41", false}, {"2.0", "1.41", true}, {"", "1.41", false}, {"x.y", "1.41", false}} {
		if speaks(c.version, c.least) != c.want {
			t.Errorf("%q speaks %q: %v", c.version, c.least, !c.want)
		}
	}
}
