package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ripcord-dev/ripcord"
	"github.com/ripcord-dev/ripcord/adapter/internal/database"
)

// Look implements ripcord.Data.
func (d *Data) Look(ctx context.Context, count bool) (v ripcord.DataView, err error) {
	t, err := d.target(ctx)
	if err != nil {
		return v, err
	}
	err = t.use(func(db *sql.DB) error {
		if err := t.readable(ctx, db); err != nil {
			return err
		}
		v, err = t.look(ctx, db, count)
		return err
	})
	if ripcord.CodeOf(err) == ripcord.CodeNotFound {
		err = t.aside(ctx, err)
	}
	return v, err
}

// aside says where a database is that a restore which was cut short between its two
// renames has put aside.
func (t *target) aside(ctx context.Context, missing error) error {
	name := ""
	err := t.server(ctx, func(db *sql.DB) error {
		found, err := database.Texts(ctx, db, `select datname from pg_database where starts_with(datname, $1) order by datname desc limit 1`, t.name()+"_before_")
		if err == nil && len(found) > 0 {
			name = found[0][0]
		}
		return err
	})
	if err != nil || name == "" {
		return missing
	}
	return ripcord.Errorf(ripcord.CodeNotFound, "there is no %s, but %s, which a restore has put aside", t, name).
		WithFix("if that restore was cut short: ALTER DATABASE %s RENAME TO %s; or restore a backup", quoted(name), quoted(t.name()))
}

// look looks at a database; the programs that fit it must be there.
func (t *target) look(ctx context.Context, db database.Querier, count bool) (v ripcord.DataView, err error) {
	number, err := database.Number(ctx, db, `select current_setting('server_version_num')::bigint`)
	if err != nil {
		return v, t.refused(err)
	}
	dump, err := find(ctx, "pg_dump", number)
	if err != nil {
		return v, err
	}
	v.Tool = dump.said
	facts, err := database.Texts(ctx, db, `select current_setting('server_version'), d.oid::text, coalesce(s.stats_reset::text, ''), pg_postmaster_start_time()::text
		from pg_database d left join pg_stat_database s on s.datid = d.oid where d.datname = current_database()`)
	if err != nil {
		return v, t.refused(err)
	}
	v.Server = "PostgreSQL " + facts[0][0]
	if v.Bytes, err = database.Number(ctx, db, `select pg_database_size(current_database())`); err != nil {
		return v, t.refused(err)
	}
	if !count {
		return v, nil
	}
	v.Epoch = strings.Join(facts[0][1:3], "/")
	if v.Tables, err = t.written(ctx, db); err == nil {
		err = t.count(ctx, db, &v)
	}
	return v, err
}

// tables are those with rows of their own.
const tables = `select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.oid::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
	and not exists (select from pg_depend p where p.classid = 'pg_class'::regclass and p.objid = c.oid and p.deptype = 'e')`

// written counts the writes of each table since the server counts them.
func (t *target) written(ctx context.Context, db database.Querier) ([]ripcord.TableView, error) {
	rows, err := database.Texts(ctx, db, `select t.name, coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)::text
		from (`+tables+`) t (name, id) left join pg_stat_all_tables s on s.relid = t.id::oid`)
	if err != nil {
		return nil, t.refused(err)
	}
	all := make([]ripcord.TableView, 0, len(rows))
	for _, row := range rows {
		view := ripcord.TableView{Name: strings.TrimPrefix(row[0], "public.")}
		if _, err := fmt.Sscan(row[1], &view.Writes); err != nil {
			return nil, err
		}
		all = append(all, view)
	}
	slices.SortFunc(all, func(a, b ripcord.TableView) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// count counts the rows of each table and digests the definitions.
func (t *target) count(ctx context.Context, db database.Querier, v *ripcord.DataView) error {
	for i := range v.Tables {
		rows, err := database.Number(ctx, db, `select count(*) from `+v.Tables[i].Name)
		if err != nil {
			return t.refused(err)
		}
		v.Tables[i].Rows = rows
	}
	var err error
	v.Schema, err = t.schema(ctx, db)
	return err
}

// schema digests what makes up the definitions: columns, constraints, indexes,
// views, functions, triggers, types, sequences, and who owns them.
func (t *target) schema(ctx context.Context, db database.Querier) (string, error) {
	const own = ` and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'`
	sum := sha256.New()
	for _, query := range []string{
		`select n.nspname, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
			from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
			left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where c.relkind in ('r','p','v','m','f','c') and c.relpersistence <> 't'` + own + ` order by 1, 2, 4`,
		`select n.nspname, c.relname, o.conname, pg_get_constraintdef(o.oid) from pg_constraint o join pg_class c on c.oid = o.conrelid
			join pg_namespace n on n.oid = c.relnamespace where true` + own + ` order by 1, 2, 3`,
		`select schemaname, tablename, indexname, indexdef from pg_indexes where schemaname not like 'pg\_%' order by 1, 2, 3`,
		`select schemaname, viewname, definition from pg_views where schemaname not like 'pg\_%' and schemaname <> 'information_schema' order by 1, 2`,
		`select n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), p.prosrc from pg_proc p join pg_namespace n on n.oid = p.pronamespace where true` + own + ` order by 1, 2, 3`,
		`select n.nspname, c.relname, g.tgname, pg_get_triggerdef(g.oid) from pg_trigger g join pg_class c on c.oid = g.tgrelid
			join pg_namespace n on n.oid = c.relnamespace where not g.tgisinternal` + own + ` order by 1, 2, 3`,
		`select n.nspname, t.typname, string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e join pg_type t on t.oid = e.enumtypid
			join pg_namespace n on n.oid = t.typnamespace where true` + own + ` group by 1, 2 order by 1, 2`,
		`select n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner) from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where c.relkind in ('r','p','v','m','f','S') and c.relpersistence <> 't'` + own + ` order by 1, 2`,
		`select extname, extversion, '' from pg_extension order by 1`,
	} {
		rows, err := database.Texts(ctx, db, query)
		if err != nil {
			return "", t.refused(err)
		}
		for _, row := range rows {
			_, _ = fmt.Fprintf(sum, "%q\n", row)
		}
		_, _ = fmt.Fprintln(sum)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// readable refuses where the account could not read all that belongs into a backup.
func (t *target) readable(ctx context.Context, db database.Querier) error {
	rows, err := database.Texts(ctx, db, `select t.name from (`+tables+`) t (name, id) where not (has_table_privilege(t.id::oid, 'select')
		and has_schema_privilege((select relnamespace from pg_class where oid = t.id::oid), 'usage')) order by 1`)
	if err != nil {
		return t.refused(err)
	}
	if len(rows) == 0 {
		return nil
	}
	return ripcord.Errorf(ripcord.CodePlan, "%s: the account %s may not read %s%s, so that no whole backup can be made", t, t.url.User.Username(), rows[0][0], more(len(rows)-1)).
		WithFix("grant pg_read_all_data to %s, or use the account that owns the database", quoted(t.url.User.Username()))
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more tables", n)
}
