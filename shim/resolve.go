package shim

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// resolve turns a command into what the shim needs, and finds what can't work
// before anything is started.
func resolve(c ripcord.Command) (spec, error) {
	if len(c.Args) == 0 {
		return spec{}, &ripcord.Failure{Class: ripcord.FailedCommand, Final: true, Summary: "the command is empty"}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return spec{}, fmt.Errorf("command's directory: %w", err)
	}
	s := spec{
		Key: c.Key, Args: c.Args, Dir: dir, Env: slices.Clone(c.Env), Secrets: c.Secrets,
		Timeout: c.Timeout, Grace: graceOf(c), OutputLimit: c.OutputLimit,
	}
	if s.OutputLimit <= 0 {
		s.OutputLimit = defaultOutputLimit
	}
	if c.User != "" {
		if err := s.become(c.User); err != nil {
			return spec{}, err
		}
	}
	if f := checkDir(dir, s.User); f != nil {
		return spec{}, f
	}
	path, f := find(c.Args[0], dir, c.Env)
	if f != nil {
		return spec{}, f
	}
	s.Path = path
	return s, nil
}

// become makes the command run as somebody else: "name", "name:group" or
// "uid:gid".
func (s *spec) become(name string) error {
	refuse := func(format string, args ...any) error {
		return &ripcord.Failure{Class: ripcord.FailedCommand, Final: true, Summary: fmt.Sprintf(format, args...)}
	}
	who, group, hasGroup := strings.Cut(name, ":")
	account, err := lookup(who)
	if err != nil && !hasGroup {
		return refuse("the command's user %q does not exist on this machine", name)
	}
	if account == nil { // a bare number needs no account
		account = &user.User{Uid: who, HomeDir: "/"}
	}
	if hasGroup {
		account.Gid = group
		if g, err := user.LookupGroup(group); err == nil {
			account.Gid = g.Gid
		}
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return refuse("the command's user %q does not exist on this machine; give a name or uid:gid", name)
	}
	if os.Geteuid() != 0 {
		if int(uid) == os.Geteuid() && (!hasGroup || int(gid) == os.Getegid()) {
			return nil
		}
		return refuse("only root may run commands as another user (%s)", name)
	}
	s.User = &credential{UID: uint32(uid), GID: uint32(gid), Groups: []uint32{uint32(gid)}}
	if !hasGroup {
		s.User.Groups = groups(account, uint32(gid))
	}
	s.Env = home(s.Env, account)
	return nil
}

func lookup(who string) (*user.User, error) {
	if _, err := strconv.Atoi(who); err == nil {
		return user.LookupId(who)
	}
	return user.Lookup(who)
}

func groups(account *user.User, gid uint32) []uint32 {
	all := []uint32{gid}
	ids, err := account.GroupIds()
	if err != nil {
		return all
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil && uint32(n) != gid {
			all = append(all, uint32(n))
		}
	}
	return all
}

// home replaces what the environment says of the executor's user by what is
// true of the command's. What the step itself set to something else stays.
func home(env []string, account *user.User) []string {
	ours, err := user.Current()
	if err != nil {
		ours = &user.User{}
	}
	env = replace(env, "HOME", ours.HomeDir, account.HomeDir)
	if account.Username != "" {
		env = replace(env, "USER", ours.Username, account.Username)
		env = replace(env, "LOGNAME", ours.Username, account.Username)
	}
	return env
}

func replace(env []string, name, from, to string) []string {
	out := make([]string, 0, len(env)+1)
	set := false
	for _, entry := range env {
		if entry == name+"="+from {
			continue
		}
		set = set || strings.HasPrefix(entry, name+"=")
		out = append(out, entry)
	}
	if !set {
		out = append(out, name+"="+to)
	}
	return out
}

// withMark puts the folder into the environment, by which orphans are found.
func withMark(env []string, dir string) []string {
	return append(Unmarked(env), Environment+"="+dir)
}

// Unmarked returns the environment without the marks by which others find and
// end what was started from them: our own, and those of build servers, which at
// a job's end kill every process that carries the job's mark. What a run starts
// outlives the job that started the run.
func Unmarked(env []string) []string {
	marks := []string{
		Environment,
		"RUNNER_TRACKING_ID",                                                   // GitHub Actions
		"VSTS_PROCESS_LOOKUP_ID",                                               // Azure Pipelines
		"JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE", "HUDSON_SERVER_COOKIE", // Jenkins
	}
	out := make([]string, 0, len(env)+1)
	for _, entry := range env {
		if name, _, _ := strings.Cut(entry, "="); !slices.Contains(marks, name) {
			out = append(out, entry)
		}
	}
	return out
}
