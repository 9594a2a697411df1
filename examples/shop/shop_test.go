package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newShop(t *testing.T, fault string) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "assets", version), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "assets", version, "style.css"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(t.Context(), filepath.Join(dir, "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseFault(fault, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	h := &shop{config: config{Title: "Test", Currency: "EUR"}, store: s, assets: filepath.Join(dir, "assets"), fault: m, metrics: newMetrics(), now: time.Now}
	server := httptest.NewServer(h.handler())
	t.Cleanup(func() {
		server.Close()
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	s := newShop(t, "")
	form := func(pairs ...string) *strings.Reader {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return strings.NewReader(v.Encode())
	}
	tests := []struct {
		method, path string
		body         *strings.Reader
		status       int
	}{
		{http.MethodGet, "/", nil, 200},
		{http.MethodGet, "/basket", nil, 200},
		{http.MethodPost, "/basket", form("product", "3"), 303},
		{http.MethodPost, "/basket", form("product", "x"), 400},
		{http.MethodPost, "/order", form("product", "3", "quantity", "2"), 303},
		{http.MethodGet, "/orders/1", nil, 200},
		{http.MethodGet, "/orders/2", nil, 404},
		{http.MethodPost, "/order", form("product", "3", "quantity", "0"), 400},
		{http.MethodPost, "/order", form("product", "77", "quantity", "1"), 404},
		{http.MethodGet, "/assets/" + version + "/style.css", nil, 200},
		{http.MethodGet, "/healthz", nil, 200},
		{http.MethodGet, "/metrics", nil, 200},
		{http.MethodGet, "/nowhere", nil, 404},
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range tests {
		body := test.body
		if body == nil {
			body = strings.NewReader("")
		}
		r, err := http.NewRequestWithContext(t.Context(), test.method, s.URL+test.path, body)
		if err != nil {
			t.Fatal(err)
		}
		if test.method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, answer.StatusCode, test.status)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]*misbehaviour{
		"": {}, "assets": {}, "no-start": {noStart: true}, "unhealthy": {unhealthy: true},
		"crash": {crashAfter: time.Minute}, "crash:90s": {crashAfter: 90 * time.Second}, "crash:500": {crashRequests: 500},
	} {
		m, err := parseFault(text, time.Now)
		if err != nil || m.noStart != want.noStart || m.unhealthy != want.unhealthy || m.crashAfter != want.crashAfter || m.crashRequests != want.crashRequests {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, wrong := range []string{"fire", "errors:", "errors:2", "stall:0%", "slow:10", "leak:-1"} {
		if _, err := parseFault(wrong, time.Now); err == nil {
			t.Errorf("the fault %q is accepted", wrong)
		}
	}
	if m, err := parseFault("errors:100%", time.Now); err != nil || !m.hurt() {
		t.Errorf("errors:100%%: %v", err)
	}
	if m, err := parseFault("leak:10000", time.Now); err != nil || m.hurt() || len(m.leaked.kept) != 1 {
		t.Errorf("leak:10000: %v", err)
	}
	answer, err := http.Get(newShop(t, "unhealthy").URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, %v", answer.StatusCode, err)
	}
}
