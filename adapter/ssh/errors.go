package ssh

import (
	"errors"
	"fmt"

	"github.com/ripcord-dev/ripcord"
)

// The ways in which a machine cannot be used, in the chains of errors.
var (
	// ErrUnreachable: nobody answers, or not as an SSH server does.
	ErrUnreachable = fmt.Errorf("the machine cannot be reached: %w", ripcord.ErrAway)
	// ErrUnknownHost: known_hosts has no key of the machine.
	ErrUnknownHost = errors.New("the machine's host key is unknown")
	// ErrChangedKey: known_hosts has other keys of the machine, or it revokes
	// the one that it shows.
	ErrChangedKey = errors.New("the machine's host key is another one")
	// ErrRefused: the machine lets nobody in with our keys.
	ErrRefused = errors.New("the machine refuses the login")
)

// trouble is an error about a machine: what kind, in words, and the fix.
func trouble(kind error, machine, fix, format string, args ...any) *ripcord.Error {
	text := fmt.Sprintf(format, args...)
	return ripcord.Errorf(ripcord.CodePlan, "machine %s: %s%w", machine, text, silent{kind}).WithFix("%s", fix)
}

// silent is part of an error's chain without saying anything in its text.
type silent struct{ kind error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.kind }

// lost says that a command's end is not known.
func lost(machine string, why error) error {
	if why == nil {
		return fmt.Errorf("the connection to machine %s was lost: %w", machine, ripcord.ErrLost)
	}
	return fmt.Errorf("the connection to machine %s was lost (%w): %w", machine, why, ripcord.ErrLost)
}
