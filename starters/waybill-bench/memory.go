package main

import (
	"context"
	"fmt"
	"time"

	"waybill/starters/rig"
)

// memory measures what a waiting shipment holds in worker and server.
func (b *bench) memory(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{Relay: relayDefaults})
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err := b.fleet(ctx, h, 16); err != nil { // pools and caches have their size
		return err
	}
	before, err := b.held(ctx, h)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.fleet(ctx, h, b.o.waiting); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := b.held(ctx, h)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("from %d shipments in transit", b.o.waiting)
	for _, name := range []string{"worker", "server"} {
		grown := float64(after[name]-before[name]) / float64(b.o.waiting) * 1000
		b.add(
			taken{name: name + " before", unit: "MB", values: []float64{float64(before[name]) / mega}},
			taken{name: name + ", more for 1,000 waiting shipments", unit: "MB", values: []float64{grown / mega}, note: note},
		)
	}
	b.add(taken{name: "orders confirmed until Odoo shows them in transit", unit: "shipments/s", values: []float64{float64(b.o.waiting) / took.Seconds()}})
	return nil
}

const mega = 1e6

// held is what worker and server hold when they have rested.
func (b *bench) held(ctx context.Context, h *rig.House) (map[string]int, error) {
	const rest = 10 * time.Second
	if err := pause(ctx, rest); err != nil {
		return nil, err
	}
	held := map[string]int{}
	for name, pids := range members(h) {
		n, err := resident(pids[0])
		if err != nil {
			return nil, err
		}
		held[name] = n
	}
	return held, nil
}
