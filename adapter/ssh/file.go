package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// The statuses of our own programs for files.
const (
	statusMissing = 44
	statusOdd     = 45
)

const readProgram = `LC_ALL=C; export LC_ALL
if ! what=$(stat -Lc '%a %F' -- "$1" 2>&1); then
  case $what in *"No such file or directory"*) exit 44;; esac
  echo "$what" >&2; exit 1
fi
case $what in *" regular file"|*" regular empty file") ;; *) exit 45;; esac
echo "${what%% *}"; exec cat -- "$1"`

// ReadFile returns a regular file's content and mode.
func (m *Machine) ReadFile(ctx context.Context, name string) ([]byte, fs.FileMode, error) {
	out, err := m.program(ctx, readProgram, name)
	if err != nil {
		return nil, 0, &fs.PathError{Op: "read", Path: m.host.name + ":" + name, Err: err}
	}
	first, data, _ := bytes.Cut(out, []byte("\n"))
	mode, err := strconv.ParseUint(string(first), 8, 16)
	if err != nil {
		return nil, 0, fmt.Errorf("machine %s: what stat says of %s cannot be read: %q", m.host.name, name, first)
	}
	return data, fs.FileMode(mode).Perm(), nil
}

// The new file lies beside its place already: what is left takes no time.
const placeProgram = `new=$1 file=$2 mode=$3
fail() { rm -f -- "$new"; exit 1; }
if [ -d "$file" ]; then rm -f -- "$new"; exit 45; fi
if cmp -s -- "$new" "$file" && [ "$(stat -Lc %a -- "$file")" = "$mode" ]; then rm -f -- "$new"; exit 0; fi
chmod "$mode" "$new" && { sync "$new" 2>/dev/null || sync; } && mv -f -- "$new" "$file" || fail
sync "$(dirname -- "$file")" 2>/dev/null || sync`

// WriteFile replaces a file: a reader finds the old one or the new one, also after
// a crash. A file that is as wanted is left alone.
func (m *Machine) WriteFile(ctx context.Context, name string, data []byte, mode fs.FileMode) error {
	wrap := func(err error) error {
		return &fs.PathError{Op: "write", Path: m.host.name + ":" + name, Err: err}
	}
	staged, err := m.stage(ctx, path.Dir(name), data)
	if err != nil {
		return wrap(err)
	}
	if _, err := m.program(ctx, placeProgram, staged, name, strconv.FormatUint(uint64(mode.Perm()), 8)); err != nil {
		return wrap(err)
	}
	return nil
}

const removeProgram = `if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir -- "$1" || exit; else rm -f -- "$1" || exit; fi
sync "$(dirname -- "$1")" 2>/dev/null || true`

// Remove removes a file or an empty folder.
func (m *Machine) Remove(ctx context.Context, name string) error {
	if _, err := m.program(ctx, removeProgram, name); err != nil {
		return &fs.PathError{Op: "remove", Path: m.host.name + ":" + name, Err: err}
	}
	return nil
}

// program runs one of our own programs and returns what it prints.
func (m *Machine) program(ctx context.Context, text string, args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	exit, err := m.Run(ctx, ripcord.MachineCommand{
		Args: append([]string{"/bin/sh", "-c", text, "sh"}, args...), Output: &out, Errors: &said,
	})
	switch {
	case err != nil:
		return nil, err
	case exit.Code == statusMissing:
		return nil, fs.ErrNotExist
	case exit.Code == statusOdd:
		return nil, fmt.Errorf("it is no regular file: %w", fs.ErrInvalid)
	case exit.Code != 0 || exit.Signal != "":
		return nil, failed(exit, said.String())
	}
	return out.Bytes(), nil
}

func failed(exit ripcord.Exit, said string) error {
	said = strings.TrimSpace(said)
	if strings.Contains(said, "ermission denied") {
		return fmt.Errorf("%s: %w", said, fs.ErrPermission)
	}
	if said == "" {
		said = fmt.Sprintf("the program for it ended with status %d%s", exit.Code, exit.Signal)
	}
	return errors.New(said)
}

// stage puts bytes into a new file in a folder on the machine, complete or not at
// all, and returns its path; an empty folder is the one for temporary files. It is
// mode 0600, and means nothing until it is used.
func (m *Machine) stage(ctx context.Context, folder string, data []byte) (string, error) {
	if strings.Contains(folder, "\n") {
		return "", fmt.Errorf("folder %q: %w", folder, fs.ErrInvalid)
	}
	program := fmt.Sprintf(`'umask 077; LC_ALL=C; export LC_ALL; f=$(mktemp -- "${1:-${TMPDIR:-/tmp}}"/.ripcord-XXXXXXXX) || exit; `+
		`if cat >"$f" && [ "$(wc -c <"$f")" -eq %d ]; then echo "$f"; else rm -f -- "$f"; exit 1; fi' sh %s`, len(data), quote(folder))
	var out bytes.Buffer
	if err := m.host.plain(ctx, program, data, &out); err != nil {
		switch text := err.Error(); {
		case strings.Contains(text, "No such file or directory"):
			return "", fmt.Errorf("there is no folder %s: %w", folder, fs.ErrNotExist)
		case strings.Contains(text, "ermission denied"):
			return "", fmt.Errorf("folder %s: %w", folder, fs.ErrPermission)
		}
		return "", err
	}
	staged := strings.TrimSuffix(out.String(), "\n")
	if staged == "" || strings.Contains(staged, "\n") {
		return "", fmt.Errorf("machine %s: the path of a new file cannot be read: %q", m.host.name, staged)
	}
	return staged, nil
}
