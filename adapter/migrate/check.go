package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// state is how a database stands.
type state struct {
	// Versions are those that are there, in order.
	Versions []int64 `json:"versions"`
	// Book and Notes say whether their tables are there.
	Book  bool `json:"book"`
	Notes bool `json:"notes"`
	// Half are migrations that are neither there nor gone.
	Half []string `json:"half,omitempty"`
	// Schema is the digest of the schema, Lines what it describes where that is
	// not long.
	Schema string   `json:"schema"`
	Lines  []string `json:"lines,omitempty"`

	notes []note
	lines []string
}

// linesLimit is how long a schema's description may be to stay in images, in bytes.
const linesLimit = 64 << 10

// state reads all of it.
func (x *session) state(ctx context.Context, on querier, set *migration.Set) (state, error) {
	var st state
	b, err := x.book(set)
	if err != nil {
		return st, err
	}
	if st.Versions, err = b.read(ctx, on); err != nil {
		return st, err
	}
	if st.Book, err = x.hasTable(ctx, on, b.table()); err != nil {
		return st, err
	}
	if st.notes, st.Notes, err = x.notes(ctx, on); err != nil {
		return st, err
	}
	for _, n := range st.notes {
		if n.half() {
			st.Half = append(st.Half, fmt.Sprintf("%d: %d of %d, %d back", n.version, n.up, n.all, n.back))
		}
	}
	if st.lines, err = x.schema(ctx, on, b.table()); err != nil {
		return st, err
	}
	st.Schema = digest(st.lines)
	size := 0
	for _, line := range st.lines {
		size += len(line)
	}
	if size <= linesLimit {
		st.Lines = st.lines
	}
	return st, nil
}

// pending are the migrations that are not there yet, up to the goal.
func (s *Step) pending(set *migration.Set, st state) []migration.Migration {
	var all []migration.Migration
	for _, m := range set.Migrations {
		if (s.settings.To == 0 || m.Version <= s.settings.To) && !slices.Contains(st.Versions, m.Version) {
			all = append(all, m)
		}
	}
	return all
}

// newest is the version that a database is at, for people.
func (st state) newest() string {
	if len(st.Versions) == 0 {
		return "no version yet"
	}
	return fmt.Sprintf("version %d", st.Versions[len(st.Versions)-1])
}

// Check implements ripcord.Step.
func (s *Step) Check(ctx context.Context) (ripcord.Observation, error) {
	unknown := ripcord.Observation{Presence: ripcord.Unknown}
	set, err := s.set()
	if err != nil {
		return unknown, err
	}
	x, err := s.connect(ctx, false)
	if err != nil {
		return unknown, err
	}
	defer func() { _ = x.close() }() // nothing was changed
	st, err := x.state(ctx, x.conn, set)
	if err != nil {
		return unknown, x.wrong("cannot be read", err)
	}
	image, err := json.Marshal(st)
	if err != nil {
		return unknown, err
	}
	pending := s.pending(set, st)
	seen := ripcord.Observation{Presence: ripcord.Absent, Image: image, Exact: true}
	seen.Detail = fmt.Sprintf("%s is at %s; %d migrations are pending", s.settings.name(), st.newest(), len(pending))
	switch {
	case len(st.Half) > 0:
		seen.Presence = ripcord.Partial
		seen.Detail = fmt.Sprintf("%s is between two versions: statements of %s are done", s.settings.name(), st.Half[0])
	case len(pending) == 0:
		seen.Presence = ripcord.Present
		seen.Detail = fmt.Sprintf("%s is at %s", s.settings.name(), st.newest())
	}
	return seen, ctx.Err()
}
