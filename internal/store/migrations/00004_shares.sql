-- +goose Up
-- What waits, by source: each source's oldest are found without a look at another's.
CREATE INDEX inbox_pending ON inbox (state, source, seq) WHERE state = 'pending';
-- +goose Down
DROP INDEX inbox_pending;
