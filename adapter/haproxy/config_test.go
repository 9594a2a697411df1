package haproxy

import (
	"strings"
	"testing"

	"github.com/ripcord-dev/ripcord"
)

const sample = `global
  stats socket /s level admin
backend other
  server a 127.0.0.1:1
backend shop # the shop
  balance roundrobin
  # ripcord begin shop
  # two
  server blue1 127.0.0.1:1 check weight 10
	server blue2   web2.example:2 cookie "a # b" # second
  # ripcord end shop
  server spare 127.0.0.1:9 backup
frontend f
  bind :80
`

func TestParseConfig(t *testing.T) {
	t.Parallel()
	c, err := parseConfig("h.cfg", sample, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if c.with(c.lines()) != sample {
		t.Error("the same lines change the file")
	}
	if !strings.HasPrefix(c.lines(), "  # two\n") || !strings.HasSuffix(c.lines(), "# second\n") || c.indent() != "  " {
		t.Errorf("%q", c.lines())
	}
}

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ old, to, backend, want string }{
		"no section":      {"", "", "nope", "has no section `backend nope`"},
		"no marks":        {"", "", "other", "has no place for the servers of backend other"},
		"no end":          {"  # ripcord end shop\n", "", "shop", "has no place"},
		"twice":           {"  balance roundrobin\n", "  # ripcord begin shop\n", "shop", "twice"},
		"elsewhere":       {"backend shop # the shop\n", "backend shop\nbackend more\n", "shop", "outside of the section"},
		"outside":         {"  balance roundrobin\n", "  server x 127.0.0.1:3\n", "shop", "line 6 of h.cfg: server x stands outside"},
		"a template":      {"  balance roundrobin\n", "  server-template x 3 127.0.0.1:3\n", "shop", "line 6 of h.cfg makes servers"},
		"something in it": {"  # two\n", "  balance first\n", "shop", "line 8 of h.cfg stands between Ripcord's marks"},
	} {
		text := strings.Replace(sample, test.old, test.to, 1)
		if test.old == "" {
			text = sample
		}
		_, err := parseConfig("h.cfg", text, test.backend)
		if ripcord.CodeOf(err) != ripcord.CodeRefused || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	s := Settings{Health: Health{Interval: 200_000_000, Successes: 2, Failures: 3}, Options: "maxconn 50"}
	c, err := parseConfig("h.cfg", sample, "shop")
	if err != nil {
		t.Fatal(err)
	}
	before := image{Servers: []server{{Name: "blue1", Address: "127.0.0.1:1", Weight: 10, Admin: ready}, {Name: "blue2", Address: "10.0.0.2:2", Weight: 1, Admin: ready}}}
	if same := s.render(c.lines(), "  ", before, before.Servers, nil); same != c.lines() {
		t.Errorf("what has not changed reads now:\n%s", same)
	}
	after := []server{
		{Name: "blue1", Address: "127.0.0.1:1", Weight: 0, Admin: ready},
		{Name: "blue2", Address: "10.0.0.2:2", Weight: 0, Admin: maint},
		{Name: "green1", Address: "[::1]:7", Weight: 100, Admin: ready, Made: firstID},
		{Name: "spare", Address: "127.0.0.1:9", Weight: 1, Admin: ready, Backup: true},
	}
	want := `  # two
  server blue1 127.0.0.1:1 check weight 0
	server blue2 web2.example:2 cookie "a # b" weight 0 disabled
  server green1 [::1]:7 id 726001 check inter 200ms fastinter 200ms downinter 200ms rise 2 fall 3 maxconn 50 weight 100
`
	lines := s.render(c.lines(), "  ", before, after, nil)
	if lines != want {
		t.Errorf("got:\n%s\nwant:\n%s", lines, want)
	}
	if again := s.render(lines, "  ", image{Servers: after}, after, nil); again != lines {
		t.Errorf("a second time:\n%s", again)
	}
	if gone := s.render(lines, "", image{Servers: after}, after, []string{"blue1", "blue2"}); strings.Contains(gone, "blue") || !strings.Contains(gone, "green1") {
		t.Errorf("got:\n%s", gone)
	}
	if words := keywords(&lines, "blue2"); len(words) != 2 || words[1] != `"a # b"` {
		t.Errorf("%q", words)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(sample)
	f.Add("backend shop\n# ripcord begin shop\nserver a\\ b 'c #' \"d\n# ripcord end shop")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("h.cfg", text, "shop")
		if err != nil {
			return
		}
		if c.with(c.lines()) != text {
			t.Fatal("the same lines change the file")
		}
		s := Settings{Health: Health{Interval: 200_000_000, Successes: 2, Failures: 2}}
		servers := []server{{Name: "green1", Address: "127.0.0.1:7", Weight: 3, Admin: ready, Checks: checksOn, Made: firstID}}
		lines := s.render(c.lines(), c.indent(), image{}, servers, nil)
		again, err := parseConfig("h.cfg", c.with(lines), "shop")
		if err != nil {
			t.Fatalf("our own lines are refused: %v\n%s", err, lines)
		}
		if twice := s.render(again.lines(), c.indent(), image{Servers: servers}, servers, nil); twice != lines {
			t.Fatalf("a second time:\n%q\n%q", lines, twice)
		}
	})
}
