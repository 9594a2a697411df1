package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/ssh"
)

// newMachines returns the connections to other machines, with the places that
// everybody's SSH client looks in.
func newMachines(o Options) *ssh.Pool {
	options := ssh.Options{Now: o.Now, KnownHosts: []string{"/etc/ssh/ssh_known_hosts"}}
	if home, err := o.home(); err == nil {
		keys := filepath.Join(home, ".ssh")
		options.KnownHosts = append([]string{filepath.Join(keys, "known_hosts")}, options.KnownHosts...)
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			options.Identity = append(options.Identity, filepath.Join(keys, name))
		}
	}
	options.Agent, _ = o.LookupEnv("SSH_AUTH_SOCK")
	for _, name := range []string{"LOGNAME", "USER"} {
		if user, ok := o.LookupEnv(name); ok && options.User == "" {
			options.User = user
		}
	}
	if options.User == "" && o.Root {
		options.User = "root"
	}
	return ssh.NewPool(options)
}

// settle makes paths absolute that begin with the home of whoever runs Ripcord:
// whoever carries the way back out may have another one.
func (o *Options) settle(specs map[string]ripcord.MachineSpec) {
	home, err := o.home()
	if err != nil {
		return
	}
	for name, spec := range specs {
		for _, paths := range [][]string{spec.Identity, spec.KnownHosts} {
			for i, path := range paths {
				if rest, ok := strings.CutPrefix(path, "~/"); ok {
					paths[i] = filepath.Join(home, rest)
				}
			}
		}
		specs[name] = spec
	}
}

// unusable tries every machine that a step works on, all at once, and returns what
// is wrong with them and the first way to mend it.
func (a *App) unusable(ctx context.Context, plan *ripcord.Plan) (problems []error, fix string) {
	lines := machinesOf(plan)
	machines := a.machines.Machines(plan.Machines, a.scope(plan, ripcord.Lease{Run: a.looking}).Secrets)
	names := slices.Sorted(maps.Keys(lines))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			m, err := machines.Machine(ctx, name)
			if err == nil {
				err = ready(ctx, m)
			}
			errs[i] = err
		})
	}
	all.Wait()
	for i, err := range errs {
		if err == nil {
			continue
		}
		problems = append(problems, fmt.Errorf("line %d: %w", lines[names[i]], err))
		if e, ok := errors.AsType[*ripcord.Error](err); ok && fix == "" {
			fix = e.Fix
		}
	}
	return problems, fix
}

// ready fails where a machine runs no commands.
func ready(ctx context.Context, m ripcord.Machine) error {
	if far, ok := m.(*ssh.Machine); ok {
		return far.Ready(ctx) // the steps go on in the session that it opens
	}
	_, err := m.Run(ctx, ripcord.MachineCommand{Args: []string{"true"}})
	return err
}

// machinesOf lists the machines that steps work on, with the line of the first.
func machinesOf(plan *ripcord.Plan) map[string]int {
	lines := map[string]int{}
	for _, spec := range plan.Steps {
		var on struct {
			Machine string `json:"machine"`
		}
		if err := json.Unmarshal(spec.Settings, &on); err != nil || on.Machine == "" || spec.Skip != "" {
			continue
		}
		if _, ok := lines[on.Machine]; !ok {
			lines[on.Machine] = spec.Line
		}
	}
	return lines
}
