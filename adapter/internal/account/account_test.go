package account_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/account"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nobody-of-that-name", "x:y", ""} {
		if _, err := account.Lookup(name); ripcord.CodeOf(err) != ripcord.CodePlan {
			t.Errorf("%q gave %v", name, err)
		}
	}
	_, err := account.Lookup("4711:4711")
	if root := os.Geteuid() == 0; root != (err == nil) {
		t.Errorf("as root %v, another user gave %v", root, err)
	}
}

// TestReach: what a closed folder keeps from others is told, and by name.
func TestReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // nobody else can be asked about
	}
	top := t.TempDir()
	closed := filepath.Join(top, "closed")
	program := filepath.Join(closed, "open", "program")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := account.Lookup("4711:4711")
	if err != nil {
		t.Fatal(err)
	}
	for dir := top; dir != "/"; dir = filepath.Dir(dir) {
		if !other.Enters(dir) {
			t.Logf("%s is closed, so this says nothing", dir)
			return
		}
	}
	if !other.Executes(program) {
		t.Error("it may not start what all may")
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if other.Executes(program) || other.Barrier(program) != closed {
		t.Errorf("it may start what lies in a closed folder; barrier %s", other.Barrier(program))
	}
	if err := os.Chown(closed, 4711, 0); err != nil {
		t.Fatal(err)
	}
	if !other.Executes(program) {
		t.Error("it may not enter its own folder")
	}
	if _, err := os.ReadFile(program); err != nil {
		t.Errorf("we have become somebody else: %v", err)
	}
}
