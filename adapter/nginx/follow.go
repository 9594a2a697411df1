package nginx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

const (
	chunkBytes = 64 << 10
	// lineBytes is the longest line that is read; the rest of a longer one is not.
	lineBytes = 16 << 10
)

// follower reads what is appended to a log from its first reading on, also when
// the log is rotated or emptied.
type follower struct {
	path string
	// now is the log, before the one that it was until its rotation, which nginx
	// may still write to for a moment.
	now, before *tailed
}

// tailed is an open file with what has been read of it.
type tailed struct {
	file *os.File
	at   int64
	// rest is the beginning of a line whose end is not written yet.
	rest []byte
	// over says that the rest of a line that is too long is skipped.
	over bool
}

// read hands on every new line.
func (f *follower) read(ctx context.Context, line func(string)) error {
	info, err := os.Stat(f.path)
	if err != nil && (f.now == nil || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if f.now == nil {
		f.now, err = openTail(f.path, true)
		return err
	}
	if f.before != nil {
		if err := f.before.read(ctx, line); err != nil {
			return err
		}
	}
	if err := f.now.read(ctx, line); err != nil || info == nil {
		return err
	}
	open, err := f.now.file.Stat()
	if err != nil || os.SameFile(info, open) {
		return err
	}
	next, err := openTail(f.path, false)
	if err != nil {
		return err
	}
	if f.before != nil {
		_ = f.before.file.Close() // it was only read
	}
	f.before, f.now = f.now, next
	return f.now.read(ctx, line)
}

// openTail opens a log at its end or beginning.
func openTail(path string, end bool) (*tailed, error) {
	file, err := os.Open(path) //nolint:gosec // the log that the plan names
	if err != nil {
		return nil, err
	}
	t := &tailed{file: file}
	if !end {
		return t, nil
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(path + " is no regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t.at = info.Size()
	return t, nil
}

func (t *tailed) read(ctx context.Context, line func(string)) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < t.at { // emptied in its place
		t.at, t.rest, t.over = 0, nil, false
	}
	chunk := make([]byte, chunkBytes)
	for ctx.Err() == nil {
		n, err := t.file.ReadAt(chunk, t.at)
		t.at += int64(n)
		t.feed(chunk[:n], line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// feed hands on whole lines and keeps the beginning of the last one.
func (t *tailed) feed(data []byte, line func(string)) {
	for len(data) > 0 {
		part, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if !t.over {
			t.rest = append(t.rest, part...)
			t.over = len(t.rest) > lineBytes
		}
		if !whole {
			return
		}
		if !t.over {
			line(string(t.rest))
		}
		t.rest, t.over = t.rest[:0], false
	}
}
