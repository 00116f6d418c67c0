-- +goose Up
CREATE INDEX inbox_state ON inbox (state, seq);
CREATE INDEX scans_state ON scans (state, seq);
CREATE UNIQUE INDEX scans_number ON scans (shipment, number) WHERE number > 0;
CREATE INDEX scans_waiting ON scans (shipment, number) WHERE state = 'matched';

-- One row for each shipment that ever had a scan. Whoever holds the row's lock numbers its scans.
CREATE TABLE outbox (
  shipment TEXT PRIMARY KEY,
  last     BIGINT NOT NULL,           -- number of its newest scan
  due      TEXT NOT NULL DEFAULT '',  -- from when its scans may be taken; '': none waits
  holder   TEXT NOT NULL DEFAULT '',  -- who took them
  token    TEXT NOT NULL DEFAULT '',  -- of that taking alone
  tries    BIGINT NOT NULL DEFAULT 0  -- takings since something was sent
);
CREATE INDEX outbox_due ON outbox (due) WHERE due <> '';

CREATE TABLE refs (
  kind     TEXT NOT NULL,
  value    TEXT NOT NULL,
  carrier  TEXT NOT NULL,
  shipment TEXT NOT NULL,
  since    TEXT NOT NULL,
  until    TEXT NOT NULL,
  PRIMARY KEY (kind, value, carrier, shipment)
);

-- The references of scans nobody could place, so that registering one finds exactly those that named it.
CREATE TABLE unmatched_refs (
  kind  TEXT NOT NULL,
  value TEXT NOT NULL,
  seq   BIGINT NOT NULL,
  PRIMARY KEY (kind, value, seq)
);
CREATE INDEX unmatched_refs_seq ON unmatched_refs (seq);

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

CREATE TABLE finals (
  shipment TEXT PRIMARY KEY,
  revision BIGINT NOT NULL, -- of the view it closed with
  snapshot TEXT NOT NULL
);

CREATE TABLE used (
  kind   TEXT NOT NULL,
  name   TEXT NOT NULL,
  owner  TEXT NOT NULL,
  result TEXT NOT NULL,
  at     TEXT NOT NULL,
  PRIMARY KEY (kind, name)
);

CREATE TABLE audit (
  shipment TEXT NOT NULL,
  n        BIGINT NOT NULL,
  entry    TEXT NOT NULL,
  hash     TEXT NOT NULL,
  PRIMARY KEY (shipment, n)
);

-- The end of each chain: without it, nobody would miss entries cut off the end.
CREATE TABLE audit_heads (
  shipment TEXT PRIMARY KEY,
  n        BIGINT NOT NULL,
  hash     TEXT NOT NULL
);
-- +goose Down
DROP TABLE audit_heads; DROP TABLE audit; DROP TABLE used; DROP TABLE finals; DROP TABLE payments; DROP TABLE views;
DROP TABLE unmatched_refs; DROP TABLE refs; DROP TABLE outbox;
DROP INDEX scans_waiting; DROP INDEX scans_number; DROP INDEX scans_state; DROP INDEX inbox_state;
