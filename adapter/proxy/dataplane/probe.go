package dataplane

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	probeExcerpt   = 512
	probeBodyLimit = 64 << 10
)

// prober probes the targets of one side until its context ends.
type prober struct {
	side *liveSide
	now  func() time.Time
	log  *slog.Logger
}

// run probes one target at the side's interval.
func (p *prober) run(ctx context.Context, t *target) {
	health := p.side.spec.Health
	ticker := time.NewTicker(health.Interval.Std())
	defer ticker.Stop()
	for {
		result := probe(ctx, t.addr, health, p.now)
		if ctx.Err() != nil {
			return
		}
		if p.note(t, result) {
			p.side.eject(t, p.log)
		}
		t.pool.prune()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// note takes a result into account and reports whether it ejects the target.
func (p *prober) note(t *target, r ProbeResult) (ejected bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.probe = r
	health := p.side.spec.Health
	if r.OK {
		t.streak = max(t.streak, 0) + 1
	} else {
		t.streak = min(t.streak, 0) - 1
	}
	was := t.readiness()
	switch {
	case t.streak >= health.Successes && was != ready:
		t.state.Store(int32(ready))
		p.log.Info("target ready", slog.String("side", p.side.spec.Name), slog.String("target", t.addr))
	case -t.streak >= health.Failures && was != failed:
		t.state.Store(int32(failed))
		p.log.Warn("target failed its probes", slog.String("side", p.side.spec.Name),
			slog.String("target", t.addr), slog.String("error", r.Error))
		return was != unknown
	}
	return false
}

// probe looks at a target once. It opens a new connection each time: a target
// that only serves old ones is not ready.
func probe(ctx context.Context, addr string, h Health, now func() time.Time) ProbeResult {
	start := now()
	ctx, cancel := context.WithTimeout(ctx, h.Timeout.Std())
	defer cancel()
	result := ProbeResult{At: start.UTC()}
	err := probeOnce(ctx, addr, h.HTTP, start.Add(h.Timeout.Std()), &result)
	if err != nil {
		result.Error = err.Error()
		if ctx.Err() != nil || isTimeout(err) {
			result.Error = fmt.Sprintf("no answer within %v", h.Timeout)
		}
	}
	result.OK = err == nil
	return result
}

func probeOnce(ctx context.Context, addr, path string, deadline time.Time, r *ProbeResult) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if path == "" {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo()) })
	defer stop()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ripcord-probe\r\nConnection: close\r\n\r\n", path, addr)
	if err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, probeBodyLimit)), nil)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	r.Status = response.StatusCode
	if response.StatusCode/100 == 2 {
		return nil
	}
	excerpt, _ := io.ReadAll(io.LimitReader(response.Body, probeExcerpt))
	r.Body = strings.ToValidUTF8(strings.TrimSpace(string(excerpt)), "?")
	return fmt.Errorf("GET %s answered %d", path, response.StatusCode)
}
