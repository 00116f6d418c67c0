package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// order confirms an order of services alone, with a delivery method.
func (w *world) order() (name string) {
	w.t.Helper()
	customer, err := w.shop.Customer(w.t.Context(), "GLOBEX", "75001")
	if err != nil {
		w.t.Fatal(err)
	}
	carrier, product, err := w.shop.Carrier(w.t.Context(), "FASTFRT")
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := w.shop.Sell(w.t.Context(), customer, carrier, product)
	if err != nil || len(o.Pickings) != 0 {
		w.t.Fatal(o, err)
	}
	return o.Name
}

// shows reads what the order shows.
func (w *world) shows(order, field string) string {
	w.t.Helper()
	v, err := w.shop.Odoo.Call(w.t.Context(), "sale.order", "search_read", []any{[]any{[]any{"name", "=", order}}}, map[string]any{"fields": []string{field}})
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(v)
}

func (w *world) accept(id, body string) {
	w.t.Helper()
	c := w.inbox()
	if _, err := c.Accept(w.t.Context(), store.Delivery{Source: "tms", ID: id, Body: []byte(body), ReceivedAt: time.Now(), State: store.Pending}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) inbox() *store.Store {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), "sqlite:"+w.dir+"/waybill.db")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestLoadReleasedElsewhereIsCarriedOnceByItsOrder: told twice under two ids, it is one shipment, with its parcels,
// and the order shows how it stands.
func TestLoadReleasedElsewhereIsCarriedOnceByItsOrder(t *testing.T) {
	w := newWorld(t)
	w.says(w.start(), "scans_started")
	order := w.order()
	const event = `{"specversion":"1.0","id":"%s","source":"urn:tms","type":"com.waybill.shipment.release.v1","data":{"id":"L-77","orderName":"%s","weight":"120","parcels":[{"tracking":"T1"},{"tracking":"T2"}],"stops":[{"kind":"pickup","country":"US"},{"kind":"delivery","country":"CA"}],"shipTo":{"country":"CA","postcode":"K1A"},"references":[{"kind":"bol","value":"B-9"}]}}`
	w.accept("e1", fmt.Sprintf(event, "e1", order))
	w.accept("e2", fmt.Sprintf(event, "e2", order))
	id, err := freight.LoadShipmentID("acme", "tms", "L-77")
	if err != nil {
		t.Fatal(err)
	}
	s := w.state(w.temporal, id, "is booked", func(s freight.Shipment) bool { return s.Booking.Ref != "" })
	r := s.Release
	if r.Picking != 0 || r.OrderName != order || r.Customer != "GLOBEX" || r.Pieces != 2 || r.Weight != "120" || r.ShipTo.Country != "CA" || len(r.Stops) != 2 || len(r.Known) != 3 {
		t.Errorf("it was released as %+v", r)
	}
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted}, freight.Scan{Milestone: freight.PickedUp})
	w.until("the order shows it", func() bool { return strings.Contains(w.shows(order, "x_waybill_status"), "in_transit") }, func() string { return w.shows(order, "x_waybill_status") })
	inbox := w.inbox()
	w.until("both deliveries are read", func() bool {
		n, err := inbox.DeliveryCounts(t.Context())
		return err == nil && n[store.Done] == 2
	}, func() string { return "they are not" })
	if n := len(w.tms.Requests()); n != 1 {
		t.Errorf("the TMS has %d requests for one load", n)
	}
}

// TestServiceOrderIsFoundByTheScan, once, and is no delivery's.
func TestServiceOrderIsFoundByTheScan(t *testing.T) {
	w := newWorld(t)
	w.change("2126-01-01", "2020-01-01")
	order := w.order()
	w.says(w.start(), "scans_started")
	w.until("the order is claimed", func() bool { return strings.Contains(w.shows(order, "x_waybill_shipment"), "acme-o") }, func() string { return w.shows(order, "x_waybill_shipment") })
	w.until("the TMS is asked", func() bool { return len(w.tms.Requests()) == 1 }, func() string { return fmt.Sprint(w.tms.Requests()) })
	status := &odoo.Status{Odoo: w.shop.Odoo}
	if again, err := status.ReleasedOrders(t.Context(), time.Time{}, 0, 10); err != nil || len(again) != 0 {
		t.Errorf("it is found again: %v, %v", again, err)
	}
}
