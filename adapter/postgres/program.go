package postgres

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// program is one of PostgreSQL's client programs.
type program struct {
	path string
	// said is what it calls itself: "pg_dump (PostgreSQL) 15.4".
	said string
}

// find finds the program that fits a server: of the server's own version, else a
// newer one. One that is older than its server cannot dump it.
func find(ctx context.Context, name string, server int64) (program, error) {
	var paths []string
	// Debian keeps the programs of each version apart, and Red Hat does too.
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/usr/local/pgsql*/bin/", "/opt/homebrew/opt/postgresql@*/bin/"} {
		found, err := filepath.Glob(pattern + name)
		if err == nil {
			paths = append(paths, found...)
		}
	}
	if found, err := exec.LookPath(name); err == nil {
		paths = append(paths, found)
	}
	want, err := strconv.Atoi(major(server))
	if err != nil {
		return program{}, err
	}
	best, bestMajor, newest := program{}, 0, ""
	for _, path := range paths {
		said, number := version(ctx, path)
		if number > 0 && (newest == "" || number >= bestMajor) {
			newest = said
		}
		if number < want || bestMajor != 0 && number >= bestMajor {
			continue
		}
		best, bestMajor = program{path, said}, number
	}
	switch {
	case bestMajor != 0:
		return best, nil
	case newest != "":
		return program{}, ripcord.Errorf(ripcord.CodePlan, "the server is PostgreSQL %d, and the newest %s here is older: %s. An older one cannot copy a newer server", want, name, newest).
			WithFix("install the client programs of version %d, on Debian: apt-get install postgresql-client-%d", want, want)
	}
	return program{}, ripcord.Errorf(ripcord.CodePlan, "there is no %s on this machine", name).
		WithFix("install PostgreSQL's client programs, on Debian: apt-get install postgresql-client-%d", want)
}

// version asks a program for its version.
func version(ctx context.Context, path string) (said string, number int) {
	var out bytes.Buffer
	if err := pipe.Run(ctx, pipe.Program{Args: []string{path, "--version"}, Env: []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}, Out: &out}); err != nil {
		return "", 0
	}
	said = strings.TrimSpace(out.String())
	found := regexp.MustCompile(`\) (\d+)`).FindStringSubmatch(said)
	if found == nil {
		return "", 0
	}
	number, err := strconv.Atoi(found[1])
	if err != nil {
		return "", 0
	}
	return said, number
}
