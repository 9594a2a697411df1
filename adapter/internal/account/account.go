// Package account finds the users of this machine that commands run as, and asks
// the kernel what they may reach.
package account

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ripcord-dev/ripcord"
)

// Account is a user of this machine.
type Account struct {
	// Name is how the plan file calls it.
	Name   string
	UID    int
	Groups []int
}

// Lookup finds "name", "name:group" or "uid:gid". Its error is one of CodePlan:
// there is no such user, or only root could run something as that one.
func Lookup(name string) (Account, error) {
	who, group, pair := strings.Cut(name, ":")
	found, err := user.Lookup(who)
	if err != nil {
		found, err = user.LookupId(who)
	}
	if err != nil && !pair {
		return Account{}, unknown(name)
	}
	if found == nil { // a bare number needs no account
		found = &user.User{Uid: who}
	}
	if pair {
		found.Gid = group
		if g, err := user.LookupGroup(group); err == nil {
			found.Gid = g.Gid
		}
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if errors.Join(uidErr, gidErr) != nil {
		return Account{}, unknown(name)
	}
	a := Account{Name: name, UID: int(uid), Groups: []int{int(gid)}}
	if os.Geteuid() != 0 && a.UID != os.Geteuid() {
		return Account{}, ripcord.Errorf(ripcord.CodePlan, "only root can run something as user %s", name).
			WithFix("run ripcord as root, or as that user, or leave out user")
	}
	if !pair {
		a = a.withGroups(found)
	}
	return a, nil
}

func unknown(name string) error {
	return ripcord.Errorf(ripcord.CodePlan, "there is no user %s on this machine", name).
		WithFix("make the user (useradd --system %s), or correct user; it is a name, name:group or uid:gid", name)
}

func (a Account) withGroups(of *user.User) Account {
	ids, err := of.GroupIds()
	if err != nil {
		return a // what only these groups may reach counts as out of reach
	}
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil && int(gid) != a.Groups[0] {
			a.Groups = append(a.Groups, int(gid))
		}
	}
	return a
}

// Other reports whether the account is another one than ours, so that what we
// may reach says nothing of it.
func (a Account) Other() bool { return a.UID != os.Geteuid() && a.UID != 0 }

// Enters reports whether the account may enter the folder; Executes whether it
// may start the program.
func (a Account) Enters(folder string) bool { return a.may(folder, unix.X_OK) }

// Executes reports whether the account may start the program.
func (a Account) Executes(program string) bool { return a.may(program, unix.X_OK) }

// Barrier returns the first folder on the way to path that the account may not
// enter; path itself when that is what it may not use.
func (a Account) Barrier(path string) string {
	var way []string
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		way = append(way, dir)
	}
	for _, dir := range slices.Backward(way) {
		if !a.Enters(dir) {
			return dir
		}
	}
	return path
}

// may asks the kernel from a thread that has become the account, which is the
// only way that counts in lists of access rights and whatever else there is.
func (a Account) may(path string, mode uint32) bool {
	if !a.Other() {
		return unix.Access(path, mode) == nil
	}
	answer := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine, and what it became with it
		answer <- a.as(func() error { return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS) })
	}()
	return <-answer == nil
}

// as makes the calling thread, and no other, the account for files.
func (a Account) as(do func() error) error {
	gids := make([]uint32, len(a.Groups))
	for i, gid := range a.Groups {
		gids[i] = uint32(gid) //nolint:gosec // parsed as 32 bits
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(unsafe.Pointer(&gids[0])), 0); errno != 0 { //nolint:gosec // the kernel reads the list
		return errno
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, ^uintptr(0), uintptr(gids[0]), ^uintptr(0)); errno != 0 {
		return errno
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(a.UID), ^uintptr(0)); errno != 0 {
		return errno
	}
	return do()
}
