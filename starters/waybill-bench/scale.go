package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

// scale measures what more processes bring, and whether a noisy partner is felt by a quiet one.
func (b *bench) scale(ctx context.Context) error {
	const bridges = 4
	h, err := b.open(ctx, rig.Options{Bridges: bridges, Relay: relayDefaults})
	if err != nil {
		return err
	}
	defer h.Close()
	if err := b.workers(ctx, h); err != nil {
		return err
	}
	for _, w := range h.Workers {
		w.Stop(30 * time.Second)
	}
	if err := b.bridges(ctx, h); err != nil {
		return err
	}
	return b.noise(ctx, h)
}

// workers carries as many shipments at once with one worker as with two.
func (b *bench) workers(ctx context.Context, h *rig.House) error {
	if _, err := b.play(ctx, h, script.CleanBurst, 2); err != nil {
		return err
	}
	n := 2 * b.o.shipments
	for workers := 1; workers <= 2; workers++ {
		if workers == 2 {
			second, err := h.AddWorker(1)
			if err == nil {
				err = second.Start()
			}
			if err != nil {
				return err
			}
			if _, err := b.play(ctx, h, script.CleanBurst, 2); err != nil {
				return err
			}
		}
		w, err := begin(members(h))
		if err != nil {
			return err
		}
		s := script.New(h, script.Options{Seed: b.o.seed, Shipments: n, Situations: []script.Situation{script.CleanBurst}, Pace: 50 * time.Millisecond})
		if err := s.Play(ctx); err != nil {
			return err
		}
		u, err := w.end()
		if err != nil {
			return err
		}
		if wrong, err := s.Wrong(ctx); err != nil || len(wrong) > 0 {
			return fmt.Errorf("%d shipments came out wrong: %v %w", len(wrong), wrong, err)
		}
		b.add(taken{name: counted(workers, "worker") + ": order to payment", unit: "shipments/s", values: []float64{float64(n) / u.wall.Seconds()}, others: u.others,
			note: fmt.Sprintf("%d at once, each billed once; two cores carry everything, so a second worker shows what it costs", n)})
	}
	return nil
}

// bridges fires at one bridge, then at all, on one store.
func (b *bench) bridges(ctx context.Context, h *rig.House) error {
	all := h.BridgeAddresses()
	l := &load{h: h, source: "carrier", about: strangers(1000), name: "bridges"}
	for _, n := range []int{1, len(all)} {
		rate := taken{name: counted(n, "bridge") + ", 64 connections", unit: "accepted/s"}
		var accepted []string
		for range b.o.rounds {
			shots, err := l.shots(int(fastest*b.o.volley.Seconds()), 0, 0)
			if err != nil {
				return err
			}
			v := fire(ctx, all[:n], shots, 64, b.o.volley)
			if err := v.clean(); err != nil {
				return err
			}
			rate.values = append(rate.values, v.rate())
			accepted = append(accepted, v.accepted...)
		}
		var err error
		if rate.note, err = reconcile(ctx, h, accepted); err != nil {
			return err
		}
		b.add(rate)
	}
	return nil
}

// calmRate is what a quiet partner sends a second; a noisy one sends ten times as much.
const calmRate = 30

// noise times a quiet partner's deliveries alone, and beside a noisy one.
func (b *bench) noise(ctx context.Context, h *rig.House) error {
	const span = 5 * time.Second
	bridge := h.BridgeAddresses()[:1]
	quiet := &load{h: h, source: "tms", about: strangers(100), name: "quiet"}
	noisy := &load{h: h, source: "carrier", about: strangers(100), name: "noisy"}
	alone, beside := taken{name: "quiet partner alone, 99 % within", unit: "ms"}, taken{name: "quiet partner beside a noisy one, 99 % within", unit: "ms"}
	var accepted []string
	for range b.o.rounds {
		for _, with := range []bool{false, true} {
			calm, loud, err := b.pair(ctx, bridge, quiet, noisy, span, with)
			if err != nil {
				return err
			}
			accepted = append(append(accepted, calm.accepted...), loud.accepted...)
			if with {
				beside.values = append(beside.values, calm.quantile(99))
			} else {
				alone.values = append(alone.values, calm.quantile(99))
			}
		}
	}
	var err error
	if beside.note, err = reconcile(ctx, h, accepted); err != nil {
		return err
	}
	alone.note = fmt.Sprintf("%d/s; the noisy one sends %d/s", calmRate, 10*calmRate)
	beside.target = atMost(round(2 * median(alone.values)))
	b.add(alone, beside)
	return nil
}

func (b *bench) pair(ctx context.Context, bridge []string, quiet, noisy *load, span time.Duration, with bool) (calm, loud volley, err error) {
	few, err := quiet.shots(int(calmRate*span.Seconds()), 0, calmRate)
	if err != nil {
		return calm, loud, err
	}
	var both sync.WaitGroup
	if with {
		many, err := noisy.shots(int(10*calmRate*span.Seconds()), 0, 10*calmRate)
		if err != nil {
			return calm, loud, err
		}
		both.Go(func() { loud = fire(ctx, bridge, many, 32, span+longestLate) })
	}
	calm = fire(ctx, bridge, few, 8, span+longestLate)
	both.Wait()
	if err := calm.clean(); err != nil {
		return calm, loud, err
	}
	return calm, loud, loud.clean()
}
