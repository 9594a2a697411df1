package ripcord

import (
	"context"
	"io"
	"io/fs"
)

// Machines gives access to the machines that steps have effects on.
type Machines interface {
	// Machine returns the machine of this name; the empty name is the one that
	// Ripcord runs on. Connections are made at first use and shared.
	Machine(ctx context.Context, name string) (Machine, error)
}

// Machine is a computer: this one, or another one over SSH.
type Machine interface {
	// Name is empty for the machine that Ripcord runs on.
	Name() string
	// Run runs a short command to its end. An exit status is no error. The
	// context's end stops the command's process group.
	Run(ctx context.Context, c MachineCommand) (Exit, error)
	// ReadFile returns a regular file's content and mode; fs.ErrNotExist where
	// there is none.
	ReadFile(ctx context.Context, path string) ([]byte, fs.FileMode, error)
	// WriteFile replaces a file atomically and durably, with this mode.
	WriteFile(ctx context.Context, path string, data []byte, mode fs.FileMode) error
	// Remove removes a file or an empty folder; one that is gone is no error.
	Remove(ctx context.Context, path string) error
	// Dial connects to an address as seen from the machine, "tcp" or "unix". The
	// result is a net.Conn.
	Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error)
}

// MachineCommand is a short command on a machine. One that must outlive its
// executor is a Command.
type MachineCommand struct {
	Args []string
	Dir  string
	// Env is added to the environment that the machine gives, "NAME=value".
	Env []string
	// Input is the standard input; nil is empty.
	Input io.Reader
	// Output and Errors receive what the command prints; nil drops it.
	Output, Errors io.Writer
}
