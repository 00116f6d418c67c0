package store_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

const hour = time.Hour

// queue is what a source waits with.
func queue(t testing.TB, s *store.Store, now time.Time) freight.Unmatched {
	t.Helper()
	u, err := s.UnmatchedOf(t.Context(), "tms", now)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func place(t testing.TB, s *store.Store, q freight.PlaceRequest) freight.PlaceReply {
	t.Helper()
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	r, err := s.Place(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func assign(id, reference string, shipment freight.ShipmentID) freight.PlaceRequest {
	return freight.PlaceRequest{ID: id, Action: freight.Assign, Source: "tms", Reference: reference, Shipment: shipment, By: "ann", Reason: "asked the carrier"}
}

func discarding(id, reference string) freight.PlaceRequest {
	return freight.PlaceRequest{ID: id, Action: freight.Discard, Source: "tms", Reference: reference, By: "ann", Reason: "not ours"}
}

func TestWhatWaitsIsShownAfterTheGracePeriodOldestFirstAndBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		admit(t, s, scan("a", ref(freight.RefTracking, "UPS", "FIRST")), scan("b", ref(freight.RefTracking, "UPS", "FIRST")))
		for i := range 30 {
			clock.Pass(time.Second)
			admit(t, s, scan(string(rune('A'+i)), ref(freight.RefPRO, "UPS", string(rune('A'+i)))))
		}
		if u := queue(t, s, noon); u.Scans != 0 || !u.Done() {
			t.Errorf("shown before its time: %+v", u)
		}
		u := queue(t, s, clock.Now().Add(hour))
		if u.Scans != 32 || len(u.Waiting) != freight.UnmatchedShown || !u.More || !u.Since.Equal(noon) || u.Done() {
			t.Errorf("%d scans since %s, %d references, more %v", u.Scans, u.Since, len(u.Waiting), u.More)
		}
		if w := u.Waiting[0]; w.Reference != "FIRST" || w.Scans != 2 || w.Kind != freight.RefTracking || w.Carrier != "UPS" || w.Why == "" {
			t.Errorf("%+v", w)
		}
		bs, err := s.Backlogs(t.Context(), clock.Now().Add(hour))
		if err != nil || len(bs) != 1 || bs[0].Source != "tms" || bs[0].Scans != 32 || !bs[0].Oldest.Equal(noon) {
			t.Error(bs, err)
		}
	})
}

func TestCandidatesSayWhyTheyMayBeMeantAndAreNeverTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(freight.RefTracking, "DHL", "1Z-5"))
		register(t, s, "acme-2", ref(freight.RefTracking, "UPS", "001Z5"))
		register(t, s, "acme-3", ref(freight.RefOrder, "", "1Z-5"))
		register(t, s, "acme-4", ref(freight.RefTracking, "UPS", "OTHER"))
		register(t, s, "acme-5", ref(freight.RefTracking, "UPS", "OLD"))
		admit(t, s, scan("a", ref(freight.RefTracking, "UPS", "1Z-5")))
		clock.Pass(100 * 24 * hour)
		late := scan("b", ref(freight.RefTracking, "UPS", "OLD"))
		late.Scan.OccurredAt = clock.Now()
		admit(t, s, late)
		u := queue(t, s, clock.Now().Add(hour))
		want := map[string]string{"acme-1": "of carrier DHL instead of UPS", "acme-2": "written otherwise", "acme-3": "as its order", "acme-5": "had this tracking until 2027-02-22"}
		for _, w := range u.Waiting {
			for _, c := range w.Candidates {
				if text, ok := want[string(c.Shipment)]; !ok || !strings.Contains(c.Why, text) {
					t.Errorf("%s: %s %q", w.Reference, c.Shipment, c.Why)
				}
				delete(want, string(c.Shipment))
			}
		}
		if len(want) > 0 || u.Scans != 2 {
			t.Errorf("not found: %v; %d wait", want, u.Scans)
		}
		if got := sent(t, s, "r"); len(got) != 0 {
			t.Errorf("a candidate was taken: %v", got)
		}
	})
}

func TestANumberThatTwoShipmentsClaimWaitsWithBothAndIsThenTheOnesItWasAssignedTo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		pro := ref(freight.RefPRO, "UPS", "P1")
		register(t, s, "acme-1", pro)
		register(t, s, "acme-2", pro)
		admit(t, s, scan("a", pro))
		w := queue(t, s, clock.Now().Add(hour)).Waiting
		if len(w) != 1 || len(w[0].Candidates) != 2 || !strings.Contains(w[0].Why, "several shipments: acme-1, acme-2") {
			t.Fatalf("%+v", w)
		}
		if r := place(t, s, assign("q1", "P1", "acme-2")); r.Scans != 1 || r.Refusal != "" {
			t.Fatalf("%+v", r)
		}
		if a := admit(t, s, scan("b", pro)); a.New != 1 {
			t.Errorf("the next scan is asked about again: %+v", a)
		}
		if got := sent(t, s, "r"); len(got) != 1 || !slices.Equal(keys(got["acme-2"]), []string{"a", "b"}) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestAnOrderOfSeveralShipmentsIsAskedAboutEachTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		order := ref(freight.RefOrder, "", "S1")
		register(t, s, "acme-1", order)
		register(t, s, "acme-2", order)
		admit(t, s, scan("a", order))
		place(t, s, assign("q1", "S1", "acme-1"))
		if a := admit(t, s, scan("b", order)); a.Unmatched != 1 {
			t.Errorf("it was guessed from the answer before: %+v", a)
		}
	})
}

// TestAssigningTwiceAtOnceAndAgainPlacesEachScanOnce under a reference that other sources wait under as well.
func TestAssigningTwiceAtOnceAndAgainPlacesEachScanOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(freight.RefOrder, "", "S1"))
		number := ref(freight.RefTracking, "UPS", "T1")
		early := scan("a", number)
		early.Scan.OccurredAt = noon.Add(-200 * 24 * hour) // before any number of a shipment that begins now
		other := scan("c", number)
		other.Scan.Source = "edi"
		admit(t, s, early, scan("b", number), other)
		var mu sync.Mutex
		replies := map[string]freight.PlaceReply{}
		together(8, func(i int) {
			id := []string{"ann's", "bob's"}[i%2] // each is delivered four times
			r, err := s.Place(t.Context(), assign(id, "T1", "acme-1"))
			mu.Lock()
			defer mu.Unlock()
			if before, ok := replies[id]; err != nil || ok && (before.Refusal != r.Refusal || before.Scans != r.Scans) {
				t.Errorf("%s: %+v, then %+v, %v", id, before, r, err)
			}
			replies[id] = r
		})
		a, b := replies["ann's"], replies["bob's"]
		if a.Scans+b.Scans != 2 || a.Refusal+b.Refusal != "" || (a.Note == "") == (b.Note == "") {
			t.Errorf("%+v and %+v: want one to have placed both, and the other told so", a, b)
		}
		if got := sent(t, s, "r")["acme-1"]; len(got) != 3 || got[0].Number+got[1].Number+got[2].Number != 6 {
			t.Errorf("sent %v", keys(got))
		}
		es, err := s.Audit(t.Context(), store.TrailOf("tms"))
		if err != nil || len(es) != 1 || es[0].Actor != "ann" || !strings.Contains(es[0].Detail, "T1, scans: 2, to acme-1: asked the carrier") {
			t.Errorf("audit trail %+v, %v", es, err)
		}
		if n, err := s.VerifyChain(t.Context(), store.TrailOf("tms")); n != 1 || err != nil {
			t.Error(n, err)
		}
		old := scan("e", number)
		old.Scan.OccurredAt = early.Scan.OccurredAt
		if a := admit(t, s, scan("d", number), old); a.New != 2 {
			t.Errorf("the number is not registered from the first scan on that waited: %+v", a)
		}
	})
}

func TestDiscardedScansAreKeptWithTheReasonAndComeBackByNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		number := ref(freight.RefTracking, "UPS", "T1")
		admit(t, s, scan("a", number))
		if r := place(t, s, discarding("q1", "T1")); r.Scans != 1 || r.Refusal != "" {
			t.Fatalf("%+v", r)
		}
		register(t, s, "acme-1", number)
		if got := sent(t, s, "r"); len(got) != 0 || !queueDone(t, s, clock) {
			t.Errorf("it came back: %v", got)
		}
		ds, err := s.Discarded(t.Context(), 10)
		if err != nil || len(ds) != 1 || ds[0].Reason != "by ann: not ours" || ds[0].References[0] != number {
			t.Errorf("%+v, %v", ds, err)
		}
		if r := place(t, s, assign("q2", "T1", "acme-1")); !strings.Contains(r.Refusal, "discarded by ann") {
			t.Errorf("%+v", r)
		}
	})
}

func queueDone(t testing.TB, s *store.Store, clock *storetest.Clock) bool {
	t.Helper()
	u := queue(t, s, clock.Now().Add(hour))
	return u.Done()
}

func TestWhatCameWithoutAUsableReferenceIsSuppliedOrWaivedByItsDelivery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(freight.RefOrder, "", "S1"))
		admit(t, s, scan("a"))
		admit(t, s, scan("b", ref(freight.RefPRO, "UPS", strings.Repeat("9", 300)))) // nobody could name it
		w := queue(t, s, clock.Now().Add(hour)).Waiting
		if len(w) != 2 || !strings.HasPrefix(w[0].Reference, "delivery/") || w[0].Why != "it names no shipment" {
			t.Fatalf("%+v", w)
		}
		place(t, s, assign("q1", w[0].Reference, "acme-1"))
		place(t, s, discarding("q2", w[1].Reference))
		if got := sent(t, s, "r"); !slices.Equal(keys(got["acme-1"]), []string{"a"}) || !queueDone(t, s, clock) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestWhatCannotBePlacedIsRefusedAndChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		admit(t, s, scan("a", ref(freight.RefTracking, "UPS", "T1")))
		for _, q := range []freight.PlaceRequest{assign("q1", "T1", "acme-404"), assign("q2", "T2", "acme-1"), discarding("q3", "T2"), discarding("q4", "delivery/99")} {
			if r := place(t, s, q); r.Refusal == "" || r.Scans != 0 {
				t.Errorf("%+v: %+v", q, r)
			}
		}
		if u := queue(t, s, clock.Now().Add(hour)); u.Scans != 1 {
			t.Errorf("%+v", u)
		}
		if es, err := s.Audit(t.Context(), store.TrailOf("tms")); err != nil || len(es) != 0 {
			t.Errorf("%+v, %v", es, err)
		}
	})
}
