package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Rehearsal is how migrations went up, down and up again on a copy.
type Rehearsal struct {
	// Migrations are those that were pending there.
	Migrations []string `json:"migrations"`
	// Up, Down and Again are how long each took, in seconds.
	Up    float64 `json:"up_seconds"`
	Down  float64 `json:"down_seconds"`
	Again float64 `json:"again_seconds"`
	// Problem is why the way back is not proved; empty when it is: the schema was as
	// before, and the second way up ended where the first had.
	Problem string `json:"problem,omitempty"`
}

// Rehearse brings the pending migrations about on a copy of the database, takes them
// back, compares the schemas, and brings them about once more. Address is the copy's;
// it is refused, with CodePlan, where it is the database itself. Output takes what the
// steps say.
func (s *Step) Rehearse(ctx context.Context, address string, output io.Writer) (Rehearsal, error) {
	var r Rehearsal
	copied := *s
	copied.settings.URL, copied.settings.Database = address, ""
	if err := s.other(ctx, &copied); err != nil {
		return r, err
	}
	if err := copied.Feasible(ctx); err != nil {
		return r, err
	}
	set, st, err := copied.look(ctx)
	if err != nil {
		return r, err
	}
	for _, m := range copied.pending(set, st) {
		r.Migrations = append(r.Migrations, title(m))
	}
	if len(r.Migrations) == 0 {
		return r, ripcord.Errorf(ripcord.CodePlan, "nothing to rehearse: %s is at %s already", copied.settings.name(), st.newest()).
			WithFix("restore a backup of before there: ripcord backup restore %s --to ADDRESS", orElse(s.settings.Database, "NAME"))
	}
	return r, copied.upDownUp(ctx, &r, output)
}

// upDownUp fills in how it went. What a migration does wrong is a problem, no error.
func (s *Step) upDownUp(ctx context.Context, r *Rehearsal, output io.Writer) error {
	before, err := s.Check(ctx)
	if err != nil {
		return err
	}
	// What a way down loses is of no weight on a copy.
	a := ripcord.Attempt{Key: "rehearsal", Number: 1, Before: before, Output: output, LossAccepted: true}
	a.Record = func(_ context.Context, data any) error {
		raw, err := json.Marshal(data)
		a.Progress = append(a.Progress, raw)
		return err
	}
	var up ripcord.Observation
	for _, part := range []struct {
		name string
		took *float64
		do   func(context.Context, ripcord.Attempt) error
		like func(seen ripcord.Observation) bool
	}{
		{"the way up", &r.Up, s.Apply, func(seen ripcord.Observation) bool { up = seen; return seen.Presence == ripcord.Present }},
		{"the way down", &r.Down, s.Undo, func(seen ripcord.Observation) bool { return string(seen.Image) == string(before.Image) }},
		{"the second way up", &r.Again, s.Apply, func(seen ripcord.Observation) bool { return string(seen.Image) == string(up.Image) }},
	} {
		began := s.scope.Now()
		err := part.do(ctx, a)
		*part.took = s.scope.Now().Sub(began).Round(time.Millisecond).Seconds()
		if failure, ok := errors.AsType[*ripcord.Failure](err); ok {
			r.Problem = part.name + ": " + failure.Summary
			return nil
		}
		if err != nil {
			return err
		}
		seen, err := s.Check(ctx)
		if err != nil {
			return err
		}
		if !part.like(seen) {
			r.Problem = part.name + " does not end where it should: " + seen.Detail
			return nil
		}
	}
	return nil
}

// other refuses a copy that is the database itself.
func (s *Step) other(ctx context.Context, copied *Step) error {
	one, err := s.identity(ctx)
	if err != nil {
		return nil //nolint:nilerr // the live database need not answer for a rehearsal
	}
	two, err := copied.identity(ctx)
	if err != nil {
		return ripcord.Errorf(ripcord.CodePlan, "migrate: %w", err).WithFix("start the copy, or mend its address")
	}
	if one == two {
		return ripcord.Errorf(ripcord.CodePlan, "%s is the database itself: a rehearsal drops and makes tables", copied.settings.name()).
			WithFix("restore a backup elsewhere and name that: ripcord backup restore %s --to ADDRESS", orElse(s.settings.Database, "NAME"))
	}
	return nil
}

// identity tells databases apart, whatever their addresses are.
func (s *Step) identity(ctx context.Context) (string, error) {
	if s.settings.Driver == database.SQLite {
		at, err := s.address(ctx)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(database.File(at, s.scope.Directory))
		if err != nil {
			return "", fmt.Errorf("%s cannot be opened: %w", s.settings.name(), cause(err))
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return fmt.Sprintf("%d %d", stat.Dev, stat.Ino), nil
		}
		return info.Name(), nil
	}
	x, err := s.connect(ctx, false)
	if err != nil {
		return "", err
	}
	defer func() { _ = x.close() }() // nothing was changed
	// When the server was started tells servers apart, also behind forwarded ports.
	question := "select pg_postmaster_start_time()::text || ' ' || current_database()"
	if s.settings.Driver == database.MySQL {
		question = "select concat_ws(' ', @@hostname, @@port, @@datadir, database())"
	}
	var who string
	err = x.conn.QueryRowContext(ctx, question).Scan(&who)
	if err != nil {
		return "", x.wrong("cannot be told from others", err)
	}
	return who, nil
}

func (s *Step) address(ctx context.Context) (string, error) {
	if !strings.Contains(s.settings.URL, "${secret:") || s.scope.Secrets == nil {
		return s.settings.URL, nil
	}
	at, _, err := s.scope.Secrets.Expand(ctx, s.settings.URL)
	return at, err
}
