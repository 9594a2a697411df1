package script

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// imageLimit caps what a check may print as image, in bytes.
const imageLimit = 64 << 10

// checkTimeout ends a check whose step has no time-out.
const checkTimeout = 5 * time.Minute

// The exit statuses of a check.
const (
	statusPresent = iota
	statusAbsent
	statusPartial
)

// Check runs the check command: its exit status is the presence, what it prints
// to standard output is the image.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	if s.settings.Check == nil {
		return ripcord.Observation{Presence: ripcord.Unknown, Detail: "no check is declared"}, ctx.Err()
	}
	if s.away() {
		return s.checkAway(ctx)
	}
	argv, _, err := s.bundled(s.settings.Check)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	errorLog, dropErrors := s.errorFile()
	defer dropErrors()
	image := &limited{limit: imageLimit}
	c, err := s.command(ctx, check, 0, argv, image)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, err
	}
	c.Key = "" // each check is a fresh one, and nobody resumes it
	if c.Timeout == 0 {
		c.Timeout = checkTimeout
	}
	// Only standard output is the image, and the runner knows one stream alone.
	c.Args = append([]string{"/bin/sh", "-c", `exec "$@" 2>"$0"`, errorLog}, c.Args...)
	exit, err := s.scope.Commands.Run(ctx, c)
	if err != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, notStarted(ctx, shown(s.settings.Check), err)
	}
	if ctx.Err() != nil {
		return ripcord.Observation{Presence: ripcord.Unknown}, ctx.Err()
	}
	exit.Tail = append(exit.Tail, readErrors(errorLog, c.Secrets)...)
	return s.observation(ctx, c, exit, image), nil
}

func (s *Step) observation(ctx context.Context, c ripcord.Command, exit ripcord.Exit, image *limited) ripcord.Observation {
	name := shown(s.settings.Check)
	seen := ripcord.Observation{Presence: ripcord.Unknown}
	if exit.Signal == "" && !exit.TimedOut && !exit.Cancelled {
		switch exit.Code {
		case statusPresent:
			seen.Presence = ripcord.Present
		case statusAbsent:
			seen.Presence = ripcord.Absent
		case statusPartial:
			seen.Presence = ripcord.Partial
		default:
		}
	}
	if seen.Presence == ripcord.Unknown {
		seen.Detail = s.ended(ctx, s.settings.Check, c, exit, nil).Error()
		return seen
	}
	seen.Image = bytes.TrimSpace(image.data)
	seen.Exact = len(seen.Image) > 0 && !image.cut
	seen.Detail = fmt.Sprintf("%s says %s", name, seen.Presence)
	return seen
}

// errorFile returns where a check's standard error goes; it is dropped where no
// file can be made, for example on a full disk.
func (s *Step) errorFile() (path string, drop func()) {
	dir, err := s.privateFolder()
	if err != nil {
		return os.DevNull, func() {}
	}
	path = filepath.Join(dir, "check-"+rand.Text())
	return path, func() {
		_ = os.Remove(path) // a leftover is removed with its run
		if s.settings.User != "" {
			_ = os.Remove(dir) // unless it holds outputs
		}
	}
}

// readErrors returns the newest lines of a check's standard error.
func readErrors(path string, secrets []string) []string {
	if path == os.DevNull {
		return nil
	}
	data, err := readRegular(path, imageLimit)
	if err != nil {
		return nil // it is a help only
	}
	return errorLines(data, secrets)
}

// errorLines returns the newest lines of a text, without secrets.
func errorLines(data []byte, secrets []string) []string {
	text := string(bytes.TrimSpace(data))
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	if text == "" {
		return nil
	}
	return lastLines(strings.Split(text, "\n"))
}

// limited keeps the first bytes written to it.
type limited struct {
	limit int
	data  []byte
	cut   bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := min(len(p), l.limit-len(l.data))
	l.data = append(l.data, p[:room]...)
	l.cut = l.cut || room < len(p)
	return len(p), nil
}
