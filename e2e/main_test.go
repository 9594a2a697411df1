// Package e2e tells stories through the real binary: it is killed, its disk fills
// up, others get in its way; in the end the world is all new or all old.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ripcord-dev/ripcord/adapter/adaptertest/dockerd"
)

// The programs that the stories run, relative to the folder of bin.
const (
	// userBinary is ripcord as users get it; crashBinary can be told to die at a
	// boundary of the journal.
	userBinary  = "ripcord"
	crashBinary = "ripcord-crash"
	service     = "service"
)

// bin is the folder of the programs.
var bin string

func TestMain(m *testing.M) {
	bin = os.Getenv(apartBin)
	switch os.Getenv(apartIn) {
	case besideEngine:
		os.Exit(dockerd.Main(m))
	case ownNetwork:
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "ripcord-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	for _, args := range [][]string{
		{"-o", filepath.Join(bin, userBinary), "../cmd/ripcord"},
		{"-tags", "crashpoint", "-o", filepath.Join(bin, crashBinary), "../cmd/ripcord"},
		{"-ldflags", "-s -w", "-o", filepath.Join(bin, service), "./testdata/service"},
	} {
		cmd := exec.CommandContext(context.Background(), "go", append([]string{"build"}, args...)...)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build", args, err)
			return 1
		}
	}
	return m.Run()
}
