package keeper

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/shim"
)

// The files of an instance's folder beside those of its shim.
const (
	recordFile = "instance.json"
	stateFile  = "state.json"
)

// record is what is wanted of an instance.
type record struct {
	ID     string            `json:"id"`
	Labels map[string]string `json:"labels,omitempty"`
	Wanted bool              `json:"wanted"`
	// Stopping: somebody began to stop it. Nobody starts it again, and it stays
	// wanted until nothing of it is left, so that whoever takes over from one who
	// died meanwhile finds it.
	Stopping bool `json:"stopping,omitempty"`
	// Digest is the keyed digest of the instance's JSON, which lies encrypted in
	// the blob, because its environment may hold secrets.
	Digest string           `json:"digest"`
	Spec   ripcord.BlobRef  `json:"spec"`
	Grace  ripcord.Duration `json:"grace,omitempty"`
	// Began is where the log of this instance begins: before it in the file are
	// lines of an earlier one with the same ID.
	Began mark `json:"began,omitzero"`
}

// tally is what happened to an instance so far.
type tally struct {
	Restarts int           `json:"restarts"`
	LastExit *ripcord.Exit `json:"last_exit,omitempty"`
}

func instancesDir(state string) string { return filepath.Join(state, "instances") }

func instanceDir(state, id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(instancesDir(state), hex.EncodeToString(sum[:16]))
}

func readRecord(dir string) (r record, ok bool, err error) {
	ok, err = shim.ReadJSON(dir, recordFile, &r)
	return r, ok, err
}

func readTally(dir string) (t tally) {
	_, _ = shim.ReadJSON(dir, stateFile, &t) // counting from 0 again is no harm
	return t
}

// placed is a record with its folder.
type placed struct {
	record
	dir string
}

// wanted returns the records of all wanted instances whose ID has the prefix, by
// ID.
func wanted(state, prefix string) ([]placed, error) {
	entries, err := os.ReadDir(instancesDir(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	var all []placed
	for _, entry := range entries {
		dir := filepath.Join(instancesDir(state), entry.Name())
		r, ok, err := readRecord(dir)
		if err != nil {
			return nil, err
		}
		if ok && r.Wanted && strings.HasPrefix(r.ID, prefix) {
			all = append(all, placed{record: r, dir: dir})
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
