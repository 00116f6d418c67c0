package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

// A source that floods the bridge waits for itself: the next group has room for the others.
func TestSourceThatFloodsDoesNotKeepOthersOutOfTheNextGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		release := s.Occupy()
		const flood = 600
		var all sync.WaitGroup
		send := func(d store.Delivery, waiting int) {
			all.Go(func() { accept(t, s, d) })
			until(func() bool { _, n := s.Crowd(); return n == waiting })
		}
		for i := range flood {
			send(delivery(fmt.Sprintf("msg_%d", i), "body"), i+1)
		}
		late := delivery("msg_late", "body")
		late.Source = "carrier"
		send(late, flood+1)
		release()
		all.Wait()
		ds, err := s.Deliveries(t.Context(), store.Pending, "carrier", 1)
		if err != nil || len(ds) != 1 {
			t.Fatal(ds, err)
		}
		if place := ds[0].Seq; place > 3*flood/4 { // groups of 128, of which another may overtake the one that it is in
			t.Errorf("the other source's delivery became number %d behind %d that had come before it", place, flood)
		}
	})
}

func TestSourcesShareALookAtWhatWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		comes := func(source string, n int) {
			for i := range n {
				d := delivery(fmt.Sprintf("%s_%d", source, i), "body")
				d.Source = source
				accept(t, s, d)
			}
		}
		comes("noisy", 40)
		comes("quiet", 2)
		comes("other", 6)
		comes("odoo-hint", 5)
		for limit, want := range map[int]map[string]int{12: {"noisy": 5, "quiet": 2, "other": 5}, 3: {"noisy": 1, "quiet": 1, "other": 1}, 1000: {"noisy": 40, "quiet": 2, "other": 6}} {
			ds, err := s.Waiting(t.Context(), limit, "odoo-hint")
			if err != nil {
				t.Fatal(err)
			}
			got, last := map[string]int{}, int64(0)
			for _, d := range ds {
				if d.ID != fmt.Sprintf("%s_%d", d.Source, got[d.Source]) || d.Seq <= last {
					t.Errorf("of %d, %s comes after %d of its source and number %d", limit, d.ID, got[d.Source], last)
				}
				got[d.Source]++
				last = d.Seq
			}
			for source, n := range want {
				if got[source] != n || len(got) != len(want) {
					t.Errorf("a look at %d has %v, want %v", limit, got, want)
				}
			}
		}
	})
}

// SQLite lets a writer whose turn it is not sleep up to 100 ms at a time: it is asked not to.
func TestWriterDoesNotSleepInTheDatabase(t *testing.T) {
	s, _ := open(t, storetest.SQLite(t))
	if v, err := s.Setting(t.Context(), `PRAGMA busy_timeout`); err != nil || v != "0" {
		t.Errorf("a writer sleeps up to %s ms, %v", v, err)
	}
}

// Whoever is next goes first; one that was stopped while it was next does not keep the others waiting.
func TestOneThatIsNextGoesFirstAndMayNotHoldUpTheOthers(t *testing.T) {
	db := storetest.SQLite(t)
	s, _ := open(t, db)
	next := flock.New(strings.TrimPrefix(db.URL, "sqlite:") + "-turn")
	if ok, err := next.TryLock(); !ok {
		t.Fatal(err)
	}
	began := time.Now()
	accept(t, s, delivery("msg_1", "body"))
	if took := time.Since(began); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("it waited %s for its turn behind one that was stopped, want a fifth of a second", took)
	}
	if err := next.Unlock(); err != nil {
		t.Fatal(err)
	}
	if shortest(func() { accept(t, s, delivery("msg_1", "body")) }) > 100*time.Millisecond {
		t.Error("it waits for its turn though nobody is next")
	}
}

func shortest(f func()) time.Duration {
	least := time.Hour
	for range 30 {
		began := time.Now()
		f()
		least = min(least, time.Since(began))
	}
	return least
}

func TestBatchesOfOneHolderAreSettledTogetherButForThoseItLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		waiting(t, s, 3)
		mine := lease(t, s, "mine")
		if len(mine) != 3 {
			t.Fatalf("took %d", len(mine))
		}
		clock.Pass(span + time.Second)
		lost, err := s.Lease(t.Context(), "another", span, 0, 1, 200)
		if err != nil || len(lost) != 1 {
			t.Fatal(lost, err)
		}
		admit(t, s, scan("meanwhile", ref(bol, "", "acme-3")))
		if err := s.Sent(t.Context(), "mine", mine...); err != nil {
			t.Fatal(err)
		}
		n, err := s.ScanCounts(t.Context())
		if err != nil || n["sent"] != 2 || n["matched"] != 2 {
			t.Errorf("counts %v, %v; want those of the lost shipment and what came meanwhile to wait", n, err)
		}
		if err := s.Sent(t.Context(), "another", lost...); err != nil {
			t.Fatal(err)
		}
		got := sent(t, s, "mine")
		if len(got) != 1 || !slices.Equal(keys(got["acme-3"]), []string{"meanwhile"}) {
			t.Errorf("then %v", got)
		}
	})
}

// More scans than one statement takes are filed as few are: each once, in order, with numbers without gaps.
func TestDeliveryOfVeryManyScansIsFiledWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		register(t, s, "acme-2", ref(bol, "", "B2"))
		const each = 700
		var in []store.Incoming
		for i := range each {
			for _, b := range []string{"B1", "B2", "nobody's"} {
				in = append(in, scan(fmt.Sprintf("%s/%d", b, i), ref(bol, "", b)))
			}
		}
		in = slices.Insert(in, 10, in[:10]...)
		in = append(in, in[20:30]...)
		if a := admit(t, s, in...); a.New != 2*each || a.Unmatched != each || a.Repeats != 20 {
			t.Fatalf("%+v", a)
		}
		for id, scans := range sent(t, s, "r") {
			for i, sc := range scans {
				if want := fmt.Sprintf("B%s/%d", strings.TrimPrefix(string(id), "acme-"), i); sc.Number != int64(i+1) || sc.Key != want {
					t.Fatalf("%s has %s as number %d, want %s as %d", id, sc.Key, sc.Number, want, i+1)
				}
			}
			if len(scans) != each {
				t.Errorf("%s has %d scans", id, len(scans))
			}
		}
		register(t, s, "acme-3", ref(bol, "", "nobody's"))
		if got := sent(t, s, "r")["acme-3"]; len(got) != each || got[each-1].Number != each {
			t.Errorf("%d of the strays were found", len(got))
		}
	})
}

func TestDueIsWhenTheOldestScanThatWaitsCame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		due := func(want time.Time, any bool) {
			t.Helper()
			if got, ok, err := s.Due(t.Context()); err != nil || ok != any || ok && !got.Equal(want) {
				t.Errorf("due %s %t, want %s %t; %v", got, ok, want, any, err)
			}
		}
		due(time.Time{}, false)
		waiting(t, s, 1)
		clock.Pass(time.Second)
		admit(t, s, scan("second", ref(bol, "", "acme-1")))
		due(noon, true)
		bs := lease(t, s, "r")
		due(clock.Now().Add(span), true) // when the lease runs out
		if err := s.Sent(t.Context(), "r", bs...); err != nil {
			t.Fatal(err)
		}
		due(time.Time{}, false)
	})
}
