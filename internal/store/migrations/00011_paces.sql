-- +goose Up
-- What is called no faster than at a rate, by all workers together.
CREATE TABLE paces (
  name TEXT PRIMARY KEY,
  next TEXT NOT NULL -- the first moment for a call that no worker has taken
);
-- +goose Down
DROP TABLE paces;
