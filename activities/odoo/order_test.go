package odoo_test

import (
	"testing"

	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// service sells two hours of a service at 90.00, carried by a delivery method: Odoo makes no delivery of it.
func (h *house) service() odootest.Order {
	h.t.Helper()
	hours := h.create("product.product", map[string]any{"name": "Courier", "default_code": "COURIER-" + randomHex(), "type": "service", "invoice_policy": "order", "list_price": 90.0, "taxes_id": []any{[]any{6, 0, []any{}}}})
	o := h.sell(odootest.Line{Quantity: 2, Price: 90, With: map[string]any{"product_id": hours}})
	if len(o.Pickings) > 0 {
		h.t.Fatalf("a service has deliveries %v", o.Pickings)
	}
	return o
}

func (h *house) claimOrder(o odootest.Order) (freight.Release, freight.ShipmentID) {
	h.t.Helper()
	id := must[freight.ShipmentID](h.t)(freight.OrderShipmentID("test", o.ID))
	q := protocol.ClaimRequest{Shipment: id, Load: &freight.Load{Source: "odoo", ID: o.Name, Order: o.ID, OrderName: o.Name}}
	return must[freight.Release](h.t)(h.status.ClaimDelivery(h.t.Context(), q)), id
}

// TestServiceOrderIsBilledOnceByItsOrder: no delivery stands for it, so the order's own count says what is left to bill.
func TestServiceOrderIsBilledOnceByItsOrder(t *testing.T) {
	h := newHouse(t)
	o := h.service()
	r, id := h.claimOrder(o)
	if r.Picking != 0 || r.Order != o.ID || r.Customer == "" {
		t.Fatalf("claimed as %+v", r)
	}
	p := h.plan(r, id)
	if p.Net.Number != "303.45" {
		t.Fatalf("two hours at 90.00 and 123.45 of freight are planned as %s", p.Net)
	}
	first, again := h.post(p), h.post(p)
	if again.Number != first.Number || !again.Adopted || first.Net.Number != "303.45" {
		t.Errorf("posted as %+v, and again as %+v", first, again)
	}
	if n := len(h.posted(id)); n != 1 {
		t.Errorf("%d invoices are posted", n)
	}
	for _, l := range h.lines(o.ID, "qty_invoiced", "product_uom_qty") {
		if text(l["qty_invoiced"]) != text(l["product_uom_qty"]) {
			t.Errorf("%v: %v of %v invoiced", l["name"], l["qty_invoiced"], l["product_uom_qty"])
		}
	}
}

// TestServiceAPersonHasBilledIsNotBilledAgain: what is left of the order is the freight.
func TestServiceAPersonHasBilledIsNotBilledAgain(t *testing.T) {
	h := newHouse(t)
	o := h.service()
	r, id := h.claimOrder(o)
	move := h.billByHand(h.lineOf(o.ID, false), 2, "out_invoice")
	if b := h.billable(r, id); len(b.Blockers) == 0 {
		t.Errorf("a person is about to bill it, and nothing stops ours: %+v", b)
	}
	h.do("account.move", "action_post", []any{move})
	if p := h.plan(r, id); p.Net.Number != "123.45" {
		t.Errorf("billed by hand, and %s is planned all the same", p.Net)
	}
}

// TestOrderWithADeliveryIsNoLoad: its delivery is a shipment of its own, and two must not bill one order.
func TestOrderWithADeliveryIsNoLoad(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	id := must[freight.ShipmentID](t)(freight.OrderShipmentID("test", o.ID))
	_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: id, Load: &freight.Load{Source: "odoo", ID: o.Name, Order: o.ID}})
	says(t, err, protocol.NotOurs, "has deliveries in Odoo")
}

// TestOrderIsCarriedByOneShipmentAndShowsTheNewest, as a delivery does: by a rule inside Odoo, whoever writes late.
func TestOrderIsCarriedByOneShipmentAndShowsTheNewest(t *testing.T) {
	h := newHouse(t)
	o := h.service()
	r, id := h.claimOrder(o)
	show := func(as freight.ShipmentID, revision int64, s freight.Status) (protocol.StatusWritten, error) {
		return h.status.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: as, Order: r.Order, Revision: revision, Report: freight.StatusReport{Status: s, InvoiceState: freight.InvoiceNone}})
	}
	if w, err := show(id, 5, freight.StatusInTransit); err != nil || w.Superseded {
		t.Fatal(w, err)
	}
	if w, err := show(id, 3, freight.StatusAccepted); err != nil || !w.Superseded {
		t.Errorf("an older status: %+v, %v; want it superseded", w, err)
	}
	if _, err := show("other-1", 9, freight.StatusLost); err == nil {
		t.Error("another shipment wrote to the order")
	}
	if got := text(h.one("sale.order", r.Order, "x_waybill_status")["x_waybill_status"]); got != string(freight.StatusInTransit) {
		t.Errorf("the order shows %q", got)
	}
	_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Load: &freight.Load{Source: "tms", ID: "L1", Order: o.ID}})
	says(t, err, protocol.NotOurs, string(id))
}

func TestNoteOfAnOrderWithoutDeliveryIsInItsChatter(t *testing.T) {
	h := newHouse(t)
	r, id := h.claimOrder(h.service())
	for range 2 {
		h.updateUntilDone(noting(r, id, 1, freight.ChatterNote{N: 2, Text: "note of the order"}))
	}
	if got := h.notesOf(r.Order); len(got) != 1 || got[0] != "note of the order" {
		t.Errorf("the chatter has %q", got)
	}
}
