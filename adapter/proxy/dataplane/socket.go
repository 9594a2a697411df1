package dataplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	socketName = "control.sock"
	// addrFile holds the path of the control socket.
	addrFile = "control.addr"
	lockFile = "lock"
	// maxSocketPath is what the kernel allows for a socket's path.
	maxSocketPath = 107
)

// lockDirectory makes sure that one process at most leads the proxy of dir. The
// lock ends with the process.
func lockDirectory(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another proxy works in %s already: %w", dir, err)
	}
	return file, nil
}

// listenControl opens the control socket of dir and records its path.
func listenControl(ctx context.Context, dir, temporary string) (net.Listener, error) {
	path, err := socketPath(dir, temporary)
	if err != nil {
		return nil, err
	}
	// the lock is held, so a socket that is there belongs to a dead process.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	// A successor may have it by the time when this process closes it.
	if l, ok := listener.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	// its folder is 0700, so nobody got in before this line.
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, err
	}
	if err := writeFile(dir, addrFile, []byte(path+"\n")); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// socketPath returns where the control socket lies: in dir, or where that is
// too long for the kernel, in a private folder of temporary.
func socketPath(dir, temporary string) (string, error) {
	path := filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	short := filepath.Join(temporary, shortName(dir))
	if err := os.Mkdir(short, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(short)
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(owner.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a private folder of ours: remove it, or use a shorter state directory", short)
	}
	return filepath.Join(short, socketName), nil
}

// shortName names the private folder of a proxy whose own folder is too long.
func shortName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "ripcord-" + strconv.Itoa(os.Getuid()) + "-" + hex.EncodeToString(sum[:6])
}

// withdraw removes the control socket and its private folder, if it has one, of
// dir. The caller holds the lock, so no other proxy works there.
func withdraw(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, addrFile)) //nolint:gosec // our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	short := filepath.Dir(strings.TrimSpace(string(data)))
	if filepath.Base(short) != shortName(dir) {
		return nil // it is in dir
	}
	for _, path := range []string{filepath.Join(short, socketName), short} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { //nolint:gosec // its folder has the name that only this proxy gives
			return err
		}
	}
	return nil
}

// Tidy removes what the proxy of dir left elsewhere on the machine when it was
// killed. It does nothing while a proxy works there.
func Tidy(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		return nil //nolint:nilerr // no proxy ever worked there
	}
	lock, err := lockDirectory(dir)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(withdraw(dir), lock.Close())
}

// listenPublic opens the address for clients.
func listenPublic(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig // sets SO_REUSEADDR
	listener, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return listener, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	if claim := ReadClaim(ctx, addr); claim != nil {
		return nil, fmt.Errorf("cannot listen on %s: the ripcord proxy of %s (pid %d) has it", addr, claim.Directory, claim.PID)
	}
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	return nil, fmt.Errorf("cannot listen on %s: the address is in use; \"ss -ltnp 'sport = :%s'\" shows by whom", addr, port)
}
