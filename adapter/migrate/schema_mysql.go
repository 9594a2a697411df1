package migrate

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// counter is where a table's next number stands; it is data.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// mysqlSchema takes what the server itself would write, the lines of a table in order.
func mysqlSchema(ctx context.Context, on querier, without []string) ([]string, error) {
	tables, err := column(ctx, on, "select concat(table_type, ' ', table_name) from information_schema.tables where table_schema = database()")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, table := range tables {
		name := table[strings.LastIndexByte(table, ' ')+1:]
		if slices.Contains(without, name) {
			continue
		}
		text, err := shown(ctx, on, "show create table `"+strings.ReplaceAll(name, "`", "``")+"`")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(counter.ReplaceAllString(text, "")) {
			all = append(all, name+": "+strings.TrimSuffix(strings.TrimSpace(line), ","))
		}
	}
	for _, query := range []string{
		"select concat('trigger ', event_object_table, ' ', trigger_name, ' ', action_timing, ' ', event_manipulation, ' ', action_statement) from information_schema.triggers where trigger_schema = database()",
		"select concat(routine_type, ' ', routine_name, ' ', coalesce(dtd_identifier, ''), ' ', coalesce(routine_definition, ''), ' ', security_type, ' ', sql_data_access) from information_schema.routines where routine_schema = database()",
		"select concat('parameter ', specific_name, ' ', ordinal_position, ' ', coalesce(parameter_mode, ''), ' ', coalesce(parameter_name, ''), ' ', dtd_identifier) from information_schema.parameters where specific_schema = database()",
		"select concat('event ', event_name, ' ', event_definition, ' ', status, ' ', coalesce(interval_value, ''), ' ', coalesce(interval_field, '')) from information_schema.events where event_schema = database()",
	} {
		lines, err := column(ctx, on, query)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

// shown is the second column of the only row.
func shown(ctx context.Context, on querier, query string) (string, error) {
	rows, err := on.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }() // Err tells
	columns, err := rows.Columns()
	if err != nil || !rows.Next() || len(columns) < 2 {
		return "", rows.Err()
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new([]byte)
	}
	if err := rows.Scan(values...); err != nil {
		return "", err
	}
	return string(*values[1].(*[]byte)), rows.Err() //nolint:forcetypeassert // made above
}
