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

// The patience with a probe that gets no answer, while nothing else from the
// target is answered either: then the target is doubted, and later the requests
// that wait for it are sent elsewhere, long before it has failed its probes. A
// target whose good probes take longer is given a multiple of that.
const (
	doubtAfter    = 100 * time.Millisecond
	despairFactor = 4
	usualFactor   = 4
)

// prober probes the targets of one side until its context ends.
type prober struct {
	side *liveSide
	now  func() time.Time
	log  *slog.Logger
	// elsewhere reports whether another side can have this one's requests.
	elsewhere func() bool
}

// run probes one target at the side's interval.
func (p *prober) run(ctx context.Context, t *target) {
	ticker := time.NewTicker(p.side.spec.Health.Interval.Std())
	defer ticker.Stop()
	for {
		result := p.look(ctx, t)
		if ctx.Err() != nil {
			return
		}
		if ejected := p.note(t, result); ejected || t.hung(p.side.spec.Health.Failures) {
			p.eject(t, ejected)
		}
		t.pool.prune()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look probes a target once, and takes its requests away from it when neither
// the probe nor any of them is answered.
func (p *prober) look(ctx context.Context, t *target) ProbeResult {
	seen := t.answers.Load()
	silent := func() bool { return t.answers.Load() == seen }
	patience := t.patience()
	doubt := time.AfterFunc(patience, func() {
		if silent() {
			t.doubt()
		}
	})
	defer doubt.Stop()
	despair := time.AfterFunc(despairFactor*patience, func() {
		if silent() && p.replaceable(t) {
			if n := t.cut(false); n > 0 {
				p.log.WarnContext(ctx, "target gives no sign of life", slog.String("side", p.side.spec.Name),
					slog.String("target", t.addr), slog.Int("cut", n))
			}
		}
	})
	defer despair.Stop()
	start := p.now()
	result := probe(ctx, t.addr, p.side.spec.Health, p.now)
	result.took, result.late = p.now().Sub(start), result.late && silent()
	return result
}

// replaceable reports whether others can have the target's requests.
func (p *prober) replaceable(t *target) bool { return p.side.spare(t) || p.elsewhere() }

// eject takes the requests that wait for a failed target away from it, if there
// is another target that can have them. A target that is alive, but not well,
// keeps what it has: it may still answer.
func (p *prober) eject(t *target, first bool) {
	attributes := []any{slog.String("side", p.side.spec.Name), slog.String("target", t.addr)}
	switch {
	case !p.replaceable(t):
		if first {
			p.log.Warn("the last target failed its probes; requests still go to it", attributes...)
		}
	case t.hung(p.side.spec.Health.Failures):
		if n := t.cut(true); n > 0 || first {
			p.log.Warn("target ejected", append(attributes, slog.Int("cut", n))...)
		}
	default:
		t.pool.flush()
		p.log.Warn("target ejected", attributes...)
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
		t.usual += (r.took - t.usual) / usualFactor
		t.doubted.Store(false)
	} else {
		t.streak = min(t.streak, 0) - 1
	}
	if r.late {
		t.late++
	} else {
		t.late = 0
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

// patience is how long the target may be silent before it is doubted.
func (t *target) patience() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(doubtAfter, usualFactor*t.usual)
}

// hung reports whether so many probes in a row, and all requests beside them,
// got no answer.
func (t *target) hung(probes int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.late >= probes
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
			result.late = true
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
