package sqlite

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// The limits of the journal: an entry's line in bytes, and a run's entries.
const (
	maxLine    = 16 << 20
	maxEntries = 1<<32 - 1
)

// Append makes the entries durable, all or none. See ripcord.Journal.
func (s *Store) Append(ctx context.Context, entries ...ripcord.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for i := range entries {
		if entries[i].Run != entries[0].Run {
			return ripcord.Errorf(ripcord.CodeInternal, "entries of the runs %s and %s in one append", entries[0].Run, entries[i].Run)
		}
		if entries[i].Kind == ripcord.RunPlanned {
			return ripcord.Errorf(ripcord.CodeInternal, "run %s: only Begin plans a run", entries[i].Run)
		}
	}
	a := s.known.addition(entries)
	err := s.write(ctx, func(ctx context.Context, t *transaction) error { return t.append(ctx, &a) })
	if err == nil {
		s.known.put(a.next)
	}
	return err
}

func (t *transaction) append(ctx context.Context, a *addition) error {
	r, err := t.find(ctx, a.entries[0].Run)
	if err != nil {
		return err
	}
	if !a.to.same(&r) {
		if err := a.extend(r); err != nil {
			return err
		}
	}
	for i := range a.entries {
		if err := t.checkGood(ctx, a.next, &a.entries[i]); err != nil {
			return err
		}
	}
	return t.store(ctx, a)
}

// addition is entries on their way to a run.
type addition struct {
	entries []ripcord.Entry
	// to is the run that they were sealed onto, next what it is with them; lines
	// are the sealed entries, one a line, and row is the run's new row.
	to, next run
	lines    []byte
	row      string
}

// extend seals the entries onto a run, in memory only.
func (a *addition) extend(r run) (err error) {
	if a.lines, a.next, err = extend(r, a.entries); err != nil {
		return err
	}
	a.to = r
	a.row, err = a.next.row()
	return err
}

// extend seals entries onto a run.
func extend(r run, entries []ripcord.Entry) (lines []byte, next run, err error) {
	next, lines = r, make([]byte, 0, roomForLine*len(entries))
	for i := range entries {
		e := entries[i]
		if err := admit(next, &e); err != nil {
			return nil, r, err
		}
		if e.Version == 0 {
			e.Version = ripcord.EntryVersion
		}
		if i > 0 {
			lines = append(lines, newline...)
		}
		begin := len(lines)
		var sealed ripcord.Entry
		sealed, lines, err = seal(lines, e, next.summary.Entries+1, next.summary.Head)
		if err != nil {
			return nil, r, ripcord.Errorf(ripcord.CodeInternal, "run %s: %w", e.Run, err)
		}
		if size := len(lines) - begin; size > maxLine {
			return nil, r, ripcord.Errorf(ripcord.CodeInternal, "run %s: an entry %s of %d bytes is larger than the limit of %d", e.Run, e.Kind, size, maxLine)
		}
		next.apply(sealed)
		next.ended = next.ended || e.Kind.Ends()
	}
	return lines, next, nil
}

// admit refuses entries of late writers, and those that would open an ended run
// again, whose lock may belong to another by now.
func admit(r run, e *ripcord.Entry) error {
	if e.Fence < r.fence {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s, fence %d (the newest is %d): %w", e.Run, e.Fence, r.fence, ripcord.ErrFenced)
	}
	if e.Fence > r.fence {
		return ripcord.Errorf(ripcord.CodeInternal, "run %s: fence %d was never given out, the newest is %d", e.Run, e.Fence, r.fence)
	}
	if r.pruned {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s was pruned and takes no more entries", e.Run)
	}
	if state, ok := e.RunState(); ok && r.ended && !state.Ended() {
		return ripcord.Errorf(ripcord.CodeRefused, "run %s has ended (%s); %s cannot follow", e.Run, r.summary.State, e.Kind)
	}
	if r.summary.Entries >= maxEntries {
		return ripcord.Errorf(ripcord.CodeInternal, "run %s has reached the limit of %d entries", e.Run, int64(maxEntries))
	}
	return nil
}

// checkGood refuses a commit of a release that does not exist here.
func (t *transaction) checkGood(ctx context.Context, r run, e *ripcord.Entry) error {
	if e.Kind != ripcord.RunCommitted || e.LastGood == "" || e.LastGood == e.Run {
		return nil
	}
	good, err := t.find(ctx, e.LastGood)
	if err != nil {
		return err
	}
	if good.summary.Application != r.summary.Application || good.summary.Environment != r.summary.Environment {
		return ripcord.Errorf(ripcord.CodeInternal, "run %s is of %s in %s and cannot be last good for %s in %s", e.LastGood,
			good.summary.Application, good.summary.Environment, r.summary.Application, r.summary.Environment)
	}
	return nil
}

// store writes what extend made. From here on only SQLite can fail.
func (t *transaction) store(ctx context.Context, a *addition) error {
	update := t.updateRun
	if a.next.ended && !a.to.ended {
		update = t.endRun
	}
	if err := t.exec(ctx, update, a.row, a.to.n); err != nil {
		return err
	}
	return t.storeEntries(ctx, a)
}

func (t *transaction) storeEntries(ctx context.Context, a *addition) error {
	first := int64(a.to.summary.Entries + 1) //nolint:gosec // at most maxEntries
	if err := t.exec(ctx, t.insertAppend, a.next.n, first, a.lines); err != nil {
		return err
	}
	for i := range a.entries {
		if err := t.setGood(ctx, a.next, &a.entries[i]); err != nil {
			return err
		}
	}
	t.runs[a.next.summary.Run] = a.next
	return nil
}

// setGood changes the environment's last good release with its commit.
func (t *transaction) setGood(ctx context.Context, r run, e *ripcord.Entry) error {
	switch {
	case e.Kind != ripcord.RunCommitted:
		return nil
	case e.LastGood != "":
		return t.exec(ctx, t.putGood, r.summary.Application, r.summary.Environment, string(e.LastGood))
	case r.summary.Purpose == ripcord.PurposeRollback:
		return t.exec(ctx, t.dropGood, r.summary.Application, r.summary.Environment)
	default:
		return nil
	}
}
