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

// tendered records a shipment whose nth tender is under way, at the TMS of a route.
func tendered(t *testing.T, s *store.Store, clock *storetest.Clock, id freight.ShipmentID, n int, tms string) {
	t.Helper()
	v := freight.View{Shipment: id, Revision: int64(n), Stage: freight.StageFulfilment, At: clock.Now(), TMS: tms}
	if n > 1 {
		v.Tender = n
	}
	if _, err := s.Record(t.Context(), store.Entry{View: v, References: []freight.Reference{ref(shipment, "", string(id))}}); err != nil {
		t.Fatal(err)
	}
}

// asks takes the tenders of a TMS that are due, as "acme-1/1".
func asks(t *testing.T, s *store.Store, clock *storetest.Clock, tms string, want ...string) (ts []store.Tender) {
	t.Helper()
	ts, err := s.TakeTenders(t.Context(), store.TenderQuery{Source: "tms", TMS: tms, Silent: clock.Now().Add(-time.Hour), Span: time.Minute, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range ts {
		got = append(got, fmt.Sprintf("%s/%d", v.Shipment, v.N))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("asks %q about %v, want %v", tms, got, want)
	}
	return ts
}

func TestOnlyTendersOfWhichNobodyHasSaidAnythingAreAskedAbout(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		tendered(t, s, clock, "acme-1", 1, "")
		tendered(t, s, clock, "acme-2", 1, "default")
		tendered(t, s, clock, "acme-3", 1, "alps")
		tendered(t, s, clock, "acme-4", 1, "")
		sails(t, s, "acme-5", freight.StageTransit, time.Time{})
		asks(t, s, clock, "") // they were just tendered
		admit(t, s, scan("it moves", ref(shipment, "", "acme-4")))
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "a_ps") // another name, though a pattern of the database would take it for this one
		asks(t, s, clock, "alps", "acme-3/1")
		ts := asks(t, s, clock, "", "acme-1/1", "acme-2/1")
		asks(t, s, clock, "") // they are taken
		if err := s.PullAgain(t.Context(), ts[0].Pull, clock.Now().Add(5*time.Minute)); err != nil {
			t.Fatal(err)
		}
		clock.Pass(2 * time.Minute)
		asks(t, s, clock, "", string(ts[1].Shipment)+"/1") // its lease is over, and the other's time has not come
	})
}

// TestWhatIsNoAnswerToATenderLeavesItOpen: the acceptance may be lost all the same.
func TestWhatIsNoAnswerToATenderLeavesItOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		tendered(t, s, clock, "acme-1", 1, "")
		for _, m := range []freight.Milestone{freight.TenderSent, freight.ETAUpdated, freight.DocumentReceived, freight.Unclassified} {
			in := scan(string(m), ref(shipment, "", "acme-1"))
			in.Scan.Milestone = m
			admit(t, s, in)
		}
		plan := scan("planned", ref(shipment, "", "acme-1"))
		plan.Scan.Classifier = freight.Estimated
		admit(t, s, plan)
		clock.Pass(2 * time.Hour)
		ts := asks(t, s, clock, "", "acme-1/1")
		if err := s.PullAgain(t.Context(), ts[0].Pull, clock.Now()); err != nil {
			t.Fatal(err)
		}
		admit(t, s, accepted("yes", ref(shipment, "", "acme-1")))
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "")
	})
}

func TestTenderAfterADeclineIsAskedAboutByItsOwnNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		tendered(t, s, clock, "acme-1", 1, "")
		clock.Pass(time.Hour)
		no := scan("no", ref(shipment, "", "acme-1"))
		no.Scan.Milestone = freight.TenderDeclined
		admit(t, s, no)
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "")
		tendered(t, s, clock, "acme-1", 2, "")
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "", "acme-1/2")
		admit(t, s, scan("yes", ref(shipment, "", "acme-1")))
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "")
	})
}

// TestTenderThatWasAcceptedWithoutANumberIsAskedAbout though it was answered, until it has one.
func TestTenderThatWasAcceptedWithoutANumberIsAskedAbout(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		tendered(t, s, clock, "acme-1", 1, "")
		admit(t, s, scan("yes", ref(shipment, "", "acme-1")))
		record := func(revision int64, kinds ...freight.ExceptionKind) {
			v := freight.View{Shipment: "acme-1", Revision: revision, Stage: freight.StageTransit, At: clock.Now(), Exceptions: kinds}
			if _, err := s.Record(t.Context(), store.Entry{View: v}); err != nil {
				t.Fatal(err)
			}
		}
		record(2)
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "")
		record(3, freight.ReferenceMissing)
		asks(t, s, clock, "") // people were asked just now
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "alps")
		asks(t, s, clock, "", "acme-1/1")
		record(4)
		clock.Pass(2 * time.Hour)
		asks(t, s, clock, "")
	})
}
