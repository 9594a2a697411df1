package traffic

import (
	"fmt"
	"slices"
	"time"
)

// Span is from when to when a version was seen, in seconds from the start.
type Span struct {
	From float64 `json:"from_s"`
	To   float64 `json:"to_s"`
}

// Sample is one good answer.
type Sample struct {
	Due  time.Time
	Took time.Duration
	// Slow says that the answer was asked to take its time.
	Slow bool
}

// Failure is one request that was not answered as it should.
type Failure struct {
	// Due is when it was to be sent, Sent when it was, Ended when it was known to
	// be lost.
	Due, Sent, Ended time.Time
	// Connected is when its connection was made; zero where there was none.
	Connected time.Time
	// Reused says that the connection had answered others before.
	Reused bool
	Post   bool
	// Kind is one of Report.Kinds.
	Kind, Detail string
}

// counts are those of one worker.
type counts struct {
	sent, posts int
	took        []time.Duration
	samples     []Sample
	failures    []Failure
	failed      map[string]int
	failedPosts int
	versions    map[string]int
	spans       map[string]Span
	// examples are the first failure of each kind.
	examples map[string]string
}

func newCounts() *counts {
	return &counts{failed: map[string]int{}, versions: map[string]int{}, spans: map[string]Span{}, examples: map[string]string{}}
}

// ok counts an answer that came at some time after the start.
func (c *counts) ok(version string, took, at time.Duration) {
	c.took = append(c.took, took)
	c.versions[version]++
	c.saw(version, Span{From: at.Seconds(), To: at.Seconds()})
}

func (c *counts) saw(version string, s Span) {
	if seen, ok := c.spans[version]; ok {
		s = Span{From: min(s.From, seen.From), To: max(s.To, seen.To)}
	}
	c.spans[version] = s
}

func (c *counts) fail(kind string, d due, detail string) {
	c.failed[kind]++
	method := "GET"
	if d.post {
		c.failedPosts++
		method = "POST"
	}
	if c.examples[kind] == "" {
		c.examples[kind] = fmt.Sprintf("%s due %s: %s", method, d.at.UTC().Format("15:04:05.000"), detail)
	}
}

func (c *counts) add(o *counts) {
	c.sent += o.sent
	c.posts += o.posts
	c.failedPosts += o.failedPosts
	c.took = append(c.took, o.took...)
	c.samples = append(c.samples, o.samples...)
	c.failures = append(c.failures, o.failures...)
	for kind, n := range o.failed {
		c.failed[kind] += n
	}
	for version, n := range o.versions {
		c.versions[version] += n
	}
	for version, seen := range o.spans {
		c.saw(version, seen)
	}
	for kind, text := range o.examples {
		if c.examples[kind] == "" {
			c.examples[kind] = text
		}
	}
}

// Report is what became of the requests.
type Report struct {
	Seconds  float64 `json:"seconds"`
	Sent     int     `json:"sent"`
	OK       int     `json:"ok"`
	Failed   int     `json:"failed"`
	Posts    int     `json:"posts"`
	BadPosts int     `json:"failed_posts"`
	// Kinds are the failures by kind: dial, lost, timeout, broken, queue, status_500.
	Kinds map[string]int `json:"failed_by_kind"`
	// The latencies are in milliseconds, from when a request was due.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Versions are good answers by the version that gave them; "" said none.
	Versions map[string]int `json:"versions"`
	// Seen is when a version gave its first and its last good answer.
	Seen map[string]Span `json:"seen"`
	// WebSockets are those that were opened, and those that still answered at the end.
	WebSockets      int `json:"websockets,omitempty"`
	WebSocketsAlive int `json:"websockets_alive,omitempty"`
	// Samples are the good answers and Failures the others, in no order, where
	// Settings.Keep asks for them.
	Samples  []Sample  `json:"-"`
	Failures []Failure `json:"-"`
	// Examples are one failure of each kind.
	Examples map[string]string `json:"examples,omitempty"`
}

func (c *counts) report(took time.Duration) Report {
	slices.Sort(c.took)
	r := Report{
		Seconds: took.Seconds(), Sent: c.sent, OK: len(c.took), Posts: c.posts, BadPosts: c.failedPosts,
		Kinds: map[string]int{}, Versions: c.versions, Seen: c.spans, Examples: c.examples,
		Samples: c.samples, Failures: c.failures, P50: c.quantile(0.5), P99: c.quantile(0.99), Max: c.quantile(1),
	}
	for kind, n := range c.failed {
		if n > 0 {
			r.Kinds[kind] = n
			r.Failed += n
		}
	}
	return r
}

func (c *counts) quantile(q float64) float64 {
	if len(c.took) == 0 {
		return 0
	}
	at := min(int(q*float64(len(c.took))), len(c.took)-1)
	return float64(c.took[at].Microseconds()) / 1000
}
