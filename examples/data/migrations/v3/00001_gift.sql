-- +goose Up
ALTER TABLE orders ADD COLUMN gift int NOT NULL DEFAULT 0;
CREATE INDEX orders_gift ON orders (gift);

-- +goose Down
DROP INDEX orders_gift;
ALTER TABLE orders DROP COLUMN gift;
