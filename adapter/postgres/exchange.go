package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Exchange implements ripcord.Data by two renames: the database that is there gets
// another name and stays, whole; the restored one gets its name. Nobody may be
// connected meanwhile.
func (d *Data) Exchange(ctx context.Context, from ripcord.Place, o ripcord.Exchange) (string, error) {
	place, ok := from.(*Place)
	if !ok || place.like == "" {
		return "", fmt.Errorf("%s is not on the database's server", from.Name())
	}
	live, err := d.target(ctx)
	if err != nil {
		return "", err
	}
	x := &exchange{live: live, place: place, aside: live.called(newName(live.name(), "_before_"+strings.ReplaceAll(o.ID, "-", "_"))), o: o}
	err = live.server(ctx, func(db *sql.DB) error { return x.run(ctx, db) })
	if err != nil || x.gone {
		return "", err
	}
	return "the database " + x.aside.name() + " on the same server", nil
}

type exchange struct {
	live, aside *target
	place       *Place
	o           ripcord.Exchange
	// gone says that there was no database to put aside.
	gone bool
}

func (x *exchange) run(ctx context.Context, db *sql.DB) error {
	there, err := database.Number(ctx, db, `select count(*) from pg_database where datname = $1`, x.live.name())
	if err != nil {
		return x.live.refused(err)
	}
	if x.gone = there == 0; x.gone {
		return x.rename(ctx, db, x.place.target, x.live)
	}
	if err := x.rights(ctx, db); err != nil {
		return err
	}
	if err := x.alone(ctx, db); err != nil {
		return err
	}
	// From the first rename on nobody writes to what was there: its sessions are over,
	// and its name leads nowhere.
	if err := x.rename(ctx, db, x.live, x.aside); err != nil {
		return err
	}
	err = x.accepted(ctx)
	if err == nil {
		err = x.rename(ctx, db, x.place.target, x.live)
	}
	if err != nil {
		return errors.Join(err, x.rename(context.WithoutCancel(ctx), db, x.aside, x.live))
	}
	return nil
}

func (x *exchange) accepted(ctx context.Context) error {
	if x.o.Accept == nil {
		return nil
	}
	return x.aside.use(func(db *sql.DB) error {
		now, err := x.aside.look(ctx, db, true)
		if err != nil {
			return err
		}
		return x.o.Accept(ctx, now)
	})
}

// alone makes sure that nobody else is connected.
func (x *exchange) alone(ctx context.Context, db *sql.DB) error {
	const others = `from pg_stat_activity where datname in ($1, $2) and pid <> pg_backend_pid() and backend_type = 'client backend'`
	found, err := database.Texts(ctx, db, `select coalesce(nullif(application_name, ''), usename::text, 'unknown'), count(*)::text `+others+` group by 1 order by 2 desc`, x.live.name(), x.place.name())
	if err != nil {
		return x.live.refused(err)
	}
	if len(found) == 0 {
		return nil
	}
	if !x.o.Disconnect {
		var who []string
		for _, f := range found {
			who = append(who, f[0]+" ("+sessions(f[1])+")")
		}
		return ripcord.Errorf(ripcord.CodeRefused, "%s is in use by %s, and cannot be exchanged meanwhile", x.live, strings.Join(who, ", ")).
			WithFix("stop them, or give --disconnect, which ends their sessions")
	}
	if _, err := database.Texts(ctx, db, `select pg_terminate_backend(pid)::text `+others, x.live.name(), x.place.name()); err != nil {
		return x.live.refused(err)
	}
	return nil
}

func sessions(number string) string {
	if number == "1" {
		return "1 session"
	}
	return number + " sessions"
}

// Free implements ripcord.Occupied.
func (d *Data) Free(ctx context.Context) error {
	live, err := d.target(ctx)
	if err != nil {
		return err
	}
	x := &exchange{live: live, place: &Place{target: live}}
	return live.server(ctx, func(db *sql.DB) error { return x.alone(ctx, db) })
}

// rename renames a database. A session that was ended takes a moment to be gone, and
// a client that comes back at once is sent away again.
func (x *exchange) rename(ctx context.Context, db *sql.DB, from, to *target) error {
	const tries, pause = 40, 50 * time.Millisecond
	for try := 1; ; try++ {
		_, err := db.ExecContext(ctx, `alter database `+quoted(from.name())+` rename to `+quoted(to.name()))
		if err == nil {
			return nil
		}
		refused := x.live.refused(err)
		if ripcord.CodeOf(refused) != ripcord.CodeRefused || !x.o.Disconnect || try == tries {
			return refused
		}
		if err := x.alone(ctx, db); err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// rights gives the restored database the rights and settings of the one it replaces,
// which no dump of a single database holds.
func (x *exchange) rights(ctx context.Context, db *sql.DB) error {
	name := quoted(x.place.name())
	statements := []string{}
	granted, err := database.Texts(ctx, db, `select a.privilege_type, case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, a.is_grantable::text
		from pg_database d, aclexplode(d.datacl) a where d.datname = $1 and d.datacl is not null`, x.live.name())
	if err != nil {
		return x.live.refused(err)
	}
	if len(granted) > 0 {
		statements = append(statements, `revoke all on database `+name+` from public`)
	}
	for _, g := range granted {
		option := ""
		if g[2] == "true" {
			option = " with grant option"
		}
		statements = append(statements, `grant `+g[0]+` on database `+name+` to `+g[1]+option)
	}
	settings, err := database.Texts(ctx, db, `select coalesce(quote_ident(r.rolname), ''), split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)
		from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c where d.datname = $1`, x.live.name())
	if err != nil {
		return x.live.refused(err)
	}
	for _, s := range settings {
		who := `alter database ` + name
		if s[0] != "" {
			who = `alter role ` + s[0] + ` in database ` + name
		}
		value := literal(s[2])
		if s[1] == "search_path" { // a list, which stands as it was written
			value = s[2]
		}
		statements = append(statements, who+` set `+quoted(s[1])+` to `+value)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return x.live.refused(err)
		}
	}
	return nil
}
