// Package port gives tests ports that stay free until somebody listens there: below
// those that the kernel hands out by itself, and kept from all other tests of this
// machine until the test's process ends.
package port

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the ports are: the kernel's own begin at 32768.
const (
	first = 28000
	count = 4700
)

// Address is a free one of 127.0.0.1.
func Address(t testing.TB) string {
	t.Helper()
	n, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n))
}

// Free is a free port.
func Free() (int, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("ripcord-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	for range count {
		n := first + rand.IntN(count) //nolint:gosec // no secret
		taken, err := take(filepath.Join(dir, strconv.Itoa(n)))
		if err != nil {
			return 0, err
		}
		if taken && quiet(n) {
			return n, nil
		}
	}
	return 0, errors.New("no port is free")
}

// take keeps a port from others: the lock goes with the process.
func take(path string) (bool, error) {
	lock, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	if unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false, unix.Close(lock)
	}
	return true, nil
}

// quiet reports whether nobody listens.
func quiet(n int) bool {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n)))
	return err == nil && l.Close() == nil
}
