package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// usable refuses a HAProxy that a shift cannot work with, in plain words, before
// anything has an effect. It reads only; its errors are of CodeRefused.
func (s *Step) usable(ctx context.Context) error {
	level, err := s.client.ask(ctx, "show cli level")
	if err != nil {
		return s.plain(ctx, err)
	}
	if level = strings.TrimSpace(level); level != "admin" {
		return refused("write `stats socket "+s.settings.Socket+" level admin` in HAProxy's global section and reload it",
			"the socket %s gives no admin rights (level %s)", s.settings.Socket, start(level))
	}
	v, err := s.servers(ctx)
	if err != nil {
		return s.plain(ctx, err)
	}
	switch {
	case older(v.version):
		return refused("install HAProxy 2.6 or newer", "HAProxy %s cannot make and remove servers at run time", v.version)
	case v.algo == "static-rr":
		return refused("use `balance roundrobin` or leastconn", "backend %s uses `balance static-rr`, which cannot change weights at run time", s.settings.Backend)
	case v.algo == "first" && s.settings.share() > 0 && s.settings.share() < full:
		return refused("use `balance roundrobin` or leastconn", "backend %s uses `balance first`, which knows no weights", s.settings.Backend)
	}
	if s.settings.Config == "" {
		return nil
	}
	if _, err := readConfig(s.settings.Config, s.settings.Backend); err != nil {
		return err
	}
	dir := filepath.Dir(resolved(s.settings.Config))
	const writeAndSearch = 0x2 | 0x1
	if err := syscall.Access(dir, writeAndSearch); err != nil {
		return refused("run Ripcord as a user who may write there", "the folder of %s cannot be written: %w", s.settings.Config, err)
	}
	return nil
}

func refused(fix, format string, args ...any) error {
	return ripcord.Errorf(ripcord.CodeRefused, "haproxy: "+format, args...).WithFix("%s", fix)
}

// older reports whether a version is less than 2.6.
func older(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA == nil && errB == nil && (a < 2 || a == 2 && b < 6)
}

// plain says in plain words why HAProxy could not be asked.
func (s *Step) plain(ctx context.Context, err error) error {
	socket := s.settings.Socket
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNoBackend):
		fix := "name a backend or listen section of its configuration"
		if names, err := s.client.ask(ctx, "show backend"); err == nil {
			fix = "name one of these: " + strings.Join(strings.Fields(strings.TrimPrefix(names, "# name")), ", ")
		}
		return refused(fix, "HAProxy on %s knows no backend %q", socket, s.settings.Backend)
	case !errors.Is(err, errNoAnswer):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return refused("start HAProxy, or write `stats socket "+socket+" level admin` in its global section", "there is no socket %s", socket)
	case errors.Is(err, fs.ErrPermission):
		return refused("run Ripcord as root, or add `user` or `group` with `mode 660` to the `stats socket` line", "the socket %s may not be opened by this user (%d)", socket, os.Getuid())
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused("start HAProxy", "nobody listens on the socket %s: HAProxy does not run", socket)
	}
	return fmt.Errorf("haproxy: %w", err)
}
