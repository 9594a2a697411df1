package nginx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

const tailBytes = 64 << 10

// Evidence implements ripcord.Evidencer: our file as it was before the way back
// and as it is, where the configuration uses it, and nginx's newest errors.
func (s *Step) Evidence(ctx context.Context) ([]ripcord.Evidence, error) {
	prefix := "nginx-" + s.settings.Upstream + "-"
	var pieces []ripcord.Evidence
	add := func(name string, data []byte) {
		if len(data) > 0 {
			pieces = append(pieces, ripcord.Evidence{Name: prefix + name, Data: data})
		}
	}
	kept, err := os.ReadFile(s.keptPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pieces, err
	}
	add("before-undo.conf", kept)
	now, err := s.look()
	if err != nil {
		return pieces, err
	}
	add("include.conf", []byte(now.Text))
	t, err := load(s.settings.Config)
	if err != nil {
		add("configuration.txt", []byte(err.Error()+"\n"))
		return pieces, ctx.Err()
	}
	add("configuration.txt", []byte(t.excerpt(s.settings)))
	for n, path := range t.errorLogs() {
		data, err := tail(path)
		if err != nil {
			continue // a gap never blocks
		}
		add(fmt.Sprintf("error-%d.log", n+1), data)
	}
	return pieces, ctx.Err()
}

// excerpt shows the blocks that send requests to our upstream.
func (t *tree) excerpt(set Settings) string {
	var out strings.Builder
	shown := map[int]bool{}
	for _, pass := range t.use(set).passes {
		around := pass.in[len(pass.in)-1]
		lines := strings.Split(pass.file.text, "\n")
		from, to := max(around.line-1, pass.line-20, 0), min(pass.line+10, len(lines))
		fmt.Fprintf(&out, "# %s\n", pass)
		if !shown[from] {
			out.WriteString(strings.Join(lines[from:to], "\n") + "\n")
		}
		shown[from] = true
	}
	return out.String()
}

// errorLogs are the files that nginx writes errors to.
func (t *tree) errorLogs() []string {
	var paths []string
	t.visit(func(p place) {
		if p.name == "error_log" && len(p.args) > 0 && filepath.IsAbs(p.args[0]) && len(p.in) == 0 {
			paths = append(paths, p.args[0])
		}
	})
	if len(paths) == 0 {
		paths = []string{"/var/log/nginx/error.log"}
	}
	return paths
}

// tail returns the newest lines of a file.
func tail(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // nginx's error log
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	data := make([]byte, min(info.Size(), tailBytes))
	n, err := f.ReadAt(data, info.Size()-int64(len(data)))
	return data[:n], err
}

// complaints are what nginx writes to its error logs from now on.
type complaints struct{ from map[string]int64 }

func (s *Step) complaints() complaints {
	c := complaints{from: map[string]int64{}}
	t, err := load(s.settings.Config)
	if err != nil {
		return c
	}
	for _, path := range t.errorLogs() {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			c.from[path] = info.Size()
		}
	}
	return c
}

// read returns the lines that say that nginx gave a reload up.
func (c complaints) read() []string {
	var lines []string
	for path, from := range c.from {
		info, err := os.Stat(path)
		if err != nil || info.Size() <= from {
			continue
		}
		data, err := tail(path)
		if err != nil {
			continue
		}
		fresh := data[max(0, int64(len(data))-(info.Size()-from)):]
		for line := range strings.Lines(string(fresh)) {
			if strings.Contains(line, "[emerg]") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// keptPath is where Undo keeps our file until evidence is frozen; it goes with the
// run's other private files.
func (s *Step) keptPath() string {
	sum := sha256.Sum256([]byte(s.settings.Include + "\n" + string(s.id)))
	return filepath.Join(s.scope.StateDir, "work", url.PathEscape(string(s.scope.Run)), "nginx-"+hex.EncodeToString(sum[:6])+".conf")
}

// keepEvidence keeps what the first Undo replaces, and whatever others wrote. A gap
// never blocks the way back.
func (s *Step) keepEvidence(a ripcord.Attempt, now found, foreign bool) {
	path := s.keptPath()
	if _, err := os.Stat(path); err == nil && !foreign {
		return // of an earlier attempt, before it changed anything
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(now.Text), 0o600)
	}
	if err != nil {
		say(a, "the file as it was could not be kept: %v", err)
	}
}
