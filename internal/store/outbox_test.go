package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// waiting makes n shipments with one scan each.
func waiting(t *testing.T, s *store.Store, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("acme-%d", i+1)
		register(t, s, freight.ShipmentID(id), ref(bol, "", id))
		admit(t, s, scan("of "+id, ref(bol, "", id)))
	}
}

func TestLeaseIsForOneHolderHoweverManyAsk(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		const n = 40
		waiting(t, s, n)
		var mu sync.Mutex
		taken := map[freight.ShipmentID]int{}
		together(8, func(i int) {
			for {
				bs, err := s.Lease(t.Context(), fmt.Sprint("relay ", i), span, 0, 7, 200)
				if err != nil {
					t.Error(err)
				}
				if len(bs) == 0 {
					return
				}
				mu.Lock()
				for _, b := range bs {
					taken[b.Shipment]++
				}
				mu.Unlock()
			}
		})
		// Those that another was at are skipped, not lost.
		for _, b := range lease(t, s, "last") {
			taken[b.Shipment]++
		}
		for i := range n {
			if id := freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)); taken[id] != 1 {
				t.Errorf("%s was taken %d times", id, taken[id])
			}
		}
	})
}

func TestLeaseThatRanOutIsAnothersAndItsHolderChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		waiting(t, s, 1)
		slow := lease(t, s, "slow")
		if again := lease(t, s, "fast"); len(slow) != 1 || len(again) != 0 {
			t.Fatalf("slow has %v, fast has %v", slow, again)
		}
		clock.Pass(span + time.Second)
		fast := lease(t, s, "fast")
		if len(fast) != 1 || fast[0].Tries != 2 || len(fast[0].Scans) != 1 {
			t.Fatalf("fast has %+v", fast)
		}
		for what, err := range map[string]error{"sent": s.Sent(t.Context(), "slow", slow[0]), "late": s.Late(t.Context(), "slow", slow[0]), "deferred": s.Defer(t.Context(), "slow", slow[0], 0), "by another": s.Sent(t.Context(), "else", fast[0])} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n, err := s.ScanCounts(t.Context()); err != nil || n["matched"] != 1 || len(lease(t, s, "third")) != 0 {
			t.Errorf("the old holder changed something: %v, %v", n, err)
		}
		if err := s.Sent(t.Context(), "fast", fast[0]); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ScanCounts(t.Context()); err != nil || n["sent"] != 1 {
			t.Errorf("counts %v, %v", n, err)
		}
	})
}

// A process that stood still for a minute has the same name when it goes on, and an older lease.
func TestOlderLeaseOfTheSameHolderChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		waiting(t, s, 1)
		old := lease(t, s, "relay")
		clock.Pass(span + time.Second)
		register(t, s, "acme-1") // nothing changes for the shipment
		lease(t, s, "relay")
		if err := s.Sent(t.Context(), "relay", old[0]); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ScanCounts(t.Context()); err != nil || n["matched"] != 1 {
			t.Errorf("counts %v, %v", n, err)
		}
	})
}

func TestScanThatComesWhileOthersAreSentIsSentNext(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		waiting(t, s, 1)
		b := lease(t, s, "r")
		admit(t, s, scan("meanwhile", ref(bol, "", "acme-1")))
		if bs := lease(t, s, "other"); len(bs) != 0 {
			t.Fatalf("another took %+v", bs)
		}
		if err := s.Sent(t.Context(), "r", b[0]); err != nil {
			t.Fatal(err)
		}
		if got := sent(t, s, "r")["acme-1"]; !slices.Equal(keys(got), []string{"meanwhile"}) || got[0].Number != 2 {
			t.Errorf("then sent %+v", got)
		}
	})
}

// Scans come in while batches are given back: none is forgotten, whoever is first.
func TestNoScanIsForgottenWhenBatchesAreGivenBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "acme-1"))
		const n = 40
		var mu sync.Mutex
		var got []freight.Scan
		send := func(holder string) {
			for _, b := range lease(t, s, holder) {
				mu.Lock()
				got = append(got, b.Scans...)
				mu.Unlock()
				if err := s.Sent(t.Context(), holder, b); err != nil {
					t.Error(err)
				}
			}
		}
		together(2*n, func(i int) {
			if i%2 == 0 {
				send(fmt.Sprint("r", i))
				return
			}
			if _, err := tryAdmit(t, s, scan(fmt.Sprint(i), ref(bol, "", "acme-1"))); err != nil {
				t.Error(err)
			}
		})
		send("last")
		if len(got) != n {
			t.Fatalf("%d sent of %d", len(got), n)
		}
		for i, sc := range got {
			if sc.Number != int64(i+1) {
				t.Fatalf("number %d at place %d", sc.Number, i+1)
			}
		}
	})
}

func TestBurstIsGatheredIntoOneBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "acme-1"))
		ask := func() []store.Batch {
			bs, err := s.Lease(t.Context(), "r", span, 200*time.Millisecond, 100, 200)
			if err != nil {
				t.Fatal(err)
			}
			return bs
		}
		admit(t, s, scan("first", ref(bol, "", "acme-1")))
		clock.Pass(150 * time.Millisecond)
		admit(t, s, scan("second", ref(bol, "", "acme-1")))
		if bs := ask(); len(bs) != 0 {
			t.Fatalf("taken too early: %+v", bs)
		}
		clock.Pass(50 * time.Millisecond)
		if bs := ask(); len(bs) != 1 || len(bs[0].Scans) != 2 {
			t.Errorf("got %+v", bs)
		}
	})
}

func TestBatchIsBoundedAndTheRestFollowsInOrder(t *testing.T) {
	for name, pad := range map[string]int{"in number": 0, "in bytes": 400 << 10} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				s, _ := open(t, db)
				register(t, s, "acme-1", ref(bol, "", "acme-1"))
				for i := range 7 {
					in := scan(fmt.Sprint(i), ref(bol, "", "acme-1"))
					in.Scan.RawCode = strings.Repeat("x", pad)
					admit(t, s, in)
				}
				most := map[int]int{0: 3, 400 << 10: 2}[pad]
				var got []string
				for range 4 {
					bs, err := s.Lease(t.Context(), "r", span, 0, 10, 3)
					if err != nil {
						t.Fatal(err)
					}
					for _, b := range bs {
						if got = append(got, keys(b.Scans)...); len(b.Scans) > most {
							t.Errorf("%d in one batch", len(b.Scans))
						}
						if err := s.Sent(t.Context(), "r", b); err != nil {
							t.Fatal(err)
						}
					}
				}
				if !slices.Equal(got, []string{"0", "1", "2", "3", "4", "5", "6"}) {
					t.Errorf("sent %v", got)
				}
			})
		})
	}
}

func TestScanTooLargeForABatchStillGoesAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "acme-1"))
		in := scan("large", ref(bol, "", "acme-1"))
		in.Scan.RawCode = strings.Repeat("x", 3<<20)
		admit(t, s, in)
		if got := sent(t, s, "r")["acme-1"]; len(got) != 1 {
			t.Errorf("sent %d", len(got))
		}
	})
}

// Shipments that cannot be reached come back after a while; those that wait longer go first.
func TestShipmentThatCannotBeReachedDoesNotHoldUpOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		waiting(t, s, 6)
		ask := func() (ids []freight.ShipmentID, bs []store.Batch) {
			bs, err := s.Lease(t.Context(), "r", span, 0, 2, 200)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range bs {
				ids = append(ids, b.Shipment)
			}
			slices.Sort(ids)
			return ids, bs
		}
		for _, want := range [][]freight.ShipmentID{{"acme-1", "acme-2"}, {"acme-3", "acme-4"}} { // held, and never sent
			if ids, _ := ask(); !slices.Equal(ids, want) {
				t.Fatalf("took %v, want %v", ids, want)
			}
		}
		clock.Pass(2 * span)
		ids, bs := ask()
		if !slices.Equal(ids, []freight.ShipmentID{"acme-5", "acme-6"}) {
			t.Fatalf("those that waited longest are not first: %v", ids)
		}
		if err := s.Defer(t.Context(), "r", bs[0], time.Hour); err != nil {
			t.Fatal(err)
		}
		clock.Pass(time.Hour - time.Second)
		for range 10 {
			ids, _ = ask()
			if slices.Contains(ids, bs[0].Shipment) {
				t.Fatal("a deferred shipment was taken before its time")
			}
		}
		clock.Pass(time.Second)
		if ids, _ = ask(); !slices.Contains(ids, bs[0].Shipment) {
			t.Errorf("after its time, %v", ids)
		}
	})
}

func TestLateScansAreListedWithTheirShipment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		waiting(t, s, 1)
		b := lease(t, s, "r")
		if err := s.Late(t.Context(), "r", b[0]); err != nil {
			t.Fatal(err)
		}
		late, err := s.LateScans(t.Context(), 10)
		if err != nil || len(late) != 1 || late[0].Shipment != "acme-1" || late[0].Milestone != freight.InTransit {
			t.Errorf("late %+v, %v", late, err)
		}
		if bs := lease(t, s, "r"); len(bs) != 0 {
			t.Errorf("taken again: %+v", bs)
		}
	})
}
