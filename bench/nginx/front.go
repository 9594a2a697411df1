package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/proxy"
	"github.com/ripcord-dev/ripcord/adapter/proxy/dataplane"
	"github.com/ripcord-dev/ripcord/bench/traffic"
)

// front is the built-in proxy behind nginx. It is also the supervisor that keeps
// the proxy.
type front struct {
	dir, listen string
	cmd         *exec.Cmd
	instance    ripcord.Instance
	releases    []string
}

// shift is a whole step with the proxy's adapter: Check, then Apply. Each release
// has a side of its own, as in reality. Those between the first, which has the
// WebSockets, and the last two go.
func (f *front) shift(ctx context.Context, to *traffic.Application) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scope := ripcord.Scope{StateDir: f.dir, Self: self, Supervisor: f}
	name := fmt.Sprintf("%s-%d", to.Version, len(f.releases))
	f.releases = append(f.releases, name)
	err = apply(ctx, proxy.New(), scope, map[string]any{
		"service": "web", "balancer": "front", "listen": f.listen,
		"targets": to.Address, "colour": name, "health": map[string]any{"http": "/healthz", "interval": 0.1},
		"limits": map[string]any{"max_websockets": 500},
	})
	if gone := len(f.releases) - 3; err == nil && gone > 0 {
		_, err = dataplane.NewClient(proxy.Directory(f.dir, application, environment, "front")).DeleteSide(ctx, f.releases[gone])
	}
	return err
}

// What the benchmark releases, and where.
const (
	application = "shop"
	environment = "bench"
)

func (f *front) stop() {
	if f.cmd != nil {
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
	}
}

// Start implements ripcord.Supervisor.
func (f *front) Start(_ context.Context, i ripcord.Instance) error {
	if f.cmd != nil {
		return nil
	}
	f.instance = i
	f.cmd = exec.Command(i.Args[0], i.Args[1:]...)
	f.cmd.Dir = i.Dir
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return f.cmd.Start()
}

// Stop implements ripcord.Supervisor.
func (f *front) Stop(context.Context, string) error {
	f.stop()
	f.cmd = nil
	return nil
}

// List implements ripcord.Supervisor.
func (f *front) List(context.Context, string) ([]ripcord.InstanceStatus, error) {
	if f.cmd == nil {
		return nil, nil
	}
	return []ripcord.InstanceStatus{{ID: f.instance.ID, Labels: f.instance.Labels, Running: true, PID: f.cmd.Process.Pid}}, nil
}

// Tail implements ripcord.Supervisor.
func (f *front) Tail(context.Context, string, int) ([]string, error) { return nil, nil }
