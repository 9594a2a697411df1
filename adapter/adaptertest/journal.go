package adaptertest

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"

	"github.com/ripcord-dev/ripcord"
)

// Journal remembers what a step records and prints, and hands out attempts as
// the engine does. It outlives the step values that use it.
type Journal struct {
	Key    string
	Before ripcord.Observation

	mu       sync.Mutex
	progress []json.RawMessage
	output   strings.Builder
}

// NewJournal returns the journal of one step with its before-image.
func NewJournal(key string, before ripcord.Observation) *Journal {
	return &Journal{Key: key, Before: before}
}

// Attempt returns the attempt with this number, which sees everything recorded
// so far.
func (j *Journal) Attempt(number int) ripcord.Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	return ripcord.Attempt{
		Key: j.Key, Number: number, Fence: 1, Before: j.Before,
		Progress: append([]json.RawMessage(nil), j.progress...),
		Record:   j.record, Output: writer{j},
	}
}

// Progress returns everything recorded, oldest first.
func (j *Journal) Progress() []json.RawMessage {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]json.RawMessage(nil), j.progress...)
}

// Output returns everything printed.
func (j *Journal) Output() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.output.String()
}

func (j *Journal) record(ctx context.Context, data any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress = append(j.progress, raw)
	return nil
}

// writer is where an attempt prints to.
type writer struct{ journal *Journal }

var _ io.Writer = writer{}

func (w writer) Write(p []byte) (int, error) {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.journal.output.Write(p)
}
