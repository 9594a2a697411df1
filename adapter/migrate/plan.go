package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// look reads migrations and state, for what is asked before a release.
func (s *Step) look(ctx context.Context) (*migration.Set, state, error) {
	set, err := s.set()
	if err != nil {
		return nil, state{}, err
	}
	x, err := s.connect(ctx, false)
	if err != nil {
		return set, state{}, err
	}
	defer func() { _ = x.close() }() // nothing was changed
	st, err := x.state(ctx, x.conn, set)
	if err != nil && !errors.Is(err, errDirty) {
		err = x.wrong("cannot be read", err)
	}
	return set, st, err
}

// Pin implements ripcord.Pinner: the plan says which migrations it brings about.
func (s *Step) Pin(ctx context.Context) (json.RawMessage, error) {
	settings := s.settings
	set, st, err := s.look(ctx)
	if err == nil {
		versions := []int64{}
		for _, m := range s.pending(set, st) {
			versions = append(versions, m.Version)
		}
		settings.Planned = &versions
	} // else Feasible says what is wrong
	return json.Marshal(settings)
}

// Feasible implements ripcord.Feasible.
func (s *Step) Feasible(ctx context.Context) error {
	set, st, err := s.look(ctx)
	if err == nil {
		err = s.fits(set, st)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errDirty):
		return ripcord.Errorf(ripcord.CodePlan, "migrate: %s: %w", s.settings.name(), err).
			WithFix("look which of its statements are done, undo or finish them, then: update the table's dirty to false")
	}
	return ripcord.Errorf(ripcord.CodePlan, "migrate: %w", err).WithFix("%s", s.fix(err))
}

// unfitError is a folder that does not go with the database.
type unfitError struct{ text, fix string }

func (e *unfitError) Error() string { return e.text }

func (s *Step) fix(err error) string {
	if unfit, ok := errors.AsType[*unfitError](err); ok {
		return unfit.fix
	}
	if _, ok := errors.AsType[*unknownError](err); ok {
		return "start the database, or mend its address and account in databases"
	}
	return "mend the folder " + s.settings.Directory
}

// fits refuses a folder that does not go with what the database has.
func (s *Step) fits(set *migration.Set, st state) error {
	newest := int64(0)
	for _, version := range st.Versions {
		newest = max(newest, version)
		if _, ok := set.Find(version); !ok {
			return &unfitError{
				fmt.Sprintf("%s is at version %d, which %s does not have", s.settings.name(), version, s.settings.Directory),
				"release from a revision that has it, or take it back first",
			}
		}
	}
	for _, m := range s.pending(set, st) {
		if m.Version < newest && !isHalf(st.notes, m.Version) {
			return &unfitError{
				fmt.Sprintf("migration %s comes before version %d, which %s has already", title(m), newest, s.settings.name()),
				"give it a number behind the newest",
			}
		}
	}
	for _, n := range st.notes {
		m, ok := set.Find(n.version)
		switch {
		case !ok || m.Digest == n.digest:
		case n.half():
			return &unfitError{
				fmt.Sprintf("migration %s was edited while %s is half-way in it", title(m), s.settings.name()),
				"put the file back, and take it back with ripcord rollback or recover",
			}
		default:
			return &unfitError{
				fmt.Sprintf("migration %s was edited after it ran: %s", title(m), m.Path),
				"put the file back, and write a new migration for what should be different",
			}
		}
	}
	if s.settings.To != 0 {
		if _, ok := set.Find(s.settings.To); !ok {
			return &unfitError{fmt.Sprintf("there is no migration %d to come to", s.settings.To), "name one that " + s.settings.Directory + " has"}
		}
		if newest > s.settings.To {
			return &unfitError{fmt.Sprintf("%s is at version %d, behind %d", s.settings.name(), newest, s.settings.To), "take the newer release back instead: ripcord rollback"}
		}
	}
	return nil
}

// planned are the migrations that the plan brings about; all where that is not known.
func (s *Step) planned() ([]migration.Migration, error) {
	set, err := s.set()
	if err != nil {
		return nil, err
	}
	if s.settings.Planned == nil {
		return s.pending(set, state{}), nil
	}
	return slices.DeleteFunc(set.Migrations, func(m migration.Migration) bool { return !slices.Contains(*s.settings.Planned, m.Version) }), nil
}

// Traits implements ripcord.Describer.
func (s *Step) Traits() ripcord.Traits {
	traits := ripcord.DefaultTraits()
	all, err := s.planned()
	if err != nil {
		return traits // the step fails before it does anything
	}
	var losses, written []string
	for _, m := range all {
		if _, err := s.wayBack(m); err != nil {
			traits.Reversal = ripcord.Reversal{Way: ripcord.WayNone, Loss: err.Error()}
			return traits
		}
		for _, statement := range m.Up.Statements {
			change := migration.Classify(s.settings.Driver, statement)
			if change.Class == migration.Destructive {
				losses = append(losses, change.Text+" (migration "+title(m)+")")
			}
			for _, made := range change.Made {
				written = append(written, made.Table+dot(made.Column))
			}
		}
	}
	traits.Reversal.How = "take back the migrations " + titles(all) + " of " + s.settings.Directory + " on " + s.settings.name() + ", newest first"
	switch {
	case len(losses) > 0:
		traits.Reversal.Way = ripcord.WayRestorable
		traits.Reversal.Loss = "what the migrations take away does not come back by itself: " + strings.Join(losses, ", ")
	case len(written) > 0:
		traits.Reversal.Loss = "what is written to " + strings.Join(written, ", ") + " after the migration; it is counted before anything goes back, and more than max_data_loss is asked for"
	}
	return traits
}

func dot(column string) string {
	if column == "" {
		return ""
	}
	return "." + column
}

func titles(all []migration.Migration) string {
	names := make([]string, 0, len(all))
	for _, m := range all {
		names = append(names, title(m))
	}
	return strings.Join(names, ", ")
}

// Explain implements ripcord.Explainer.
func (s *Step) Explain(ctx context.Context) (string, error) {
	set, st, err := s.look(ctx)
	if err != nil {
		return "", err
	}
	pending := s.pending(set, st)
	if len(pending) == 0 {
		return fmt.Sprintf("nothing: %s is at %s already", s.settings.name(), st.newest()), nil
	}
	parts := []string{fmt.Sprintf("%s is at %s; brings about:", s.settings.name(), st.newest())}
	for _, m := range pending {
		parts = append(parts, s.explain(m))
	}
	return strings.Join(parts, " "), nil
}

// explain tells of one migration.
func (s *Step) explain(m migration.Migration) string {
	class := migration.Additive
	var texts []string
	var locks []string
	for _, statement := range m.Up.Statements {
		change := migration.Classify(s.settings.Driver, statement)
		class = migration.Worse(class, change.Class)
		if change.Text != "" {
			texts = append(texts, change.Text)
		}
		if change.Lock != "" && !slices.Contains(locks, change.Lock) {
			locks = append(locks, change.Lock)
		}
	}
	text := fmt.Sprintf("%s (%s: %s", title(m), class, strings.Join(texts, ", "))
	if len(locks) > 0 {
		text += "; meanwhile " + strings.Join(locks, "; ")
	}
	manner := "one transaction"
	if m.Up.Apart || !migration.Transactional(s.settings.Driver) {
		manner = "statement by statement"
	}
	text += "; " + manner + "; back "
	if _, err := s.wayBack(m); err != nil {
		return text + "by nothing: " + err.Error() + ")"
	}
	return text + how(m) + ")"
}
