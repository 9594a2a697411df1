// Package postgres backs up and restores PostgreSQL databases with the programs of
// the server's own version, pg_dump and pg_restore. What they copy is of one moment,
// and is counted at that same moment.
package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Kind is the name of the data source.
const Kind = database.Postgres

// Source opens databases.
type Source struct{ environ func() []string }

// New returns the data source. Environ gives the executor's own environment, which
// the programs inherit; nil gives an empty one.
func New(environ func() []string) *Source { return &Source{environ} }

// Kind implements ripcord.DataSource.
func (*Source) Kind() string { return Kind }

// settings say which database.
type settings struct {
	// URL is postgres://account@host:port/name; it may hold ${secret:NAME}.
	URL string `json:"url"`
}

// Open implements ripcord.DataSource.
func (s *Source) Open(_ context.Context, raw json.RawMessage, scope ripcord.Scope) (ripcord.Data, error) {
	var set settings
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "postgres: settings: %w", err).WithFix("use url")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "postgres: settings: more than one value")
	}
	if set.URL == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "postgres: no database is given").WithFix(`add its url, like postgres://shop@127.0.0.1/orders`)
	}
	return &Data{set: set, scope: scope, environ: s.environ}, nil
}

// Data is one database.
type Data struct {
	set     settings
	scope   ripcord.Scope
	environ func() []string
}

// Name implements ripcord.Data.
func (d *Data) Name() string {
	if at := strings.LastIndexByte(d.set.URL, '@'); at >= 0 { // its account may hold a reference
		rest, _, _ := strings.Cut(d.set.URL[at+1:], "?")
		return "database " + rest
	}
	return database.Name(Kind, d.set.URL)
}

// target is one database of one server, with its secrets resolved.
type target struct {
	url     *url.URL
	environ func() []string
	secrets []string
}

func (d *Data) target(ctx context.Context) (*target, error) { return d.at(ctx, d.set.URL) }

func (d *Data) at(ctx context.Context, text string) (*target, error) {
	address, secrets, err := d.scope.Secrets.Expand(ctx, text)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the address of %s is not known: %w", d.Name(), err)
	}
	secrets = append(secrets, database.Passwords(address)...)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the address of %s is no URL of PostgreSQL", database.Name(Kind, text)).
			WithFix("write it like postgres://shop@127.0.0.1:5432/orders")
	}
	if strings.Trim(u.Path, "/") == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the address of %s names no database", database.Name(Kind, text)).
			WithFix("write it like postgres://shop@127.0.0.1:5432/orders")
	}
	return &target{u, d.environ, secrets}, nil
}

// name is the database's own name.
func (t *target) name() string { return strings.Trim(t.url.Path, "/") }

// called is another database of the same server.
func (t *target) called(name string) *target {
	u := *t.url
	u.Path, u.RawPath = "/"+name, ""
	return &target{&u, t.environ, t.secrets}
}

// String is the database for people.
func (t *target) String() string { return database.Name(Kind, t.url.String()) }

// open makes a pool of at most as many connections.
func (t *target) open(connections int) (*sql.DB, error) {
	db, err := database.Open(Kind, t.url.String(), database.Options{})
	if err != nil {
		return nil, t.refused(err)
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

// use opens the database for a moment.
func (t *target) use(do func(db *sql.DB) error) error {
	db, err := t.open(1)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// refused says in plain words what the server says.
func (t *target) refused(err error) error {
	if _, ours := errors.AsType[*ripcord.Error](err); ours {
		return err
	}
	text := pipe.Hide(database.Text(err), t.secrets)
	if database.Silent(err) {
		return ripcord.Errorf(ripcord.CodeRefused, "%s does not answer: %s", t, text).WithFix("look whether the server runs, and whether the address is right")
	}
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return ripcord.Errorf(ripcord.CodePlan, "%s: %s", t, text)
	}
	switch said.Code {
	case "3D000":
		return ripcord.Errorf(ripcord.CodeNotFound, "there is no %s", t).WithFix("look at its address in the plan file")
	case "28P01", "28000":
		return ripcord.Errorf(ripcord.CodePlan, "%s refuses the account %s: %s", t, t.url.User.Username(), text).WithFix("look at account and password")
	case "42501":
		return ripcord.Errorf(ripcord.CodePlan, "%s: the account %s may not do this: %s", t, t.url.User.Username(), text).WithFix("grant it the privilege, or use an account that has it")
	case "55006":
		return ripcord.Errorf(ripcord.CodeRefused, "%s is in use by others: %s", t, text).WithFix("end what uses it, or give --disconnect to end their sessions")
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s: %s", t, text)
}

// environment is that of the programs: the password stands in it, never in their
// arguments, which everybody on the machine can read.
func (t *target) environment() []string {
	var env []string
	if t.environ != nil {
		env = slices.DeleteFunc(slices.Clone(t.environ()), func(v string) bool {
			return strings.HasPrefix(v, "RIPCORD_") || strings.HasPrefix(v, "PG")
		})
	}
	password, ok := t.url.User.Password()
	if query := t.url.Query().Get("password"); !ok && query != "" {
		password = query
	}
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	} else if t.environ != nil {
		env = append(env, slices.DeleteFunc(slices.Clone(t.environ()), func(v string) bool { return !strings.HasPrefix(v, "PGPASS") })...)
	}
	return append(env, "PGAPPNAME=ripcord", "LC_ALL=C", "PGCONNECT_TIMEOUT=10")
}

// address is the URL for the programs, without the password and without what only
// our own driver knows.
func (t *target) address() string {
	u := *t.url
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	kept := url.Values{}
	for name, values := range u.Query() {
		if strings.HasPrefix(name, "ssl") || slices.Contains([]string{"host", "port", "user", "target_session_attrs", "connect_timeout", "options", "channel_binding"}, name) {
			kept[name] = values
		}
	}
	u.RawQuery = kept.Encode()
	return u.String()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// newName makes a database name of another one within the server's limit.
func newName(name, suffix string) string {
	const most = 63
	return name[:min(len(name), most-len(suffix))] + suffix
}

// major is the part of a version that programs must have in common.
func major(number int64) string { return strconv.FormatInt(number/10000, 10) }
