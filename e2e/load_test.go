package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// users ask the proxy for an answer, again and again.
type users struct {
	url      string
	stop     context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex
	answered int
	lost     []loss
	// answers are when each answered request began.
	answers  []time.Time
	versions map[string]int
}

// loss is a request that was not answered as it should.
type loss struct {
	began, ended time.Time
	why          string
}

// userPause lies between two requests of one user.
const userPause = 8 * time.Millisecond

// askAll lets two users ask until they are stopped.
func (w *world) askAll() *users {
	ctx, stop := context.WithCancel(context.Background())
	u := &users{url: "http://" + w.listen + "/", stop: stop, versions: make(map[string]int)}
	many := 2
	if w.listen == "" {
		many = 0
	}
	for range many {
		u.done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				u.ask(context.WithoutCancel(ctx), client)
				time.Sleep(userPause)
			}
		})
	}
	return u
}

func (u *users) ask(ctx context.Context, client *http.Client) {
	began := time.Now()
	version, why := get(ctx, client, u.url)
	u.mu.Lock()
	defer u.mu.Unlock()
	if why != "" {
		u.lost = append(u.lost, loss{began, time.Now(), why})
		return
	}
	u.answered++
	u.answers = append(u.answers, began)
	u.versions[version]++
}

// get asks once; why is empty when there was an answer.
func get(ctx context.Context, client *http.Client, url string) (body, why string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err.Error()
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Sprintf("%s %s (%v)", answer.Status, text, err)
	}
	return string(text), ""
}

// sum stops the users and returns the losses outside of an outage.
func (u *users) sum(outages []outage) (lost, excused []loss) {
	u.stop()
	u.done.Wait()
	for i, o := range outages {
		if o.proxy {
			outages[i].to = u.firstAfter(o.from)
		}
	}
	for _, l := range u.lost {
		if covered(l, outages) {
			excused = append(excused, l)
		} else {
			lost = append(lost, l)
		}
	}
	return lost, excused
}

// firstAfter is when the first request began that was answered and began after
// the moment; zero when none was.
func (u *users) firstAfter(moment time.Time) (first time.Time) {
	for _, t := range u.answers {
		if t.After(moment) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// outage is a time in which nobody could answer. That of the proxy ends with its
// successor's first answer.
type outage struct {
	from, to time.Time
	// gone is when what was killed had ended.
	gone  time.Time
	proxy bool
}

func covered(l loss, outages []outage) bool {
	for _, o := range outages {
		if l.ended.After(o.from) && (o.to.IsZero() || l.began.Before(o.to)) {
			return true
		}
	}
	return false
}
