package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

// Listens reports whether the port can be listened on, here.
func Listens(ctx context.Context, port int) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// AnyPort lets the kernel choose, here.
func AnyPort(ctx context.Context, taken map[int]bool) (int, error) {
	for range 100 {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(Loopback, "0"))
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		address, ok := listener.Addr().(*net.TCPAddr)
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		if ok && !taken[address.Port] {
			return address.Port, nil
		}
	}
	return 0, &ripcord.Failure{Class: ripcord.FailedInternal, Summary: "the machine has no free port"}
}

// Unanswered is UnansweredAt Loopback.
func Unanswered(machine ripcord.Machine) func(ctx context.Context, port int) bool {
	return UnansweredAt(machine, "")
}

// UnansweredAt returns a Chooser's Free for a machine: nobody answers on the port of
// its address host; empty is Loopback.
// What listens there without answering shows when the instance starts.
func UnansweredAt(machine ripcord.Machine, host string) func(ctx context.Context, port int) bool {
	return func(ctx context.Context, port int) bool {
		c, err := machine.Dial(ctx, "tcp", net.JoinHostPort(cmp.Or(host, Loopback), strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
			return false
		}
		return errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() == nil
	}
}
