package files

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// failed turns what the system said about a path into words: where, what, and
// how to mend it.
func failed(doing, at string, err error) error {
	var known *ripcord.Failure
	var spoken *ripcord.Error
	if errors.As(err, &known) || errors.As(err, &spoken) {
		return err
	}
	return &trouble{
		Failure: refused(fmt.Sprintf("%s %s: %s", doing, at, reason(err)), remedy(err)),
		err:     err,
	}
}

// trouble is a Failure that keeps the system's error for its caller.
type trouble struct {
	*ripcord.Failure
	err error
}

// Unwrap gives both readers theirs.
func (t *trouble) Unwrap() []error { return []error{t.Failure, t.err} }

// refused is a failure that waits for somebody to change the target.
func refused(summary, fix string, lines ...string) *ripcord.Failure {
	if fix != "" {
		summary += "; " + fix
	}
	return &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "files: " + summary, Lines: lines}
}

func reason(err error) string {
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return no.Error()
	}
	return err.Error()
}

func remedy(err error) string {
	for _, known := range []struct {
		no  syscall.Errno
		fix string
	}{
		{syscall.ENOSPC, "free space on that file system, then retry"},
		{syscall.EDQUOT, "raise the quota or remove files, then retry"},
		{syscall.EROFS, "mount the file system writable or choose another destination"},
		{syscall.EACCES, "give the user who runs ripcord the right to write there, or run it as another user"},
		{syscall.EPERM, "run ripcord as root, or drop owner and group"},
		{syscall.ENOTDIR, "a file stands where a folder is expected: move it away or correct destination"},
		{syscall.EISDIR, "a folder stands where a file is expected: move it away or correct destination"},
		{syscall.ELOOP, "a symbolic link stands in the way: name the real path"},
		{syscall.ENAMETOOLONG, "shorten the name"},
		{syscall.ENOTEMPTY, "somebody else put files there: move them away, then retry"},
		{syscall.EMFILE, "raise the limit of open files"},
	} {
		if errors.Is(err, known.no) {
			return known.fix
		}
	}
	return ""
}
