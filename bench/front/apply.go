// Package front holds what the benchmarks of balancers share: a whole step of an
// adapter, and the built-in proxy with its supervisor.
package front

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os/exec"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// What the benchmarks release, and where.
const (
	application = "shop"
	environment = "bench"
)

// Apply is a whole step of an adapter: Check, then Apply.
func Apply(ctx context.Context, adapter ripcord.Adapter, scope ripcord.Scope, set map[string]any) error {
	settings, err := json.Marshal(set)
	if err != nil {
		return err
	}
	scope.Run, scope.Application, scope.Environment, scope.Commands, scope.Now = "bench", application, environment, commands{}, time.Now
	step, err := adapter.Open(ctx, ripcord.StepSpec{ID: "shift", Kind: "shift", Adapter: adapter.Kind(), Settings: settings}, scope)
	if err != nil {
		return err
	}
	before, err := step.Check(ctx)
	if err != nil {
		return err
	}
	return step.Apply(ctx, ripcord.Attempt{
		Key: "bench/shift", Number: 1, Before: before, Output: io.Discard,
		Record: func(context.Context, any) error { return nil },
	})
}

// commands runs commands as children.
type commands struct{}

// Run implements ripcord.Commands.
func (commands) Run(ctx context.Context, c ripcord.Command) (ripcord.Exit, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return ripcord.Exit{}, err
	}
	return ripcord.Exit{Code: cmd.ProcessState.ExitCode(), Tail: []string{string(out)}}, nil
}

// Resume implements ripcord.Commands.
func (commands) Resume(context.Context, ripcord.Command) (ripcord.Exit, error) {
	return ripcord.Exit{}, ripcord.ErrLost
}

// Answers waits until somebody accepts connections, 5 s at most.
func Answers(address string) error {
	for range 500 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("nobody listens on " + address)
}

// FreeAddress is one of loopback on which nobody listens.
func FreeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
