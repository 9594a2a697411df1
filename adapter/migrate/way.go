package migrate

import (
	"fmt"
	"slices"

	"github.com/ripcord-dev/ripcord/adapter/internal/migration"
)

// wayBack is how a whole migration is taken back: as its way down says, else by the
// reverse of each of its statements, where each has a simple one.
func (s *Step) wayBack(m migration.Migration) (migration.Script, error) {
	if m.Down.Given {
		return m.Down, nil
	}
	way, err := s.reverse(m, len(m.Up.Statements))
	if err != nil {
		return way, fmt.Errorf("migration %s has no way down, and %w", title(m), err)
	}
	return way, nil
}

// reverse takes the first statements of a migration back by the reverse of each.
func (s *Step) reverse(m migration.Migration, done int) (migration.Script, error) {
	way := migration.Script{Given: true, Path: m.Up.Path}
	for _, statement := range slices.Backward(m.Up.Statements[:done]) {
		change := migration.Classify(s.settings.Driver, statement)
		if len(change.Inverse) == 0 {
			return migration.Script{}, fmt.Errorf("nothing simple reverses `%s` (%s line %d)", short(statement.Text), m.Up.Path, statement.Line)
		}
		for _, inverse := range change.Inverse {
			way.Statements = append(way.Statements, migration.Statement{Text: inverse, Line: statement.Line})
		}
		way.Apart = way.Apart || change.Apart && !migration.Transactional(s.settings.Driver)
	}
	return way, nil
}

// wayBackHalf is how the statements of a migration are taken back that were done before
// it failed, and how that is called.
func (s *Step) wayBackHalf(m migration.Migration, done int) (migration.Script, string, error) {
	way, err := s.reverse(m, done)
	if err == nil {
		return way, "by the reverse of each statement", nil
	}
	if n := len(m.Down.Statements); m.Down.Given && n == len(m.Up.Statements) {
		way := m.Down
		way.Statements = way.Statements[n-done:]
		return way, fmt.Sprintf("by the last %s of its way down, which has one for each", counted(done)), nil
	}
	return migration.Script{}, "", fmt.Errorf("%d of %d statements of migration %s are done, its way down has not one for each of them, and %w", done, len(m.Up.Statements), title(m), err)
}
