package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
	"github.com/ripcord-dev/ripcord/adapter/internal/pipe"
)

// Place is a new database for a restore.
type Place struct {
	*target
	// like is the database whose encoding, owner and rights it gets; empty where it is
	// on another server.
	like string
	// made says that we have made it, so that it can be dropped again.
	made bool
}

// Place implements ripcord.Data.
func (d *Data) Place(ctx context.Context, id, to string) (ripcord.Place, error) {
	live, err := d.target(ctx)
	if err != nil {
		return nil, err
	}
	if to == "" {
		p := &Place{target: live.called(newName(live.name(), "_restored_"+strings.ReplaceAll(id, "-", "_"))), like: live.name(), made: true}
		return p, p.create(ctx)
	}
	elsewhere, err := d.at(ctx, to)
	if err != nil {
		return nil, err
	}
	p := &Place{target: elsewhere}
	err = p.empty(ctx)
	if ripcord.CodeOf(err) != ripcord.CodeNotFound {
		return p, err
	}
	p.made = true
	return p, p.create(ctx)
}

// empty refuses a database in which something is.
func (p *Place) empty(ctx context.Context) error {
	return p.use(func(db *sql.DB) error {
		found, err := database.Texts(ctx, db, `select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema' order by 1 limit 1`)
		if err != nil {
			return p.refused(err)
		}
		if len(found) > 0 {
			return ripcord.Errorf(ripcord.CodePlan, "%s is not empty: it has %s. A restore elsewhere takes an empty database", p, found[0][0]).
				WithFix("name an empty one, or one that does not exist yet")
		}
		return nil
	})
}

// server connects to a database that is always there.
func (t *target) server(ctx context.Context, do func(db *sql.DB) error) error {
	var first error
	for _, name := range []string{"postgres", "template1"} {
		ask := t.called(name)
		err := ask.use(func(db *sql.DB) error {
			if err := db.PingContext(ctx); err != nil {
				return ask.refused(err)
			}
			return do(db)
		})
		if ripcord.CodeOf(err) != ripcord.CodeNotFound {
			return err
		}
		first = err
	}
	return first
}

// create makes the database.
func (p *Place) create(ctx context.Context) error {
	return p.server(ctx, func(db *sql.DB) error {
		may, err := database.Number(ctx, db, `select (rolcreatedb or rolsuper)::int from pg_roles where rolname = current_user`)
		if err != nil {
			return p.refused(err)
		}
		if may == 0 {
			return ripcord.Errorf(ripcord.CodePlan, "the account %s may not create the %s, which the restore needs", p.url.User.Username(), p).
				WithFix("ALTER ROLE %s CREATEDB, or name an empty database with --to", quoted(p.url.User.Username()))
		}
		options, err := p.options(ctx, db)
		if err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, `create database `+quoted(p.name())+` template template0`+options); err != nil {
			return p.refused(err)
		}
		return nil
	})
}

// options are the encoding and owner of the database that it is like.
func (p *Place) options(ctx context.Context, db *sql.DB) (string, error) {
	if p.like == "" {
		return "", nil
	}
	locale := map[bool]string{true: "coalesce(datlocale, '')", false: "''"}
	number, err := database.Number(ctx, db, `select current_setting('server_version_num')::bigint`)
	if err != nil {
		return "", p.refused(err)
	}
	const icu, renamed = 150000, 170000
	column, provider := locale[number >= renamed], "'c'"
	if number >= icu {
		provider = "datlocprovider::text"
		if number < renamed {
			column = "coalesce(daticulocale, '')"
		}
	}
	rows, err := database.Texts(ctx, db, `select pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba), `+provider+`, `+column+`
		from pg_database where datname = $1`, p.like)
	if err != nil {
		return "", p.refused(err)
	}
	if len(rows) == 0 { // the database is lost, and that is why it is restored
		return "", nil
	}
	is := rows[0]
	text := fmt.Sprintf(` encoding %s lc_collate %s lc_ctype %s owner %s`, literal(is[0]), literal(is[1]), literal(is[2]), quoted(is[3]))
	if is[4] == "i" {
		text += ` locale_provider icu icu_locale ` + literal(is[5])
	}
	return text, nil
}

func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// Name implements ripcord.Place.
func (p *Place) Name() string { return p.String() }

// Restore implements ripcord.Place.
func (p *Place) Restore(ctx context.Context, _ *ripcord.Backup, from ripcord.Content) (err error) {
	var number int64
	if err := p.use(func(db *sql.DB) error {
		number, err = database.Number(ctx, db, `select current_setting('server_version_num')::bigint`)
		return err
	}); err != nil {
		return p.refused(err)
	}
	restore, err := find(ctx, "pg_restore", number)
	if err != nil {
		return err
	}
	data, err := from.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	args := []string{restore.path, "--format=custom", "--exit-on-error", "--no-password", "--dbname=" + p.address()}
	if p.like == "" { // accounts may be others there
		args = append(args, "--no-owner", "--no-privileges")
	}
	if err := pipe.Run(ctx, pipe.Program{Args: args, Env: p.environment(), In: data, Secrets: p.secrets}); err != nil {
		return err
	}
	return p.use(func(db *sql.DB) error { // the planner knows nothing of new tables
		_, err := db.ExecContext(ctx, `analyze`)
		return err
	})
}

// Look implements ripcord.Place.
func (p *Place) Look(ctx context.Context, count bool) (v ripcord.DataView, err error) {
	err = p.use(func(db *sql.DB) error {
		v, err = p.look(ctx, db, count)
		return err
	})
	return v, err
}

// Ask implements ripcord.Place.
func (p *Place) Ask(ctx context.Context, question string) (well bool, answer string, err error) {
	err = p.use(func(db *sql.DB) error {
		well, answer, err = database.Ask(ctx, db, question)
		return err
	})
	if err != nil {
		return false, "", p.refused(err)
	}
	return well, answer, nil
}

// Drop implements ripcord.Place.
func (p *Place) Drop(ctx context.Context) error {
	if !p.made {
		return nil
	}
	return p.server(ctx, func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, `drop database if exists `+quoted(p.name())+` with (force)`); err != nil {
			return p.refused(err)
		}
		return nil
	})
}
