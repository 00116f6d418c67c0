-- +goose Up
-- What SQLite writes otherwise stands in the file of the same number for it: bytes, and numbers given by the
-- database. All else is in files for both.
CREATE TABLE inbox (
  seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- not in the order of commits
  source      TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  body        BYTEA NOT NULL,
  body_sha256 TEXT NOT NULL,
  headers     TEXT NOT NULL,
  verified_by TEXT NOT NULL,
  received_at TEXT NOT NULL,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL DEFAULT '',
  UNIQUE (source, delivery_id)
);

CREATE TABLE scans (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scan_key  TEXT NOT NULL UNIQUE,
  source    TEXT NOT NULL,
  delivery  BIGINT NOT NULL,
  shipment  TEXT NOT NULL DEFAULT '',
  number    BIGINT NOT NULL DEFAULT 0, -- in the shipment, from 1 without gaps; 0: not matched
  state     TEXT NOT NULL,
  reason    TEXT NOT NULL DEFAULT '',  -- why it is not matched
  refs      TEXT NOT NULL,
  scan      TEXT NOT NULL,
  at        TEXT NOT NULL
);

CREATE TABLE documents (
  sha256     TEXT PRIMARY KEY,
  body       BYTEA NOT NULL,
  media_type TEXT NOT NULL,
  signer     TEXT NOT NULL
);
-- +goose Down
DROP TABLE documents; DROP TABLE scans; DROP TABLE inbox;
