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
	Requests uint64 `json:"requests"`
	// Failed and Left are the version's failures; what the proxy refused by itself
	// is in neither.
	Failed uint64 `json:"failed"`
	Left   uint64 `json:"left"`
	Errors struct {
		Own uint64 `json:"own"`
	} `json:"errors"`
}

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
	now := traffic{RawRequests: s.Requests, RawErrors: s.Failed + s.Left, RawRefused: s.Errors.Own}
	was := w.memory.Traffic
	if was == nil { // what came before the watch does not count
		was = &now
	}
	from := *was
	if now.RawRequests < from.RawRequests || now.RawErrors < from.RawErrors || now.RawRefused < from.RawRefused { // the proxy counts anew
		from.RawRequests, from.RawErrors, from.RawRefused = 0, 0, 0
	}
	now.Requests = from.Requests + now.RawRequests - from.RawRequests
	now.Errors = from.Errors + now.RawErrors - from.RawErrors
	now.Refused = from.Refused + now.RawRefused - from.RawRefused
	w.memory.Traffic = &now
	return now
}

// judge tells the version's failures from what the proxy refused: too many of
// either harm users, but they are mended in different places.
func (p *proxy) judge(side string, recent []traffic) *finding {
	first, last := recent[0], recent[len(recent)-1]
	for _, span := range []traffic{last.since(first), last} {
		if span.Requests == 0 || span.Requests < uint64(*p.MinRequests) { //nolint:gosec // G115: not negative
			continue
		}
		if tried := span.Requests - min(span.Refused, span.Requests); p.tooMany(span.Errors, tried) {
			return &finding{text: fmt.Sprintf("%d of %d requests to %s failed (%.1f %%, at most %.1f %% are allowed)",
				span.Errors, tried, side, percentOf(span.Errors, tried), 100**p.MaxErrorRatio)}
		}
		if p.tooMany(span.Refused, span.Requests) {
			return &finding{text: fmt.Sprintf("the proxy refused %d of %d requests to %s by itself, over its limits (%.1f %%, at most %.1f %% are allowed): %s is too slow for what comes, or the balancer's limits are too low",
				span.Refused, span.Requests, side, percentOf(span.Refused, span.Requests), 100**p.MaxErrorRatio, side)}
		}
	}
	return nil
}

func (p *proxy) tooMany(n, of uint64) bool {
	return n > 0 && (of == 0 || float64(n)/float64(of) > *p.MaxErrorRatio)
}

func percentOf(n, of uint64) float64 { return 100 * float64(n) / float64(max(of, 1)) }

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
