-- +goose Up
-- Numbers without what people and systems write into them at will: the text is that of plainValue beside the code that
-- reads it. What waits unmatched has no index of its own: each scan passes through that state, and would pay for it.
CREATE INDEX refs_plain ON refs (ltrim(upper(replace(replace(replace(replace(value, ' ', ''), '-', ''), '.', ''), '/', '')), '0'));
-- +goose Down
DROP INDEX refs_plain;
