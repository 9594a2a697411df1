package nginx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one of nginx's.
type process struct {
	pid, parent int
	// start is in ticks since boot.
	start uint64
	title string
}

// id names a process for as long as the machine runs.
func (p process) id() string { return strconv.Itoa(p.pid) + ":" + strconv.FormatUint(p.start, 10) }

// started is when it was started, by the clock of sinceBoot.
func (p process) started() time.Duration {
	const most = 1 << 40 // ticks, 349 years
	return time.Duration(min(p.start, most)) * (time.Second / ticksASecond)
}

// infancy is how long a new worker may still have its master's title.
const infancy = 5 * time.Second

const (
	masterTitle  = "nginx: master process"
	workerTitle  = "nginx: worker process"
	leavingTitle = "nginx: worker process is shutting down"
	// ticksASecond is the unit of start times in /proc, the same on all machines.
	ticksASecond = 100
)

// running is one nginx with its workers.
type running struct {
	master process
	// serving take new connections; leaving only end what they have begun.
	serving, leaving []process
}

var (
	errNotRunning = errors.New("nginx does not run")
	errTwo        = errors.New("two nginx masters run with this configuration")
)

// find finds the nginx that runs with the configuration.
func (s *Step) find() (running, error) {
	all, err := processes()
	if err != nil {
		return running{}, err
	}
	masters := slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		return !strings.HasPrefix(p.title, masterTitle) || !s.reads(p) || !s.neighbour(p.pid)
	})
	born := sinceBoot(s.scope.Now()) - infancy
	masters = slices.DeleteFunc(slices.Clone(masters), func(p process) bool {
		return p.started() > born && slices.ContainsFunc(masters, func(of process) bool { return of.pid == p.parent })
	})
	var r running
	switch len(masters) {
	case 0:
		return r, errNotRunning
	case 1:
		r.master = masters[0]
	default:
		return r, fmt.Errorf("%w: pid %d and pid %d", errTwo, masters[0].pid, masters[1].pid)
	}
	for _, p := range all {
		switch {
		case p.parent != r.master.pid:
		case strings.HasPrefix(p.title, leavingTitle):
			r.leaving = append(r.leaving, p)
		case strings.HasPrefix(p.title, workerTitle):
			r.serving = append(r.serving, p)
		}
	}
	return r, nil
}

// reads reports whether a master was started with our configuration. Its title is
// its command line.
func (s *Step) reads(master process) bool {
	words := strings.Fields(strings.TrimPrefix(master.title, masterTitle))
	config, prefix := "", ""
	for n := 1; n < len(words); n++ {
		for option, to := range map[string]*string{"-c": &config, "-p": &prefix} {
			if words[n] == option && n+1 < len(words) {
				*to = words[n+1]
			} else if value, ok := strings.CutPrefix(words[n], option); ok && value != "" {
				*to = value
			}
		}
	}
	if config == "" { // the one that this nginx was built with
		return slices.Contains([]string{
			defaultConfig, "/usr/local/nginx/conf/nginx.conf", "/usr/local/etc/nginx/nginx.conf", "/opt/nginx/conf/nginx.conf",
			filepath.Join(prefix, "conf/nginx.conf"),
		}, s.settings.Config)
	}
	if !filepath.IsAbs(config) {
		config = filepath.Join(prefix, config)
	}
	return resolved(config) == resolved(s.settings.Config)
}

// neighbour reports whether a process sees the same file where its configuration
// is: one in a container reads another one of that name. Where we may not look,
// the name has to do.
func (s *Step) neighbour(pid int) bool {
	ours, err := os.Stat(s.settings.Config)
	if err != nil {
		return true
	}
	theirs, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "root", s.settings.Config))
	return errors.Is(err, fs.ErrPermission) || err == nil && os.SameFile(ours, theirs)
}

func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		title, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil || !strings.HasPrefix(string(title), "nginx: ") {
			continue // it has ended, or is something else
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		p, ok := parseStat(string(stat))
		p.pid, p.title = pid, strings.TrimSpace(strings.ReplaceAll(string(title), "\x00", " "))
		if ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads the parent and the start time in /proc/PID/stat; ok is false for
// a process that has ended.
func parseStat(stat string) (p process, ok bool) {
	const state, parent, start = 0, 1, 19 // from behind the name
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return p, false
	}
	var errParent, errStart error
	p.parent, errParent = strconv.Atoi(fields[parent])
	p.start, errStart = strconv.ParseUint(fields[start], 10, 64)
	return p, errParent == nil && errStart == nil
}

// margin is how much younger than the file a worker must be to have read it: more
// than what the kernel rounds its notes of both to.
const margin = 5 * time.Millisecond

// serves reports whether all workers were started after the file took its place.
func (r running) serves(placed time.Time) bool {
	if len(r.serving) == 0 {
		return false
	}
	boundary := sinceBoot(placed) + margin
	for _, worker := range r.serving {
		if worker.started() < boundary {
			return false
		}
	}
	return true
}

// only reports whether no other workers serve than those named.
func (r running) only(ids []string) bool {
	return len(r.serving) > 0 && !slices.ContainsFunc(r.serving, func(p process) bool { return !slices.Contains(ids, p.id()) })
}

func ids(all []process) []string {
	out := make([]string, 0, len(all))
	for _, p := range all {
		out = append(out, p.id())
	}
	return out
}

// sinceBoot is what the clock of the start times showed at a time. These are the
// kernel's own clocks: what it noted is compared, and no deadline depends on it.
func sinceBoot(at time.Time) time.Duration {
	var boot, now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_REALTIME, &now) != nil {
		return time.Duration(1<<63 - 1) // nothing is proved
	}
	return time.Duration(boot.Nano()) - time.Unix(now.Unix()).Sub(at)
}

// idle reports whether the master waits for signals, so that no reload is under
// way; known is false where the kernel does not tell.
func (p process) idle() (idle, known bool) {
	where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.pid))
	if err != nil || len(where) == 0 || string(where) == "0" {
		return false, false
	}
	return strings.Contains(string(where), "sigsuspend"), true
}

// mayReload reports whether we may send the master a signal.
func (p process) mayReload() error { return syscall.Kill(p.pid, 0) }
