package dataplane

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDuplicatesDoNotBlock: a listener whose descriptor was made blocking would
// hang in its accepting for ever, also when it is closed.
func TestDuplicatesDoNotBlock(t *testing.T) {
	t.Parallel()
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sockets{
		public: listen("tcp", "127.0.0.1:0"), control: listen("unix", filepath.Join(t.TempDir(), "a")),
		claim: listen("unix", filepath.Join(t.TempDir(), "b")), lock: lock,
	}
	defer s.close()
	all, err := s.duplicates()
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	for i, fd := range all {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || i < 3 && flags&unix.O_NONBLOCK == 0 {
			t.Errorf("socket %d blocks: %x, %v", i, flags, err)
		}
		_ = unix.Close(fd)
	}
	s.claim = nil
	if _, err := s.duplicates(); err == nil {
		t.Error("what is not there is handed over")
	}
}
