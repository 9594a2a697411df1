package script

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/account"
)

// Feasible fails where the commands' user does not exist, is not ours to become,
// or cannot reach the working folder or a program. What is not there yet may be
// made by an earlier step.
func (s *Step) Feasible(context.Context) error {
	if s.settings.User == "" || strings.Contains(s.settings.User, "${") {
		return nil
	}
	who, err := account.Lookup(s.settings.User)
	if err != nil || !who.Other() {
		return err
	}
	dir := s.directory()
	if there(dir) && !who.Enters(dir) {
		return ripcord.Errorf(ripcord.CodePlan, "user %s cannot enter %s, where the commands run: %s is closed to it", who.Name, dir, who.Barrier(dir)).
			WithFix("open it (chmod o+x %s), or name another folder with directory, for example directory: /", who.Barrier(dir))
	}
	for _, argv := range [][]string{s.settings.Command, s.settings.Undo, s.settings.Check} {
		if len(argv) == 0 || !strings.Contains(argv[0], "/") || strings.Contains(argv[0], "${") {
			continue
		}
		path := argv[0]
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if there(path) && !who.Executes(path) {
			return ripcord.Errorf(ripcord.CodePlan, "user %s cannot start %s", who.Name, path).
				WithFix("look at the rights of %s", who.Barrier(path))
		}
	}
	return nil
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
