// Package procfs tells Linux processes apart, also over the death of whoever
// started them and over reboots. A pid alone names nobody: the kernel gives it
// to somebody else later. A pid with its start time and the machine's boot id
// names one process for ever.
package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FS is a proc file system.
type FS struct {
	// Root is where it is mounted.
	Root string
	// BootID replaces the machine's boot id when it is not empty.
	BootID string
}

// System is the machine's own proc file system.
func System() FS { return FS{Root: "/proc"} }

// Identity names one process for ever.
type Identity struct {
	PID int `json:"pid"`
	// Start is the process's start time in clock ticks since boot.
	Start uint64 `json:"start"`
	// Boot is the boot id of the machine that it runs on.
	Boot string `json:"boot"`
}

// IsZero reports whether the identity names nobody.
func (id Identity) IsZero() bool { return id.PID == 0 }

// Self returns the identity of the calling process.
func Self() (Identity, error) { return System().Of(os.Getpid()) }

// Of returns the identity of the process that has the pid now. The error wraps
// fs.ErrNotExist when there is none.
func Of(pid int) (Identity, error) { return System().Of(pid) }

// Alive reports whether the process still runs; a zombie does not.
func Alive(id Identity) bool { return System().Alive(id) }

// Signal sends a signal to exactly this process; see FS.Signal.
func Signal(id Identity, sig unix.Signal) error { return System().Signal(id, sig) }

// Of returns the identity of the process that has the pid now. The error wraps
// fs.ErrNotExist when there is none.
func (f FS) Of(pid int) (Identity, error) {
	p, err := f.Process(pid)
	if err != nil {
		return Identity{}, err
	}
	boot, err := f.Boot()
	if err != nil {
		return Identity{}, err
	}
	return Identity{PID: pid, Start: p.Start, Boot: boot}, nil
}

// Boot returns the machine's boot id.
func (f FS) Boot() (string, error) {
	if f.BootID != "" {
		return f.BootID, nil
	}
	data, err := os.ReadFile(filepath.Join(f.Root, "sys/kernel/random/boot_id"))
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// Namespace returns the pid namespace of the calling process: in another one,
// the same pid is another process, or none. It is empty where the kernel does not
// tell.
func (f FS) Namespace() string {
	name, err := os.Readlink(filepath.Join(f.Root, "self/ns/pid"))
	if err != nil {
		return ""
	}
	return name
}

// Alive reports whether the process still runs; a zombie does not. Where that
// can't be found out (a proc file system that hides or refuses), it counts as
// alive, because the dead get a successor.
func (f FS) Alive(id Identity) bool {
	if id.PID <= 0 {
		return false
	}
	boot, err := f.Boot()
	if err == nil && boot != id.Boot {
		return false
	}
	p, err := f.Process(id.PID)
	if err == nil {
		return p.Start == id.Start && p.Running()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	// hidepid hides the processes of other users, but not their existence.
	return f.Root == "/proc" && unix.Kill(id.PID, 0) != unix.ESRCH
}

// Process returns what the kernel tells of the process that has the pid now.
// The error wraps fs.ErrNotExist when there is none.
func (f FS) Process(pid int) (Process, error) {
	data, err := os.ReadFile(filepath.Join(f.Root, strconv.Itoa(pid), "stat"))
	if errors.Is(err, unix.ESRCH) { // it ended between open and read
		err = fs.ErrNotExist
	}
	if err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return ParseStat(data)
}

// Processes returns all processes that can be seen, zombies too, by pid.
func (f FS) Processes() ([]Process, error) {
	entries, err := os.ReadDir(f.Root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, err := f.Process(pid)
		switch {
		case err == nil:
			all = append(all, p)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return nil, err // for want of descriptors or memory the list would have holes
		}
	}
	slices.SortFunc(all, func(a, b Process) int { return a.PID - b.PID })
	return all, nil
}

// HasEnv reports whether the process was started with the environment variable
// set to the value. A process whose environment can't be read has none.
func (f FS) HasEnv(pid int, name, value string) bool {
	data, err := os.ReadFile(filepath.Join(f.Root, strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	want := name + "=" + value
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if entry == want {
			return true
		}
	}
	return false
}
