// Package mysql backs up and restores MariaDB and MySQL databases with the servers'
// own programs: mariadb-dump and mariadb, or mysqldump and mysql.
package mysql

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Kind is the name of the data source.
const Kind = database.MySQL

// Source opens databases.
type Source struct{ environ func() []string }

// New returns the data source. Environ gives the executor's own environment, which
// the programs inherit; nil gives an empty one.
func New(environ func() []string) *Source { return &Source{environ} }

// Kind implements ripcord.DataSource.
func (*Source) Kind() string { return Kind }

// settings say which database.
type settings struct {
	// URL is mysql://account@host:port/name; it may hold ${secret:NAME}.
	URL string `json:"url"`
}

// Open implements ripcord.DataSource.
func (s *Source) Open(_ context.Context, raw json.RawMessage, scope ripcord.Scope) (ripcord.Data, error) {
	var set settings
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "mysql: settings: %w", err).WithFix("use url")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ripcord.Errorf(ripcord.CodePlan, "mysql: settings: more than one value")
	}
	if set.URL == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "mysql: no database is given").WithFix(`add its url, like mysql://shop@127.0.0.1/orders`)
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
	config  *driver.Config
	environ func() []string
	secrets []string
}

func (d *Data) target(ctx context.Context) (*target, error) { return d.at(ctx, d.set.URL) }

func (d *Data) at(ctx context.Context, text string) (*target, error) {
	address, secrets, err := d.scope.Secrets.Expand(ctx, text)
	if err != nil {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the address of %s is not known: %w", d.Name(), err)
	}
	config, err := database.MySQLConfig(address)
	if err != nil || config.DBName == "" {
		return nil, ripcord.Errorf(ripcord.CodePlan, "the address of %s names no database", d.Name()).
			WithFix("write it like mysql://shop@127.0.0.1:3306/orders")
	}
	return &target{config, d.environ, append(secrets, config.Passwd)}, nil
}

// name is the database's own name.
func (t *target) name() string { return t.config.DBName }

// called is another database of the same server.
func (t *target) called(name string) *target {
	config := t.config.Clone()
	config.DBName = name
	return &target{config, t.environ, t.secrets}
}

// String is the database for people.
func (t *target) String() string { return "database " + t.config.Addr + "/" + t.config.DBName }

// use opens the server, with the database or, where whole is set, without one.
func (t *target) use(whole bool, do func(db *sql.DB) error) error {
	config := t.config.Clone()
	if whole {
		config.DBName = ""
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return t.refused(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
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
	said, ok := errors.AsType[*driver.MySQLError](err)
	if !ok {
		return ripcord.Errorf(ripcord.CodePlan, "%s: %s", t, text)
	}
	const unknownDatabase, denied, deniedDatabase, deniedTable, deniedAny, lockWait = 1049, 1045, 1044, 1142, 1227, 1205
	switch said.Number {
	case unknownDatabase:
		return ripcord.Errorf(ripcord.CodeNotFound, "there is no %s", t).WithFix("look at its address in the plan file")
	case denied:
		return ripcord.Errorf(ripcord.CodePlan, "%s refuses the account %s: %s", t, t.config.User, text).WithFix("look at account and password")
	case deniedDatabase, deniedTable, deniedAny:
		return ripcord.Errorf(ripcord.CodePlan, "%s: the account %s may not do this: %s", t, t.config.User, text).WithFix("grant it the privilege, or use an account that has it")
	case lockWait:
		return ripcord.Errorf(ripcord.CodeRefused, "%s is in use by others: %s", t, text).WithFix("end what uses it, or give --disconnect to end their sessions")
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s: %s", t, text)
}

// program is the command line of one of the client programs: the password stands in
// its environment, never in its arguments, which everybody on the machine can read.
func (t *target) program(names []string, args ...string) (pipe.Program, error) {
	at := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			at = found
			break
		}
	}
	if at == "" {
		return pipe.Program{}, ripcord.Errorf(ripcord.CodePlan, "there is no %s on this machine", names[0]).
			WithFix("install the client programs, on Debian: apt-get install mariadb-client")
	}
	line := []string{at, "--no-defaults", "--user=" + t.config.User}
	if t.config.Net == "unix" {
		line = append(line, "--protocol=socket", "--socket="+t.config.Addr)
	} else if host, port, err := net.SplitHostPort(t.config.Addr); err == nil {
		line = append(line, "--protocol=tcp", "--host="+host, "--port="+port)
	}
	if t.config.TLSConfig != "" && t.config.TLSConfig != "false" {
		line = append(line, "--ssl")
	}
	var env []string
	if t.environ != nil {
		env = slices.DeleteFunc(slices.Clone(t.environ()), func(v string) bool {
			return strings.HasPrefix(v, "RIPCORD_") || strings.HasPrefix(v, "MYSQL_")
		})
	}
	env = append(env, "MYSQL_PWD="+t.config.Passwd, "LC_ALL=C")
	return pipe.Program{Args: append(line, args...), Env: env, Secrets: t.secrets}, nil
}

// dumpers and clients are the programs' names, the server's own first.
func dumpers() []string { return []string{"mariadb-dump", "mysqldump"} }
func clients() []string { return []string{"mariadb", "mysql"} }

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// newName makes a database name of another one within the server's limit.
func newName(name, suffix string) string {
	const most = 64
	return name[:min(len(name), most-len(suffix))] + suffix
}
