package ssh

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// bannerLimit is how long the leash's own lines may be, in bytes.
const bannerLimit = 4096

// errorStream passes a command's standard error on, without the leash's own first
// line.
type errorStream struct {
	mu    sync.Mutex
	to    io.Writer // nil drops it
	head  []byte
	past  bool   // the first line is over
	other []byte // the newest line before it, of somebody else
	group leader
	known bool
	said  string // what the leash said instead of starting the command
}

// Write implements io.Writer.
func (e *errorStream) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.past {
		return len(p), e.pass(p)
	}
	e.head = append(e.head, p...)
	for !e.past {
		first, rest, complete := bytes.Cut(e.head, []byte("\n"))
		if !complete && len(e.head) < bannerLimit {
			return len(p), nil
		}
		text, ours := strings.CutPrefix(string(first), leashWord)
		if !ours { // a login shell that greets
			if err := e.pass(e.head[:len(e.head)-len(rest)]); err != nil {
				return len(p), err
			}
			e.other, e.head = bytes.Clone(first), rest
			e.past = !complete
			continue
		}
		e.past = true
		if e.group, e.known = parseLeader(text); !e.known {
			e.said = text
		}
		e.head = nil
		return len(p), e.pass(rest)
	}
	return len(p), nil
}

func (e *errorStream) pass(p []byte) error {
	if e.to == nil || len(p) == 0 {
		return nil
	}
	_, err := e.to.Write(p)
	return err
}

// leash is what the leash said: who leads the group, or why there is none.
func (e *errorStream) leash() (group leader, known bool, said string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.group, e.known, e.said
}

// words are what came instead of the leash's first line.
func (e *errorStream) words() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.head) == 0 {
		return string(e.other)
	}
	return string(e.head)
}
