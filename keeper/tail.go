package keeper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ripcord-dev/ripcord/shim"
)

// tailLimit is how much of a log is read for its newest lines, in bytes.
const tailLimit = 1 << 20

func baseOf(dir string) string { return filepath.Base(dir) }

func logPath(dir string) string { return filepath.Join(dir, shim.LogFile) }

// mark is a place in a log, also when that is rotated later.
type mark struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
}

// endMark is the present end of a log; of one that is missing, the beginning of
// everything.
func endMark(path string) (mark, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, fmt.Errorf("read log: %w", err)
	}
	return mark{Inode: inode(info), Offset: info.Size()}, nil
}

// in reports whether the mark lies in the file. One that is shorter is another
// file, which got the number of a deleted one.
func (m mark) in(info fs.FileInfo) bool {
	return m.Inode != 0 && m.Inode == inode(info) && info.Size() >= m.Offset
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// tailOf returns the newest lines of a log, going back into the rotated one.
func tailOf(path string, lines int) ([]string, error) { return tailSince(path, mark{}, lines) }

// tailSince returns the newest lines of a log that lie after the mark.
func tailSince(path string, since mark, lines int) ([]string, error) {
	var all []string
	for _, name := range []string{path, path + ".1"} {
		if len(all) >= lines {
			break
		}
		text, marked, err := endOf(name, since)
		if err != nil {
			return nil, err
		}
		if text = strings.TrimSuffix(text, "\n"); text != "" {
			all = append(strings.Split(text, "\n"), all...)
		}
		if marked {
			break
		}
	}
	all = all[max(0, len(all)-max(lines, 0)):]
	for i := range all {
		all[i] = shim.Plain(all[i])
	}
	return all, nil
}

// endOf returns the end of a file, from the beginning of a line or the mark if
// that lies in it; nothing of one that is missing.
func endOf(path string, since mark) (text string, marked bool, err error) {
	f, err := os.Open(path) // #nosec G304 -- our own log
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read log: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", false, fmt.Errorf("read log: %w", err)
	}
	from := max(0, info.Size()-tailLimit)
	begins := from == 0
	if marked = since.in(info); marked && since.Offset >= from {
		from, begins = since.Offset, true
	}
	data, err := io.ReadAll(io.NewSectionReader(f, from, tailLimit))
	if err != nil {
		return "", false, fmt.Errorf("read log: %w", err)
	}
	text = string(data)
	if _, rest, found := strings.Cut(text, "\n"); !begins && found {
		text = rest
	}
	return strings.ToValidUTF8(text, "?"), marked, nil
}
