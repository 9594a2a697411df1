package machine

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// insideVariable tells a test binary that it runs inside a machine.
const insideVariable = "RIPCORD_TEST_MACHINE"

// Inside reports whether this process runs inside a machine that Main booted.
func Inside() bool { return os.Getenv(insideVariable) != "" } //nolint:forbidigo // the tests' own process edge

// Main runs all tests of a package inside a machine of their own and returns
// the exit status: call it from TestMain. The package's folder is the working
// directory there as well, but cannot be written to.
func Main(m *testing.M) int {
	if Inside() || fuzzing(os.Args[1:]) {
		return m.Run()
	}
	code, err := runInside(context.Background(), os.Args[1:], os.Stdout)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// fuzzing reports whether the test binary was not called for its tests alone:
// the engine of fuzzing starts and reads files by itself.
func fuzzing(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "-test.fuzz=") || strings.HasPrefix(arg, "-test.fuzzworker") || strings.HasPrefix(arg, "-test.list=")
	})
}

// forwarded are the flags that mean the same inside: not those that name files.
func forwarded(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return slices.Contains([]string{
			"-test.testlogfile", "-test.outputdir", "-test.coverprofile", "-test.gocoverdir", "-test.fuzzcachedir",
			"-test.cpuprofile", "-test.memprofile", "-test.blockprofile", "-test.mutexprofile", "-test.trace",
		}, name)
	})
}

func runInside(ctx context.Context, args []string, output io.Writer) (int, error) {
	folder, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	binary, remove, err := static(ctx)
	if err != nil {
		return 0, err
	}
	defer remove()
	const in = "/opt/test/package.test"
	m, err := boot(ctx, Options{Binds: map[string]string{in: binary, "/opt/test/package": folder}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = m.Stop() }() //nolint:contextcheck // also when ctx has ended
	cmd := m.Command(ctx, append([]string{in}, forwarded(args)...)...)
	cmd.Args = slices.Replace(cmd.Args, slices.Index(cmd.Args, "--wdns=/"), slices.Index(cmd.Args, "--wdns=/")+1, "--wdns=/opt/test/package")
	cmd.Env = append(cmd.Env, insideVariable+"=inside")
	cmd.Stdout, cmd.Stderr = output, output
	err = cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, cmd.ProcessState.ExitCode()), nil
	}
	return 0, err
}

// static returns this test binary when it needs no library of this machine, else
// one that is built so.
func static(ctx context.Context) (path string, remove func(), err error) {
	path, err = os.Executable()
	if err != nil {
		return "", nil, err
	}
	file, err := elf.Open(path)
	if err != nil {
		return "", nil, err
	}
	libraries, err := file.ImportedLibraries()
	if err := errors.Join(err, file.Close()); err != nil {
		return "", nil, err
	}
	if len(libraries) == 0 {
		return path, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "ripcord-test-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "package.test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", path, ".") //nolint:gosec // our own folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("build the tests without libraries: %w: %s", err, out), os.RemoveAll(dir))
	}
	return path, func() { _ = os.RemoveAll(dir) }, nil
}
