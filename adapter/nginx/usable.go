package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// usable refuses an nginx that a shift cannot work with, in plain words, before
// anything has an effect. It reads only; its errors are of CodeRefused.
func (s *Step) usable(ctx context.Context) (*tree, error) {
	t, err := load(s.settings.Config)
	if err != nil {
		return nil, refused("name nginx's main file in the balancer's `config`, and let Ripcord read it and what it includes", "the configuration cannot be read: %w", err)
	}
	u := t.use(s.settings)
	if err := s.wired(u); err != nil {
		return nil, err
	}
	if err := s.permitted(); err != nil {
		return nil, err
	}
	now, err := s.look()
	if err != nil {
		return nil, refused("let Ripcord read it", "%s cannot be read: %w", s.settings.Include, err)
	}
	if _, err := s.settings.understand(now.Text); err != nil {
		return nil, s.notOurs(err)
	}
	if err := s.test(ctx, s.settings.Config, "already"); err != nil {
		return nil, s.invalid(ctx, err)
	}
	r, err := s.find()
	if err != nil {
		return nil, s.plain(err)
	}
	if err := r.master.mayReload(); err != nil {
		return nil, s.plain(err)
	}
	return t, nil
}

// wired reports what is missing between the configuration and our file.
func (s *Step) wired(u use) error {
	include, upstream := s.settings.Include, s.settings.Upstream
	switch {
	case !u.included:
		return refused("add `include "+include+";` to its http block, or put the file where an include finds it",
			"%s is not included by %s", include, s.settings.Config)
	case len(u.elsewhere) > 0:
		return refused(fmt.Sprintf("move that block to %s, which is Ripcord's own file from then on", include),
			"upstream %s is defined at %s", upstream, u.elsewhere[0])
	case len(u.passes) == 0 && !u.variable:
		return refused("write `proxy_pass http://"+upstream+";` in a location, or name the upstream that stands there",
			"nobody sends requests to upstream %s in %s", upstream, s.settings.Config)
	case s.settings.Log != "" && len(u.deaf) > 0:
		return refused(fmt.Sprintf("write `access_log %s %s;` there, beside it or in place of `access_log off;`, and `log_format %s '%s';` to %s where Ripcord has not written that file yet",
			s.settings.Log, formatName(upstream), formatName(upstream), logFormat, include),
			"requests to upstream %s do not reach the log %s: the access_log at %s stands in the way", upstream, s.settings.Log, u.deaf[0])
	}
	return nil
}

// permitted reports whether we may write where we have to.
func (s *Step) permitted() error {
	const writeAndSearch = 0x2 | 0x1
	for _, path := range []string{resolved(s.settings.Include), s.settings.Config} {
		if err := syscall.Access(filepath.Dir(path), writeAndSearch); err != nil {
			return refused("run Ripcord as a user who may write there, mostly root", "the folder %s cannot be written: %w", filepath.Dir(path), err)
		}
	}
	return nil
}

// invalid says why nginx finds the configuration invalid before any change.
func (s *Step) invalid(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failure, ok := errors.AsType[*ripcord.Failure](err)
	if !ok {
		return err
	}
	said := emergencies(failure.Lines)
	if strings.Contains(said, `host not found in upstream "`+s.settings.Upstream+`"`) {
		return refused(fmt.Sprintf("write `upstream %s { server HOST:PORT; }` with what serves today into %s and reload nginx; `server 127.0.0.1:1 down;` where nothing does", s.settings.Upstream, s.settings.Include),
			"upstream %s is not defined yet", s.settings.Upstream)
	}
	fix := "mend the configuration until `" + s.settings.Program + " -t -c " + s.settings.Config + "` passes"
	if failure.Exit == nil {
		fix = "set the balancer's `program` to where nginx is, and let Ripcord run it"
	}
	if said == "" {
		return refused(fix, "%s", failure.Summary)
	}
	return refused(fix, "nginx finds its configuration invalid already: %s", said)
}

// emergencies are what nginx complains of, without times and process numbers.
func emergencies(lines []string) string {
	var out []string
	for _, line := range lines {
		if _, after, ok := strings.Cut(line, "[emerg] "); ok {
			number, rest, found := strings.Cut(after, ": ")
			if found && strings.Trim(number, "0123456789#") == "" {
				after = rest
			}
			out = append(out, after)
		}
	}
	if len(out) == 0 {
		return strings.Join(lines, "; ")
	}
	return strings.Join(out, "; ")
}

// notOurs says what is to be done about a file that cannot be taken over.
func (s *Step) notOurs(err error) *ripcord.Error {
	if errors.Is(err, errEdited) {
		return refused("put back what Ripcord wrote, or delete its first two lines, which lets Ripcord take the file over as it is",
			"%s: %w", s.settings.Include, err)
	}
	return refused("let the file hold `upstream "+s.settings.Upstream+" { server ...; }` and nothing else", "%s: %w", s.settings.Include, err)
}

func refused(fix, format string, args ...any) *ripcord.Error {
	return ripcord.Errorf(ripcord.CodeRefused, "nginx: "+format, args...).WithFix("%s", fix)
}

// plain says in plain words why nginx could not be asked.
func (s *Step) plain(err error) error {
	switch {
	case errors.Is(err, errNotRunning):
		return refused("start nginx, or name the main file that it was started with in the balancer's `config`",
			"no nginx runs with the configuration %s", s.settings.Config)
	case errors.Is(err, errTwo):
		return refused("end the one that is not wanted: after an upgrade of the program that is `kill -QUIT` of the old one",
			"%w; which one would serve is not known", err)
	case errors.Is(err, syscall.EPERM):
		return refused("run Ripcord as root, or as the user of nginx's master", "this user (%d) may not tell nginx to reload", syscall.Geteuid())
	}
	return err
}

// warnings are what people should know of their configuration.
func (s *Step) warnings(ctx context.Context, t *tree) []string {
	u := t.use(s.settings)
	var out []string
	version := s.version(ctx)
	switch {
	case version != "" && older(version):
		out = append(out, "nginx "+version+" closes idle connections of clients when it reloads: at 3,000 requests a second 1 to 3 requests on kept connections may go unanswered at each reload. "+
			"Where that matters, put the built-in proxy behind nginx and let it switch: that needs no reload")
	case version != "" && !u.says("keepalive_min_timeout"):
		out = append(out, "add `keepalive_min_timeout 5s;` to the http block: without it nginx "+version+" closes idle connections of clients when it reloads, and requests on them may go unanswered")
	}
	if !u.says("worker_shutdown_timeout") {
		out = append(out, "without `worker_shutdown_timeout 10m;` (main block) WebSockets keep old workers, and their memory, for as long as they last")
	}
	if len(u.passes) > 0 && (!u.says("proxy_http_version") || !u.says("proxy_set_header")) && u.passes[0].name == "proxy_pass" {
		out = append(out, "without `proxy_http_version 1.1;` and `proxy_set_header Connection \"\";` nginx makes a new connection to the instances for each request")
	}
	if slices.ContainsFunc(u.passes, func(p place) bool { return p.name == "proxy_pass" }) && !u.says("proxy_connect_timeout") {
		out = append(out, "add `proxy_connect_timeout 2s;`: an instance whose machine is gone keeps a request for 60 s before another one is asked")
	}
	if path := s.pending(t); path != "" {
		out = append(out, path+" was changed after nginx read it: this reload takes that change in as well")
	}
	return out
}

// pending is a file of others that the serving workers have not read as it is.
func (s *Step) pending(t *tree) string {
	r, err := s.find()
	if err != nil {
		return ""
	}
	for _, path := range slices.Sorted(maps.Keys(t.files)) {
		info, err := os.Stat(path)
		if err != nil || path == filepath.Clean(s.settings.Include) {
			continue
		}
		const grace = time.Second // of what is written when nginx starts
		if !r.serves(info.ModTime().Add(-grace)) {
			return path
		}
	}
	return ""
}

// version is what the program says of itself; empty when it does not.
func (s *Step) version(ctx context.Context) string {
	exit, err := s.run(ctx, "-v")
	if err != nil {
		return ""
	}
	for _, line := range exit.Tail {
		if _, after, ok := strings.Cut(line, "nginx/"); ok {
			version, _, _ := strings.Cut(after, " ")
			return version
		}
	}
	return ""
}

// older reports whether a version closes idle connections at once when it reloads.
func older(version string) bool {
	var major, minor, patch int
	if n, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil || n != 3 {
		return true
	}
	return slices.Compare([]int{major, minor, patch}, []int{1, 27, 4}) < 0
}
