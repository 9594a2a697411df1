package shim

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// spool keeps the head and the tail of an output in a file. The head grows in
// the file itself, so that others can follow it; the tail waits in two further
// files that take turns, and is joined at the end.
type spool struct {
	path string
	head *os.File
	// room is what the head may still take; part is the size of a tail file.
	room, part int64
	tail       *os.File
	turn       int
	inTail     int64
	dropped    int64
	full       error // the first write that failed: the disk is full
}

func newSpool(path string, limit int64) (*spool, error) {
	head, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return nil, fmt.Errorf("keep output: %w", err)
	}
	return &spool{path: path, head: head, room: limit / 2, part: max(limit/4, 1)}, nil
}

func (s *spool) tailPath(turn int) string { return fmt.Sprintf("%s.tail%d", s.path, turn%2) }

// Write keeps data as far as the limit allows. It never fails: a command must
// not suffer because its output can't be kept.
func (s *spool) Write(data []byte) (int, error) {
	size := len(data)
	if s.room > 0 {
		n := min(int64(len(data)), s.room)
		s.put(s.head, data[:n])
		s.room -= n
		data = data[n:]
	}
	for len(data) > 0 {
		if s.tail == nil || s.inTail >= s.part {
			s.rotate()
		}
		n := min(int64(len(data)), s.part-s.inTail)
		s.put(s.tail, data[:n])
		s.inTail += n
		data = data[n:]
	}
	return size, nil
}

func (s *spool) put(f *os.File, data []byte) {
	if f == nil {
		s.dropped += int64(len(data))
		return
	}
	n, err := f.Write(data)
	if err != nil {
		s.dropped += int64(len(data) - n)
		s.full = errors.Join(s.full, err)
	}
}

func (s *spool) rotate() {
	if s.tail != nil {
		_ = s.tail.Close()
	}
	s.turn++
	s.inTail = 0
	path := s.tailPath(s.turn)
	if info, err := os.Stat(path); err == nil {
		s.dropped += info.Size()
	}
	var err error
	if s.tail, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil { // #nosec G304 -- our own folder
		s.tail, s.full = nil, errors.Join(s.full, err)
	}
}

// Finish joins head and tail. Later writes are lost.
func (s *spool) Finish() {
	if s.dropped > 0 {
		note := fmt.Sprintf("\n[%d bytes of output were dropped here]\n", s.dropped)
		if s.full != nil {
			note = fmt.Sprintf("\n[%d bytes of output could not be kept]\n", s.dropped)
		}
		_, _ = s.head.WriteString(note)
	}
	if s.tail != nil {
		_ = s.tail.Close()
	}
	for turn := s.turn - 1; turn <= s.turn; turn++ {
		s.join(s.tailPath(turn))
	}
	_ = s.head.Close()
	s.head, s.tail, s.room = nil, nil, 0
}

func (s *spool) join(path string) {
	part, err := os.Open(path) // #nosec G304 -- our own folder
	if err != nil {
		return
	}
	_, _ = io.Copy(s.head, part)
	_ = part.Close()
	_ = os.Remove(path)
}

// rotating keeps the newest output in a file that is renamed when it is full:
// log, log.1, log.2 ...
type rotating struct {
	path string
	rule rotation
	file *os.File
	size int64
}

func newRotating(path string, rule rotation) (*rotating, error) {
	r := &rotating{path: path, rule: rule}
	return r, r.open()
}

func (r *rotating) open() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return fmt.Errorf("keep log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("keep log: %w", err), f.Close())
	}
	r.file, r.size = f, info.Size()
	return nil
}

// Write keeps data. It never fails, like spool's.
func (r *rotating) Write(data []byte) (int, error) {
	if r.size > 0 && r.size+int64(len(data)) > r.rule.Limit {
		r.turn()
	}
	if r.file != nil {
		n, _ := r.file.Write(data)
		r.size += int64(n)
	}
	return len(data), nil
}

func (r *rotating) turn() {
	_ = r.file.Close()
	for i := r.rule.Keep; i > 0; i-- {
		from := r.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", r.path, i-1)
		}
		_ = os.Rename(from, fmt.Sprintf("%s.%d", r.path, i))
	}
	if err := r.open(); err != nil {
		r.file, r.size = nil, 0
	}
}

// Finish closes the log.
func (r *rotating) Finish() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}
