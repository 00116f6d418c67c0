package odoo_test

import (
	"slices"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// released reads all pages of so many.
func (h *house) released(since time.Time, page int) (all []odoo.Released) {
	h.t.Helper()
	after := int64(0)
	for {
		found := must[[]odoo.Released](h.t)(h.status.Released(h.t.Context(), since, after, page))
		all = append(all, found...)
		if len(found) < page {
			return all
		}
		after = found[len(found)-1].Picking
	}
}

func has(rs []odoo.Released, picking int64) bool {
	return slices.ContainsFunc(rs, func(r odoo.Released) bool { return r.Picking == picking })
}

func TestReleasedDeliveriesAreFoundUntilTheyAreClaimed(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Minute)
	o := h.sell()
	found := h.released(since, 500)
	i := slices.IndexFunc(found, func(r odoo.Released) bool { return r.Picking == o.Pickings[0] })
	if i < 0 || found[i].Customer != "ACME" || found[i].OrderName != o.Name || found[i].Currency != "USD" {
		t.Fatalf("a confirmed order was not found: %+v", found)
	}
	if has(h.released(time.Now().Add(time.Hour), 500), o.Pickings[0]) {
		t.Error("a delivery made before the time asked for was found")
	}
	h.claim(o)
	if has(h.released(since, 500), o.Pickings[0]) {
		t.Error("a claimed delivery was found again")
	}
}

// TestMoreThanAPageIsFoundPageByPage, each once: what cannot be claimed must not hide what comes after it.
func TestMoreThanAPageIsFoundPageByPage(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Second)
	var want []int64
	for range 5 {
		want = append(want, h.sell().Pickings[0])
	}
	found := h.released(since, 2)
	for _, p := range want {
		n := 0
		for _, r := range found {
			if r.Picking == p {
				n++
			}
		}
		if n != 1 {
			t.Errorf("delivery %d was found %d times in pages of 2", p, n)
		}
	}
	if !slices.IsSortedFunc(found, func(a, b odoo.Released) int { return int(a.Picking - b.Picking) }) {
		t.Error("the pages are not in order")
	}
}

func TestBackorderIsReleasedAnew(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Minute)
	o := h.sell()
	r, _ := h.claim(o)
	h.deliver(r.Picking, 1)
	o = must[odootest.Order](t)(h.shop.Order(t.Context(), o.ID))
	if found := h.released(since, 500); !has(found, o.Pickings[1]) || has(found, o.Pickings[0]) {
		t.Errorf("%v: found %+v", o.Pickings, found)
	}
}

// TestOfThreeStepsOnlyTheLastIsReleased: picking and packing are the warehouse's own.
func TestOfThreeStepsOnlyTheLastIsReleased(t *testing.T) {
	h := newHouse(t)
	if !h.real {
		t.Skip("the stand-in's warehouse ships in one step")
	}
	since := time.Now().Add(-time.Minute)
	code := "W" + randomHex()[:4]
	warehouse := h.create("stock.warehouse", map[string]any{"name": "Three steps " + code, "code": code, "delivery_steps": "pick_pack_ship"})
	o := h.sellWith(map[string]any{"warehouse_id": warehouse})
	for step := range 3 {
		ps := h.find("stock.picking", []any{[]any{"sale_id", "=", o.ID}, []any{"state", "not in", []any{"done", "cancel"}}}, "picking_type_code", "name")
		outgoing := ps[len(ps)-1]["picking_type_code"] == "outgoing"
		if released := has(h.released(since, 500), ps[len(ps)-1]["id"].(int64)); released != outgoing || outgoing != (step == 2) {
			t.Errorf("step %d, %v: released %v", step+1, ps, released)
		}
		h.deliver(ps[0]["id"].(int64), 0)
	}
}

func TestServiceOrderHasNoDeliveryToRelease(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Minute)
	service := h.create("product.product", map[string]any{"name": "Consulting", "default_code": "CONSULTING-" + randomHex(), "type": "service", "invoice_policy": "order", "list_price": 90.0})
	o := h.sell(odootest.Line{Quantity: 1, Price: 90, With: map[string]any{"product_id": service}})
	for _, r := range h.released(since, 500) {
		if r.OrderName == o.Name {
			t.Errorf("%+v", r)
		}
	}
}

func TestCancelledDeliveriesAreFoundUntilTheyShowIt(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	found := func() bool {
		after := int64(0)
		for {
			cs := must[[]odoo.Changed](t)(h.status.Changed(t.Context(), time.Now(), after, 2))
			for _, c := range cs {
				if c.Shipment == id && c.Picking == r.Picking {
					return c.Stopped
				}
				after = c.Picking
			}
			if len(cs) < 2 {
				return false
			}
		}
	}
	if found() {
		t.Error("it is not cancelled")
	}
	if err := h.shop.Cancel(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	if !found() {
		t.Error("the cancelled order was not found")
	}
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusCancelled})
	if found() {
		t.Error("it shows that it is cancelled, and is found again")
	}
}

// TestNumbersThatADeliveryGetsInOdooAreFoundOnceTheyAreThere, by what was written since, with the question that finds what
// is cancelled.
func TestNumbersThatADeliveryGetsInOdooAreFoundOnceTheyAreThere(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Minute)
	_, other := h.claim(h.sell())
	r, id := h.claim(h.sell())
	found := func(since time.Time) (numbers string) {
		for _, c := range must[[]odoo.Changed](t)(h.status.Changed(t.Context(), since, r.Picking-1, 500)) {
			if c.Stopped || c.Shipment == other {
				t.Errorf("%+v is none", c)
			}
			if c.Shipment == id {
				numbers = c.Numbers
			}
		}
		return numbers
	}
	if got := found(since); got != "" {
		t.Errorf("it has %q", got)
	}
	h.do("stock.picking", "write", []any{r.Picking}, map[string]any{"carrier_tracking_ref": "1Z 1,1Z 2"})
	if got := found(since); got != "1Z 1,1Z 2" {
		t.Errorf("it has %q", got)
	}
	if got := found(time.Now().Add(time.Hour)); got != "" {
		t.Errorf("it was written before, and is found with %q", got)
	}
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusDelivered})
	if got := found(since); got != "" {
		t.Errorf("it is delivered, and found with %q", got)
	}
}

func TestNumbersThatADeliveryHasWhenItIsClaimedComeWithTheClaim(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	h.do("stock.picking", "write", []any{o.Pickings[0]}, map[string]any{"carrier_tracking_ref": "1Z1, 1Z2"})
	r, _ := h.claim(o)
	want := []freight.Reference{{Kind: freight.RefTracking, Carrier: r.Carrier, Value: "1Z1"}, {Kind: freight.RefTracking, Carrier: r.Carrier, Value: "1Z2"}}
	if !slices.Equal(r.Known, want) || r.Carrier == "" {
		t.Errorf("%+v, want %+v", r.Known, want)
	}
}

func (h *house) payment(move int64) (p freight.Payment, ok bool) {
	h.t.Helper()
	ps := must[[]freight.Payment](h.t)(h.money.Payments(h.t.Context(), []int64{move}))
	if len(ps) == 0 {
		return p, false
	}
	return ps[0], true
}

func TestPaymentsAreReadAsTheyCome(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	inv := h.post(h.plan(r, id))
	if p, ok := h.payment(inv.Move); !ok || p.State != freight.InvoicePosted || !p.Residual.Equal(inv.Total) {
		t.Errorf("before payment: %+v, total %s", p, inv.Total)
	}
	about := map[string]any{"active_model": "account.move", "active_ids": []any{inv.Move}, "dont_redirect_to_payments": true}
	w := h.with(about, "account.payment.register", "create", map[string]any{"amount": 23.45})
	h.with(about, "account.payment.register", "action_create_payments", []any{w})
	left := must[freight.Money](t)(inv.Total.Sub(freight.MustMoney("23.45 USD")))
	if p, ok := h.payment(inv.Move); !ok || p.State != freight.InvoicePartPaid || !p.Residual.Equal(left) {
		t.Errorf("after 23.45 USD: %+v, want %s left", p, left)
	}
	if err := h.shop.Pay(t.Context(), inv.Move); err != nil {
		t.Fatal(err)
	}
	if p, ok := h.payment(inv.Move); !ok || p.State != freight.InvoicePaid || p.Residual.Sign() != 0 {
		t.Errorf("after payment: %+v", p)
	}
}

func TestCreditedInvoiceIsReversed(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	inv := h.post(h.plan(r, id))
	journal := idOf(h.one("account.move", inv.Move, "journal_id")["journal_id"])
	w := h.create("account.move.reversal", map[string]any{"move_ids": []any{[]any{6, 0, []any{inv.Move}}}, "reason": "damaged", "journal_id": journal})
	answer := h.do("account.move.reversal", "refund_moves", []any{w}).(map[string]any)
	refund := answer["res_id"].(int64)
	if got := h.one("account.move", refund, "x_waybill_shipment", "x_waybill_lines_hash"); got["x_waybill_shipment"] != false || got["x_waybill_lines_hash"] != false {
		t.Errorf("the credit note passes for an invoice of ours: %v", got)
	}
	h.do("account.move", "action_post", []any{refund})
	if p, ok := h.payment(inv.Move); !ok || p.State != freight.InvoiceReversed || p.Residual.Sign() != 0 {
		t.Errorf("%+v", p)
	}
}

func TestInvoiceResetOrCancelledInOdooIsSeen(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	inv := h.post(p)
	h.do("account.move", "button_draft", []any{inv.Move})
	if p, ok := h.payment(inv.Move); ok {
		t.Errorf("reset to draft: %+v", p)
	}
	h.do("account.move", "button_cancel", []any{inv.Move})
	if p, ok := h.payment(inv.Move); !ok || p.State != freight.InvoiceReversed || p.Residual.Sign() != 0 || p.Residual.Currency != "USD" {
		t.Errorf("cancelled: %+v", p)
	}
	h.refused(p, protocol.Rejected, "was cancelled in Odoo")
}

// TestManyPaymentsAreReadWithFewCalls, and one that is not there is left out.
func TestManyPaymentsAreReadWithFewCalls(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	inv := h.post(h.plan(r, id))
	moves := make([]int64, 1200)
	for i := range moves {
		moves[i] = 1_000_000 + int64(i)
	}
	moves[1100] = inv.Move
	calls := 0
	h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool {
		calls++
		return false
	}})
	ps := must[[]freight.Payment](t)(h.money.Payments(t.Context(), moves))
	h.proxy.Watch(odootest.Watch{})
	if len(ps) != 1 || ps[0].Move != inv.Move || calls != 3 {
		t.Errorf("%+v with %d calls, want one invoice with 3", ps, calls)
	}
}

// TestPaymentOnItsWayCountsAsPaid: with Odoo's own accounting app an invoice is in payment until the bank has confirmed it.
func TestPaymentOnItsWayCountsAsPaid(t *testing.T) {
	answer := "<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct><member><name>id</name><value><int>7</int></value></member><member><name>state</name><value><string>posted</string></value></member><member><name>payment_state</name><value><string>in_payment</string></value></member><member><name>amount_residual</name><value><double>0.0</double></value></member><member><name>currency_id</name><value><array><data><value><int>1</int></value><value><string>JPY</string></value></data></array></value></member></struct></value></data></array></value></param></params></methodResponse>"
	m := &odoo.Money{Odoo: answering(t, body(answer))}
	ps := must[[]freight.Payment](t)(m.Payments(t.Context(), []int64{7}))
	if len(ps) != 1 || ps[0].State != freight.InvoicePaid || ps[0].Residual != (freight.Money{Number: "0", Currency: "JPY"}) {
		t.Errorf("%+v", ps)
	}
}
