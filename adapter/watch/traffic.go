package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	statsTimeout = 5 * time.Second
	statsLimit   = 4 << 20 // bytes
	// window is how many looks the newest share of errors is judged over: one
	// over the whole watch alone would hide a late failure.
	window = 30
)

// stats is the part of the proxy's counters that is judged.
type stats struct {
	Route string               `json:"route"`
	Sides map[string]sideStats `json:"sides"`
}

type sideStats struct {
	Requests uint64            `json:"requests"`
	Status   map[string]uint64 `json:"status"`
	Errors   struct {
		Own      uint64 `json:"own"`
		Upstream uint64 `json:"upstream"`
	} `json:"errors"`
}

// failed counts requests that went wrong. The proxy's own errors are answers of
// 5xx as well, except where an answer broke off: the larger number has both.
func (s sideStats) failed() uint64 { return max(s.Status["5xx"], s.Errors.Own+s.Errors.Upstream) }

// traffic returns a look that judges the share of failed requests.
func (w *watcher) traffic() func(context.Context) *finding {
	p := w.step.set.Proxy
	client := controlClient(p.Directory)
	var recent []traffic
	return func(ctx context.Context) *finding {
		side, name, err := readStats(ctx, client, p.Side)
		if err != nil {
			return &finding{text: "the proxy's counters cannot be read: " + err.Error()}
		}
		total := w.count(side)
		recent = append(recent, total)
		recent = recent[max(0, len(recent)-window):]
		return p.judge(name, recent)
	}
}

// count adds what came since the last look.
func (w *watcher) count(s sideStats) traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	requests, failed := s.Requests, s.failed()
	t := w.memory.Traffic
	if t == nil { // what came before the watch does not count
		t = &traffic{RawRequests: requests, RawErrors: failed}
	}
	next := traffic{Requests: t.Requests, Errors: t.Errors, RawRequests: requests, RawErrors: failed}
	if requests < t.RawRequests || failed < t.RawErrors { // the proxy counts anew
		next.Requests, next.Errors = next.Requests+requests, next.Errors+failed
	} else {
		next.Requests, next.Errors = next.Requests+requests-t.RawRequests, next.Errors+failed-t.RawErrors
	}
	w.memory.Traffic = &next
	return next
}

func (p *proxy) judge(side string, recent []traffic) *finding {
	first, last := recent[0], recent[len(recent)-1]
	for _, span := range []traffic{
		{Requests: last.Requests - first.Requests, Errors: last.Errors - first.Errors},
		last,
	} {
		if span.Requests == 0 || span.Requests < uint64(*p.MinRequests) { //nolint:gosec // G115: not negative
			continue
		}
		if share := float64(span.Errors) / float64(span.Requests); share > *p.MaxErrorRatio {
			return &finding{text: fmt.Sprintf("%d of %d requests to %s failed (%.1f %%, at most %.1f %% are allowed)",
				span.Errors, span.Requests, side, 100*share, 100**p.MaxErrorRatio)}
		}
	}
	return nil
}

// controlClient speaks to the proxy's control socket, found anew each time: a
// restarted proxy may have another one.
func controlClient(dir string) *http.Client {
	return &http.Client{Timeout: statsTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, err := os.ReadFile(filepath.Join(dir, "control.addr")) //nolint:gosec // G304: the plan names the folder
			if err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, "unix", strings.TrimSpace(string(path)))
		},
	}}
}

func readStats(ctx context.Context, c *http.Client, side string) (s sideStats, name string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://proxy/stats", http.NoBody)
	if err != nil {
		return s, "", err
	}
	response, err := c.Do(request)
	if err != nil {
		return s, "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return s, "", fmt.Errorf("status %d", response.StatusCode)
	}
	var all stats
	if err := json.NewDecoder(io.LimitReader(response.Body, statsLimit)).Decode(&all); err != nil {
		return s, "", err
	}
	if side == "" {
		side = all.Route
	}
	s, ok := all.Sides[side]
	if !ok {
		return s, side, fmt.Errorf("it knows no side %q", side)
	}
	return s, side, nil
}
