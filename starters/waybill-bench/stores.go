package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"waybill/starters/rig"
)

// onEach measures a house on SQLite, and one on the PostgreSQL of --postgres where that is given; what goes wrong on one
// ends nothing on the other.
func (b *bench) onEach(ctx context.Context, o rig.Options, measure func(ctx context.Context, h *rig.House, store string) error) error {
	err := b.on(ctx, o, "SQLite", measure)
	if b.o.postgres == "" {
		b.word("PostgreSQL was left out: give --postgres URL.")
		return err
	}
	address, drop, fault := ownSchema(ctx, b.o.postgres)
	if fault != nil {
		return errors.Join(err, fault)
	}
	o.Store = address
	return errors.Join(err, b.on(ctx, o, "PostgreSQL", measure), drop())
}

func (b *bench) on(ctx context.Context, o rig.Options, store string, measure func(ctx context.Context, h *rig.House, store string) error) error {
	h, err := b.open(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", store, err)
	}
	defer h.Close()
	if err := measure(ctx, h, store); err != nil {
		return fmt.Errorf("%s: %w", store, err)
	}
	return nil
}

// ownSchema makes a schema for one house on a PostgreSQL, so that none finds what another left: their shipments have the
// same names. Drop takes it away again.
func ownSchema(ctx context.Context, address string) (own string, drop func() error, err error) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return "", nil, errors.New("--postgres: want postgres://USER@HOST/DATABASE") // not shown: it may hold a password
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return "", nil, err
	}
	name := "bench_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+name); err != nil {
		return "", nil, errors.Join(fmt.Errorf("a schema for the run: %w", err), db.Close())
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	drop = func() error {
		_, err := db.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA "+name+" CASCADE")
		return errors.Join(err, db.Close())
	}
	return u.String(), drop, nil
}
