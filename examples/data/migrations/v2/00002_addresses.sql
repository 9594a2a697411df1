-- +goose Up
CREATE TABLE addresses (id int PRIMARY KEY, city varchar(80) NOT NULL);
ALTER TABLE orders ADD COLUMN address int;
INSERT INTO addresses (id, town) VALUES (1, 'Bremen');
UPDATE orders SET address = 1;
CREATE INDEX orders_address ON orders (address);

-- +goose Down
DROP INDEX orders_address;
ALTER TABLE orders DROP COLUMN address;
DROP TABLE addresses;
