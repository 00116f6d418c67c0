-- +goose Up
-- Times are UTC texts of one length, so that they sort; amounts and snapshots are JSON texts.

-- What partners sent, exactly as they sent it.
CREATE TABLE inbox (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  source      TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  body        BLOB NOT NULL,
  body_sha256 TEXT NOT NULL,
  headers     TEXT NOT NULL,
  verified_by TEXT NOT NULL,
  received_at TEXT NOT NULL,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL DEFAULT '',
  UNIQUE (source, delivery_id)
);
CREATE INDEX inbox_state ON inbox (state, seq);

-- Where Odoo said to look. One row a record; n grows with each hint, so that one read is not the next one's answer.
CREATE TABLE hints (
  model  TEXT NOT NULL,
  record BIGINT NOT NULL,
  n      BIGINT NOT NULL,
  at     TEXT NOT NULL,
  PRIMARY KEY (model, record)
);

-- Canonical events; number is the place in the shipment's order, from 1 without gaps, 0 while unmatched.
CREATE TABLE scans (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  scan_key  TEXT NOT NULL UNIQUE,
  source    TEXT NOT NULL,
  delivery  BIGINT NOT NULL,
  shipment  TEXT NOT NULL DEFAULT '',
  number    BIGINT NOT NULL DEFAULT 0,
  state     TEXT NOT NULL,
  refs      TEXT NOT NULL,
  scan      TEXT NOT NULL,
  at        TEXT NOT NULL
);
CREATE UNIQUE INDEX scans_number ON scans (shipment, number) WHERE number > 0;
CREATE INDEX scans_state ON scans (state, shipment);

-- The numbers by which unmatched scans may yet be found.
CREATE TABLE wanted (
  kind  TEXT NOT NULL,
  value TEXT NOT NULL,
  scan  BIGINT NOT NULL,
  PRIMARY KEY (kind, value, scan)
);
CREATE INDEX wanted_scan ON wanted (scan);

CREATE TABLE documents (
  sha256     TEXT PRIMARY KEY,
  body       BLOB NOT NULL,
  media_type TEXT NOT NULL,
  signer     TEXT NOT NULL
);

-- Which shipment a number means, and from when to when.
CREATE TABLE refs (
  kind     TEXT NOT NULL,
  carrier  TEXT NOT NULL,
  value    TEXT NOT NULL,
  shipment TEXT NOT NULL,
  since    TEXT NOT NULL,
  until    TEXT NOT NULL,
  PRIMARY KEY (kind, value, carrier, shipment)
);

CREATE TABLE views (
  shipment   TEXT PRIMARY KEY,
  revision   BIGINT NOT NULL,
  stage      TEXT NOT NULL,
  customer   TEXT NOT NULL,
  exceptions TEXT NOT NULL,
  move       BIGINT NOT NULL,
  settled    INTEGER NOT NULL,
  closed     INTEGER NOT NULL,
  view       TEXT NOT NULL
);
CREATE INDEX views_unsettled ON views (settled, move);

CREATE TABLE payments (
  move     BIGINT PRIMARY KEY,
  shipment TEXT NOT NULL,
  told     TEXT NOT NULL
);

-- Who did what. Each hash covers the one before it; heads remembers the last, so that a cut tail shows too.
CREATE TABLE audit (
  shipment TEXT NOT NULL,
  n        BIGINT NOT NULL,
  entry    TEXT NOT NULL,
  hash     TEXT NOT NULL,
  PRIMARY KEY (shipment, n)
);
CREATE TABLE heads (
  shipment TEXT PRIMARY KEY,
  n        BIGINT NOT NULL,
  hash     TEXT NOT NULL
);
-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd

-- What must not happen twice, with its result.
CREATE TABLE used (
  kind   TEXT NOT NULL,
  name   TEXT NOT NULL,
  owner  TEXT NOT NULL,
  result TEXT NOT NULL,
  at     TEXT NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE INDEX used_owner ON used (kind, owner, at);

CREATE TABLE leases (
  name   TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until  TEXT NOT NULL,
  tries  BIGINT NOT NULL DEFAULT 0
);

-- A shipment as it closed: what a later scan resumes from.
CREATE TABLE finals (
  shipment TEXT PRIMARY KEY,
  snapshot TEXT NOT NULL
);

CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);

-- +goose Down
DROP TABLE counters;
DROP TABLE finals;
DROP TABLE leases;
DROP TABLE used;
DROP TABLE heads;
DROP TABLE audit;
DROP TABLE payments;
DROP TABLE views;
DROP TABLE refs;
DROP TABLE documents;
DROP TABLE wanted;
DROP TABLE scans;
DROP TABLE hints;
DROP TABLE inbox;
