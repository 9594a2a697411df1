package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Settings are the JSON settings of the step.
type Settings struct {
	// Database is its name in the plan file, for people.
	Database string `json:"database"`
	// Driver is its kind: postgres, mysql or sqlite.
	Driver string `json:"driver"`
	// URL is where it is; it may hold ${secret:NAME}.
	URL string `json:"url"`
	// Directory holds the migrations.
	Directory string `json:"directory"`
	// Table is where the versions that are there are written down; empty is
	// goose_db_version, for golang-migrate's layout schema_migrations.
	Table string `json:"table,omitempty"`
	// To is the version to come to; 0 is the newest.
	To int64 `json:"to,omitempty"`
	// LockWait is how long another migration of the same database is waited for;
	// 0 is 30 s.
	LockWait ripcord.Duration `json:"lock_wait,omitempty"`
	// LockTimeout is how long a statement waits for a lock, while others queue
	// behind it; 0 is 5 s.
	LockTimeout ripcord.Duration `json:"lock_timeout,omitempty"`
	// StatementTimeout is how long a statement may take; 0 has no limit.
	StatementTimeout ripcord.Duration `json:"statement_timeout,omitempty"`
	// MaxDataLoss is how many rows may be lost on the way back without asking.
	MaxDataLoss int64 `json:"max_data_loss,omitempty"`
	// Planned are the versions that are brought about, as they were found when the
	// release was planned; nil is not known.
	Planned *[]int64 `json:"planned,omitempty"`
}

const (
	defaultLockWait    = 30 * time.Second
	defaultLockTimeout = 5 * time.Second
)

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func decode(data []byte) (Settings, error) {
	var s Settings
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, ripcord.Errorf(ripcord.CodePlan, "migrate: settings: %w", err)
	}
	switch {
	case s.URL == "":
		return s, ripcord.Errorf(ripcord.CodePlan, "migrate: the database has no address").WithFix(`write databases: {%s: {postgres: "${secret:DATABASE_URL}"}}`, orElse(s.Database, "orders"))
	case s.Directory == "":
		return s, ripcord.Errorf(ripcord.CodePlan, "migrate: no folder with migrations is named").WithFix("add directory: migrations")
	case s.Table != "" && !plainName.MatchString(s.Table):
		return s, ripcord.Errorf(ripcord.CodePlan, "migrate: %q cannot be the name of a table", s.Table).WithFix("use letters, digits and _")
	}
	if s.Driver == "" {
		driver, err := database.KindOf(s.URL)
		if err != nil {
			return s, ripcord.Errorf(ripcord.CodePlan, "migrate: %w", err).WithFix("say which kind of database it is")
		}
		s.Driver = driver
	}
	if !slices.Contains(database.Kinds(), s.Driver) {
		return s, ripcord.Errorf(ripcord.CodePlan, "migrate: there is no kind of database %q", s.Driver).WithFix("use one of %s", strings.Join(database.Kinds(), ", "))
	}
	if s.LockWait == 0 {
		s.LockWait = ripcord.Duration(defaultLockWait)
	}
	if s.LockTimeout == 0 {
		s.LockTimeout = ripcord.Duration(defaultLockTimeout)
	}
	return s, nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// name is the database for people.
func (s *Settings) name() string {
	if s.Database != "" {
		return s.Database
	}
	return database.Name(s.Driver, s.URL)
}

// cause is a file's error without its path.
func cause(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		return wrong.Err
	}
	return err
}
