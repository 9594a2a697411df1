// Package traffic is the load of the benchmarks and of the example: an open loop
// that sends requests when they are due, however long the earlier ones take, and
// retries nothing. It also holds the application behind a balancer and the
// measurement of many switches under that load.
package traffic

import (
	"net/url"
	"time"
)

// Settings say what is sent.
type Settings struct {
	Target *url.URL
	// Rate is in requests a second.
	Rate        float64
	Connections int
	// Posts, Slow and Fresh are shares of the requests: that order something, that
	// ask for /slow, and after which the connection is closed.
	Posts, Slow, Fresh float64
	// WebSockets are opened at the beginning and asked at the end.
	WebSockets int
	// Timeout is the longest wait for an answer, from the sending.
	Timeout time.Duration
	// Length is how long; 0 is until the context ends.
	Length time.Duration
	// Keep keeps a sample of each good answer, and each failure.
	Keep bool
}
