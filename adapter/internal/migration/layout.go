package migration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sizeLimit is how large a file of a migration may be, in bytes.
const sizeLimit = 64 << 20

// half is one file: a direction of a migration, or both.
type half struct {
	path    string
	version int64
	name    string
	down    bool
	text    string
}

// Read reads all migrations of a folder. Its errors name the file and say what is
// wrong with it.
func Read(files fs.FS, kind string) (*Set, error) {
	halves, layout, err := collect(files)
	if err != nil {
		return nil, err
	}
	if len(halves) == 0 {
		return nil, errors.New("there is no migration: files are named like 0001_add_note.sql")
	}
	set := &Set{Layout: layout}
	byVersion := map[int64]*Migration{}
	for _, h := range halves {
		m := byVersion[h.version]
		if m == nil {
			m = &Migration{Version: h.version, Name: h.name}
			byVersion[h.version] = m
		}
		if err := m.read(kind, layout, h); err != nil {
			return nil, err
		}
	}
	for _, m := range byVersion {
		if !m.Up.Given {
			return nil, fmt.Errorf("%s: the migration has a way down, but none up", m.Down.Path)
		}
		set.Migrations = append(set.Migrations, *m)
	}
	slices.SortFunc(set.Migrations, func(a, b Migration) int { return compare(a.Version, b.Version) })
	return set, nil
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// read takes a file into the migration.
func (m *Migration) read(kind string, layout Layout, h half) error {
	taken := m.Up
	if h.down {
		taken = m.Down
	}
	if taken.Given {
		return fmt.Errorf("%s and %s have one number, %d: give one of them another", taken.Path, h.path, h.version)
	}
	parse := m.single
	if layout == Goose {
		parse = m.annotated
	}
	if err := parse(kind, h); err != nil {
		return fmt.Errorf("%s: %w", h.path, err)
	}
	if !h.down {
		sum := sha256.Sum256([]byte(h.text))
		m.Path, m.Name, m.Digest = h.path, h.name, hex.EncodeToString(sum[:])
	}
	if m.Down.Given && m.Down.Path == "" {
		m.Down.Path = h.path
	}
	if m.Up.Given && m.Up.Path == "" {
		m.Up.Path = h.path
	}
	return nil
}

var (
	directed = regexp.MustCompile(`^(\d+)_(.*)\.(up|down)\.sql$`)
	numbered = regexp.MustCompile(`^(\d+)(?:[_-](.*?))?(\.down)?\.sql$`)
	inGo     = regexp.MustCompile(`^\d+_.*\.go$`)
)

// collect finds the files and tells their layout.
func collect(files fs.FS) ([]half, Layout, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, "", plain(err)
	}
	var halves []half
	layouts := make(map[Layout]string) // and a file of each
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case entry.IsDir() && (name == "up" || name == "down"):
			found, err := folder(files, name)
			if err != nil {
				return nil, "", err
			}
			halves = append(halves, found...)
			layouts[Plain] = name
			continue
		case entry.IsDir():
			continue
		case inGo.MatchString(name):
			return nil, "", fmt.Errorf("%s is a migration in Go, which Ripcord does not run: write it in SQL, or use a run step", name)
		case path.Ext(name) != ".sql":
			continue
		}
		h, layout, err := file(files, name)
		if err != nil {
			return nil, "", err
		}
		halves = append(halves, h)
		if layout != "" {
			layouts[layout] = name
		}
	}
	if len(layouts) > 1 {
		return nil, "", fmt.Errorf("the files are laid out in several ways: %s", mixture(layouts))
	}
	for layout := range layouts {
		return halves, layout, nil
	}
	return halves, Plain, nil
}

func mixture(layouts map[Layout]string) string {
	var parts []string
	for layout, name := range layouts {
		parts = append(parts, name+" is of "+string(layout))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// file reads a file that holds one direction, or both. The layout of a way down is
// that of the ways up beside it.
func file(files fs.FS, name string) (half, Layout, error) {
	text, err := content(files, name)
	if err != nil {
		return half{}, "", err
	}
	h := half{path: name, text: text}
	layout := Plain
	var number string
	if parts := directed.FindStringSubmatch(name); parts != nil {
		layout, number, h.name, h.down = GolangMigrate, parts[1], parts[2], parts[3] == "down"
		if h.down {
			layout = ""
		}
	} else if parts := numbered.FindStringSubmatch(name); parts != nil {
		number, h.name, h.down = parts[1], parts[2], parts[3] != ""
		if isAnnotated(text) {
			layout = Goose
		}
	} else {
		return h, "", fmt.Errorf("%s has no number: name it like 0001_%s", name, name)
	}
	h.version, err = version(name, number)
	return h, layout, err
}

// folder reads the folder up or down.
func folder(files fs.FS, dir string) ([]half, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, plain(err)
	}
	var halves []half
	for _, entry := range entries {
		if entry.IsDir() || path.Ext(entry.Name()) != ".sql" {
			continue
		}
		name := path.Join(dir, entry.Name())
		parts := numbered.FindStringSubmatch(entry.Name())
		if parts == nil {
			return nil, fmt.Errorf("%s has no number: name it like 0001_%s", name, entry.Name())
		}
		h := half{path: name, name: parts[2]}
		if h.version, err = version(name, parts[1]); err != nil {
			return nil, err
		}
		if h.text, err = content(files, name); err != nil {
			return nil, err
		}
		h.down = dir == "down"
		halves = append(halves, h)
	}
	return halves, nil
}

func content(files fs.FS, name string) (string, error) {
	info, err := fs.Stat(files, name)
	if err == nil && info.Size() > sizeLimit {
		return "", fmt.Errorf("%s is larger than 64 MiB: load data by a step of its own", name)
	}
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return "", plain(err)
	}
	return string(data), nil
}

// plain is a file's error without the words of system calls.
func plain(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", wrong.Path, wrong.Err)
	}
	return err
}

func version(name, number string) (int64, error) {
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%s: %s is no number of a migration: they begin at 1", name, number)
	}
	return v, nil
}
