// Command ssh measures one command on many machines at once: a whole release through
// the real binary, with its journal, its check of every machine and its shims,
// against Ansible with 50 forks and pipelining, in turns on the same servers. The
// machines are real SSH servers on loopback addresses. Beside them a bare SSH client
// shows what nobody can fall below here.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord/bench/figure"
)

func main() {
	self := flag.String("ripcord", "bin/ripcord", "the binary to measure")
	machines := flag.Int("machines", 200, "how many machines")
	rounds := flag.Int("rounds", 3, "how often each is measured")
	dir := flag.String("dir", "", "folder for the state, on the disk to measure (default: a temporary one)")
	flag.Parse()
	if err := measure(context.Background(), *self, *dir, *machines, *rounds); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench/ssh:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, self, parent string, machines, rounds int) error {
	dir, err := os.MkdirTemp(parent, "ssh")
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if self, err = filepath.Abs(self); err != nil {
		return err
	}
	if _, err := exec.LookPath("ansible"); err != nil {
		return errors.New("there is no Ansible to compare with: apt-get install ansible-core")
	}
	conditions := figure.Now(dir)
	fleet, err := newFleet(ctx, dir, machines)
	if fleet != nil {
		defer fleet.stop()
	}
	if err != nil {
		return err
	}
	b := &bench{fleet: fleet, dir: dir, self: self}
	if err := b.write(); err != nil {
		return err
	}
	var ratios, limits, ours, busy, theirs, bare []float64
	for i := range rounds {
		a, err := b.ansible(ctx)
		if err != nil {
			return err
		}
		r, own, err := b.ripcord(ctx, i)
		if err != nil {
			return err
		}
		p, err := fleet.plain(ctx)
		if err != nil {
			return err
		}
		ratios, ours, busy, theirs = append(ratios, a/r), append(ours, r), append(busy, own), append(theirs, a)
		limits, bare = append(limits, a/p), append(bare, p)
	}
	return figure.Report(os.Stdout, conditions,
		figure.Of(fmt.Sprintf("one command on %d machines, how many times faster than Ansible", machines), "times", ratios).AtLeast(10).
			With("a release that runs `true` on each takes %.2f s (%.2f s of processor time here), `ansible all -f 50 -m command -a true` with pipelining %.1f s",
				figure.Median(ours), figure.Median(busy), figure.Median(theirs)),
		figure.Of(fmt.Sprintf("the limit: a bare SSH client on %d machines, how many times faster than Ansible", machines), "times", limits).
			With("logging in and running `true` in one session, with nothing of Ripcord's, takes %.2f s", figure.Median(bare)))
}

// bench is what both are measured with.
type bench struct {
	fleet     *fleet
	dir, self string
}

// write makes the plan file of the one and the inventory of the other.
func (b *bench) write() error {
	var plan, inventory strings.Builder
	plan.WriteString("application: fleet\nparallel: 100\nmachines:\n")
	for i, name := range b.fleet.names {
		fmt.Fprintf(&plan, "  %s: {ssh: \"root@%s:%d\", identity: %s, known_hosts: %s}\n", name, b.fleet.addresses[i], b.fleet.port, b.fleet.key, b.fleet.known)
		fmt.Fprintf(&inventory, "%s ansible_host=%s ansible_port=%d ansible_user=root ansible_ssh_private_key_file=%s\n", name, b.fleet.addresses[i], b.fleet.port, b.fleet.key)
	}
	plan.WriteString("release:\n  - run: {command: [\"true\"], changes: nothing, machines: all}\n")
	config := fmt.Sprintf("[defaults]\nforks = 50\nlocal_tmp = %s/ansible\n[ssh_connection]\npipelining = True\nssh_args = -o ControlMaster=auto -o ControlPersist=20s -o UserKnownHostsFile=%s\ncontrol_path_dir = %s/cp\n", b.dir, b.fleet.known, b.dir)
	return errors.Join(
		os.WriteFile(filepath.Join(b.dir, "ripcord.yaml"), []byte(plan.String()), 0o600),
		os.WriteFile(filepath.Join(b.dir, "inventory"), []byte(inventory.String()), 0o600),
		os.WriteFile(filepath.Join(b.dir, "ansible.cfg"), []byte(config), 0o600))
}

// ripcord runs the release and returns the seconds that it took, and those of
// processor time in its own process.
func (b *bench) ripcord(ctx context.Context, round int) (took, busy float64, err error) {
	state := filepath.Join(b.dir, "state")
	cmd := exec.CommandContext(ctx, b.self, "release", "--yes", "--version", fmt.Sprintf("v%d", round+1),
		"--file", filepath.Join(b.dir, "ripcord.yaml"), "--state-dir", state, "--key-file", filepath.Join(b.dir, "key"))
	took, err = timed(cmd)
	_ = exec.CommandContext(ctx, b.self, "keeper", "stop", "--state-dir", state, "--key-file", filepath.Join(b.dir, "key")).Run()
	if err != nil {
		return took, 0, err
	}
	return took, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// ansible runs the command and returns the seconds that it took. Its connections are
// closed afterwards, so that each round makes them anew, as ours does.
func (b *bench) ansible(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, "ansible", "all", "-i", filepath.Join(b.dir, "inventory"), "-m", "command", "-a", "true")
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(b.dir, "ansible.cfg"), "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3")
	took, err := timed(cmd)
	for _, socket := range glob(filepath.Join(b.dir, "cp", "*")) {
		_ = exec.CommandContext(ctx, "ssh", "-o", "ControlPath="+socket, "-O", "exit", "any").Run()
	}
	return took, err
}

func glob(pattern string) []string {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	return found
}

func timed(cmd *exec.Cmd) (float64, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		text := out.String()
		return 0, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, text[max(0, len(text)-2000):])
	}
	return time.Since(begin).Seconds(), nil
}
