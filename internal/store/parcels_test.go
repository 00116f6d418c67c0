package store_test

import (
	"slices"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// delivered is a statement that what a sender knows by these numbers is delivered.
func delivered(key string, refs ...freight.Reference) store.Incoming {
	in := scan(key, refs...)
	in.Scan.Milestone, in.Scan.Carrier = freight.Delivered, "UPS"
	return in
}

// heard is the one scan that a shipment has heard.
func heard(t testing.TB, s *store.Store, id freight.ShipmentID) freight.Scan {
	t.Helper()
	scans := sent(t, s, "r")[id]
	if len(scans) != 1 {
		t.Fatalf("%s heard %d scans, want one", id, len(scans))
	}
	return scans[0]
}

func TestScanUnderOneOfSeveralTrackingNumbersIsAboutThatParcel(t *testing.T) {
	three := []freight.Reference{ref(tracking, "UPS", "P1"), ref(tracking, "UPS", "P2"), ref(tracking, "", "P3")}
	alone := freight.Pieces{Delivered: 1, Expected: 3}
	counted := func(in store.Incoming, p freight.Pieces) store.Incoming { in.Scan.Pieces = p; return in }
	parcel := func(in store.Incoming, p freight.ParcelID) store.Incoming { in.Scan.Parcel = p; return in }
	mine, label := ref(shipment, "", "acme-1"), ref(customer, "", "acme-1")
	for name, tt := range map[string]struct {
		known    []freight.Reference
		in       store.Incoming
		parcel   freight.ParcelID
		numbered int
		pieces   freight.Pieces
	}{
		"one of three":                               {three, delivered("k", ref(tracking, "", "P2")), "P2", 3, alone},
		"one of three, and a label with our id":      {three, delivered("k", ref(tracking, "", "P2"), mine, label), "P2", 3, alone},
		"one of three, and the order":                {three, delivered("k", ref(tracking, "", "P2"), ref(order, "", "S1")), "P2", 3, alone},
		"one of three, by a carrier nobody named":    {three, func() store.Incoming { in := delivered("k", ref(tracking, "", "P2")); in.Scan.Carrier = ""; return in }(), "P2", 3, alone},
		"the only one":                               {three[:1], delivered("k", ref(tracking, "", "P1")), "", 0, freight.Pieces{}},
		"another carrier's is of another leg":        {[]freight.Reference{three[0], ref(tracking, "GLS", "G1")}, delivered("k", ref(tracking, "", "P1")), "", 0, freight.Pieces{}},
		"two names of one parcel":                    {three[:2], delivered("k", ref(tracking, "", "P1"), ref(tracking, "", "P2")), "", 0, freight.Pieces{}},
		"our shipment, by its sender's own word":     {three, delivered("k", mine, ref(tracking, "", "P2")), "", 0, freight.Pieces{}},
		"the PRO number":                             {append(three, ref(pro, "UPS", "77")), delivered("k", ref(pro, "", "77")), "", 0, freight.Pieces{}},
		"the bill of lading":                         {append(three, ref(bol, "", "B1")), delivered("k", ref(bol, "", "B1")), "", 0, freight.Pieces{}},
		"one that has a PRO number's copy beside it": {[]freight.Reference{three[0], ref(pro, "UPS", "77"), ref(tracking, "", "77")}, delivered("k", ref(tracking, "", "P1")), "", 0, freight.Pieces{}},
		"a PRO number's copy":                        {append(three, ref(pro, "UPS", "77"), ref(tracking, "", "77")), delivered("k", ref(tracking, "", "77")), "", 0, freight.Pieces{}},
		"a parcel that its sender names otherwise":   {three, parcel(delivered("k", ref(tracking, "", "P2")), "2"), "2", 0, freight.Pieces{}},
		"a parcel that its sender names by number":   {three, parcel(delivered("k", ref(tracking, "", "P2")), "P2"), "P2", 3, alone},
		"the last, by a sender who counts them all":  {three, counted(delivered("k", ref(tracking, "", "P2")), freight.Pieces{Delivered: 3, Expected: 3}), "", 0, freight.Pieces{Delivered: 3, Expected: 3}},
		"one whose sender counts fewer than we know": {three, counted(delivered("k", ref(tracking, "", "P2")), freight.Pieces{Delivered: 1, Expected: 1}), "P2", 3, alone},
		"on its way":                                 {three, scan("k", ref(tracking, "UPS", "P2")), "P2", 3, freight.Pieces{}},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				s, _ := open(t, db)
				register(t, s, "acme-1", slices.Concat(tt.known, []freight.Reference{mine})...)
				register(t, s, "acme-2", ref(tracking, "UPS", "Q1"), ref(tracking, "UPS", "Q2"))
				admit(t, s, tt.in)
				got := heard(t, s, "acme-1")
				if got.Parcel != tt.parcel || got.Numbered != tt.numbered || got.Pieces != tt.pieces || got.Key != "k" {
					t.Errorf("parcel %q of %d, %+v, key %s; want %q of %d, %+v", got.Parcel, got.Numbered, got.Pieces, got.Key, tt.parcel, tt.numbered, tt.pieces)
				}
				if a := admit(t, s, tt.in); a.Repeats != 1 || a.New != 0 {
					t.Errorf("the same again: %+v", a)
				}
			})
		})
	}
}

// TestParcelIsNamedHoweverItsNumbersBecameKnown: by Odoo later than its scan, by who accepts the freight, or by a person.
func TestParcelIsNamedHoweverItsNumbersBecameKnown(t *testing.T) {
	for name, know := range map[string]func(*testing.T, *store.Store){
		"by Odoo": func(t *testing.T, s *store.Store) {
			if err := s.Register(t.Context(), "acme-1", []freight.Reference{ref(tracking, "", "P1"), ref(tracking, "", "P2")}); err != nil {
				t.Fatal(err)
			}
		},
		"by its acceptance": func(t *testing.T, s *store.Store) {
			admit(t, s, accepted("yes", ref(shipment, "", "acme-1"), ref(tracking, "", "P1"), ref(tracking, "", "P2")))
		},
		"by a person": func(t *testing.T, s *store.Store) {
			register(t, s, "acme-1", ref(tracking, "UPS", "P2"))
			r, err := s.Place(t.Context(), freight.PlaceRequest{ID: "q", Source: "tms", Reference: "P1", Action: freight.Assign, Shipment: "acme-1", By: "ops", Reason: "by phone"})
			if err != nil || r.Scans != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				s, _ := open(t, db)
				register(t, s, "acme-1", ref(shipment, "", "acme-1"))
				if a := admit(t, s, delivered("early", ref(tracking, "UPS", "P1"))); a.Unmatched != 1 {
					t.Fatalf("%+v", a)
				}
				know(t, s)
				for _, got := range sent(t, s, "r")["acme-1"] {
					if got.Key == "early" && (got.Parcel != "P1" || got.Numbered != 2) || got.Key == "yes" && got.Parcel != "" {
						t.Errorf("%s is about parcel %q of %d", got.Key, got.Parcel, got.Numbered)
					}
				}
			})
		})
	}
}

// TestNumberThatHoldsNoMoreIsNoParcel: carriers use numbers again, and a parcel of last year is none of this delivery.
func TestNumberThatHoldsNoMoreIsNoParcel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(tracking, "UPS", "P1"))
		clock.Pass(100 * 24 * time.Hour)
		register(t, s, "acme-1", ref(tracking, "UPS", "P2"))
		in := delivered("k", ref(tracking, "", "P2"))
		in.Scan.OccurredAt = clock.Now()
		admit(t, s, in)
		if got := heard(t, s, "acme-1"); got.Parcel != "" || got.Numbered != 0 {
			t.Errorf("parcel %q of %d", got.Parcel, got.Numbered)
		}
	})
}
