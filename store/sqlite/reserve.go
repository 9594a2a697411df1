package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// ReserveEvent is what happened to the reserve.
type ReserveEvent string

// The events of a reserve.
const (
	// ReserveGiven: the disk is full and the reserve was given back, so that a
	// rollback can be journaled.
	ReserveGiven ReserveEvent = "given"
	// ReserveRestored: there is room again and the reserve was made anew.
	ReserveRestored ReserveEvent = "restored"
	// ReserveMissing: there is no reserve and no room for one.
	ReserveMissing ReserveEvent = "missing"
)

// reserve is a file whose blocks are really allocated, kept to be deleted.
type reserve struct {
	dir  string
	size int64 // negative: none is kept
	tell func(ReserveEvent)

	lock sync.Mutex
}

func (r *reserve) path() string { return filepath.Join(r.dir, reserveFile) }

// restore makes the reserve where it is missing and there is ample room.
func (r *reserve) restore() {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.size < 0 {
		return
	}
	if info, err := os.Lstat(r.path()); err == nil && info.Size() >= r.size {
		return
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(r.dir, &stat); err != nil || int64(stat.Bavail)*stat.Bsize < 2*r.size { //nolint:gosec // no disk is that large
		r.report(ReserveMissing)
		return
	}
	if err := r.allocate(); err != nil {
		r.report(ReserveMissing)
		return
	}
	r.report(ReserveRestored)
}

// allocate fills a file under another name first: a reserve that exists is
// complete. Two processes that do this at once use one name each.
func (r *reserve) allocate() error {
	file, err := os.CreateTemp(r.dir, reserveFile+".*")
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, r.size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fill(file, r.size)
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), r.path())
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func fill(file *os.File, size int64) error {
	block := make([]byte, 1<<20)
	for size > 0 {
		n, err := file.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return file.Sync()
}

// give deletes the reserve and reports whether it is worth trying again what
// failed for lack of room. Another process may have given it just before.
func (r *reserve) give() bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	err := os.Remove(r.path())
	if err == nil {
		r.report(ReserveGiven)
	}
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

func (r *reserve) report(e ReserveEvent) {
	if r.tell != nil {
		r.tell(e)
	}
}

// GiveRoom gives the reserve back, for others who write into the state directory
// (blobs) and found the disk full. It reports whether another try is worth it.
func (s *Store) GiveRoom() bool {
	return s.reserve != nil && s.reserve.give()
}
