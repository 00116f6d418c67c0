package odoo_test

import (
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func TestDeliveryBecomesOneInvoiceToTheCent(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if r.Customer != "ACME" || r.OrderName != o.Name || r.Carrier != "FASTFRT" || r.ShipTo.Postcode != "75001" || r.Weight != "120" || r.Pieces != 1 {
		t.Errorf("released %+v", r)
	}
	h.deliver(o.Pickings[0], 0)
	p := h.plan(r, id)
	if p.Net.Number != "623.45" || p.Lines[1].SaleLine == 0 {
		t.Fatalf("planned %+v", p)
	}
	inv := h.post(p)
	if inv.Adopted || inv.Net != p.Net || inv.Number == "" || inv.Date != p.Date || inv.Tax.Sign() <= 0 {
		t.Errorf("posted %+v", inv)
	}
	if total, err := inv.Net.Add(inv.Tax); err != nil || !total.Equal(inv.Total) {
		t.Errorf("net %s and tax %s make %s", inv.Net, inv.Tax, inv.Total)
	}
	again := h.post(p)
	if !again.Adopted || again.Move != inv.Move || len(h.posted(id)) != 1 {
		t.Errorf("again: %+v, %d posted", again, len(h.posted(id)))
	}
	b := must[freight.Billable](t)(h.money.ReadBillable(t.Context(), protocol.BillableRequest{Shipment: "test-999", Picking: r.Picking, Order: r.Order, Scope: freight.GoodsAndFreight}))
	if len(b.Goods) != 0 || b.DeliveryLine != 0 {
		t.Errorf("another shipment could bill it again: %+v", b)
	}
	blocked(t, b, "is carried by shipment "+string(id))
}

// TestCleanShipmentNeedsFourteenCalls counts on the wire: claim, four states of the freight with the proof filed and
// checked, what may be billed, the invoice, and what became of it.
func TestCleanShipmentNeedsFourteenCalls(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(o.Pickings[0], 0)
	revision := int64(0)
	show := func(s freight.Status, i freight.InvoiceState) {
		revision++
		u := protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: revision, Report: freight.StatusReport{Status: s, InvoiceState: i}}
		if s == freight.StatusDelivered && i == freight.InvoiceNone {
			u.Proof = &protocol.ProofRequest{Shipment: id, Picking: r.Picking, Delivered: time.Now(), Documents: []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: podHash, MediaType: "application/pdf"}}}
		}
		must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), u))
	}
	show(freight.StatusInTransit, freight.InvoiceNone)
	show(freight.StatusOutForDelivery, freight.InvoiceNone)
	show(freight.StatusDelivered, freight.InvoiceNone)
	h.post(h.plan(r, id))
	show(freight.StatusDelivered, freight.InvoicePosted)
	show(freight.StatusDelivered, freight.InvoicePaid)
	if n := h.proxy.Calls(string(id)); n != 14 {
		t.Errorf("%d calls, want 14", n)
	}
}
