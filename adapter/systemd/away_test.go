package systemd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/adaptertest/sshd"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// TestOnMachine: units run on another machine, listen on its address, and go back
// there as they do here.
func TestOnMachine(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t, sshd.Options{})
	pool := ssh.NewPool(ssh.Options{Now: time.Now})
	t.Cleanup(func() { _ = pool.Close() })
	scope := newScope(t)
	scope.Machines = pool.Machines(map[string]ripcord.MachineSpec{
		"app1": {SSH: "root@" + server.Address, Identity: []string{server.Key}, KnownHosts: []string{server.KnownHosts}},
	}, nil)
	away := with(t, map[string]any{"machine": "app1", "address": "127.0.0.2", "instances": 1})
	_, outputs := release(t, scope, "run-1", "v1", away)
	if address := outputs["addresses"].Value; !strings.HasPrefix(address, "127.0.0.2:") || !strings.HasPrefix(get("http://"+address+"/version"), "v1") {
		t.Errorf("the outputs are %v", outputs)
	}
	before := fingerprint(t, scope.Application)
	scope.Run, scope.Version = "run-2", "v2"
	step := open(t, scope, away)
	text, err := step.Explain(t.Context())
	if err != nil || !strings.Contains(text, "on machine app1") {
		t.Errorf("%q, %v", text, err)
	}
	journal := journalOf(t, scope, step)
	if err := step.Apply(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if fingerprint(t, scope.Application) == before {
		t.Error("nothing was started")
	}
	if err := step.Undo(t.Context(), journal.Attempt(1)); err != nil {
		t.Fatal(err)
	}
	if after := fingerprint(t, scope.Application); after != before {
		t.Errorf("going back left\n%s\nnot\n%s", after, before)
	}
	if logins := strings.Count(server.Log(), "Accepted publickey"); logins == 0 || logins > 4 {
		t.Errorf("%d logins", logins)
	}
}
