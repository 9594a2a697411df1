package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Process is what the kernel tells of a process.
type Process struct {
	PID int
	// Name is the executable's name, at most 15 bytes.
	Name string
	// State is the kernel's letter: R, S, D, T, Z ...
	State   byte
	Parent  int
	Group   int
	Session int
	Threads int
	// Start is the start time in clock ticks since boot.
	Start uint64
}

// Running reports whether anything of the process still runs. A process whose
// first thread has ended looks like a zombie while its other threads go on.
func (p Process) Running() bool {
	switch p.State {
	case 'X', 'x':
		return false
	case 'Z':
		return p.Threads > 1
	default:
		return true
	}
}

// The numbers of the fields of /proc/PID/stat that follow the name.
const (
	fieldState   = 3
	fieldParent  = 4
	fieldGroup   = 5
	fieldSession = 6
	fieldThreads = 20
	fieldStart   = 22
)

// ParseStat reads the text of /proc/PID/stat. The name stands in parentheses
// and may itself hold spaces, parentheses and newlines, so the last closing one
// counts.
func ParseStat(data []byte) (Process, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Process{}, errors.New("process status without a name")
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) <= fieldStart-fieldState {
		return Process{}, fmt.Errorf("process status with %d fields", len(fields))
	}
	if len(fields[0]) != 1 {
		return Process{}, fmt.Errorf("process state %q", fields[0])
	}
	p := Process{Name: string(data[open+1 : end]), State: fields[0][0]}
	var errs []error
	number := func(text []byte) int {
		n, err := strconv.Atoi(string(text))
		errs = append(errs, err)
		return n
	}
	at := func(field int) []byte { return fields[field-fieldState] }
	p.PID = number(bytes.TrimSpace(data[:open]))
	p.Parent, p.Group, p.Session = number(at(fieldParent)), number(at(fieldGroup)), number(at(fieldSession))
	p.Threads = number(at(fieldThreads))
	start, err := strconv.ParseUint(string(at(fieldStart)), 10, 64)
	p.Start = start
	if err := errors.Join(append(errs, err)...); err != nil {
		return Process{}, fmt.Errorf("process status: %w", err)
	}
	return p, nil
}
