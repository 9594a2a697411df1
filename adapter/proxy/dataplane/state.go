package dataplane

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/ripcord-dev/ripcord"
)

const (
	// stateVersion is written where a state needs it; one that does not is
	// written as firstVersion, so that an older binary can go on with it.
	stateVersion  = 3
	secondVersion = 2
	firstVersion  = 1
	stateFile     = "state.json"
	reserveFile   = "reserve"
	reserveSize   = 256 << 10
	maxStateSize  = 4 << 20
)

// State is what a proxy keeps over a restart.
type State struct {
	Version int `json:"version"`
	// Listen is the address that clients connect to.
	Listen string `json:"listen"`
	// Revision grows with each change of route or sides.
	Revision uint64 `json:"revision"`
	// Route names the side that new requests go to; empty is none.
	Route string `json:"route,omitempty"`
	// Split gives a part of the requests to a second side.
	Split *Split `json:"split,omitempty"`
	Front Front  `json:"front,omitzero"`
	// Sides are sorted by name.
	Sides []Side `json:"sides,omitempty"`
	// Out are targets that get nothing, on whichever side, because somebody works
	// on them; sorted.
	Out   []string       `json:"out,omitempty"`
	Stamp *ripcord.Stamp `json:"stamp,omitempty"`
}

// Side returns the side named name, or nil.
func (s *State) Side(name string) *Side {
	for i := range s.Sides {
		if s.Sides[i].Name == name {
			return &s.Sides[i]
		}
	}
	return nil
}

// routed reports whether requests go to the side, or may.
func (s *State) routed(name string) bool {
	return name != "" && (s.Route == name || s.Split != nil && s.Split.Side == name)
}

// clone returns a copy whose list of sides can be changed.
func (s *State) clone() *State {
	c := *s
	c.Sides = slices.Clone(s.Sides)
	return &c
}

// Validate reports the first thing that a proxy could not serve.
func (s *State) Validate() error {
	if s.Version < firstVersion || s.Version > stateVersion {
		return fmt.Errorf("version %d is not one that this binary knows (%d); use the ripcord that wrote it", s.Version, stateVersion)
	}
	if err := ValidAddress(s.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if len(s.Sides) > maxSides {
		return fmt.Errorf("%d sides; the most is %d", len(s.Sides), maxSides)
	}
	for i, side := range s.Sides {
		if err := side.Validate(); err != nil {
			return err
		}
		if i > 0 && s.Sides[i-1].Name >= side.Name {
			return fmt.Errorf("side %s is doubled or out of order", side.Name)
		}
	}
	if s.Route != "" && s.Side(s.Route) == nil {
		return fmt.Errorf("the route points to side %q, which does not exist", s.Route)
	}
	if err := s.validSplit(); err != nil {
		return err
	}
	for i, target := range s.Out {
		if err := ValidAddress(target); err != nil {
			return fmt.Errorf("out of rotation: %w", err)
		}
		if i > 0 && s.Out[i-1] >= target {
			return fmt.Errorf("target %s, out of rotation, is doubled or out of order", target)
		}
	}
	return s.Front.Validate()
}

func (s *State) validSplit() error {
	switch {
	case s.Split == nil:
		return nil
	case s.Route == "" || s.Split.Side == s.Route:
		return fmt.Errorf("the split to side %q has no second side", s.Split.Side)
	case s.Side(s.Split.Side) == nil:
		return fmt.Errorf("the split points to side %q, which does not exist", s.Split.Side)
	}
	return s.Split.Validate()
}

// version is the least one that can hold the state.
func (s *State) version() int {
	switch {
	case len(s.Out) > 0:
		return stateVersion
	case s.Split == nil && s.Front.Equal(Front{}):
		return firstVersion
	}
	return secondVersion
}

// ParseState reads a state strictly: unknown keys, trailing bytes and anything
// that Validate reports are errors.
func ParseState(data []byte) (*State, error) {
	s := new(State)
	if err := decodeStrict(data, s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// ReadState reads the durable state of the proxy in dir, running or not. It is
// nil without an error where there never was one.
func ReadState(dir string) (*State, error) {
	path := filepath.Join(dir, stateFile)
	file, err := os.Open(path) //nolint:gosec // our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no state is not an error, and there is no value to return
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxStateSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStateSize {
		return nil, badState(path, errors.New("it is too large"))
	}
	s, err := ParseState(data)
	if err != nil {
		return nil, badState(path, err)
	}
	return s, nil
}

func badState(path string, err error) error {
	return ripcord.Errorf(ripcord.CodeInternal, "the proxy's state %s cannot be used: %w", path, err).
		WithFix("stop the proxy, put the file back from a backup, or move it away to begin without a route")
}

// writeState makes s durable in dir: after a crash the file holds the old state
// or the new one. On a full disk the reserve pays for it, because going back
// must not fail for want of a few bytes.
func writeState(dir string, s *State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	err = writeFile(dir, stateFile, data)
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	if os.Remove(filepath.Join(dir, reserveFile)) != nil {
		return err
	}
	return writeFile(dir, stateFile, data)
}

// fillReserve makes sure that there is a reserve. A disk that is too full for it
// is no reason not to serve.
func fillReserve(dir string) error {
	if info, err := os.Stat(filepath.Join(dir, reserveFile)); err == nil && info.Size() == reserveSize {
		return nil
	}
	return writeFile(dir, reserveFile, make([]byte, reserveSize))
}

func writeFile(dir, name string, data []byte) error {
	temporary, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(data)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
