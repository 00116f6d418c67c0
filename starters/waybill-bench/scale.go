package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

// scale measures what more processes bring, and whether a noisy partner is felt by a quiet one.
func (b *bench) scale(ctx context.Context) error {
	const bridges = 4
	return b.onEach(ctx, rig.Options{Bridges: bridges, Relay: relayDefaults}, b.scaleOn)
}

func (b *bench) scaleOn(ctx context.Context, h *rig.House, store string) error {
	if err := b.workers(ctx, h, store); err != nil {
		return err
	}
	if err := b.noise(ctx, h, store); err != nil {
		return err
	}
	for _, w := range h.Workers {
		w.Stop(30 * time.Second)
	}
	return b.bridges(ctx, h, store)
}

// workers carries as many shipments at once with one worker as with two, by turns.
func (b *bench) workers(ctx context.Context, h *rig.House, store string) error {
	second, err := h.AddWorker(1)
	if err != nil {
		return err
	}
	n := 2 * b.o.shipments
	rates := []taken{{}, {}}
	for i := range rates {
		rates[i] = taken{name: store + ": " + counted(i+1, "worker") + ": order to payment", unit: "shipments/s",
			note: fmt.Sprintf("%d at once, each billed once; %s everything, so a second worker shows what it costs", n, carried(runtime.NumCPU()))}
	}
	for range b.o.rounds {
		for i := range rates {
			if i == 1 {
				if err := second.Start(); err != nil {
					return err
				}
			}
			rate, others, err := b.throughput(ctx, h, n)
			if err != nil {
				return fmt.Errorf("%s: %w", counted(i+1, "worker"), err)
			}
			rates[i].values, rates[i].others = append(rates[i].values, rate), max(rates[i].others, others)
		}
		second.Stop(30 * time.Second)
	}
	b.add(rates...)
	return nil
}

// carried says that so many cores carry something.
func carried(cores int) string {
	if cores == 1 {
		return "one core carries"
	}
	return fmt.Sprintf("%d cores carry", cores)
}

// throughput is how many of n shipments a second go from order to payment, after two that warm up whoever has just started.
func (b *bench) throughput(ctx context.Context, h *rig.House, n int) (rate, others float64, err error) {
	if _, err := b.play(ctx, h, script.CleanBurst, 2); err != nil {
		return 0, 0, err
	}
	s := script.New(h, script.Options{Seed: b.o.seed, Shipments: n, Situations: []script.Situation{script.CleanBurst}, Pace: 50 * time.Millisecond})
	began := time.Now()
	others, err = timed(h, func() error { return s.Play(ctx) })
	took := time.Since(began)
	if err != nil {
		return 0, 0, err
	}
	return float64(n) / took.Seconds(), others, cameOutRight(ctx, s)
}

// bridges fires at one bridge, then at all, on one store.
func (b *bench) bridges(ctx context.Context, h *rig.House, store string) error {
	all := h.BridgeAddresses()
	l := &load{h: h, source: "carrier", about: strangers(1000), name: "bridges"}
	for _, n := range []int{1, len(all)} {
		rate := taken{name: store + ": " + counted(n, "bridge") + ", 64 connections", unit: "accepted/s"}
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

const (
	// calmRate is what a quiet partner sends a second; a noisy one sends ten times as much.
	calmRate = 30
	// calmFleet are the shipments of a quiet partner; the noisy one has --fleet.
	calmFleet = 16
)

// noise times a quiet partner's deliveries alone, and beside a noisy one, while the relay takes both to their stories: from
// when each was due until the bridge's answer, and until its signal is written.
func (b *bench) noise(ctx context.Context, h *rig.House, store string) error {
	calm, err := b.fleet(ctx, h, calmFleet)
	if err != nil {
		return err
	}
	crowd, err := b.fleet(ctx, h, b.o.fleet)
	if err != nil {
		return err
	}
	p := pair{h: h, quiet: &load{h: h, source: "tms", about: calm, name: "quiet"}, noisy: &load{h: h, source: "carrier", about: crowd, name: "noisy"}}
	names := map[bool]string{false: store + ": quiet partner alone", true: store + ": quiet partner beside a noisy one"}
	answered, signalled := map[bool]*taken{}, map[bool]*taken{}
	for with, name := range names {
		answered[with], signalled[with] = &taken{name: name + ", answered, 99 % within", unit: "ms"}, &taken{name: name + ", signalled, 99 % within", unit: "ms"}
	}
	for range b.o.rounds {
		for _, with := range []bool{false, true} {
			v, signal, err := p.round(ctx, with)
			if err != nil {
				return err
			}
			answered[with].values, signalled[with].values = append(answered[with].values, v.quantile(99)), append(signalled[with].values, quantile(signal, 99))
		}
	}
	if answered[true].note, err = reconcile(ctx, h, p.accepted); err != nil {
		return err
	}
	answered[false].note = fmt.Sprintf("%d/s; the noisy one sends %d/s", calmRate, 10*calmRate)
	for _, kind := range []map[bool]*taken{answered, signalled} {
		kind[true].target = atMost(round(2 * median(kind[false].values)))
		b.add(*kind[false], *kind[true])
	}
	return nil
}

// pair are a quiet partner and a noisy one, at one bridge.
type pair struct {
	h            *rig.House
	quiet, noisy *load
	accepted     []string
}

// round sends for some seconds, and waits until every story has what was sent: signalled are how long the quiet partner's
// took from when they were due, in ms.
func (p *pair) round(ctx context.Context, with bool) (calm volley, signalled []float64, err error) {
	const span = 5 * time.Second
	bridge := p.h.BridgeAddresses()[:1]
	few, err := p.quiet.shots(int(calmRate*span.Seconds()), 0, calmRate)
	if err != nil {
		return calm, nil, err
	}
	var loud volley
	var both sync.WaitGroup
	if with {
		many, err := p.noisy.shots(int(10*calmRate*span.Seconds()), 0, 10*calmRate)
		if err != nil {
			return calm, nil, err
		}
		both.Go(func() { loud = fire(ctx, bridge, many, 32, span+longestLate) })
	}
	calm = fire(ctx, bridge, few, 8, span+longestLate)
	both.Wait()
	if err := errors.Join(calm.clean(), loud.clean()); err != nil {
		return calm, nil, err
	}
	p.accepted = append(append(p.accepted, calm.accepted...), loud.accepted...)
	err = p.h.Await(ctx, "every event at its story", time.Minute, func() (bool, error) {
		left, err := backlog(ctx, p.h)
		return left == 0, err
	})
	if err != nil {
		return calm, nil, err
	}
	signalled, err = sinceDue(ctx, p.h, p.quiet.about, few, calm.began)
	return calm, signalled, err
}

// sinceDue is how long shots took from when they were due until the signal that says what they say, in ms.
func sinceDue(ctx context.Context, h *rig.House, fleet []subject, shots []shot, began time.Time) (took []float64, err error) {
	at, err := signals(ctx, h, fleet, func(s freight.Scan) time.Time { return s.OccurredAt })
	if err != nil {
		return nil, err
	}
	for _, s := range shots {
		signal, ok := at[s.at.UnixMilli()]
		if !ok {
			return nil, fmt.Errorf("no signal says what delivery %s does", s.id)
		}
		took = append(took, millis(signal.Sub(began.Add(s.due))))
	}
	return took, nil
}
