package docker_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// onMachine is a scope whose machine app1 is reached over a real SSH server.
func onMachine(t *testing.T) (ripcord.Scope, *sshd.Server) {
	t.Helper()
	scope := newScope(t)
	server := sshd.Start(t, sshd.Options{})
	pool := ssh.NewPool(ssh.Options{Now: time.Now})
	t.Cleanup(func() { _ = pool.Close() })
	scope.Machines = pool.Machines(map[string]ripcord.MachineSpec{
		"app1": {SSH: "root@" + server.Address, Identity: []string{server.Key}, KnownHosts: []string{server.KnownHosts}},
	}, nil)
	return scope, server
}

// TestOnMachine: containers run at another machine's engine, listen on its address,
// start beside old ones or in their places, and go back there as they do here.
func TestOnMachine(t *testing.T) {
	t.Parallel()
	scope, server := onMachine(t)
	folder := t.TempDir()
	away := map[string]any{"machine": "app1", "address": "127.0.0.2"}
	_, outputs := release(t, scope, "run-1", "v1", settingsIn(folder, away))
	first, _, _ := strings.Cut(outputs["addresses"].Value, ",")
	if answer := get("http://" + first + "/version"); !strings.HasPrefix(first, "127.0.0.2:") || answer != "v1 1" {
		t.Errorf("%s answers %q", first, answer)
	}
	before := addressed(t, scope.Application)
	scope.Run, scope.Version = "run-2", "v2"
	for name, replace := range map[string]map[string]any{
		"beside":   nil,
		"in place": {"numbers": []int{1}, "max_unavailable": 1},
	} {
		settings := settingsIn(folder, away)
		if replace != nil {
			settings = settingsIn(folder, map[string]any{"machine": "app1", "address": "127.0.0.2", "replace": replace})
		}
		step := open(t, scope, settings)
		text, err := step.Explain(t.Context())
		if err != nil || replace != nil && !strings.Contains(text, "on machine app1") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		journal := journalOf(t, scope, step)
		must(t, step.Apply(t.Context(), journal.Attempt(1)))
		if answer := get("http://" + first + "/version"); replace != nil && answer != "v2 1" {
			t.Errorf("%s: %s answers %q", name, first, answer)
		}
		pieces, err := step.Evidence(t.Context())
		if err != nil || len(pieces) < 2 {
			t.Errorf("%s: %d pieces of evidence, %v", name, len(pieces), err)
		}
		must(t, step.Undo(t.Context(), journal.Attempt(1)))
		if after := addressed(t, scope.Application); after != before {
			t.Errorf("%s: going back left\n%s\nnot\n%s", name, after, before)
		}
	}
	if logins := strings.Count(server.Log(), "Accepted publickey"); logins == 0 || logins > 4 {
		t.Errorf("%d logins", logins)
	}
	sent, err := open(t, scope, settingsIn(folder, map[string]any{"machine": "app1", "socket": "/nowhere.sock"})).Pin(t.Context())
	if err == nil || !strings.Contains(err.Error(), "on machine app1") {
		t.Errorf("without an engine there: %s, %v", sent, err)
	}
}

// TestMachineIsLost: connections to the machine that break in the middle are made
// again, on the way there and on the way back.
func TestMachineIsLost(t *testing.T) {
	t.Parallel()
	scope, server := onMachine(t)
	folder := t.TempDir()
	away := map[string]any{"machine": "app1", "instances": 2}
	release(t, scope, "run-0", "v1", settingsIn(folder, away))
	before := addressed(t, scope.Application)
	away["replace"] = map[string]any{}
	step := open(t, scope, settingsIn(folder, away))
	journal := journalOf(t, scope, step)
	lose := func(when string, do func() error) {
		t.Helper()
		ended := make(chan error, 1)
		go func() { ended <- do() }()
		for !strings.Contains(journal.Output(), when) {
			select {
			case err := <-ended:
				t.Fatalf("before %q: %v", when, err)
			case <-time.After(time.Millisecond):
			}
		}
		server.SignalSessions(syscall.SIGKILL)
		if err := <-ended; err != nil {
			t.Fatalf("%v\n%s", err, journal.Output())
		}
	}
	lose("stopping ripcord-", func() error { return step.Apply(t.Context(), journal.Attempt(1)) })
	if seen, err := step.Check(t.Context()); err != nil || seen.Presence != ripcord.Present {
		t.Errorf("%s: %s, %v", seen.Presence, seen.Detail, err)
	}
	lose("stopping and removing", func() error { return step.Undo(t.Context(), journal.Attempt(1)) })
	if after := addressed(t, scope.Application); after != before {
		t.Errorf("going back left\n%s\nnot\n%s\n%s", after, before, journal.Output())
	}
}
