package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ripcord-dev/ripcord/procfs"
)

// The files of a folder; see the package comment.
const (
	shimFile    = "shim.json"
	childFile   = "child.json"
	exitFile    = "exit.json"
	refusedFile = "refused.json"
	outputFile  = "output"
	fenceFile   = "fence"
	lockFile    = "lock"
	begunFile   = "begun"
	troubleFile = "shim.log"
	// LogFile is the newest log of an instance; older ones are LogFile.1 and so on.
	LogFile = "log"
)

// Environment is the variable that the shim and its command carry. Its value is
// the absolute path of their folder.
const Environment = "RIPCORD_SHIM"

// child is what child.json holds.
type child struct {
	procfs.Identity
	Group   int       `json:"pgid"`
	Started time.Time `json:"started_at"`
}

// reserve is how much disk exit.json has for itself before the command starts,
// in bytes, so that a full disk does not cost the result.
const reserve = 16 << 10

// ReadJSON reads one of the folder's files. ok is false when it is missing or
// not complete.
func ReadJSON(dir, name string, into any) (ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(dir, name)) // #nosec G304 -- our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	// A crash of the machine can leave a torn file; it proves nothing.
	return json.Unmarshal(data, into) == nil, nil
}

// WriteJSON writes one of the folder's files: complete, durable, or not at all.
func WriteJSON(dir, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return writeFile(dir, name, append(data, '\n'), true)
}

// noteJSON is WriteJSON for what is worth nothing after a crash of the machine:
// complete, but not durable.
func noteJSON(dir, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return writeFile(dir, name, append(data, '\n'), false)
}

// writeFile writes ready bytes. A temporary file that is already there gives its
// disk space.
func writeFile(dir, name string, data []byte, durable bool) error {
	path := filepath.Join(dir, name)
	if err := overwrite(path+".tmp", data, durable); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if !durable {
		return nil
	}
	return syncDir(dir)
}

func overwrite(path string, data []byte, durable bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Size() > int64(len(data)) {
		// Overwriting what is allocated needs no space; JSON may end in spaces.
		data = append(data, bytes.Repeat([]byte{' '}, int(info.Size())-len(data))...)
	}
	_, err = f.Write(data)
	if durable && err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- our own folder
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

func reserveExit(dir string) error {
	path := filepath.Join(dir, exitFile+".tmp")
	return os.WriteFile(path, bytes.Repeat([]byte{' '}, reserve), 0o600)
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

func pathIn(dir, name string) string { return filepath.Join(dir, name) }
