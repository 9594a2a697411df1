package front

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

// Proxy is the built-in proxy in a folder, and the supervisor that keeps it. The
// program that uses it becomes the proxy when its first argument is __proxy.
type Proxy struct {
	Dir, Listen string
	cmd         *exec.Cmd
	instance    ripcord.Instance
	releases    []string
}

// Shift is a whole step with the proxy's adapter: Check, then Apply. Each release
// has a side of its own, as in reality. Those between the first, which has the
// WebSockets, and the last two go.
func (p *Proxy) Shift(ctx context.Context, to *traffic.Application) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	scope := ripcord.Scope{StateDir: p.Dir, Self: self, Supervisor: p}
	name := fmt.Sprintf("%s-%d", to.Version, len(p.releases))
	p.releases = append(p.releases, name)
	err = Apply(ctx, proxy.New(), scope, map[string]any{
		"service": "web", "balancer": "front", "listen": p.Listen,
		"targets": to.Address, "colour": name, "health": map[string]any{"http": "/healthz", "interval": 0.1},
		"limits": map[string]any{"max_websockets": 500},
	})
	if gone := len(p.releases) - 3; err == nil && gone > 0 {
		_, err = dataplane.NewClient(proxy.Directory(p.Dir, application, environment, "front")).DeleteSide(ctx, p.releases[gone])
	}
	return err
}

// Close kills the proxy.
func (p *Proxy) Close() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// Start implements ripcord.Supervisor.
func (p *Proxy) Start(_ context.Context, i ripcord.Instance) error {
	if p.cmd != nil {
		return nil
	}
	p.instance = i
	p.cmd = exec.Command(i.Args[0], i.Args[1:]...)
	p.cmd.Dir = i.Dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return p.cmd.Start()
}

// Stop implements ripcord.Supervisor.
func (p *Proxy) Stop(context.Context, string) error {
	p.Close()
	p.cmd = nil
	return nil
}

// List implements ripcord.Supervisor.
func (p *Proxy) List(context.Context, string) ([]ripcord.InstanceStatus, error) {
	if p.cmd == nil {
		return nil, nil
	}
	return []ripcord.InstanceStatus{{ID: p.instance.ID, Labels: p.instance.Labels, Running: true, PID: p.cmd.Process.Pid}}, nil
}

// Recall implements ripcord.Supervisor.
func (p *Proxy) Recall(context.Context, string) (ripcord.Instance, error) { return p.instance, nil }

// Tail implements ripcord.Supervisor.
func (p *Proxy) Tail(context.Context, string, int) ([]string, error) { return nil, nil }
