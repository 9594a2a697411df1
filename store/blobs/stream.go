package blobs

import (
	"bufio"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// source is a reader that ends with its context.
type source struct {
	ctx  func() error
	from io.Reader
}

// Read reads unless the context has ended.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx(); err != nil {
		return 0, err
	}
	return s.from.Read(p)
}

// disk collects small writes and asks for room when there is none.
type disk struct {
	file    io.Writer
	room    func() bool
	buffer  *bufio.Writer
	written int64
}

func newDisk(file io.Writer, room func() bool) *disk {
	d := &disk{file: file, room: room}
	d.buffer = bufio.NewWriterSize((*unbuffered)(d), 72<<10)
	return d
}

// Write collects p.
func (d *disk) Write(p []byte) (int, error) { return d.buffer.Write(p) }

func (d *disk) flush() error { return d.buffer.Flush() }

// unbuffered is the side of a disk that writes.
type unbuffered disk

// Write writes p; on a full disk it asks for room once and goes on where it
// stopped.
func (u *unbuffered) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	u.written += int64(n)
	if diskFull(err) && u.written <= roomLimit && u.room != nil && u.room() {
		var more int
		more, err = u.file.Write(p[n:])
		u.written += int64(more)
		n += more
	}
	return n, err
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// reader decrypts a blob and proves at its end that it is whole.
type reader struct {
	store  *Store
	ref    ripcord.BlobRef
	file   *os.File
	plain  io.Reader
	digest hash.Hash
	size   int64
	ctx    func() error
}

// errChanged: the bytes are not those that the reference names.
var errChanged = errors.New("its content is not what was stored")

// Read reads decrypted bytes.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx(); err != nil {
		return 0, err
	}
	n, err := r.plain.Read(p)
	r.digest.Write(p[:n])
	r.size += int64(n)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, r.store.damaged(r.ref, err)
	}
	want, wrong := hex.DecodeString(r.ref.Digest)
	if wrong != nil || r.size != r.ref.Size || !hmac.Equal(want, r.digest.Sum(nil)) {
		return n, r.store.damaged(r.ref, errChanged)
	}
	return n, io.EOF
}

// Close closes the blob.
func (r *reader) Close() error { return r.file.Close() }
