package adaptertest

import (
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// credentialOf reads "name" or "uid:gid"; nil is us.
func credentialOf(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // nil is what exec takes for us
	}
	first, second, pair := strings.Cut(name, ":")
	if !pair {
		found, err := user.Lookup(name)
		if err != nil {
			return nil, err
		}
		first, second = found.Uid, found.Gid
	}
	uid, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(second, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
