package traffic

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// due is one request to send.
type due struct {
	at    time.Time
	post  bool
	slow  bool
	fresh bool
}

// Run sends until the time is over and waits for the last answers.
func Run(ctx context.Context, set Settings) Report {
	if set.Length > 0 {
		limited, cancel := context.WithTimeout(ctx, set.Length)
		defer cancel()
		ctx = limited
	}
	// Room for a minute of requests that nobody could send: they stay due.
	queue := make(chan due, int(set.Rate*60)+set.Connections)
	workers := make([]*worker, set.Connections)
	var all sync.WaitGroup
	sockets := openSockets(set) // first, because what is due waits for nothing
	started := time.Now()
	for i := range workers {
		workers[i] = &worker{set: set, began: started, counts: newCounts()}
		all.Go(func() { workers[i].work(queue) })
	}
	missed := schedule(ctx, set, started, queue)
	close(queue)
	all.Wait()
	total := newCounts()
	total.failed[kindQueue] = missed
	total.sent += missed
	for _, w := range workers {
		total.add(w.counts)
	}
	report := total.report(time.Since(started))
	report.WebSockets, report.WebSocketsAlive = len(sockets), alive(sockets)
	return report
}

// schedule hands out requests when they are due. It returns how many found the
// queue full: they count as failed.
func schedule(ctx context.Context, set Settings, started time.Time, queue chan<- due) (missed int) {
	interval := time.Duration(float64(time.Second) / set.Rate)
	for n := 0; ; n++ {
		at := started.Add(time.Duration(n) * interval)
		if wait := time.Until(at); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return missed
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return missed
		}
		select {
		case queue <- due{at: at, post: rand.Float64() < set.Posts, slow: rand.Float64() < set.Slow, fresh: rand.Float64() < set.Fresh}:
		default:
			missed++
		}
	}
}
