-- +goose Up
ALTER TABLE orders ADD COLUMN gift int NOT NULL DEFAULT 0;
CREATE INDEX orders_item ON orders (item);

-- +goose Down
DROP INDEX orders_item;
ALTER TABLE orders DROP COLUMN gift;
