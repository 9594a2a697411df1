package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/engine"
)

// Log is what one attempt of a step printed.
type Log struct {
	Step ripcord.StepID `json:"step"`
	// Direction is apply or undo.
	Direction string    `json:"direction"`
	Attempt   int       `json:"attempt"`
	StartedAt time.Time `json:"started_at"`
	// Running says that the attempt has no result yet.
	Running bool   `json:"running,omitempty"`
	Text    string `json:"text"`
}

// LogSelect says which logs of a run are wanted.
type LogSelect struct {
	// Step is one step; empty is all.
	Step ripcord.StepID
	// Undo asks for what going back printed, otherwise for all directions.
	Undo bool
}

func (s LogSelect) wants(step ripcord.StepID, direction string) bool {
	return (s.Step == "" || s.Step == step) && (!s.Undo || direction == "undo")
}

// logReader collects the logs of a run from its entries, in their order.
type logReader struct {
	app   *App
	sel   LogSelect
	last  uint64
	logs  []*Log
	ended bool
}

// Logs returns what the run's steps printed so far.
func (a *App) Logs(ctx context.Context, run ripcord.RunID, sel LogSelect) ([]Log, error) {
	r := &logReader{app: a, sel: sel}
	if err := r.read(ctx, run, func(*Log, string) {}); err != nil {
		return nil, err
	}
	logs := make([]Log, 0, len(r.logs))
	for _, l := range r.logs {
		if l.Text != "" || l.Running {
			logs = append(logs, *l)
		}
	}
	return logs, nil
}

// FollowLogs hands out what the run's steps print, while they do, until the run
// has ended. The piece of text follows those handed out before.
func (a *App) FollowLogs(ctx context.Context, run ripcord.RunID, sel LogSelect, piece func(l Log, text string)) error {
	r := &logReader{app: a, sel: sel}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		err := r.read(ctx, run, func(l *Log, text string) { piece(*l, text) })
		if err != nil || r.ended {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// read takes in what is new.
func (r *logReader) read(ctx context.Context, run ripcord.RunID, piece func(l *Log, text string)) error {
	for e, err := range r.app.store.Entries(ctx, run, r.last) {
		if err != nil {
			return err
		}
		r.last = e.Seq
		r.ended = r.ended || e.Kind.Ends()
		if err := r.entry(ctx, e, piece); err != nil {
			return err
		}
	}
	for _, l := range r.logs {
		if l.Running {
			if err := r.more(l, run, piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry takes in one entry: the beginning or the end of an attempt.
func (r *logReader) entry(ctx context.Context, e ripcord.Entry, piece func(l *Log, text string)) error {
	direction := "apply"
	switch e.Kind {
	case ripcord.StepUndoIntent, ripcord.StepUndone, ripcord.StepUndoFailed:
		direction = "undo"
	default:
	}
	if e.Kind == ripcord.StepIntent || e.Kind == ripcord.StepUndoIntent {
		if r.sel.wants(e.Step, direction) {
			r.logs = append(r.logs, &Log{Step: e.Step, Direction: direction, Attempt: e.Attempt, StartedAt: e.At, Running: true})
		}
		return nil
	}
	l := r.begun(e.Step, direction)
	if l == nil || !ends(e.Kind) {
		return nil
	}
	l.Running = false
	if l.Text != "" {
		l.Running = true // the rest of what it printed lies in its folder
		err := r.more(l, e.Run, piece)
		l.Running = false
		return err
	}
	text, err := r.app.blobText(ctx, e.Blobs["log"])
	if err == nil && text != "" {
		l.Text = text
		piece(l, text)
	}
	return err
}

// ends reports whether the kind of entry ends an attempt.
func ends(kind ripcord.EntryKind) bool {
	return slices.Contains([]ripcord.EntryKind{
		ripcord.StepApplied, ripcord.StepFailed, ripcord.StepSettled, ripcord.StepUndone, ripcord.StepUndoFailed, ripcord.StepLeft,
	}, kind)
}

// begun is the newest attempt without a result.
func (r *logReader) begun(step ripcord.StepID, direction string) *Log {
	for _, l := range slices.Backward(r.logs) {
		if l.Step == step && l.Direction == direction && l.Running {
			return l
		}
	}
	return nil
}

// more reads what a running command printed since.
func (r *logReader) more(l *Log, run ripcord.RunID, piece func(l *Log, text string)) error {
	commands := r.app.commands(ripcord.Lease{Run: run})
	path := commands.OutputPath(ripcord.Key(run, l.Step) + "/" + l.Direction + "/" + strconv.Itoa(l.Attempt))
	f, err := os.Open(path) //nolint:gosec // our own state directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil // not every step is a command
	}
	if err != nil {
		return fmt.Errorf("reading what step %s prints: %w", l.Step, err)
	}
	defer func() { _ = f.Close() }() // reading only
	data, err := io.ReadAll(io.NewSectionReader(f, int64(len(l.Text)), blobLimit))
	if err != nil {
		return fmt.Errorf("reading what step %s prints: %w", l.Step, err)
	}
	if len(data) > 0 {
		l.Text += string(data)
		piece(l, string(data))
	}
	return nil
}

// textLimit is how much of one blob is shown, in bytes.
const textLimit = 16 << 20

// blobText reads a blob as text; a missing reference is empty.
func (a *App) blobText(ctx context.Context, ref ripcord.BlobRef) (string, error) {
	if ref.Path == "" {
		return "", nil
	}
	from, err := a.blobs.Open(ctx, ref)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(from, textLimit))
	return string(data), errors.Join(err, from.Close())
}

// Piece is one piece of evidence, named STEP/NAME.
type Piece struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Evidence returns what was frozen when the run failed, of one step where step
// is not empty.
func (a *App) Evidence(ctx context.Context, run ripcord.RunID, step ripcord.StepID) ([]Piece, error) {
	state, err := a.State(ctx, run)
	if err != nil {
		return nil, err
	}
	pieces := []Piece{}
	for _, name := range evidenceNames(state) {
		if step != "" && !strings.HasPrefix(name, string(step)+"/") {
			continue
		}
		text, err := a.blobText(ctx, state.EvidenceBlobs[name])
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, Piece{Name: name, Text: text})
	}
	return pieces, nil
}

func evidenceNames(s *engine.State) []string {
	names := make([]string, 0, len(s.EvidenceBlobs))
	for name := range s.EvidenceBlobs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
