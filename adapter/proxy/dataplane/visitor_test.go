package dataplane

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func request(t *testing.T, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// TestDraw: visitors are spread evenly, also over small parts, and another
// split draws others.
func TestDraw(t *testing.T) {
	t.Parallel()
	const visitors = 200_000
	counts := map[float64]int{.001: 0, .05: 0, .5: 0}
	both := 0
	for i := range visitors {
		value := "visitor-" + strconv.Itoa(i)
		d, other := drawOf(value, 1), drawOf(value, 2)
		if d < 0 || d >= 1 {
			t.Fatalf("%s draws %v", value, d)
		}
		for part := range counts {
			if d < part {
				counts[part]++
			}
		}
		if d < .05 && other < .05 {
			both++
		}
	}
	for part, n := range counts {
		want := part * visitors
		if float64(n) < want*.8 || float64(n) > want*1.2 {
			t.Errorf("%d of %d visitors are below %v", n, visitors, part)
		}
	}
	if both > visitors/200 { // .0025 expected
		t.Errorf("%d visitors are among the first in both splits", both)
	}
}

func TestTesterRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rule   Testers
		header string
		want   bool
	}{
		{Testers{Header: "x-canary: yes"}, "X-Canary: yes", true},
		{Testers{Header: "X-Canary: yes"}, "X-Canary: no", false},
		{Testers{Header: "X-Canary"}, "X-Canary: anything", true},
		{Testers{Header: "X-Canary"}, "X-Other: 1", false},
		{Testers{Cookie: "team=blue"}, "Cookie: a=1; team=blue", true},
		{Testers{Cookie: "team=blue"}, "Cookie: team=red", false},
		{Testers{Cookie: "team"}, "Cookie: team=red", true},
		{Testers{Header: "X-Canary: yes", Cookie: "team"}, "Cookie: team=red", true},
		{Testers{Cookie: "team"}, "X-Canary: yes", false},
	}
	for _, test := range tests {
		if err := (Front{Testers: &test.rule}).Validate(); err != nil {
			t.Errorf("%+v: %v", test.rule, err)
		}
		if got := newTesterRule(&test.rule).match(request(t, test.header)); got != test.want {
			t.Errorf("%+v, %s: %t", test.rule, test.header, got)
		}
	}
	if newTesterRule(nil).match(request(t, "X-Canary: yes")) {
		t.Error("nobody tests where no rule is")
	}
}

// TestRemember: a visitor keeps its id, and the cookie is renewed in time.
func TestRemember(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	id, give := remember("", time.Hour, now)
	if len(id) != idLength || !strings.HasPrefix(give, id+".") {
		t.Fatalf("a new visitor: %q, %q", id, give)
	}
	if again, renewed := remember(give, time.Hour, now.Add(time.Minute)); again != id || renewed != "" {
		t.Errorf("a minute later: %q, %q", again, renewed)
	}
	again, renewed := remember(give, time.Hour, now.Add(40*time.Minute))
	if again != id || renewed == give || !strings.HasPrefix(renewed, id+".") {
		t.Errorf("after most of the time: %q, %q", again, renewed)
	}
	for _, foreign := range []string{"session-of-the-application", "a.b", "0123456789abcdef"} {
		if got, given := remember(foreign, time.Hour, now); got != foreign || given != "" {
			t.Errorf("%q became %q, %q", foreign, got, given)
		}
	}
	if got, given := remember(id+".%%", time.Hour, now); got != id || given == "" {
		t.Errorf("a broken time: %q, %q", got, given)
	}
}

// TestChoose: a side that is not well gives its part to the other one.
func TestChoose(t *testing.T) {
	t.Parallel()
	side, split := testSide(t, ready, "a:1"), testSide(t, ready, "b:1")
	alone := &table{side: side}
	both := &table{side: side, split: split, part: .05}
	low, high, tester := visitor{draw: .01}, visitor{draw: .5}, visitor{tester: true, draw: .9}
	tests := []struct {
		name          string
		table         *table
		visitor       visitor
		sideOK, split bool
		want          *liveSide
	}{
		{"no split", alone, tester, true, true, side},
		{"below the part", both, low, true, true, split},
		{"above it", both, high, true, true, side},
		{"tester", both, tester, true, true, split},
		{"the split is ill", both, low, true, false, side},
		{"a tester, the split is ill", both, tester, true, false, side},
		{"the side is ill", both, high, false, true, split},
		{"both are", both, low, false, false, split},
	}
	for _, test := range tests {
		side.targets[0].doubted.Store(!test.sideOK)
		split.targets[0].doubted.Store(!test.split)
		if got := test.table.choose(test.visitor); got != test.want {
			t.Errorf("%s: %s", test.name, got.spec.Targets)
		}
	}
}

func TestFrontRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]Front{
		"certificate":      {TLS: &TLS{Key: "k"}},
		"name of a cookie": {Affinity: &Affinity{Cookie: "a b"}},
		"400 days":         {Affinity: &Affinity{Cookie: "a", For: -1}},
		"need a header":    {Testers: &Testers{}},
		"Name: value":      {Testers: &Testers{Header: "X Canary: 1"}},
		"name=value":       {Testers: &Testers{Cookie: "=1"}},
	}
	for want, front := range tests {
		if err := front.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzCookie: whatever a visitor sends, it gets a draw, and a given cookie
// brings the same draw.
func FuzzCookie(f *testing.F) {
	f.Add("0123456789abcdef.rs3u0w")
	f.Add("")
	f.Add("....")
	f.Fuzz(func(t *testing.T, value string) {
		now := time.Unix(1_800_000_000, 0)
		id, give := remember(value, time.Hour, now)
		if d := drawOf(id, 7); d < 0 || d >= 1 {
			t.Fatalf("%q draws %v", value, d)
		}
		if give == "" {
			return
		}
		again, renewed := remember(give, time.Hour, now)
		if again != id || renewed != "" {
			t.Fatalf("%q: given %q, then %q, %q", value, give, again, renewed)
		}
	})
}
