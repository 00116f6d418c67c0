package odoo_test

import (
	"slices"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/workflows/freight"
)

// TestOrderThatIsChangedAfterItsReleaseIsFoundWithWhatItAsksNow: quantity, a line more, the address, and the date it is
// wanted by. What was not changed asks the same.
func TestOrderThatIsChangedAfterItsReleaseIsFoundWithWhatItAsksNow(t *testing.T) {
	h := newHouse(t)
	since := time.Now().Add(-time.Minute)
	us, _ := h.find("res.country", []any{[]any{"code", "=", "US"}}, "id")[0]["id"].(int64)
	to := h.create("res.partner", map[string]any{"name": "ACME, dock 3", "zip": "75001", "country_id": us})
	o := h.sellWith(map[string]any{"partner_shipping_id": to})
	r, id := h.claim(o)
	if r.Ordered == nil || len(r.Ordered.Lines) != 1 || r.Ordered.Lines[0].Product != "DESK" || r.Ordered.Lines[0].Quantity != "2" || r.Ordered.ShipTo != (freight.Place{Ref: to, Country: "US", Postcode: "75001"}) || r.Ordered.Check() != nil {
		t.Fatalf("released with %+v", r.Ordered)
	}
	asks := func() freight.Ordered {
		t.Helper()
		found := must[[]odoo.SeenOrder](t)(h.status.Orders(t.Context(), since, r.Picking-1, 500))
		i := slices.IndexFunc(found, func(s odoo.SeenOrder) bool { return s.Shipment == id })
		if i < 0 {
			t.Fatalf("it is not found: %+v", found)
		}
		return found[i].Ordered
	}
	if got := asks(); got.Hash() != r.Ordered.Hash() {
		t.Errorf("nothing was changed, and it asks %+v, was %+v", got, r.Ordered)
	}
	changed := func(words string) {
		t.Helper()
		if got := asks().Changes(*r.Ordered); len(got) != 1 || got[0] != words {
			t.Errorf("changed: %q, want %q", got, words)
		}
	}
	line := r.Ordered.Lines[0].ID
	h.write("sale.order.line", line, map[string]any{"product_uom_qty": 3})
	changed("3 of DESK, was 2 of DESK")
	h.write("sale.order.line", line, map[string]any{"product_uom_qty": 2})
	h.write("sale.order", o.ID, map[string]any{"commitment_date": "2027-01-04 10:00:00"})
	changed("wanted by 2027-01-04 10:00 UTC, was at no time in particular")
	h.write("sale.order", o.ID, map[string]any{"commitment_date": false})
	h.write("res.partner", to, map[string]any{"street": "Market Street 2", "city": "Reno"})
	changed("to be delivered to another street or town in US 75001")
	h.write("res.partner", to, map[string]any{"street": false, "city": false, "zip": "99999"})
	changed("to be delivered to US 99999, was US 75001")
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusDelivered})
	found := must[[]odoo.SeenOrder](t)(h.status.Orders(t.Context(), since, r.Picking-1, 500))
	if slices.ContainsFunc(found, func(s odoo.SeenOrder) bool { return s.Shipment == id }) {
		t.Error("it is delivered, and looked at all the same")
	}
}
