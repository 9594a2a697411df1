package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ripcord-dev/ripcord/procfs"
)

// Supersede ends a keeper that was started from another program than self: after an
// upgrade it would start executors of the old version, which may not understand the
// journal or the plan any more. Instances and executors live on; Ensure then starts
// a keeper from self.
func Supersede(ctx context.Context, dir, self string) error {
	info, err := Status(dir)
	if err != nil || !info.Running {
		return err
	}
	same, err := sameProgram(fmt.Sprintf("/proc/%d/exe", info.Keeper.PID), procfs.Executable(self))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // it has just ended, or it is not ours to judge
	}
	if err != nil || same {
		return err
	}
	return Stop(ctx, dir)
}

// sameProgram compares two files: several copies of one program are the same.
func sameProgram(a, b string) (same bool, err error) {
	one, err := os.Open(a) //nolint:gosec // a process's own program
	if err != nil {
		return false, err
	}
	defer func() { _ = one.Close() }() // it was only read
	two, err := os.Open(b)             //nolint:gosec // our own program
	if err != nil {
		return false, err
	}
	defer func() { _ = two.Close() }() // it was only read
	first, err := one.Stat()
	if err != nil {
		return false, err
	}
	second, err := two.Stat()
	if err != nil || os.SameFile(first, second) {
		return err == nil, err
	}
	if first.Size() != second.Size() {
		return false, nil
	}
	return sameContent(one, two)
}

func sameContent(a, b io.Reader) (bool, error) {
	one, two := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(a, one)
		m, other := io.ReadFull(b, two)
		if !bytes.Equal(one[:n], two[:m]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err := errors.Join(err, other); err != nil {
			return false, err
		}
	}
}
