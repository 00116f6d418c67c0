package record_test

import (
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func TestWhatNoShipmentTookIsShownAfterTheGracePeriodWithWhoAnswersForTheSource(t *testing.T) {
	each(t, func(w *world) {
		w.keeper.Grace = time.Hour
		w.keeper.SourceOwner = func(source string) (string, string) { return source + " team", source + "@example.com" }
		if w.found(freight.Reference{Kind: freight.RefBOL, Value: "B1"}) {
			t.Fatal("it found a shipment")
		}
		read := func() freight.Unmatched {
			u, err := w.keeper.ReadUnmatched(w.Context(), protocol.UnmatchedRequest{Source: "fastfrt"})
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		if u := read(); !u.Done() {
			t.Errorf("shown before its time: %+v", u)
		}
		w.clock.Pass(time.Hour + time.Second)
		if u := read(); u.Scans != 1 || u.Owner != "fastfrt team" || u.Contact != "fastfrt@example.com" {
			t.Errorf("%+v", u)
		}
		if _, err := w.store.Record(w.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}}); err != nil {
			t.Fatal(err)
		}
		q := freight.PlaceRequest{ID: "q1", Action: freight.Assign, Source: "fastfrt", Reference: "B1", Shipment: "acme-1", By: "ann", Reason: "asked"}
		for range 2 { // its reply may be lost
			p, err := w.keeper.PlaceUnmatched(w.Context(), q)
			if err != nil || p.Reply.Scans != 1 || p.Reply.Refusal != "" || !p.Unmatched.Done() || p.Unmatched.Owner != "fastfrt team" {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}
