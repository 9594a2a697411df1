package sqlite

import (
	"context"

	"github.com/ripcord-dev/ripcord"
)

// Places returns a filter for each application and environment that a run was
// ever planned for, in order of names.
func (s *Store) Places(ctx context.Context) ([]ripcord.Filter, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT DISTINCT application, environment FROM runs ORDER BY application, environment")
	if err != nil {
		return nil, s.explain("list environments", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var places []ripcord.Filter
	for rows.Next() {
		var f ripcord.Filter
		if err := rows.Scan(&f.Application, &f.Environment); err != nil {
			return nil, s.explain("list environments", err)
		}
		places = append(places, f)
	}
	return places, s.explain("list environments", rows.Err())
}
