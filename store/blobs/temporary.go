package blobs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// temporaryFolder holds files that are being written, so that sweeping need not
// look at all blobs.
const temporaryFolder = "unfinished"

// unfinished is a file that has no place yet.
type unfinished struct {
	*os.File

	// name is random; path is relative to the root.
	name, path string
}

// temporary makes a file that belongs to this process for as long as it is open:
// a lock says so to sweepers of other processes.
func (s *Store) temporary() (unfinished, error) {
	for {
		file, err := s.create()
		if err != nil {
			return file, err
		}
		var stat unix.Stat_t
		err = errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_EX), unix.Fstat(int(file.Fd()), &stat))
		if err != nil {
			return file, errors.Join(err, file.Close())
		}
		if stat.Nlink > 0 {
			return file, nil
		}
		// A sweeper was faster than our lock.
		if err := file.Close(); err != nil {
			return file, err
		}
	}
}

func (s *Store) create() (unfinished, error) {
	name, err := randomName()
	if err != nil {
		return unfinished{}, err
	}
	path := filepath.Join(temporaryFolder, name)
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	file, err := s.root.OpenFile(path, flags, 0o600)
	if diskFull(err) && s.room != nil && s.room() {
		file, err = s.root.OpenFile(path, flags, 0o600)
	}
	return unfinished{File: file, name: name, path: path}, err
}

// sweep removes what dead processes left unfinished.
func (s *Store) sweep() error {
	folder, err := s.root.Open(temporaryFolder)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.root.Mkdir(temporaryFolder, 0o700)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	names, err := folder.Readdirnames(-1)
	if err := errors.Join(err, folder.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.sweepOne(filepath.Join(temporaryFolder, name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepOne(path string) error {
	file, err := s.root.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // finished in this moment
	}
	if err != nil {
		return err
	}
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		if err = s.root.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, file.Close())
}
