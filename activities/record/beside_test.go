package record_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"waybill/activities/record"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// said is what the nth call of a shipment takes along.
func said(n int64, kind freight.AuditKind) *protocol.RecordRequest {
	return &protocol.RecordRequest{
		View:       freight.View{Shipment: "acme-1", Revision: n, Stage: freight.StageFulfilment},
		Audits:     []freight.AuditEntry{{N: n, Kind: kind, Actor: "waybill"}},
		References: []freight.Reference{{Kind: freight.RefOrder, Value: "S00001"}},
	}
}

func (w *world) trail() (kinds []freight.AuditKind) {
	w.Helper()
	es, err := w.store.Audit(w.Context(), "acme-1")
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range es {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func booked(context.Context, protocol.TransportRequest) (freight.Booking, error) {
	return freight.Booking{Ref: "T1", Carrier: "FASTFRT", PRO: "PRO1", Tracking: []string{"P1", "P2"}}, nil
}

// found reports whether a partner's scan that names a number finds the shipment.
func (w *world) found(r freight.Reference) bool {
	w.Helper()
	if _, err := w.store.Accept(w.Context(), store.Delivery{Source: "fastfrt", ID: string(r.Carrier) + r.Value, Body: []byte("{}"), State: store.Pending}); err != nil {
		w.Fatal(err)
	}
	waiting, err := w.store.Deliveries(w.Context(), store.Pending, "fastfrt", 1)
	if err != nil || len(waiting) != 1 {
		w.Fatal(waiting, err)
	}
	scan := freight.Scan{Key: string(r.Carrier) + r.Value, Milestone: freight.PickedUp, Classifier: freight.Actual, OccurredAt: w.clock.Now(), Source: "fastfrt"}
	a, err := w.store.Admit(w.Context(), waiting[0].Seq, []store.Incoming{{Scan: scan, References: []freight.Reference{r}}})
	if err != nil {
		w.Fatal(err)
	}
	return a.New == 1 && a.Unmatched == 0
}

func TestTenderLeavesItsReferencesWithTheBookingsPRO(t *testing.T) {
	each(t, func(w *world) {
		tender := w.keeper.Tendering(booked)
		for range 2 { // its reply may be lost
			b, err := tender(w.Context(), protocol.TransportRequest{Shipment: "acme-1", Record: said(1, freight.AuditClaimed)})
			if err != nil || !b.Recorded || b.PRO != "PRO1" {
				w.Fatal(b, err)
			}
		}
		for _, r := range []freight.Reference{{Kind: freight.RefOrder, Value: "S00001"}, {Kind: freight.RefPRO, Carrier: "FASTFRT", Value: "PRO1"}, {Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "P1"}, {Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "P2"}} {
			if !w.found(r) {
				w.Errorf("%+v finds nothing", r)
			}
		}
		if got := w.trail(); !slices.Equal(got, []freight.AuditKind{freight.AuditClaimed}) {
			w.Errorf("audit trail %v", got)
		}
	})
}

// TestNumberFromOdooIsThatOfTheCarrierTheTMSChose, so that it is asked about there and another carrier's scan of the same
// number is not taken for it.
func TestNumberFromOdooIsThatOfTheCarrierTheTMSChose(t *testing.T) {
	each(t, func(w *world) {
		q := said(1, freight.AuditClaimed)
		q.References = append(q.References, freight.Reference{Kind: freight.RefTracking, Value: "O1"})
		if b, err := w.keeper.Tendering(booked)(w.Context(), protocol.TransportRequest{Shipment: "acme-1", Record: q}); err != nil || !b.Recorded {
			w.Fatal(b, err)
		}
		if w.found(freight.Reference{Kind: freight.RefTracking, Carrier: "OTHER", Value: "O1"}) || !w.found(freight.Reference{Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "O1"}) {
			w.Error("O1 is not FASTFRT's")
		}
		if q.References[1].Carrier != "" {
			w.Error("what the story said was changed: it would say it again")
		}
		if v, _, err := w.store.View(w.Context(), "acme-1"); err != nil || v.Carrier != "FASTFRT" {
			w.Errorf("%+v, %v", v, err)
		}
	})
}

func TestRefusedTenderLeavesNothing(t *testing.T) {
	each(t, func(w *world) {
		refused := errors.New("no such lane")
		b, err := w.keeper.Tendering(func(context.Context, protocol.TransportRequest) (freight.Booking, error) {
			return freight.Booking{}, refused
		})(
			w.Context(), protocol.TransportRequest{Shipment: "acme-1", Record: said(1, freight.AuditClaimed)})
		if !errors.Is(err, refused) || b.Recorded || len(w.trail()) > 0 {
			w.Error(b, err, w.trail())
		}
	})
}

func TestIntentIsInTheStoreBeforeAnythingIsPosted(t *testing.T) {
	each(t, func(w *world) {
		refused := errors.New("period is closed")
		post := w.keeper.Posting(func(_ context.Context, p freight.InvoicePlan) (freight.Invoice, error) {
			if got := w.trail(); !slices.Equal(got, []freight.AuditKind{freight.AuditIntent}) {
				w.Errorf("%s is posted while the audit trail says %v", p.Key, got)
			}
			return freight.Invoice{}, refused
		})
		if _, err := post(w.Context(), protocol.PostingRequest{InvoicePlan: freight.InvoicePlan{Key: "waybill.inv_acme-1_1"}, Record: said(1, freight.AuditIntent)}); !errors.Is(err, refused) {
			w.Error(err)
		}
	})
}

func TestNothingIsPostedOnAStoreThatForgotWhatCameBefore(t *testing.T) {
	each(t, func(w *world) {
		posted, heard := false, 0
		w.keeper.Forgot = func(context.Context, error) error { heard++; return nil }
		post := w.keeper.Posting(func(context.Context, freight.InvoicePlan) (freight.Invoice, error) {
			posted = true
			return freight.Invoice{}, nil
		})
		_, err := post(w.Context(), protocol.PostingRequest{Record: said(4, freight.AuditIntent)})
		if protocol.FaultOf(err) != protocol.Transient || posted || heard != 1 {
			w.Errorf("posted %t, heard %d times, %v; want it tried again once the store has learned", posted, heard, err)
		}
	})
}

// TestStoreThatIsDownHoldsUpNeitherTenderNorMoney closes the store.
func TestStoreThatIsDownHoldsUpNeitherTenderNorMoney(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s := db.Open(t, store.WithClock(time.Now))
		k := &record.Keeper{Store: s, Now: time.Now, Terms: terms}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := k.Tendering(booked)(t.Context(), protocol.TransportRequest{Shipment: "acme-1", Record: said(1, freight.AuditClaimed)})
		if err != nil || b.Ref != "T1" || b.Recorded {
			t.Error("tender:", b, err)
		}
		p, err := k.Posting(func(context.Context, freight.InvoicePlan) (freight.Invoice, error) {
			return freight.Invoice{Number: "INV/1"}, nil
		})(t.Context(), protocol.PostingRequest{Record: said(2, freight.AuditIntent)})
		if err != nil || p.Number != "INV/1" || p.Recorded {
			t.Error("posting:", p, err)
		}
	})
}

func TestCallThatTakesNothingAlongIsRecordedByTheStoryItself(t *testing.T) {
	each(t, func(w *world) {
		b, err := w.keeper.Tendering(booked)(w.Context(), protocol.TransportRequest{Shipment: "acme-1"})
		if err != nil || b.Recorded || len(w.trail()) > 0 {
			w.Error(b, err, w.trail())
		}
	})
}
