package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// sails records a shipment in transit under tracking numbers of a carrier.
func sails(t *testing.T, s *store.Store, id freight.ShipmentID, stage freight.Stage, promised time.Time, numbers ...string) {
	t.Helper()
	e := store.Entry{View: freight.View{Shipment: id, Revision: 1, Stage: stage, Promised: promised, Closed: stage == freight.StageClosed}}
	for _, n := range numbers {
		e.References = append(e.References, ref(tracking, "UPS", n))
	}
	if _, err := s.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// pull takes what of source tms is due and has been silent for 12 hours, and returns it by number.
func pull(t testing.TB, s *store.Store, clock *storetest.Clock) (numbers []string, ps []store.Pull) {
	t.Helper()
	ps, err := s.TakePulls(t.Context(), store.PullQuery{Source: "tms", Kind: tracking, Silent: clock.Now().Add(-12 * time.Hour), Span: time.Minute, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		numbers = append(numbers, p.Number)
	}
	slices.Sort(numbers)
	return numbers, ps
}

func pulls(t testing.TB, s *store.Store, clock *storetest.Clock, want ...string) []store.Pull {
	t.Helper()
	got, ps := pull(t, s, clock)
	if !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
	return ps
}

func TestOnlySilentShipmentsOnTheirWayArePulled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		sails(t, s, "acme-1", freight.StageTransit, time.Time{}, "P1", "P2")
		sails(t, s, "acme-2", freight.StageProof, noon, "P1", "P3") // P1 is asked once for both
		sails(t, s, "acme-3", freight.StageSettlement, time.Time{}, "P4")
		sails(t, s, "acme-4", freight.StageClosed, time.Time{}, "P5")
		sails(t, s, "acme-5", freight.StageTransit, time.Time{}, "P6")
		pulls(t, s, clock) // they were just tendered
		clock.Pass(11 * time.Hour)
		admit(t, s, scan("k", ref(tracking, "UPS", "P6")))
		clock.Pass(2 * time.Hour)
		ps := pulls(t, s, clock, "P1", "P2", "P3")
		for _, p := range ps {
			if !p.Heard.Equal(noon) || p.Carrier != "UPS" || p.Number != "P2" && !p.Promised.Equal(noon) {
				t.Errorf("%+v", p)
			}
		}
		clock.Pass(11 * time.Hour)
		for _, p := range pulls(t, s, clock, "P1", "P2", "P3", "P6") {
			if p.Number == "P6" && !p.Heard.Equal(noon.Add(11*time.Hour)) {
				t.Errorf("%+v", p)
			}
		}
	})
}

// TestWhatIsRecordedWhileItIsTenderedIsPulledToo: nothing is recorded while freight goes its way, and what takes it may say
// nothing at all.
func TestWhatIsRecordedWhileItIsTenderedIsPulledToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		sails(t, s, "acme-1", freight.StageFulfilment, time.Time{}, "P1")
		sails(t, s, "acme-2", freight.StageCharges, time.Time{}, "P2")
		clock.Pass(13 * time.Hour)
		pulls(t, s, clock, "P1")
		ps, err := s.TakePulls(t.Context(), store.PullQuery{Source: "carrier", Kind: tracking, Silent: clock.Now().Add(-12 * time.Hour), Charges: true, Span: time.Minute, Limit: 100})
		if err != nil || len(ps) != 2 {
			t.Errorf("a source that tells of charges is asked about %+v, %v", ps, err)
		}
	})
}

func TestNumberIsPulledByOneAtATimeAndAgainWhenItsLeaseIsOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		for i := range 40 {
			sails(t, s, freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), freight.StageTransit, time.Time{}, fmt.Sprintf("P%02d", i))
		}
		clock.Pass(13 * time.Hour)
		var mu sync.Mutex
		taken := map[string]int{}
		together(8, func(int) {
			numbers, _ := pull(t, s, clock)
			mu.Lock()
			defer mu.Unlock()
			for _, n := range numbers {
				taken[n]++
			}
		})
		for n, times := range taken {
			if times != 1 {
				t.Errorf("%s was taken %d times", n, times)
			}
		}
		if len(taken) != 40 {
			t.Errorf("%d of 40 were taken", len(taken))
		}
		pulls(t, s, clock)
		clock.Pass(2 * time.Minute)
		again, ps := pull(t, s, clock)
		if len(again) != 40 {
			t.Errorf("after the lease %d of 40 were taken", len(again))
		}
		if err := s.PullAgain(t.Context(), ps[0], clock.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		clock.Pass(2 * time.Minute)
		if later, _ := pull(t, s, clock); len(later) != 39 || slices.Contains(later, ps[0].Number) {
			t.Errorf("%s was to rest for an hour; taken %v", ps[0].Number, later)
		}
		if err := s.PullAgain(t.Context(), ps[1], clock.Now()); err != nil { // its lease is another's now
			t.Error(err)
		}
		pulls(t, s, clock)
	})
}

func TestOnlyTheCarriersOfASourceArePulledFromIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		sails(t, s, "acme-1", freight.StageTransit, time.Time{}, "P1")
		clock.Pass(13 * time.Hour)
		for carrier, want := range map[freight.CarrierCode]int{"FEDEX": 0, "UPS": 1} {
			ps, err := s.TakePulls(t.Context(), store.PullQuery{Source: "tms", Kind: tracking, Carriers: []freight.CarrierCode{carrier, "DHL"}, Silent: clock.Now().Add(-time.Hour), Span: time.Minute, Limit: 10})
			if err != nil || len(ps) != want {
				t.Errorf("%s: %v, %v", carrier, ps, err)
			}
		}
	})
}

// sends lets a source send a delivery every so often, n times.
func sends(t *testing.T, s *store.Store, clock *storetest.Clock, source, by string, every time.Duration, n int) {
	t.Helper()
	for range n {
		clock.Pass(every)
		d := delivery(fmt.Sprintf("d%d", deliveries.Add(1)), "x")
		d.Source, d.VerifiedBy, d.ReceivedAt = source, by, clock.Now()
		accept(t, s, d)
	}
}

func TestSourceIsSilentOnceItSendsNothingForLongerThanItEverDid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		silent := func(source string, floor time.Duration) bool {
			t.Helper()
			for range 2 { // again changes nothing
				if _, err := s.Hear(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			hs, err := s.Hearings(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, is := hs[source].Silent(floor, clock.Now())
			return is
		}
		sends(t, s, clock, "seldom", "secret 1", 40*time.Hour, 2)
		sends(t, s, clock, "often", "secret 1", 5*time.Minute, 30)
		clock.Pass(5 * time.Hour)
		if silent("often", 6*time.Hour) || !silent("often", 4*time.Hour) || silent("seldom", 4*time.Hour) {
			t.Error("one that sent every 5 minutes is silent after 4 hours, not after 6; one with gaps of 40 hours is not")
		}
		sends(t, s, clock, "often", store.Pulled, time.Hour, 3)
		if !silent("often", 6*time.Hour) {
			t.Error("what was pulled is no sign of life")
		}
		sends(t, s, clock, "often", "secret 1", time.Minute, 1)
		if silent("often", 6*time.Hour) {
			t.Error("it was heard again")
		}
		clock.Pass(9 * 24 * time.Hour)
		sends(t, s, clock, "other", "secret 1", time.Minute, 1)
		if !silent("often", 6*time.Hour) || !silent("seldom", 6*time.Hour) {
			t.Error("a source that sent nothing for nine days was forgotten")
		}
	})
}

func TestHearingGoesOnWhereItEndedAndMissesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		next := int64(0)
		for i := range 5 {
			sends(t, s, clock, "tms", "secret 1", time.Hour, 3)
			var err error
			if next, err = s.Hear(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			hs, err := s.Hearings(t.Context())
			if h := hs["tms"]; err != nil || !h.Last.Equal(clock.Now()) || i > 0 && h.Longest != time.Hour {
				t.Errorf("%+v at %s, %v", hs["tms"], clock.Now(), err)
			}
		}
	})
}

func TestTurnsAreTakenOnceHoweverManyTakeThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		var mu sync.Mutex
		taken := map[time.Time]int{}
		together(20, func(int) {
			ts, err := s.TakeTurns(t.Context(), "portal", 2, 3)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range ts.N {
				taken[ts.First.Add(time.Duration(i)*ts.Every)]++
			}
		})
		first := clock.Now()
		for i := range 60 {
			if at := first.Add(time.Duration(i) * 500 * time.Millisecond); taken[at.UTC()] != 1 {
				t.Errorf("turn %d was taken %d times", i, taken[at.UTC()])
			}
		}
		clock.Pass(time.Hour)
		if ts, err := s.TakeTurns(t.Context(), "portal", 2, 1); err != nil || !ts.First.Equal(clock.Now()) {
			t.Errorf("after an hour of rest the next turn is at %s, %v", ts.First, err)
		}
		clock.Pass(-24 * time.Hour) // a clock that was wrong is put right
		if ts, err := s.TakeTurns(t.Context(), "portal", 2, 1); err != nil || !ts.First.Equal(clock.Now()) {
			t.Errorf("after a clock was put right the next turn is at %s, %v", ts.First, err)
		}
		if ts, err := s.TakeTurns(t.Context(), "erp", 2, 1); err != nil || !ts.First.Equal(clock.Now()) {
			t.Errorf("another's turn is at %s, %v", ts.First, err)
		}
	})
}
