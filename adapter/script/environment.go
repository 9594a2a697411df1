package script

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// ownPrefix begins the names of the variables that Ripcord sets.
const ownPrefix = "RIPCORD_"

// environment returns the whole environment of a command, and the secret values
// in it.
func (s *Step) environment(ctx context.Context, direction string, number int) (env, secrets []string, err error) {
	own := map[string]string{
		"RUN": string(s.scope.Run), "STEP": string(s.spec.ID), "KEY": ripcord.Key(s.scope.Run, s.spec.ID),
		"ATTEMPT": strconv.Itoa(number), "APPLICATION": s.scope.Application, "ENVIRONMENT": s.scope.Environment,
		"VERSION": s.scope.Version, "DIRECTION": direction,
	}
	inherited := s.environ
	if s.away() { // a machine has an environment of its own
		inherited = func() []string { return nil }
	}
	for _, variable := range inherited() {
		name, _, _ := strings.Cut(variable, "=")
		if _, replaced := s.settings.Environment[name]; !replaced && !strings.HasPrefix(name, ownPrefix) {
			env = append(env, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		env = append(env, ownPrefix+name+"="+own[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.settings.Environment)) {
		value, values, err := s.scope.Secrets.Expand(ctx, s.settings.Environment[name])
		if err != nil {
			return nil, nil, err
		}
		env, secrets = append(env, name+"="+value), append(secrets, values...)
	}
	return env, secrets, nil
}

// directory is where the commands run.
func (s *Step) directory() string {
	if filepath.IsAbs(s.settings.Directory) {
		return filepath.Clean(s.settings.Directory)
	}
	return filepath.Join(s.scope.Directory, s.settings.Directory)
}

// place returns the folder that a command runs in, and refuses one that cannot be
// used in plain words, which would otherwise be a puzzling failure to start.
//
// The way back does not depend on what lies on disk later: where the folder is
// gone, undo and check run in its copy in the bundle, or in an empty folder; note
// says so.
func (s *Step) place(direction string) (dir, note string, err error) {
	if s.away() {
		return s.settings.Directory, "", nil
	}
	if _, _, err := s.owner(); err != nil {
		return "", "", err
	}
	dir = s.directory()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && direction != apply:
		return s.substitute(dir)
	case err != nil:
		return "", "", &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the working directory " + dir + " cannot be used: " + err.Error()}
	case !info.IsDir():
		return "", "", &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "the working directory " + dir + " is no directory"}
	}
	return dir, "", nil
}

// substitute returns a folder that stands in for one that is gone.
func (s *Step) substitute(gone string) (dir, note string, err error) {
	uid, _, err := s.owner()
	if err != nil {
		return "", "", err
	}
	path, relErr := filepath.Rel(s.scope.Directory, gone)
	if s.scope.Bundle != "" && uid < 0 && relErr == nil && filepath.IsLocal(path) {
		kept := filepath.Join(s.scope.Bundle, path)
		if info, err := os.Stat(kept); err == nil && info.IsDir() {
			return kept, gone + " is gone since the run began; its copy in the bundle is used", nil
		}
	}
	dir, err = s.privateFolder()
	if err == nil {
		dir = filepath.Join(dir, "empty")
		err = s.makeEmpty(dir)
	}
	return dir, gone + " is gone since the run began; an empty folder is used", err
}

// owner returns the user and group that the commands run as; -1 is us.
func (s *Step) owner() (uid, gid int, err error) {
	name := s.settings.User
	if name == "" {
		return -1, -1, nil
	}
	uid, gid, err = lookUp(name)
	if err != nil {
		return -1, -1, &ripcord.Failure{Class: ripcord.FailedTarget, Summary: "there is no user " + name + ": " + err.Error(), Final: true}
	}
	if uid == os.Geteuid() {
		return -1, -1, nil
	}
	if os.Geteuid() != 0 {
		return -1, -1, &ripcord.Failure{
			Class: ripcord.FailedTarget, Final: true,
			Summary: "only root can run commands as user " + name + "; run ripcord as root or as that user",
		}
	}
	return uid, gid, nil
}

// lookUp reads "name", "name:group" or "uid:gid". A bare number needs no account.
func lookUp(name string) (uid, gid int, err error) {
	first, second, pair := strings.Cut(name, ":")
	account, err := user.Lookup(first)
	if err != nil {
		account, err = user.LookupId(first)
	}
	if err != nil {
		if !pair {
			return 0, 0, err
		}
		account = &user.User{Uid: first}
	}
	if pair {
		account.Gid = second
		if group, err := user.LookupGroup(second); err == nil {
			account.Gid = group.Gid
		}
	}
	if uid, err = strconv.Atoi(account.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(account.Gid)
	return uid, gid, err
}
