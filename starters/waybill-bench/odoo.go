package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/starters/rig"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// odoo measures what a clean shipment asks of Odoo, how fast Odoo posts by our recipe and by the barest, and what
// posting does to a person who works there.
func (b *bench) odoo(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{})
	if err != nil {
		return err
	}
	defer h.Close()
	if !h.Real {
		b.word("The Odoo is a stand-in: calls are counted as they are, but rates and times say nothing of a real one; set ODOO_URL.")
	}
	for _, k := range kinds() {
		if err := b.calls(ctx, h, k); err != nil {
			return err
		}
	}
	h.Workers[0].Stop(30 * time.Second)
	return b.posting(ctx, h)
}

// calls counts by method.
func (b *bench) calls(ctx context.Context, h *rig.House, k kind) error {
	const n = 2
	var mu sync.Mutex
	counts := map[string]int{}
	h.Proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
		mu.Lock()
		defer mu.Unlock()
		if c.Shipment != "" {
			counts[c.Model+"."+c.Method]++
		}
		return false
	}})
	_, err := b.play(ctx, h, k.situation, n)
	h.Proxy.Watch(odootest.Watch{})
	if err != nil {
		return err
	}
	total, said := 0, []string{}
	for call, times := range counts {
		total += times
		said = append(said, fmt.Sprintf("%s %s", call, number(float64(times)/n)))
	}
	slices.Sort(said)
	b.add(taken{name: k.name + ": Odoo calls", unit: "a shipment", values: []float64{float64(total) / n}})
	b.word("%s, by method: %s.", k.name, strings.Join(said, ", "))
	return nil
}

// concurrencies are how many postings go on at a time.
func concurrencies() []int { return []int{1, 2, 4, 8} }

func (b *bench) posting(ctx context.Context, h *rig.House) error {
	page, err := openPage(ctx, h)
	if err != nil {
		return err
	}
	idle := taken{name: "a list of 80 orders, nobody posting, 95 % within", unit: "ms", note: "once before each concurrency"}
	best, within := 0, true
	for _, n := range concurrencies() {
		plans, err := b.sell(ctx, h, 2*b.o.rounds*max(b.o.postings, 2*n))
		if err != nil {
			return err
		}
		calm := page.p95(ctx, func(ctx context.Context) error { return pause(ctx, calmSpan) })
		if calm.err != nil {
			return calm.err
		}
		idle.values = append(idle.values, calm.ms)
		p95, err := b.postingAt(ctx, h, page, plans, n)
		if err != nil {
			return err
		}
		if within = within && p95 <= 2*calm.ms; within {
			best = n
		}
	}
	b.add(idle)
	if h.Real {
		b.word("%s", advice(best))
	}
	return nil
}

// calmSpan is how long a page is opened while nobody posts.
const calmSpan = 6 * time.Second

func advice(best int) string {
	if best == 0 {
		return "No concurrency keeps a person's page within twice its idle time here: post one at a time, or give Odoo more than this machine."
	}
	return fmt.Sprintf("Post %d at a time (queues: odoo-post, concurrency): the most that keeps a person's page within twice its idle time.", best)
}

// postingAt posts n at a time, as barely as can be and by our recipe, with a person at work. In every other round our
// recipe goes first, so that neither always finds the Odoo that the other has left.
func (b *bench) postingAt(ctx context.Context, h *rig.House, page *page, plans []freight.InvoicePlan, n int) (p95 float64, err error) {
	login := h.Login
	login.MaxConns = n
	watch := &stopwatch{Caller: odoo.New(login), took: map[string][]float64{}}
	money := &odoo.Money{Odoo: watch, FreightProduct: "WAYBILL-FREIGHT"}
	bare := taken{name: fmt.Sprintf("bare recipe, %d at a time", n), unit: "posted/s", note: "the same drafts: load, action_post, read"}
	ours := taken{name: fmt.Sprintf("our recipe, %d at a time", n), unit: "posted/s"}
	ratio := taken{name: fmt.Sprintf("our recipe over bare, %d at a time", n), unit: "of its rate", target: atLeast(leastOfBare), note: "either goes first in every other round"}
	list := taken{name: fmt.Sprintf("a list of 80 orders, %d posting, 95 %% within", n), unit: "ms"}
	var posted []freight.InvoicePlan
	for pair := range slices.Chunk(plans, len(plans)/b.o.rounds) {
		floor, rate, seen, err := page.pairOf(ctx, money, pair, n, len(ours.values)%2 == 1)
		if err != nil {
			return 0, err
		}
		posted = append(posted, pair[len(pair)/2:]...)
		bare.values, ours.values = append(bare.values, floor), append(ours.values, rate)
		ratio.values, list.values, list.note = append(ratio.values, rate/floor), append(list.values, seen.ms), seen.note
	}
	ours.note, err = postedOnce(ctx, h, posted)
	b.add(bare, ours, ratio, list)
	if n == 1 {
		b.word("Half of the calls within, bare and ours together: %s.", watch)
	}
	return quantile(list.values, 50), err
}

// leastOfBare is the share of the bare recipe's rate that ours must reach: what its looks before and between may cost.
const leastOfBare = 0.85

// pairOf posts one half of the plans barely and the other by our recipe, which may go first.
func (p *page) pairOf(ctx context.Context, money *odoo.Money, plans []freight.InvoicePlan, n int, oursFirst bool) (bare, ours float64, s seen, err error) {
	half := len(plans) / 2
	drafts, err := draftsOf(ctx, money, plans[:half])
	if err != nil {
		return 0, 0, s, err
	}
	turns := []func() error{
		func() error {
			var watched seen
			bare, watched = rateOf(ctx, p, drafts, n, func(ctx context.Context, d draft) error { return d.post(ctx, money.Odoo) })
			return watched.err
		},
		func() error {
			ours, s = rateOf(ctx, p, plans[half:], n, func(ctx context.Context, plan freight.InvoicePlan) error { return postAsPlanned(ctx, money, plan) })
			return s.err
		},
	}
	if oursFirst {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return 0, 0, s, err
		}
	}
	return bare, ours, s, nil
}

// postAsPlanned posts by our recipe, and sees that the invoice is over what was planned.
func postAsPlanned(ctx context.Context, money *odoo.Money, plan freight.InvoicePlan) error {
	inv, err := money.PostInvoice(ctx, plan)
	if err == nil && !inv.Net.Equal(plan.Net) {
		err = fmt.Errorf("%s is over %s, not %s", inv.Number, inv.Net, plan.Net)
	}
	return err
}

// rateOf does something with every plan, n at a time, beside a person at work, and says how many a second.
func rateOf[T any](ctx context.Context, p *page, plans []T, n int, do func(context.Context, T) error) (rate float64, s seen) {
	s = p.p95(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(n)
		began := time.Now()
		for _, plan := range plans {
			g.Go(func() error { return do(ctx, plan) })
		}
		err := g.Wait()
		rate = float64(len(plans)) / time.Since(began).Seconds()
		return err
	})
	return rate, s
}

// sell makes orders that are delivered, claimed and validated, as the story leaves them before it posts.
func (b *bench) sell(ctx context.Context, h *rig.House, n int) ([]freight.InvoicePlan, error) {
	order, err := seller(ctx, h.Shop)
	if err != nil {
		return nil, err
	}
	plans := make([]freight.InvoicePlan, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range plans {
		g.Go(func() error {
			picking, err := order(gctx)
			if err != nil {
				return err
			}
			if err := h.Shop.Deliver(gctx, picking, 0); err != nil {
				return err
			}
			plans[i], err = planFor(gctx, h, picking)
			return err
		})
	}
	return plans, g.Wait()
}

// seller opens the shop: what it returns confirms an order and says which delivery came of it. It may be called for
// several orders at a time.
func seller(ctx context.Context, shop *odootest.Shop) (order func(context.Context) (picking int64, err error), err error) {
	customer, err := shop.Customer(ctx, "BENCH", "75001")
	if err != nil {
		return nil, err
	}
	if _, err := shop.Product(ctx, "WB-BENCH", 10); err != nil {
		return nil, err
	}
	carrier, product, err := shop.Carrier(ctx, "FASTFRT")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (int64, error) {
		o, err := shop.Sell(ctx, customer, carrier, product, odootest.Line{Product: "WB-BENCH", Quantity: 3, Price: 100})
		if err != nil || len(o.Pickings) == 0 {
			return 0, errors.Join(fmt.Errorf("order %s has no delivery", o.Name), err)
		}
		return o.Pickings[0], nil
	}, nil
}

// planFor is what a story would post for a delivery: its goods, and freight.
func planFor(ctx context.Context, h *rig.House, picking int64) (p freight.InvoicePlan, err error) {
	id, err := freight.ShipmentIDOf(h.Tenant, picking)
	if err != nil {
		return p, err
	}
	status := &odoo.Status{Odoo: h.Odoo}
	release, err := status.ClaimDelivery(ctx, protocol.ClaimRequest{Shipment: id, Picking: picking})
	if err != nil {
		return p, err
	}
	money := &odoo.Money{Odoo: h.Odoo, FreightProduct: "WAYBILL-FREIGHT"}
	billable, err := money.ReadBillable(ctx, protocol.BillableRequest{Shipment: id, Picking: picking, Order: release.Order, Scope: freight.GoodsAndFreight, Key: freight.InvoiceKey(id, 1)})
	if err != nil {
		return p, err
	}
	usd := func(number string) freight.Money { return freight.Money{Number: number, Currency: "USD"} }
	s := &freight.Shipment{ID: id, Release: release, Billable: &billable, Terms: freight.Terms{Currency: "USD", Scope: freight.GoodsAndFreight}, Rating: &freight.Rating{Lines: []freight.RatedLine{
		{Ref: "linehaul", Side: freight.Sell, Code: freight.Linehaul, Amount: usd("75.00")}, {Ref: "fuel", Side: freight.Sell, Code: freight.FuelSurcharge, Amount: usd("14.40")},
	}}}
	return freight.PlanOf(s, 1, time.Now().UTC().Format(time.DateOnly))
}

// stopwatch times the calls that go through it, by method.
type stopwatch struct {
	odoo.Caller
	mu   sync.Mutex
	took map[string][]float64
}

func (w *stopwatch) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any) (any, error) {
	began := time.Now()
	v, err := w.Caller.Call(ctx, model, method, args, kwargs)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took[model+"."+method] = append(w.took[model+"."+method], millis(time.Since(began)))
	return v, err
}

func (w *stopwatch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var said []string
	for call, took := range w.took {
		said = append(said, fmt.Sprintf("%s %s ms", call, number(quantile(took, 50))))
	}
	slices.Sort(said)
	return strings.Join(said, ", ")
}

// draft is the call that our recipe makes a draft with, to the letter.
type draft struct {
	args   []any
	kwargs map[string]any
}

// draftsOf takes from our recipe the drafts it would make of plans.
func draftsOf(ctx context.Context, money *odoo.Money, plans []freight.InvoicePlan) ([]draft, error) {
	drafts := make([]draft, len(plans))
	for i, p := range plans {
		taker := &draftTaker{Caller: money.Odoo}
		m := &odoo.Money{Odoo: taker, FreightProduct: money.FreightProduct}
		if _, err := m.PostInvoice(ctx, p); taker.draft.args == nil {
			return nil, fmt.Errorf("the draft of %s: %w", p.Key, err)
		}
		drafts[i] = taker.draft
	}
	return drafts, nil
}

// draftTaker lets every call through but the one that makes a draft, which it keeps.
type draftTaker struct {
	odoo.Caller
	draft draft
}

var errTaken = errors.New("the draft is taken, not made")

func (t *draftTaker) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any) (any, error) {
	if model == "account.move" && method == "load" {
		t.draft = draft{args, kwargs}
		return nil, errTaken
	}
	return t.Caller.Call(ctx, model, method, args, kwargs)
}

// post makes the draft and posts it, with nothing before, between or after that could notice anything wrong.
func (d draft) post(ctx context.Context, c odoo.Caller) error {
	v, err := c.Call(ctx, "account.move", "load", d.args, d.kwargs)
	if err != nil {
		return err
	}
	answer, _ := v.(map[string]any)
	ids, _ := answer["ids"].([]any)
	if len(ids) == 0 {
		return fmt.Errorf("load: %v", answer["messages"])
	}
	if _, err := c.Call(ctx, "account.move", "action_post", []any{ids[:1]}, nil); err != nil {
		return err
	}
	rs, err := rows(c.Call(ctx, "account.move", "search_read", []any{[]any{[]any{"id", "=", ids[0]}}}, map[string]any{"fields": []string{"name", "state"}}))
	if err == nil && (len(rs) != 1 || rs[0]["state"] != "posted") {
		err = fmt.Errorf("invoice %v is not posted", ids[0])
	}
	return err
}

// postedOnce sees in Odoo that every plan has one posted invoice.
func postedOnce(ctx context.Context, h *rig.House, plans []freight.InvoicePlan) (string, error) {
	for _, p := range plans {
		domain := []any{[]any{"x_waybill_shipment", "=", string(p.Shipment)}, []any{"state", "=", "posted"}}
		rs, err := rows(h.Odoo.Call(ctx, "account.move", "search_read", []any{domain}, map[string]any{"fields": []string{"name"}}))
		if err != nil {
			return "", err
		}
		if len(rs) != 1 {
			return "", fmt.Errorf("shipment %s has %d posted invoices", p.Shipment, len(rs))
		}
	}
	return fmt.Sprintf("%d posted, each once", len(plans)), nil
}

// page is a person who looks at a list again and again.
type page struct {
	odoo odoo.Caller
	spec map[string]any
}

// openPage is that of a person who has worked for a while: the first time loads what all others use.
func openPage(ctx context.Context, h *rig.House) (*page, error) {
	p, err := pageOf(ctx, h)
	if err != nil {
		return nil, err
	}
	return p, p.p95(ctx, func(ctx context.Context) error { return pause(ctx, calmSpan/2) }).err
}

// pageOf is the list of orders, seen by a user of its own where the Odoo is a real one.
func pageOf(ctx context.Context, h *rig.House) (*page, error) {
	field := map[string]any{}
	name := map[string]any{"fields": map[string]any{"name": field}}
	p := &page{odoo: odoo.New(h.Login), spec: map[string]any{"name": field, "state": field, "partner_id": name, "currency_id": name}}
	if !h.Real {
		return p, nil
	}
	for _, more := range []string{"date_order", "amount_total", "invoice_status", "activity_ids"} {
		p.spec[more] = field
	}
	v, err := h.Odoo.Call(ctx, "ir.model.data", "check_object_reference", []any{"sales_team", "group_sale_salesman_all_leads"}, nil)
	if err != nil {
		return nil, err
	}
	group, _ := v.([]any)
	if len(group) != 2 {
		return nil, fmt.Errorf("there is no group of sales persons: %v", v)
	}
	login := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	values := map[string]any{"name": "Bench", "login": login, "password": login, "group_ids": []any{[]any{4, group[1]}}}
	if _, err := h.Odoo.Call(ctx, "res.users", "create", []any{values}, map[string]any{"context": map[string]any{"no_reset_password": true}}); err != nil {
		return nil, err
	}
	o := h.Login
	o.Login, o.Password = login, func() (string, error) { return login, nil }
	p.odoo = odoo.New(o)
	return p, nil
}

// seen is how a page answered.
type seen struct {
	ms   float64
	note string
	err  error
}

// lookPause is how long a person looks at a page.
const lookPause = 100 * time.Millisecond

// p95 opens the page again and again while something is done.
func (p *page) p95(ctx context.Context, while func(context.Context) error) seen {
	var over atomic.Bool
	var took []float64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer over.Store(true)
		return while(ctx)
	})
	g.Go(func() error {
		for !over.Load() {
			began := time.Now()
			if _, err := p.odoo.Call(ctx, "sale.order", "web_search_read", []any{[]any{}, p.spec}, map[string]any{"limit": 80}); err != nil {
				return err
			}
			took = append(took, millis(time.Since(began)))
			if err := pause(ctx, lookPause); err != nil {
				return err
			}
		}
		return nil
	})
	err := g.Wait()
	return seen{quantile(took, 95), fmt.Sprintf("opened %d times", len(took)), err}
}
