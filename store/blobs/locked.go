package blobs

import (
	"os"

	"github.com/ripcord-dev/ripcord"
)

// KeyError says that the key of a folder cannot be had: it is missing, not ours
// to read, or another folder's.
type KeyError struct{ Err error }

// Error says what is wrong with the key.
func (e *KeyError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *KeyError) Unwrap() error { return e.Err }

// OpenLocked opens a folder whose key cannot be had, because of why: blobs can be
// deleted, and each attempt to read or write one fails with why.
func OpenLocked(dir string, why *KeyError) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "blob folder %s: %w", dir, err)
	}
	return &Store{dir: dir, root: root, locked: why}, nil
}
