package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver
)

// product is something to buy. Prices are in cents.
type product struct {
	ID    int
	Name  string
	Price int
}

// order is something bought.
type order struct {
	ID       int64
	Product  string
	Quantity int
	Total    int
}

// store keeps products and orders. Several instances share its file.
type store struct{ db *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  product INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL CHECK (quantity > 0)
);
INSERT OR IGNORE INTO products (id, name, price) VALUES
  (1, 'Parachute', 24900), (2, 'Reserve parachute', 19900), (3, 'Ripcord', 1900),
  (4, 'Altimeter', 8900), (5, 'Goggles', 2900), (6, 'Log book', 900);`

func openStore(ctx context.Context, path string) (*store, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), db.Close())
	}
	return &store{db}, nil
}

func (s *store) close() error { return s.db.Close() }

// well asks the database something.
func (s *store) well(ctx context.Context) error {
	var n int
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM products").Scan(&n); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if n == 0 {
		return errors.New("database: there are no products")
	}
	return nil
}

func (s *store) products(ctx context.Context) ([]product, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, name, price FROM products ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var all []product
	for rows.Next() {
		var p product
		if err := rows.Scan(&p.ID, &p.Name, &p.Price); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// buy makes an order; ok is false where there is no such product.
func (s *store) buy(ctx context.Context, product, quantity int) (id int64, ok bool, err error) {
	result, err := s.db.ExecContext(ctx, "INSERT INTO orders (product, quantity) SELECT id, ? FROM products WHERE id = ?", quantity, product)
	if err != nil {
		return 0, false, err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return 0, false, err
	}
	id, err = result.LastInsertId()
	return id, true, err
}

func (s *store) order(ctx context.Context, id int64) (o order, ok bool, err error) {
	err = s.db.QueryRowContext(ctx,
		"SELECT o.id, p.name, o.quantity, o.quantity * p.price FROM orders o JOIN products p ON p.id = o.product WHERE o.id = ?", id).
		Scan(&o.ID, &o.Product, &o.Quantity, &o.Total)
	if errors.Is(err, sql.ErrNoRows) {
		return o, false, nil
	}
	return o, err == nil, err
}
