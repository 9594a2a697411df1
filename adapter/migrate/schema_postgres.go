package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// postgresSchema reads the system catalogs, without what extensions brought along.
func postgresSchema(ctx context.Context, on querier, without []string) ([]string, error) {
	var all []string
	for _, query := range postgresCatalog() {
		// Names are told with their schema, whatever the search path is.
		lines, err := column(ctx, on, query)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return slices.DeleteFunc(all, func(line string) bool {
		words := strings.SplitN(line, " ", 3)
		return len(words) > 1 && slices.ContainsFunc(without, func(table string) bool {
			name := words[1][strings.IndexByte(words[1], '.')+1:]
			return name == table[strings.IndexByte(table, '.')+1:] || strings.HasPrefix(name, table[strings.IndexByte(table, '.')+1:]+"_id_seq")
		})
	}), nil
}

// ours leaves out what belongs to the system or to an extension.
func ours(catalog, oid string) string {
	return fmt.Sprintf("n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not exists (select from pg_depend d where d.classid = '%s'::regclass and d.objid = %s and d.deptype = 'e')", catalog, oid)
}

// postgresCatalog are questions that give a line for each thing: what it is, SCHEMA.NAME
// of the table or of itself, and all that defines it.
func postgresCatalog() []string {
	of := ours("pg_class", "c.oid")
	return []string{
		"select 'schema ' || n.nspname || ' ' || coalesce(n.nspacl::text, '') from pg_namespace n where " + ours("pg_namespace", "n.oid"),
		"select 'relation ' || n.nspname || '.' || c.relname || ' ' || c.relkind::text || c.relpersistence::text || c.relrowsecurity || c.relforcerowsecurity || coalesce(c.reloptions::text, '') || coalesce(c.relacl::text, '') || coalesce(pg_get_partkeydef(c.oid), '') || coalesce(pg_get_expr(c.relpartbound, c.oid), '') || coalesce(obj_description(c.oid, 'pg_class'), '') from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r','p','v','m','S','f') and " + of,
		"select 'column ' || n.nspname || '.' || c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attidentity::text || a.attgenerated::text || ' ' || coalesce(pg_get_expr(e.adbin, e.adrelid), '') || ' ' || a.attcollation || coalesce(a.attacl::text, '') || coalesce(col_description(c.oid, a.attnum), '') from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace left join pg_attrdef e on e.adrelid = c.oid and e.adnum = a.attnum where a.attnum > 0 and not a.attisdropped and c.relkind in ('r','p','v','m','f') and " + of,
		"select 'constraint ' || n.nspname || '.' || c.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) || ' ' || k.convalidated from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace where " + of,
		"select 'index ' || n.nspname || '.' || c.relname || ' ' || pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace where " + of,
		"select 'view ' || n.nspname || '.' || c.relname || ' ' || pg_get_viewdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('v','m') and " + of,
		"select 'trigger ' || n.nspname || '.' || c.relname || ' ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace where not t.tgisinternal and " + of,
		"select 'rule ' || n.nspname || '.' || c.relname || ' ' || pg_get_ruledef(r.oid) from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace where r.rulename <> '_RETURN' and " + of,
		"select 'policy ' || n.nspname || '.' || c.relname || ' ' || p.polname || ' ' || p.polcmd::text || p.polpermissive || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where " + of,
		"select 'sequence ' || n.nspname || '.' || c.relname || ' ' || format_type(s.seqtypid, null) || ' ' || s.seqstart || ' ' || s.seqincrement || ' ' || s.seqmin || ' ' || s.seqmax || ' ' || s.seqcycle from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace where " + of,
		"select 'function ' || n.nspname || '.' || p.proname || ' ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prokind in ('f','p') and " + ours("pg_proc", "p.oid"),
		"select 'enum ' || n.nspname || '.' || t.typname || ' ' || (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.typtype = 'e' and " + ours("pg_type", "t.oid"),
		"select 'domain ' || n.nspname || '.' || t.typname || ' ' || format_type(t.typbasetype, t.typtypmod) || ' ' || t.typnotnull || coalesce(t.typdefault, '') || ' ' || coalesce((select string_agg(pg_get_constraintdef(k.oid), ',' order by k.conname) from pg_constraint k where k.contypid = t.oid), '') from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.typtype = 'd' and " + ours("pg_type", "t.oid"),
		"select 'extension ' || e.extname || ' ' || e.extversion from pg_extension e",
	}
}
