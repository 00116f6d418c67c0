package main

import (
	"context"
	"fmt"
	"time"

	"waybill/starters/rig"
)

// memory measures what a waiting shipment holds in worker and server, each round in a system that was just started: one
// that has freed memory once takes no more for the next.
func (b *bench) memory(ctx context.Context) error {
	var rounds []memory
	for range b.o.rounds {
		m, err := b.growth(ctx)
		if err != nil {
			return err
		}
		rounds = append(rounds, m)
	}
	note := fmt.Sprintf("from %d shipments in transit; a system started anew each round", b.o.waiting)
	for _, name := range []string{"worker", "server"} {
		b.add(
			taken{name: name + " before", unit: "MB", values: each(rounds, func(m memory) float64 { return float64(m.before[name]) / mega })},
			taken{name: name + ", more for 1,000 waiting shipments", unit: "MB", note: note,
				values: each(rounds, func(m memory) float64 {
					return float64(m.after[name]-m.before[name]) / float64(b.o.waiting) * 1000 / mega
				})},
		)
	}
	b.add(taken{name: "orders confirmed until Odoo shows them in transit", unit: "shipments/s", values: each(rounds, func(m memory) float64 { return float64(b.o.waiting) / m.took.Seconds() })})
	return nil
}

// memory is what processes held, in bytes by name, before and after so many shipments came, and how long that took.
type memory struct {
	before, after map[string]int
	took          time.Duration
}

func (b *bench) growth(ctx context.Context) (m memory, err error) {
	h, err := b.open(ctx, rig.Options{Relay: relayDefaults})
	if err != nil {
		return m, err
	}
	defer h.Close()
	if _, err := b.fleet(ctx, h, 16); err != nil { // pools and caches have their size
		return m, err
	}
	if m.before, err = b.held(ctx, h); err != nil {
		return m, err
	}
	began := time.Now()
	if _, err := b.fleet(ctx, h, b.o.waiting); err != nil {
		return m, err
	}
	m.took = time.Since(began)
	m.after, err = b.held(ctx, h)
	return m, err
}

const (
	mega = 1e6
	giga = 1e9
)

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
