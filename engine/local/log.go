package local

import (
	"fmt"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// logHead and logTail are how many bytes of a step's output are kept: its
// beginning and its end.
const (
	logHead = 256 << 10
	logTail = 768 << 10
)

// stepLog keeps a step's output in bounded memory and passes it on.
type stepLog struct {
	step  ripcord.StepID
	print func(step ripcord.StepID, text []byte)

	mu      sync.Mutex
	head    []byte
	tail    []byte
	dropped int
}

// Write never fails.
func (l *stepLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.print != nil {
		l.print(l.step, p)
	}
	rest := p
	if room := logHead - len(l.head); room > 0 {
		n := min(room, len(rest))
		l.head = append(l.head, rest[:n]...)
		rest = rest[n:]
	}
	l.tail = append(l.tail, rest...)
	if over := len(l.tail) - logTail; over > logTail {
		l.dropped += over
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	return len(p), nil
}

func (l *stepLog) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append([]byte(nil), l.head...)
	if l.dropped > 0 {
		all = fmt.Appendf(all, "\n... %d bytes left out ...\n", l.dropped)
	}
	return append(all, l.tail...)
}
