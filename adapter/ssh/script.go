package ssh

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/ripcord-dev/ripcord"
)

// Script runs a program for the POSIX shell to its end, as Run does with commands, and at
// less cost: one session carries many of them, one at a time. The words, the folder and
// the environment are those of the command, the words as "$1" and so on; it has no input.
//
// The program must bear being run twice, must leave nothing behind that holds its output open,
// and gets SIGUSR1 every quarter of a second. When the connection is lost
// meanwhile, the error is ErrLost; it comes only when nothing of it runs any more.
func (m *Machine) Script(ctx context.Context, program string, c ripcord.MachineCommand) (ripcord.Exit, error) {
	if err := ctx.Err(); err != nil {
		return ripcord.Exit{}, err
	}
	if strings.ContainsRune(program+c.Dir+strings.Join(c.Args, "")+strings.Join(c.Env, ""), 0) {
		return ripcord.Exit{}, ripcord.Errorf(ripcord.CodeInternal, "machine %s: a script with a NUL in it or in its words", m.host.name)
	}
	for _, variable := range c.Env {
		if name, _, ok := strings.Cut(variable, "="); !ok || !variableName.MatchString(name) {
			return ripcord.Exit{}, ripcord.Errorf(ripcord.CodeInternal, "machine %s: a script cannot have the variable %q", m.host.name, name)
		}
	}
	for {
		l, used, err := m.host.lane(ctx)
		if err != nil {
			return ripcord.Exit{}, err
		}
		exit, err := l.run(ctx, program, c)
		if used && ctx.Err() == nil && errors.Is(err, ripcord.ErrLost) {
			continue // it may have ended before it had the script
		}
		return exit, err
	}
}

// Ready fails where commands cannot be run on the machine.
func (m *Machine) Ready(ctx context.Context) error {
	_, err := m.Script(ctx, ":", ripcord.MachineCommand{})
	return err
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
