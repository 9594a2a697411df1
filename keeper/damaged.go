package keeper

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/ripcord-dev/ripcord/procfs"
	"github.com/ripcord-dev/ripcord/shim"
)

// Damaged is an instance whose record cannot be read, after damage to the disk or an
// edit by hand: nobody knows what it belongs to, and nobody looks after it.
type Damaged struct {
	// Path is its record.
	Path string
	// PID is its process where one runs on; else 0.
	PID int
}

// String says what is known of it.
func (d Damaged) String() string {
	runs := "nothing of it runs"
	if d.PID != 0 {
		runs = fmt.Sprintf("its process %d runs on and nobody looks after it", d.PID)
	}
	return "the record " + d.Path + " of an instance is damaged; " + runs
}

// FindDamaged returns the instances of a state directory whose records cannot be read.
// proc is the proc file system; zero is the machine's own.
func FindDamaged(state string, proc procfs.FS) ([]Damaged, error) {
	if proc.Root == "" {
		proc = procfs.System()
	}
	records, err := filepath.Glob(filepath.Join(instancesDir(state), "*", recordFile))
	if err != nil {
		return nil, err
	}
	var all []Damaged
	for _, path := range records {
		_, ok, err := readRecord(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if ok || gone(path) {
			continue
		}
		is := Damaged{Path: path}
		// What else lies there may be damaged as well: then no process is known.
		if now, err := shim.Look(filepath.Dir(path), proc); err == nil && now.Running {
			is.PID = now.Child.PID
		}
		all = append(all, is)
	}
	return all, nil
}

func gone(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}
