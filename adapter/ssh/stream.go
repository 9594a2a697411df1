package ssh

import (
	"bytes"
	"io"
	"sync"
)

// stream is one of the two outputs of a lane: it passes on what its script prints, between
// the marks at its beginning and at its end. Anything else is dropped.
type stream struct {
	mu   sync.Mutex
	to   io.Writer // nil drops it
	mark []byte
	held []byte
	open bool // the first mark has come
	done chan<- string
}

// begin waits for another script, of whose end done is told.
func (s *stream) begin(mark string, to io.Writer, done chan<- string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to, s.mark, s.held, s.open, s.done = to, []byte("\x1e"+mark+" "), nil, false, done
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark == nil {
		return len(p), nil
	}
	s.held = append(s.held, p...)
	for s.mark != nil {
		at := bytes.Index(s.held, s.mark)
		if at < 0 {
			return len(p), s.pass(len(s.held) - overlap(s.held, s.mark))
		}
		if err := s.pass(at); err != nil {
			return len(p), err
		}
		status, rest, complete := bytes.Cut(s.held[len(s.mark):], []byte("\n"))
		if !complete {
			break
		}
		s.held = rest
		s.said(string(status))
	}
	return len(p), nil
}

// said is one mark.
func (s *stream) said(status string) {
	if status == statusBegins {
		s.open = true
		return
	}
	s.done <- status
	s.to, s.mark, s.held = nil, nil, nil
}

// pass passes on the first bytes of what is held.
func (s *stream) pass(n int) error {
	ready := s.held[:n]
	s.held = s.held[n:]
	if s.to == nil || n == 0 || !s.open {
		return nil
	}
	_, err := s.to.Write(ready)
	return err
}

// overlap is how many bytes at the end of a text may be the beginning of a word.
func overlap(text, word []byte) int {
	for n := min(len(text), len(word)-1); n > 0; n-- {
		if bytes.HasSuffix(text, word[:n]) {
			return n
		}
	}
	return 0
}
