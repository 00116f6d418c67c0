-- +goose Up
-- What waits of one source, the oldest first.
CREATE INDEX scans_unmatched ON scans (source, seq) WHERE state = 'unmatched';

-- Numbers without what people and systems write into them at will: the text is that of plainValue beside the code that reads it.
CREATE INDEX refs_plain ON refs (ltrim(upper(replace(replace(replace(replace(value, ' ', ''), '-', ''), '.', ''), '/', '')), '0'));
-- +goose Down
DROP INDEX refs_plain; DROP INDEX scans_unmatched;
