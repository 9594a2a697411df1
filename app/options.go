// Package app wires the parts together: configuration, the explicit list of
// adapters, the store, the executor and the keeper. It is the one place that
// knows all of them; command line and pages stand on it.
package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
)

// Options are what the process edge knows.
type Options struct {
	// StateDir is the state directory; empty takes the default for the user.
	StateDir string
	// KeyFile holds the key of the blobs, outside of the state directory; empty
	// takes the default for the user.
	KeyFile string
	// PublicDir is where releases are laid out for programs that run as another
	// user; empty takes the one of last time, else /var/lib/ripcord-releases.
	PublicDir string
	// Self is the path of the running binary.
	Self string
	// Version is the binary's own version.
	Version string
	// Root says that the user is root.
	Root bool
	// LookupEnv reads the process's environment.
	LookupEnv func(name string) (string, bool)
	// Environ is the whole environment, for commands.
	Environ func() []string
	// Now is the clock.
	Now func() time.Time
	// ReadOnly opens the state directory for looking only.
	ReadOnly bool
	// NoKeeper starts no keeper by itself.
	NoKeeper bool
	// Warn is told, in a sentence, what a person should know although the work
	// goes on; nil tells nobody. It may be called from any goroutine.
	Warn func(text string)
}

func (o *Options) warn(text string) {
	if o.Warn != nil {
		o.Warn(text)
	}
}

// StateDir is where the state of these options lives, whether it is there or not.
func StateDir(o Options) (string, error) { return o.stateDir() }

// stateDir is where the state lives: as given, else /var/lib/ripcord for root,
// else in the user's state folder (XDG Base Directory Specification).
func (o *Options) stateDir() (string, error) {
	if o.StateDir != "" {
		return filepath.Abs(o.StateDir)
	}
	if o.Root {
		return "/var/lib/ripcord", nil
	}
	if dir, ok := o.LookupEnv("XDG_STATE_HOME"); ok && dir != "" {
		return filepath.Join(dir, "ripcord"), nil
	}
	home, err := o.home()
	return filepath.Join(home, ".local", "state", "ripcord"), err
}

// keyNote is the file in the state directory that says where the key lies, so
// that the keeper and later commands find it without being told again.
const keyNote = "key-file"

// keyFile is where the key of the blobs lives: as given, else where it was last
// time, else the default for the user.
func (o *Options) keyFile(stateDir string) (string, error) {
	if o.KeyFile != "" {
		return filepath.Abs(o.KeyFile)
	}
	if noted, err := os.ReadFile(filepath.Join(stateDir, keyNote)); err == nil && len(noted) > 0 { //nolint:gosec // our own state directory
		return strings.TrimSpace(string(noted)), nil
	}
	if o.Root {
		return "/etc/ripcord/key", nil
	}
	if dir, ok := o.LookupEnv("XDG_CONFIG_HOME"); ok && dir != "" {
		return filepath.Join(dir, "ripcord", "key"), nil
	}
	home, err := o.home()
	if err != nil {
		return "", ripcord.Errorf(ripcord.CodePlan, "there is no HOME to keep the key of the blobs in").
			WithFix("name a file with --key-file, outside of the state directory")
	}
	return filepath.Join(home, ".config", "ripcord", "key"), nil
}

// publicNote is the file in the state directory that says where releases are laid
// out for other users; it is there where that was said once.
const publicNote = "public-dir"

// publicDir is where releases are laid out for programs of other users: outside
// of the state directory, which is closed to them, and not in /tmp, which does
// not survive a reboot.
func (o *Options) publicDir(stateDir string) (string, error) {
	if o.PublicDir != "" {
		return filepath.Abs(o.PublicDir)
	}
	if noted, err := os.ReadFile(filepath.Join(stateDir, publicNote)); err == nil && len(noted) > 0 { //nolint:gosec // our own state directory
		return strings.TrimSpace(string(noted)), nil
	}
	return "/var/lib/ripcord-releases", nil
}

func (o *Options) home() (string, error) {
	home, ok := o.LookupEnv("HOME")
	if !ok || home == "" {
		return "", ripcord.Errorf(ripcord.CodePlan, "there is no HOME to keep the state directory in").
			WithFix("name one with --state-dir")
	}
	return home, nil
}

// remember notes in the state directory where something is, so that the keeper
// and later commands find it without being told again.
func remember(stateDir, note, place string) error {
	path := filepath.Join(stateDir, note)
	if noted, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(noted)) == place { //nolint:gosec // our own state directory
		return nil
	}
	if err := os.WriteFile(path, []byte(place+"\n"), 0o600); err != nil {
		return fmt.Errorf("noting where %s is: %w", note, err)
	}
	return nil
}
