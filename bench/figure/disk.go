package figure

import (
	"errors"
	"os"
	"time"
)

// rawFlushes is how many flushes one measurement of the disk takes.
const rawFlushes = 200

// Flushes returns how often a second 8 KiB appended to a file in dir are
// flushed: what the disk can do when nobody thinks.
func Flushes(dir string) (rate float64, err error) {
	file, err := os.CreateTemp(dir, "raw")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, 8<<10)
	start := time.Now()
	for range rawFlushes {
		_, err := file.Write(block)
		if err := errors.Join(err, file.Sync()); err != nil {
			return 0, err
		}
	}
	return rawFlushes / time.Since(start).Seconds(), nil
}
