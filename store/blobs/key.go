package blobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/ripcord-dev/ripcord"
)

// recipientFile names the key that a folder's blobs are encrypted for. It is no
// secret and tells a wrong key at once.
const recipientFile = "recipient"

// key returns the folder's key; a new folder may get a new one.
func (s *Store) key(keyFile string) (*age.X25519Identity, error) {
	known, err := s.recipientText()
	if err != nil {
		return nil, err
	}
	identity, err := readKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		identity, err = s.newKey(keyFile, known)
	}
	if err != nil {
		return nil, err
	}
	recipient := identity.Recipient().String()
	if known == "" {
		return identity, s.writeRecipient(recipient)
	}
	if known != recipient {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the key file %s holds the key %s, but %s was encrypted for %s", keyFile, recipient, s.dir, known).
			WithFix("name the key file that belongs to this state directory")
	}
	return identity, nil
}

// newKey makes a key, unless something was encrypted for another already.
func (s *Store) newKey(keyFile, known string) (*age.X25519Identity, error) {
	content, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, s.explain("key", err)
	}
	if known == "" && len(content) == 0 {
		return makeKey(keyFile)
	}
	if known == "" {
		known = "(AGE-SECRET-KEY-1...)"
	}
	return nil, ripcord.Errorf(ripcord.CodePlan, "the key file %s is missing; without it no log, before-image or bundle in %s can be read, and a run goes back only as far as it needs none",
		keyFile, s.dir).WithFix("put the key %s back as %s, from a backup or from the machine that wrote the folder", known, keyFile)
}

// recipientText returns the key that the folder was encrypted for, or nothing
// where it is new.
func (s *Store) recipientText() (string, error) {
	text, err := s.root.ReadFile(recipientFile)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", s.explain(recipientFile, err)
	}
	return "", nil
}

func (s *Store) writeRecipient(recipient string) error {
	name, err := randomName()
	if err != nil {
		return err
	}
	temporary := "." + name
	if err := s.root.WriteFile(temporary, []byte(recipient+"\n"), 0o600); err != nil {
		return s.explain(recipientFile, err)
	}
	if err := s.root.Rename(temporary, recipientFile); err != nil {
		return s.explain(recipientFile, err)
	}
	return s.syncFolder(".")
}

// readKey reads a key file; an error that is fs.ErrNotExist says there is none.
func readKey(keyFile string) (*age.X25519Identity, error) {
	info, err := os.Stat(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "key file %s: %w", keyFile, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the key file %s can be read by others (mode %04o)", keyFile, info.Mode().Perm()).
			WithFix("chmod 0600 %s", keyFile)
	}
	text, err := os.ReadFile(keyFile) //nolint:gosec // the user's own key file
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "key file %s: %w", keyFile, err)
	}
	return parseKey(keyFile, string(text))
}

// parseKey finds the key among comments and empty lines. Its errors never quote
// the text.
func parseKey(keyFile, text string) (*age.X25519Identity, error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		identity, err := age.ParseX25519Identity(line)
		if err != nil {
			break
		}
		return identity, nil
	}
	return nil, ripcord.Errorf(ripcord.CodePlan, "the key file %s holds no age key (AGE-SECRET-KEY-1...)", keyFile).
		WithFix("put the right key file in its place; it looks like one that age-keygen writes")
}

// makeKey makes a key file. Of several processes that do so at once, one wins.
func makeKey(keyFile string) (*age.X25519Identity, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if err := placeKey(keyFile, identity); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "cannot make the key file %s: %w", keyFile, err).
			WithFix("name a key file in a folder that you can write to")
	}
	return readKey(keyFile)
}

// placeKey writes the key beside its place and links it there: a key file that
// exists is whole, and never replaced.
func placeKey(keyFile string, identity *age.X25519Identity) (err error) {
	folder := filepath.Dir(keyFile)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".ripcord-key-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = fmt.Fprintf(file, "# The key of ripcord's blobs. Whoever has it can read them; without it nobody can.\n# public key: %s\n%s\n",
		identity.Recipient(), identity)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), keyFile); err != nil {
		return err
	}
	opened, err := os.Open(folder) //nolint:gosec // the key file's folder
	if err != nil {
		return err
	}
	return errors.Join(opened.Sync(), opened.Close())
}
