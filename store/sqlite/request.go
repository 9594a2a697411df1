package sqlite

import (
	"context"
	"encoding/json"

	"github.com/ripcord-dev/ripcord"
)

// Ask stores a request durably. See ripcord.Requests.
func (s *Store) Ask(ctx context.Context, r ripcord.Request) (ripcord.Request, error) {
	if r.At.IsZero() {
		r.At = s.options.Now()
	}
	r.At = r.At.UTC()
	err := s.write(ctx, func(ctx context.Context, t *transaction) error {
		if _, err := t.find(ctx, r.Run); err != nil {
			return err
		}
		r.ID = 0
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		t.writes++
		result, err := t.conn.ExecContext(ctx, "INSERT INTO requests (run, request) VALUES (?, ?)", string(r.Run), string(text))
		if err != nil {
			return err
		}
		r.ID, err = result.LastInsertId()
		return err
	})
	return r, err
}

// Requests returns the run's requests with an ID above after. See
// ripcord.Requests.
func (s *Store) Requests(ctx context.Context, id ripcord.RunID, after int64) ([]ripcord.Request, error) {
	rows, err := s.statements.query(ctx, s.readers, "SELECT id, request FROM requests WHERE run = ? AND id > ? ORDER BY id", string(id), after)
	if err != nil {
		return nil, s.explain("read requests", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var requests []ripcord.Request
	for rows.Next() {
		var number int64
		var text []byte
		if err := rows.Scan(&number, &text); err != nil {
			return nil, s.explain("read requests", err)
		}
		var r ripcord.Request
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, ripcord.Errorf(ripcord.CodeInternal, "the journal's request %d of run %s is damaged: %w", number, id, err).
				WithFix("look at it with: ripcord journal verify")
		}
		r.ID = number
		requests = append(requests, r)
	}
	return requests, s.explain("read requests", rows.Err())
}
