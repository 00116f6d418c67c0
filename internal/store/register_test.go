package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// accepted is an acceptance that names its shipment by these.
func accepted(key string, refs ...freight.Reference) store.Incoming {
	in := scan(key, refs...)
	in.Scan.Milestone, in.Scan.Carrier = freight.TenderAccepted, "UPS"
	return in
}

func TestWhoAcceptsFreightTeachesTheNumbersItWillSpeakUnder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(shipment, "", "acme-1"))
		if a := admit(t, s, scan("early", ref(tracking, "UPS", "P1"))); a.Unmatched != 1 {
			t.Fatalf("%+v", a)
		}
		admit(t, s, accepted("yes", ref(shipment, "", "acme-1"), ref(tracking, "", "P1"), ref(tracking, "", "P2")), scan("same delivery", ref(tracking, "UPS", "P2")))
		if a := admit(t, s, scan("late", ref(tracking, "UPS", "P2"))); a.New != 1 {
			t.Errorf("%+v", a)
		}
		got := keys(sent(t, s, "r")["acme-1"])
		slices.Sort(got)
		if !slices.Equal(got, []string{"early", "late", "same delivery", "yes"}) {
			t.Errorf("the shipment heard %v", got)
		}
	})
}

func TestOnlyAnAcceptanceTeachesAndNoNumberOfAnotherShipment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(shipment, "", "acme-1"))
		register(t, s, "acme-2", ref(shipment, "", "acme-2"), ref(tracking, "UPS", "P2"))
		admit(t, s, scan("on its way", ref(shipment, "", "acme-1"), ref(tracking, "UPS", "P1")), accepted("theirs", ref(shipment, "", "acme-1"), ref(tracking, "UPS", "P2")))
		if a := admit(t, s, scan("a", ref(tracking, "UPS", "P1")), scan("b", ref(tracking, "UPS", "P2"))); a.New != 1 || a.Unmatched != 1 {
			t.Errorf("%+v: want P1 nobody's, and P2 acme-2's", a)
		}
		if got := keys(sent(t, s, "r")["acme-2"]); !slices.Equal(got, []string{"b"}) {
			t.Errorf("acme-2 heard %v", got)
		}
	})
}

// TestScanThatComesWhileItsNumberIsTaughtIsNotMissed has both at once, many times: neither may be filed without a look at
// the other.
func TestScanThatComesWhileItsNumberIsTaughtIsNotMissed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(shipment, "", "acme-1"))
		const pairs = 20
		together(2*pairs, func(i int) {
			number := ref(tracking, "UPS", fmt.Sprintf("P%d", i/2))
			in := scan(fmt.Sprintf("scan %d", i), number)
			if i%2 == 0 {
				in = accepted(fmt.Sprintf("yes %d", i), ref(shipment, "", "acme-1"), number)
			}
			if _, err := tryAdmit(t, s, in); err != nil {
				t.Error(err)
			}
		})
		if got := sent(t, s, "r")["acme-1"]; len(got) != 2*pairs {
			t.Errorf("the shipment heard %d of %d", len(got), 2*pairs)
		}
	})
}

// TestNumberWhoseCarrierBecomesKnownIsTheCarriers: known without one, it would be asked about nowhere.
func TestNumberWhoseCarrierBecomesKnownIsTheCarriers(t *testing.T) {
	record := func(t *testing.T, s *store.Store, n int64, carrier freight.CarrierCode) {
		if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: n, Stage: freight.StageTransit, Carrier: carrier}}); err != nil {
			t.Fatal(err)
		}
	}
	number := []freight.Reference{ref(shipment, "", "acme-1"), ref(tracking, "", "P1")}
	for name, tell := range map[string]func(*testing.T, *store.Store){
		"recorded, and the number given again": func(t *testing.T, s *store.Store) {
			record(t, s, 2, "UPS")
			if err := s.Register(t.Context(), "acme-1", number); err != nil {
				t.Fatal(err)
			}
		},
		"told by who accepts": func(t *testing.T, s *store.Store) {
			admit(t, s, accepted("yes", ref(shipment, "", "acme-1"), ref(tracking, "", "P1")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				s, clock := open(t, db)
				record(t, s, 1, "")
				if err := s.Register(t.Context(), "acme-1", number); err != nil {
					t.Fatal(err)
				}
				tell(t, s)
				clock.Pass(13 * time.Hour)
				ps, err := s.TakePulls(t.Context(), store.PullQuery{Source: "ups", Kind: freight.RefTracking, Carriers: []freight.CarrierCode{"UPS"}, Silent: clock.Now().Add(-time.Hour), Span: time.Minute, Limit: 10})
				if err != nil || len(ps) != 1 || ps[0].Carrier != "UPS" || ps[0].Number != "P1" {
					t.Errorf("asked about %+v, %v", ps, err)
				}
				if a := admit(t, s, scan("other", ref(tracking, "DHL", "P1"))); a.Unmatched != 1 {
					t.Errorf("another carrier's number: %+v", a)
				}
			})
		})
	}
}

func TestNumberThatIsRegisteredBesideIsOfTheShipmentsCarrierAndTakesWhatWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1, Stage: freight.StageFulfilment, Carrier: "UPS"}}); err != nil {
			t.Fatal(err)
		}
		admit(t, s, scan("early", ref(tracking, "UPS", "P1")))
		for range 2 {
			if err := s.Register(t.Context(), "acme-1", []freight.Reference{ref(tracking, "", "P1")}); err != nil {
				t.Fatal(err)
			}
		}
		if got := keys(sent(t, s, "r")["acme-1"]); !slices.Equal(got, []string{"early"}) {
			t.Errorf("the shipment heard %v", got)
		}
		if a := admit(t, s, scan("other", ref(tracking, "DHL", "P1"))); a.Unmatched != 1 {
			t.Errorf("another carrier's number: %+v", a)
		}
		clock.Pass(13 * time.Hour)
		if ps := pulls(t, s, clock, "P1"); len(ps) == 1 && ps[0].Carrier != "UPS" {
			t.Errorf("asked about as of %q", ps[0].Carrier)
		}
	})
}

func TestShipmentOfWhichPeopleWereAskedForANumberIsFoundWhenItHasOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		view := func(id freight.ShipmentID, stage freight.Stage, kinds ...freight.ExceptionKind) {
			v := freight.View{Shipment: id, Revision: 1, Stage: stage, At: clock.Now(), Exceptions: kinds}
			if _, err := s.Record(t.Context(), store.Entry{View: v, References: []freight.Reference{ref(shipment, "", string(id)), ref(freight.RefBOL, "", "WH/OUT/1")}}); err != nil {
				t.Fatal(err)
			}
		}
		view("acme-1", freight.StageTransit, freight.AttemptFailed, freight.ReferenceMissing)
		view("acme-2", freight.StageTransit, freight.ReferenceMissing) // nobody has given it one
		view("acme-3", freight.StageTransit)                           // nobody is asked
		view("acme-4", freight.StageProof, freight.ReferenceMissing)   // it is delivered
		found := func() []freight.ShipmentID {
			ids, err := s.Supplied(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		if got := found(); len(got) != 0 {
			t.Errorf("%v have a number", got)
		}
		for _, id := range []freight.ShipmentID{"acme-1", "acme-3", "acme-4"} {
			if err := s.Register(t.Context(), id, []freight.Reference{ref(tracking, "UPS", "1Z"+string(id))}); err != nil {
				t.Fatal(err)
			}
		}
		if got := found(); !slices.Equal(got, []freight.ShipmentID{"acme-1"}) {
			t.Errorf("%v have a number that people were asked for", got)
		}
		ns, err := s.Numbers(t.Context(), "acme-1")
		if want := []freight.Reference{ref(tracking, "UPS", "1Zacme-1")}; err != nil || !slices.Equal(ns, want) {
			t.Errorf("%+v, %v, want %+v", ns, err, want)
		}
		clock.Pass(91 * 24 * time.Hour)
		if ns, err := s.Numbers(t.Context(), "acme-1"); err != nil || len(ns) != 0 {
			t.Errorf("%+v hold after their time, %v", ns, err)
		}
	})
}
