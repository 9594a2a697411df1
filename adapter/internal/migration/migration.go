package migration

import "github.com/ripcord-dev/ripcord/adapter/internal/database"

// Layout is how a folder of migrations is laid out.
type Layout string

// The layouts.
const (
	// Goose: one file each, 00001_name.sql, with `-- +goose Up` and `-- +goose Down`.
	Goose Layout = "goose"
	// GolangMigrate: 0001_name.up.sql and 0001_name.down.sql.
	GolangMigrate Layout = "golang-migrate"
	// Plain: 0001_name.sql and 0001_name.down.sql, or folders up and down with files
	// of one number each.
	Plain Layout = "plain"
)

// Migration is one numbered change of a schema.
type Migration struct {
	Version int64
	Name    string
	// Path is the file of its way up, relative to the folder.
	Path     string
	Up, Down Script
	// Digest is the hexadecimal SHA-256 of its way up.
	Digest string
}

// Script is one direction of a migration.
type Script struct {
	// Given says that somebody wrote it; it may be empty all the same.
	Given bool
	// Path is the file that it stands in, relative to the folder.
	Path       string
	Statements []Statement
	// Apart says that it cannot run in a transaction.
	Apart bool
}

// Statement is one statement of SQL.
type Statement struct {
	Text string
	// Line is where it begins in its file.
	Line int
}

// Set is a folder of migrations.
type Set struct {
	Layout     Layout
	Migrations []Migration // by version
}

// Find returns the migration of a version.
func (s *Set) Find(version int64) (Migration, bool) {
	for _, m := range s.Migrations {
		if m.Version == version {
			return m, true
		}
	}
	return Migration{}, false
}

// Transactional reports whether a database takes back changes of its schema with the
// transaction that made them.
func Transactional(kind string) bool { return kind != database.MySQL }
