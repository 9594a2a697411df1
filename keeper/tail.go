package keeper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord/shim"
)

// tailLimit is how much of a log is read for its newest lines, in bytes.
const tailLimit = 1 << 20

func baseOf(dir string) string { return filepath.Base(dir) }

func logPath(dir string) string { return filepath.Join(dir, shim.LogFile) }

// tailOf returns the newest lines of a log, going back into the rotated one.
func tailOf(path string, lines int) ([]string, error) {
	var all []string
	for _, name := range []string{path, path + ".1"} {
		if len(all) >= lines {
			break
		}
		text, err := endOf(name)
		if err != nil {
			return nil, err
		}
		if text = strings.TrimSuffix(text, "\n"); text != "" {
			all = append(strings.Split(text, "\n"), all...)
		}
	}
	all = all[max(0, len(all)-max(lines, 0)):]
	for i := range all {
		all[i] = shim.Plain(all[i])
	}
	return all, nil
}

// endOf returns the end of a file, from the beginning of a line; nothing of one
// that is missing.
func endOf(path string) (string, error) {
	f, err := os.Open(path) // #nosec G304 -- our own log
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	from := max(0, info.Size()-tailLimit)
	data, err := io.ReadAll(io.NewSectionReader(f, from, tailLimit))
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	text := string(data)
	if _, rest, found := strings.Cut(text, "\n"); from > 0 && found {
		text = rest
	}
	return strings.ToValidUTF8(text, "?"), nil
}
