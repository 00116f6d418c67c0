-- +goose Up
-- Which version of a connector read a delivery: '' for one that none has, as one refused at the door.
ALTER TABLE inbox ADD COLUMN connector TEXT NOT NULL DEFAULT '';

-- Which version of a connector made a scan, and why it may not be what its sender meant: '' for as expected.
ALTER TABLE scans ADD COLUMN connector TEXT NOT NULL DEFAULT '';
ALTER TABLE scans ADD COLUMN surprise TEXT NOT NULL DEFAULT '';
CREATE INDEX scans_surprise ON scans (seq) WHERE surprise <> '';
CREATE INDEX scans_delivery ON scans (delivery);
-- +goose Down
DROP INDEX scans_delivery; DROP INDEX scans_surprise;
ALTER TABLE scans DROP COLUMN surprise; ALTER TABLE scans DROP COLUMN connector; ALTER TABLE inbox DROP COLUMN connector;
