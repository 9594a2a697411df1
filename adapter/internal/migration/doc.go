// Package migration reads database migrations: which there are, what statements they
// consist of, what those change and lose, and how each could be taken back. It reads
// text only and asks no database.
package migration
