-- +goose Up
CREATE TABLE inbox (
  seq         BIGINT PRIMARY KEY,
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
CREATE INDEX inbox_pending ON inbox (state, seq);

CREATE TABLE scans (
  seq       BIGINT PRIMARY KEY,
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
CREATE INDEX scans_shipment ON scans (shipment, number);
CREATE INDEX scans_state ON scans (state, shipment);

CREATE TABLE documents (
  sha256     TEXT PRIMARY KEY,
  body       BLOB NOT NULL,
  media_type TEXT NOT NULL,
  signer     TEXT NOT NULL
);

CREATE TABLE refs (
  kind     TEXT NOT NULL,
  carrier  TEXT NOT NULL,
  value    TEXT NOT NULL,
  shipment TEXT NOT NULL,
  since    TEXT NOT NULL,
  until    TEXT NOT NULL,
  PRIMARY KEY (kind, carrier, value, shipment)
);

CREATE TABLE views (
  shipment TEXT PRIMARY KEY,
  revision BIGINT NOT NULL,
  stage    TEXT NOT NULL,
  move     BIGINT NOT NULL,
  settled  INTEGER NOT NULL,
  closed   INTEGER NOT NULL,
  view     TEXT NOT NULL
);
CREATE INDEX views_unsettled ON views (settled, move);

CREATE TABLE payments (
  move     BIGINT PRIMARY KEY,
  shipment TEXT NOT NULL,
  told     TEXT NOT NULL
);

CREATE TABLE audit (
  shipment TEXT NOT NULL,
  n        BIGINT NOT NULL,
  entry    TEXT NOT NULL,
  hash     TEXT NOT NULL,
  PRIMARY KEY (shipment, n)
);

CREATE TABLE used (
  kind   TEXT NOT NULL,
  name   TEXT NOT NULL,
  owner  TEXT NOT NULL,
  result TEXT NOT NULL,
  at     TEXT NOT NULL,
  PRIMARY KEY (kind, name)
);

CREATE TABLE leases (
  name   TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until  TEXT NOT NULL
);

CREATE TABLE finals (
  shipment TEXT PRIMARY KEY,
  snapshot TEXT NOT NULL
);

CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
-- +goose Down
DROP TABLE counters; DROP TABLE finals; DROP TABLE leases; DROP TABLE used; DROP TABLE audit; DROP TABLE payments;
DROP TABLE views; DROP TABLE refs; DROP TABLE documents; DROP TABLE scans; DROP TABLE inbox;
