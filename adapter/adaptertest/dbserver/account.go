package dbserver

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is who a database server runs as: some refuse root.
type account struct{ uid, gid int }

func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids are small
	}
	return attributes
}

// home makes a folder that the account owns; an account of the system's stands in
// for root.
func home(name string) (string, account, error) {
	a := account{os.Geteuid(), os.Getegid()}
	if a.uid == 0 {
		found, err := user.Lookup(name)
		if err != nil {
			return "", a, err
		}
		if a.uid, err = strconv.Atoi(found.Uid); err != nil {
			return "", a, err
		}
		if a.gid, err = strconv.Atoi(found.Gid); err != nil {
			return "", a, err
		}
	}
	dir, err := os.MkdirTemp("", "ripcord-"+name+"-")
	if err != nil {
		return "", a, err
	}
	return dir, a, os.Chown(dir, a.uid, a.gid)
}
