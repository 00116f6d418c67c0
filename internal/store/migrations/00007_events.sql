-- +goose Up
-- What has happened to shipments, as subscribers are told of it. Nothing is kept here while there is no subscriber.
CREATE TABLE events (
  shipment TEXT NOT NULL,
  n        BIGINT NOT NULL,      -- in the shipment, rising
  id       TEXT NOT NULL UNIQUE, -- of what has happened: the same again has the same
  kind     TEXT NOT NULL,
  customer TEXT NOT NULL,
  body     TEXT NOT NULL,        -- as it is sent, each time
  at       TEXT NOT NULL,        -- when it became known
  PRIMARY KEY (shipment, n)
);
CREATE INDEX events_at ON events (at);

-- The number of each shipment's newest event. Whoever holds the row's lock numbers its events.
CREATE TABLE event_heads (
  shipment TEXT PRIMARY KEY,
  last     BIGINT NOT NULL
);

-- An event on its way to one subscriber.
CREATE TABLE notifications (
  subscriber TEXT NOT NULL,
  shipment   TEXT NOT NULL,
  n          BIGINT NOT NULL,
  state      TEXT NOT NULL DEFAULT 'waiting', -- waiting, sent, dropped
  due        TEXT NOT NULL,                   -- from when it may be taken
  token      TEXT NOT NULL DEFAULT '',        -- of the taking
  tries      BIGINT NOT NULL DEFAULT 0,       -- takings
  tried      TEXT NOT NULL DEFAULT '',        -- when it was first refused; '': never
  reason     TEXT NOT NULL DEFAULT '',        -- of the last refusal
  PRIMARY KEY (subscriber, shipment, n)
);
CREATE INDEX notifications_waiting ON notifications (subscriber, due) WHERE state = 'waiting';
CREATE INDEX notifications_order ON notifications (subscriber, shipment, n) WHERE state = 'waiting';

-- How it goes with each subscriber; no row while all goes well.
CREATE TABLE subscribers (
  name     TEXT PRIMARY KEY,
  failing  TEXT NOT NULL DEFAULT '', -- since when nothing was taken; '': it takes
  paused   TEXT NOT NULL DEFAULT '', -- until when it wants none
  disabled TEXT NOT NULL DEFAULT '', -- since when nothing is sent; '': it is
  reason   TEXT NOT NULL DEFAULT ''
);
-- +goose Down
DROP TABLE subscribers; DROP TABLE notifications; DROP TABLE event_heads; DROP TABLE events;
