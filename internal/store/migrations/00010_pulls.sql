-- +goose Up
-- The numbers that carriers are asked about, each by one worker at a time.
CREATE TABLE pulls (
  source  TEXT NOT NULL,
  carrier TEXT NOT NULL,
  number  TEXT NOT NULL,
  due     TEXT NOT NULL,            -- from when it may be asked again
  token   TEXT NOT NULL DEFAULT '', -- of the taking
  PRIMARY KEY (source, carrier, number)
);
CREATE INDEX refs_shipment ON refs (shipment);

-- When each source sent something by itself: the first and the last of every ten minutes in which it did.
CREATE TABLE heard (
  source TEXT NOT NULL,
  slot   TEXT NOT NULL,
  first  TEXT NOT NULL,
  last   TEXT NOT NULL,
  PRIMARY KEY (source, slot)
);
-- +goose Down
DROP TABLE heard; DROP INDEX refs_shipment; DROP TABLE pulls;
