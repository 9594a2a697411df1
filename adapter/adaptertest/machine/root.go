package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	suite   = "bookworm"
	include = "systemd,systemd-sysv,dbus,openssh-server,cron"
	// edition changes when roots that were made earlier no longer do.
	edition = "1"
)

// requirements are the programs that machines need, and their Debian packages.
func requirements() map[string]string {
	return map[string]string{
		"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container",
		"nsenter": "util-linux", "unshare": "util-linux", "mount": "mount",
	}
}

// able says what is missing to boot machines here.
func able() error {
	if os.Geteuid() != 0 {
		return errors.New("booting machines needs root: run the tests as root, for example with sudo")
	}
	for program, pack := range requirements() {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("booting machines needs %s: apt-get install %s", program, pack)
		}
	}
	return nil
}

// root returns the folder with the kept root file system, which it makes when
// there is none: one process makes it, all others wait.
func root(ctx context.Context) (string, error) {
	if err := able(); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/cache"
	}
	cache = filepath.Join(cache, "ripcord-test")
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // programs of other users run inside
		return "", err
	}
	made := filepath.Join(cache, "machine-"+suite+"-"+edition)
	unlock, err := lock(filepath.Join(cache, "machine.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(made); err == nil {
		return made, nil
	}
	return made, build(ctx, made)
}

// lock waits until no other process makes a root.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own cache
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing unlocks; nothing was written
}

// build makes a root beside its place and moves it there when it is complete.
// What a build that died has left is removed first.
func build(ctx context.Context, made string) error {
	work := made + ".tmp"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := do(ctx, "debootstrap", "--variant=minbase", "--include="+include, suite, work); err != nil {
		return fmt.Errorf("making the root of the test machines in %s: %w", work, err)
	}
	for path, text := range map[string]string{
		"etc/hostname": "machine\n",
		"etc/hosts":    "127.0.0.1 localhost machine\n",
		// A dead machine is thrown away: its journal need not reach a disk.
		"etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitBurst=0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(work, path)), 0o755); err != nil { //nolint:gosec // as on every machine
			return err
		}
		if err := os.WriteFile(filepath.Join(work, path), []byte(text), 0o644); err != nil { //nolint:gosec // as on every machine
			return err
		}
	}
	// What no test needs costs each boot time; tests that want ssh or cron start them.
	quiet := []string{
		"ssh.service", "cron.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
		"e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
	}
	for _, unit := range quiet {
		_ = do(ctx, "systemctl", "--root="+work, "disable", unit) // one that is not there is quiet
	}
	if err := do(ctx, "systemctl", "--root="+work, "mask", "console-getty.service", "systemd-networkd-wait-online.service"); err != nil {
		return err
	}
	return os.Rename(work, made)
}

// do runs a program; its words become part of the error.
func do(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // our own words
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		return fmt.Errorf("%s: %w: %s", program, err, text[max(0, len(text)-2000):])
	}
	return nil
}
