package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements are those of the readers that executors use all the time: parsing
// one takes longer than carrying it out. Each is prepared when it is first used,
// so that opening the journal stays quick.
type statements struct {
	lock sync.Mutex
	all  map[string]*sql.Stmt
}

// query runs a statement on any reader.
func (s *statements) query(ctx context.Context, readers *sql.DB, text string, args ...any) (*sql.Rows, error) {
	statement, err := s.prepared(ctx, readers, text) //nolint:sqlclosecheck // it is used again
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

func (s *statements) prepared(ctx context.Context, readers *sql.DB, text string) (*sql.Stmt, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if found := s.all[text]; found != nil {
		return found, nil
	}
	statement, err := readers.PrepareContext(ctx, text) //nolint:sqlclosecheck // see close
	if err != nil {
		return nil, err
	}
	if s.all == nil {
		s.all = make(map[string]*sql.Stmt)
	}
	s.all[text] = statement
	return statement, nil
}

func (s *statements) close() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	var errs []error
	for _, statement := range s.all {
		errs = append(errs, statement.Close())
	}
	s.all = nil
	return errors.Join(errs...)
}
