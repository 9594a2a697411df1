package shim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// busyTries is how often a command is tried whose file somebody still has open
// for writing, with a pause that doubles: about a second in all.
const busyTries = 8

// execute starts the command with both outputs going to the descriptor out. The
// command leads a process group of its own within the shim's session. An error
// that is the command's own fault is a *ripcord.Failure.
func execute(s spec, out int) (pid int, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer func() { _ = null.Close() }()
	attr := &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env,
		Files: []uintptr{null.Fd(), uintptr(out), uintptr(out)}, // #nosec G115 -- a descriptor
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if s.User != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, Groups: s.User.Groups}
	}
	pause := 4 * time.Millisecond
	for range busyTries {
		pid, err = syscall.ForkExec(s.Path, s.Args, attr) // #nosec G204 -- running it is the purpose
		if !errors.Is(err, unix.ETXTBSY) {
			break
		}
		<-time.After(pause)
		pause *= 2
	}
	if err != nil {
		return 0, explain(s, err)
	}
	return pid, nil
}

// explain says what the errno of a failed start means.
func explain(s spec, cause error) *ripcord.Failure {
	name := s.Args[0]
	if f := checkDir(s.Dir, s.User); f != nil {
		return f
	}
	final := func(format string, args ...any) *ripcord.Failure {
		return &ripcord.Failure{Class: ripcord.FailedCommand, Final: true, Summary: fmt.Sprintf(format, args...)}
	}
	switch {
	case errors.Is(cause, unix.ENOENT) && interpreter(s.Path) != "":
		return final("%s can't be started: the interpreter in its first line, %s, does not exist", name, interpreter(s.Path))
	case errors.Is(cause, unix.ENOENT):
		return final("%s can't be started: %s does not exist, or the loader it needs is missing", name, s.Path)
	case errors.Is(cause, unix.EACCES):
		return final("%s can't be started: permission denied; is %s executable for the user it runs as (chmod +x)?", name, s.Path)
	case errors.Is(cause, unix.ENOEXEC):
		return final("%s can't be started: it is no program for this machine, and has no #! line that names an interpreter", name)
	case errors.Is(cause, unix.E2BIG):
		return final("%s can't be started: its arguments and environment are too long (%d bytes); hand them over in a file", name, sizeOf(s))
	case errors.Is(cause, unix.EPERM) && s.User != nil:
		return final("%s can't be started: only root may run commands as another user", name)
	case errors.Is(cause, unix.ETXTBSY):
		return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: fmt.Sprintf("%s can't be started: somebody is still writing to %s", name, s.Path)}
	default:
		return &ripcord.Failure{Class: ripcord.FailedCommand, Summary: fmt.Sprintf("%s can't be started: %v", name, cause)}
	}
}

func sizeOf(s spec) (n int) {
	for _, text := range append(append([]string(nil), s.Args...), s.Env...) {
		n += len(text) + 1
	}
	return n
}

// interpreter returns what the file's #! line names, if it has one.
func interpreter(path string) string {
	f, err := os.Open(path) // #nosec G304 -- the command itself
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 256)
	n, _ := f.Read(head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		return fields[0]
	}
	return ""
}

func checkDir(dir string, user *credential) *ripcord.Failure {
	refuse := func(why string) *ripcord.Failure {
		return &ripcord.Failure{
			Class: ripcord.FailedCommand, Final: true,
			Summary: fmt.Sprintf("the command's directory %s %s", dir, why),
		}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return refuse("does not exist")
	case err != nil:
		return refuse("can't be used: " + err.Error())
	case !info.IsDir():
		return refuse("is no directory")
	case user == nil && unix.Access(dir, unix.X_OK) != nil:
		return refuse("may not be entered: permission denied")
	}
	return nil
}

// find returns the executable that a command's first argument names, as the
// command itself would: in its own PATH, from its own directory.
func find(name, dir string, env []string) (string, *ripcord.Failure) {
	refuse := func(format string, args ...any) *ripcord.Failure {
		return &ripcord.Failure{Class: ripcord.FailedCommand, Final: true, Summary: fmt.Sprintf(format, args...)}
	}
	if name == "" {
		return "", refuse("the command is empty")
	}
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return "", refuse("%s can't be started: %s does not exist", name, path)
		case err == nil && info.IsDir():
			return "", refuse("%s can't be started: it is a directory", name)
		}
		return path, nil
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", refuse("%s can't be started: there is no such program in PATH (%s)", name, search)
}

// ending is how a process ended.
type ending struct {
	status unix.WaitStatus
	maxRSS int64
}

// reap waits for all children, also those that the kernel hands to a subreaper,
// and tells how the one named pid ended.
func reap(pid int) chan ending {
	ended := make(chan ending, 1)
	go func() {
		for {
			var status unix.WaitStatus
			var usage unix.Rusage
			got, err := unix.Wait4(-1, &status, 0, &usage)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil: // none left, and new ones can't come
				return
			case got == pid:
				ended <- ending{status: status, maxRSS: usage.Maxrss * 1024}
			}
		}
	}()
	return ended
}
