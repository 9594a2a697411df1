package script

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// shared is where the private folder of a step with another user lies: that user
// cannot enter the state directory. Unlike /tmp it survives a reboot.
const shared = "/var/tmp"

// outputFile returns the path that a command finds in $RIPCORD_OUTPUT. It is the
// same for all attempts and processes, so that outputs survive a crash.
func (s *Step) outputFile() (string, error) {
	dir, err := s.privateFolder()
	return filepath.Join(dir, "output"), err
}

// freshOutputs returns the output file's path and empties it.
func (s *Step) freshOutputs() (string, error) {
	path, err := s.outputFile()
	if err != nil {
		return "", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("clear the outputs of step %s: %w", s.spec.ID, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return "", fmt.Errorf("make a place for the outputs of step %s: %w", s.spec.ID, err)
	}
	uid, gid, err := s.owner()
	if err == nil && uid >= 0 {
		err = file.Chown(uid, gid)
	}
	return path, errors.Join(err, file.Close())
}

// privateFolder makes the folder that only the step's user can enter.
func (s *Step) privateFolder() (string, error) {
	uid, gid, err := s.owner()
	if err != nil {
		return "", err
	}
	if uid < 0 {
		dir := filepath.Join(s.scope.StateDir, "work", escape(string(s.scope.Run)), escape(string(s.spec.ID)))
		return dir, os.MkdirAll(dir, 0o700)
	}
	sum := sha256.Sum256([]byte(s.scope.StateDir + "\x00" + string(s.scope.Run) + "\x00" + string(s.spec.ID)))
	dir := filepath.Join(shared, "ripcord-"+hex.EncodeToString(sum[:12]))
	if err := os.Mkdir(dir, 0o700); err == nil {
		return dir, os.Chown(dir, uid, gid)
	} else if !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, ownedBy(dir, uid)
}

// makeEmpty makes a folder in the private one, for the step's user.
func (s *Step) makeEmpty(dir string) error {
	uid, gid, err := s.owner()
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if uid < 0 {
		return nil
	}
	return os.Lchown(dir, uid, gid)
}

// dropShared removes the private folder of a step with another user, which lies
// outside of the state directory.
func (s *Step) dropShared() error {
	if s.settings.User == "" {
		return nil
	}
	dir, err := s.privateFolder()
	if err != nil {
		return err
	}
	if filepath.Dir(dir) != shared {
		return nil
	}
	return os.RemoveAll(dir)
}

// ownedBy refuses a folder that somebody else put in our place.
func ownedBy(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(stat.Uid) != uid && stat.Uid != 0 {
		return fmt.Errorf("%s is not the private folder that it should be; remove it", dir)
	}
	return nil
}

// escape makes a name safe as one part of a path.
func escape(name string) string {
	return strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
}

// readOutputs reads the output file; one that is not there is empty.
func readOutputs(path string) ([]byte, error) {
	data, err := readRegular(path, outputsLimit+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// readRegular reads at most limit bytes of a file that a command could have
// replaced: links and devices are refused.
func readRegular(path string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, limit))
	}
	return data, errors.Join(err, file.Close())
}
