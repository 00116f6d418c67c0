package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"waybill/activities/odoo/odootest"
	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// monthEnd lets many shipments become billable at once: everything about them has happened but for their carriers'
// invoices, which then come all together. From there on each goes the product's whole way, through bridge, relay, rating,
// validation and posting with its record and guards, while a person works in Odoo.
func (b *bench) monthEnd(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{Relay: relayDefaults})
	if err != nil {
		return err
	}
	defer h.Close()
	if !h.Real {
		b.word("The Odoo is a stand-in: rate and times say what Waybill takes for it, not what a real one does; set ODOO_URL.")
	}
	page, err := openPage(ctx, h)
	if err != nil {
		return err
	}
	var rounds []billed
	for range b.o.rounds {
		r, err := b.billAll(ctx, h, page)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	b.tellBilled(h, rounds)
	return nil
}

// billed is how a round of shipments that became billable at once was billed.
type billed struct {
	took       time.Duration // from the first carrier's invoice sent until the last of ours was posted
	calm, busy seen          // a person's page before, and meanwhile
	attempts   []float64     // at the posting of each
	others     float64
}

func (b *bench) billAll(ctx context.Context, h *rig.House, page *page) (r billed, err error) {
	s := script.New(h, script.Options{Seed: b.o.seed, Shipments: b.o.billable, Situations: []script.Situation{script.Unbilled}, Abreast: 32, Pace: time.Millisecond})
	if err := s.Play(ctx); err != nil {
		return r, err
	}
	r.calm = page.p95(ctx, func(ctx context.Context) error { return pause(ctx, calmSpan) })
	if r.calm.err != nil {
		return r, r.calm.err
	}
	w, err := begin(members(h))
	if err != nil {
		return r, err
	}
	answered := watchFor(h.Proxy, "account.move", "action_post")
	began := time.Now()
	r.busy = page.p95(ctx, func(ctx context.Context) error { return billTogether(ctx, s, answered) })
	h.Proxy.Watch(odootest.Watch{})
	if r.busy.err != nil {
		return r, r.busy.err
	}
	u, err := w.end()
	if err != nil {
		return r, err
	}
	r.took, r.others = answered.last().Sub(began), u.others
	if err := cameOutRight(ctx, s); err != nil {
		return r, err
	}
	r.attempts, err = attempts(ctx, h, s.Plans)
	return r, err
}

// billTogether sends all carriers' invoices at once, and waits until Odoo has an invoice of ours for each.
func billTogether(ctx context.Context, s *script.Show, answered *answers) error {
	const atOnce = 64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var ids []any
	for _, p := range s.Plans {
		ids = append(ids, string(p.ID))
		g.Go(func() error { return s.Next(gctx, p) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	within := 5*time.Minute + time.Duration(len(ids))*2*time.Second // a real Odoo posts some a second
	return s.Await(ctx, "the last invoice", within, func() (bool, error) {
		if answered.shipments() < len(ids) {
			return false, ctx.Err()
		}
		domain := []any{[]any{"x_waybill_shipment", "in", ids}, []any{"state", "=", "posted"}}
		rs, err := rows(s.Odoo.Call(ctx, "account.move", "search_read", []any{domain}, map[string]any{"fields": []string{"name"}}))
		return len(rs) >= len(ids), err
	})
}

// attempts is how often the posting of each shipment was tried, as its history has it once it is over.
func attempts(ctx context.Context, h *rig.House, plans []*script.Plan) (ns []float64, err error) {
	for _, p := range plans {
		var n int
		err := h.Await(ctx, "the posting in the history of "+string(p.ID), time.Minute, func() (over bool, err error) {
			n, over, err = tries(ctx, h, p.ID)
			return over, err
		})
		if err != nil {
			return nil, err
		}
		ns = append(ns, float64(n))
	}
	return ns, nil
}

func tries(ctx context.Context, h *rig.House, id freight.ShipmentID) (n int, over bool, err error) {
	asked := map[int64]bool{} // by the event that has it
	it := h.Temporal.GetWorkflowHistory(ctx, protocol.ShipmentWorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return 0, false, err
		}
		if e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == protocol.PostInvoice.Name {
			asked[e.GetEventId()] = true
		}
		if began := e.GetActivityTaskStartedEventAttributes(); asked[began.GetScheduledEventId()] {
			n += int(began.GetAttempt())
		}
		over = over || asked[e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()]
	}
	return n, over, nil
}

func (b *bench) tellBilled(h *rig.House, rounds []billed) {
	const list = "a list of 80 orders"
	n := b.o.billable
	others := slices.Max(each(rounds, func(r billed) float64 { return r.others }))
	most := slices.Max(each(rounds, func(r billed) float64 { return slices.Max(r.attempts) }))
	calm := taken{name: list + ", nobody posting, 95 % within", unit: "ms", values: each(rounds, func(r billed) float64 { return r.calm.ms })}
	busy := taken{name: list + " meanwhile, 95 % within", unit: "ms", values: each(rounds, func(r billed) float64 { return r.busy.ms }), note: rounds[len(rounds)-1].busy.note}
	if h.Real {
		busy.target = atMost(round(2 * median(calm.values)))
	}
	b.add(
		taken{name: fmt.Sprintf("%d billable at once: until the last is posted", n), unit: "s", values: each(rounds, func(r billed) float64 { return r.took.Seconds() }), others: others,
			note: "from the first carrier's invoice sent; each billed once, to the cent"},
		taken{name: fmt.Sprintf("%d billable at once: rate", n), unit: "posted/s", values: each(rounds, func(r billed) float64 { return float64(n) / r.took.Seconds() }), others: others,
			note: "with the worker's own limit (queues: odoo-post)"},
		taken{name: "attempts at a posting", target: atMost(1), values: each(rounds, func(r billed) float64 { return mean(r.attempts) }), note: fmt.Sprintf("the mean; at most %s at one", number(most))},
		calm, busy,
	)
}
