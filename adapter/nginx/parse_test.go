package nginx

import (
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]answer{
		"ripcord1|1.0|200|127.0.0.1:1|200|0.012":                      {{address: "127.0.0.1:1", took: 12 * time.Millisecond}},
		"ripcord1|1.0|200|127.0.0.1:1, 127.0.0.1:2|502, 200|0.1, 0.2": {{address: "127.0.0.1:1", failed: true, took: 100 * time.Millisecond}, {address: "127.0.0.1:2", took: 200 * time.Millisecond}},
		"ripcord1|1.0|499|127.0.0.1:1|-|0.5":                          {{address: "127.0.0.1:1", unknown: true, took: 500 * time.Millisecond}},
		"ripcord1|1.0|504|127.0.0.1:1|504|2":                          {{address: "127.0.0.1:1", failed: true, took: 2 * time.Second}},
		"ripcord1|1.0|101|127.0.0.1:1|101|60":                         {{address: "127.0.0.1:1", upgraded: true, took: time.Minute}},
		"ripcord1|1.0|200|127.0.0.1:1 : [::1]:2|200 : 200|-":          {{address: "127.0.0.1:1"}, {address: "[::1]:2"}},
		"ripcord1|1.0|304|-|-|-":                                      nil,
		"ripcord1|1.0|502|shop|502|0.000":                             {{address: "shop", failed: true}},
	} {
		got, ok := parseLine(line)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" || !ok {
			t.Errorf("%s: %t %s", line, ok, diff)
		}
	}
	if _, ok := parseLine("127.0.0.1 - - [x] \"GET /|||||\" 200"); ok {
		t.Error("another line is taken")
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add("ripcord1|1.0|200|127.0.0.1:1, 127.0.0.1:2|502, 200|0.1, 0.2")
	f.Add("ripcord1|||||")
	f.Fuzz(func(t *testing.T, line string) {
		answers, ok := parseLine(line)
		if !ok && answers != nil {
			t.Fatal("answers of no line")
		}
		for _, a := range answers {
			if a.took < 0 || a.address == "" {
				t.Fatalf("%+v", a)
			}
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	list, err := parse("a 'b c' \"d\\\"e\" ${f}g; # h;\nhttp {\n map $x $y { ~^a{2}$ 1; }\n content_by_lua_block {\n if x then y = { '}' } -- }\n end }\n}")
	if err == nil {
		t.Errorf("a brace within a regular expression needs quotes, also for nginx: %v", list)
	}
	list, err = parse("a 'b c' \"d\\\"e\" ${f}g; # h;\nhttp {\n map $x $y { \"~^a{2}$\" 1; }\n content_by_lua_block {\n if x then y = { '}' } -- }\n end }\n}")
	if err != nil || len(list) != 2 || len(list[1].block) != 2 || list[1].line != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if diff := cmp.Diff([]string{"b c", `d"e`, "${f}g"}, list[0].args); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"a", "a {", "}", ";", "a 'b;", "{ }", strings.Repeat("a {", 100), "x_by_lua_block {"} {
		if list, err := parse(bad); err == nil {
			t.Errorf("%q: %+v", bad, list)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("http { upstream shop { server 127.0.0.1:1 weight=3; keepalive 7; } }")
	f.Add("a \"b\\\nc\" ${d}; # e\nx_by_lua_block { '}' -- }\n}")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parse(text)
		if err != nil {
			return
		}
		walk(list, nil, func(_ []*directive, d *directive) {
			if d.start < 0 || d.start >= d.end || d.end > len(text) || text[d.end-1] != ';' && text[d.end-1] != '{' {
				t.Fatalf("%+v", d)
			}
			again, err := parse(quoted(d.name) + " " + quoted("x"+strings.Join(d.args, " ")) + ";")
			if err != nil || len(again) != 1 || len(again[0].args) != 1 {
				t.Fatalf("%q: %v", d.args, err)
			}
		})
	})
}

// FuzzUnderstand: whatever a person has written, what Ripcord makes of it is read
// again as the same.
func FuzzUnderstand(f *testing.F) {
	f.Add("upstream shop { server 127.0.0.1:1 weight=3 max_fails=2; least_conn; keepalive 7; }", 5.0)
	f.Add("# ripcord 1 sha256:0\n# ripcord model {}\n", 100.0)
	f.Fuzz(func(t *testing.T, text string, weight float64) {
		s := Settings{Upstream: "shop", Targets: "127.0.0.1:8,127.0.0.1:9", Weight: &weight, Health: Health{Failures: 2}}
		m, err := s.understand(text)
		if err != nil || !(weight >= 0 && weight <= 100) {
			return
		}
		goal := s.toward(m)
		ours, err := goal.text()
		if err != nil {
			return // JSON has no such text
		}
		again, err := s.understand(ours)
		if err != nil || !again.equal(goal) || !again.equal(s.toward(again)) {
			t.Fatalf("%v\n%s", err, ours)
		}
		if _, err := parse(ours); err != nil {
			t.Fatalf("%v\n%s", err, ours)
		}
	})
}

// TestWeights: the shares are exact to a slot, all slots are given away, and nginx
// sends as many visitors as it should.
func TestWeights(t *testing.T) {
	t.Parallel()
	before := model{Sides: []side{{Share: 100, Servers: []server{{Address: "b:1", Weight: 1}, {Address: "b:2", Weight: 3}}}}}
	for _, share := range []float64{0.01, 0.1, 1, 5, 33.3, 50, 99.99, 99.9999} {
		s := Settings{Upstream: "shop", Targets: "g:1,g:2,g:3", Weight: &share}
		m := s.toward(before)
		weights := m.weights()
		newer, all := 0, 0
		for n, side := range weights {
			for _, weight := range side {
				all += weight
				if n == 0 {
					newer += weight
				}
			}
		}
		if all != slots || math.Abs(float64(newer)/slots*100-share) > 1.0/slots*100 {
			t.Errorf("%v %%: %v, %d of %d", share, weights, newer, all)
		}
		hits := 0
		const visitors = 20_000
		for n := range visitors {
			sum := crc32.ChecksumIEEE(fmt.Appendf(nil, "%s%d", m.salt(), 1_000_000+n))
			if int(sum>>16&0x7fff) < newer {
				hits++
			}
		}
		expected := visitors * float64(newer) / slots
		if off := math.Abs(float64(hits) - expected); off > 5*math.Sqrt(expected)+3 {
			t.Errorf("%v %%: %d of %d visitors in place of %v", share, hits, visitors, expected)
		}
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"1.22.1": true, "1.27.3": true, "1.27.4": false, "1.28.0": false, "1.26.2": true, "2.0.0": false, "x": true} {
		if older(version) != want {
			t.Errorf("%s: %t", version, older(version))
		}
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	got := parseConnections("  sl  local_address rem_address   st\n   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1234 1\n   1: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n")
	if len(got) != 2 || got[0].remote.String() != "127.0.0.2:50000" || !got[0].established || got[0].inode != "1234" || !got[1].listens || got[1].local.Port() != 8080 {
		t.Errorf("%+v", got)
	}
}

func FuzzConnections(f *testing.F) {
	f.Add("   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1234 1\n")
	f.Fuzz(func(_ *testing.T, text string) { parseConnections(text) })
}
