package main

import (
	"strings"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/starters/waybill/cli"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// TestMissingNumberIsAskedForAndComesFromOdooOrFromAPerson with everything as it is run anywhere.
func TestMissingNumberIsAskedForAndComesFromOdooOrFromAPerson(t *testing.T) {
	w := newWorld(t)
	w.tms.Unnumbered = true
	w.write("policies.yaml", strings.ReplaceAll(terms, "quiet: 2s}", "quiet: 2s, reference: 1s}"))
	w.says(w.start(), "scans_started")
	missing := func(s freight.Shipment) bool { return s.Exceptions.IsOpen(freight.ReferenceMissing, "tender-1") }
	has := func(number string) func(freight.Shipment) bool {
		return func(s freight.Shipment) bool {
			return !missing(s) && len(s.Numbers()) == 1 && s.Numbers()[0].Value == number
		}
	}
	inOdoo, byHand := w.release("ACME"), w.release("ACME")
	for _, id := range []freight.ShipmentID{inOdoo, byHand} {
		w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted})
		w.state(w.temporal, id, "a number is missing", missing)
	}
	_, picking, _ := inOdoo.Parts()
	if _, err := w.shop.Odoo.Call(t.Context(), "stock.picking", "write", []any{[]int64{picking}, map[string]any{"carrier_tracking_ref": "1Z1"}}, nil); err != nil {
		t.Fatal(err)
	}
	w.state(w.temporal, inOdoo, "it has the number that Odoo has", has("1Z1"))

	w.want(console.Misused, "", "want a tracking, pro or bol number", "exception", "supply", string(byHand), " ", "--reason", "called")
	w.want(console.Done, string(byHand)+" has 1 numbers", "", "exception", "supply", string(byHand), "1Z2", "--by", "ann", "--reason", "called the carrier")
	w.state(w.temporal, byHand, "it has the number it was given", has("1Z2"))
	registered := func() bool {
		ns, err := w.inbox().Numbers(t.Context(), byHand)
		return err == nil && len(ns) == 1 && ns[0].Value == "1Z2"
	}
	w.until("the store has it", registered, func() string { return "" })
}

// TestFreightOfWhichNobodySaysWhenItComesIsFoundUntilSomebodyDoes by people who list shipments.
func TestFreightOfWhichNobodySaysWhenItComesIsFoundUntilSomebodyDoes(t *testing.T) {
	w := newWorld(t)
	w.write("policies.yaml", strings.Replace(terms, "quiet: 2s}", "quiet: 2s}\n  promise: {at_risk: 12h}", 1))
	w.says(w.start(), "scans_started")
	id := w.release("ACME")
	found := func() bool {
		_, out, _ := consoletest.Program{Command: cli.Command}.Run(t, "list", "--promise", "unknown")
		return strings.Contains(out, string(id))
	}
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted})
	w.until("it is found", found, func() string { return "it is not" })
	w.want(console.Done, "", "", "list", "--promise", "late")
	eta := freight.Scan{Number: w.sent[id] + 1, Key: "eta", Source: "carrier", Milestone: freight.ETAUpdated, Classifier: freight.Estimated, OccurredAt: time.Now(), ETA: time.Now().Add(time.Hour)}
	if err := protocol.Scans.Send(t.Context(), w.temporal, protocol.ShipmentWorkflowID(id), protocol.ScanBatch{Scans: []freight.Scan{eta}}); err != nil {
		t.Fatal(err)
	}
	w.until("it is found no more", func() bool { return !found() }, func() string { return "it is" })
}

// TestOrderThatSomebodyChangesInOdooAfterItsReleaseIsShown with what has changed, and is over when it is as it was.
func TestOrderThatSomebodyChangesInOdooAfterItsReleaseIsShown(t *testing.T) {
	w := newWorld(t)
	w.says(w.start(), "scans_started")
	id := w.release("ACME")
	s := w.state(w.temporal, id, "it knows what was ordered", func(s freight.Shipment) bool { return s.Release.Ordered != nil && len(s.Intents) == 0 })
	write := func(quantity int) {
		if _, err := w.shop.Odoo.Call(t.Context(), "sale.order.line", "write", []any{[]int64{s.Release.Ordered.Lines[0].ID}, map[string]any{"product_uom_qty": quantity}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	write(9)
	w.state(w.temporal, id, "the change is shown", func(s freight.Shipment) bool {
		return strings.HasPrefix(s.Shown.Exception, "order_changed: since its release the order was changed: 9 of WB-CRATE, was 4 of WB-CRATE")
	})
	write(4)
	w.state(w.temporal, id, "it is as it was", func(s freight.Shipment) bool { return len(s.Exceptions.OpenKinds()) == 0 && s.Shown.Exception == "" })
}
