package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// open opens an empty store whose clock stands at noon.
func open(t *testing.T, db storetest.DB) (*store.Store, *storetest.Clock) {
	t.Helper()
	clock := &storetest.Clock{}
	return db.Open(t, store.WithClock(clock.Now)), clock
}

// together runs f n times at once, and waits for all.
func together(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	begin := make(chan struct{})
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-begin
			f(i)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
}

func delivery(id, body string) store.Delivery {
	return store.Delivery{Source: "tms", ID: id, Body: []byte(body), Headers: map[string]string{"content-type": "application/json"}, VerifiedBy: "secret 1", ReceivedAt: noon, State: store.Pending}
}

func accept(t testing.TB, s *store.Store, d store.Delivery) {
	t.Helper()
	if _, err := s.Accept(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func ref(kind freight.ReferenceKind, carrier freight.CarrierCode, value string) freight.Reference {
	return freight.Reference{Kind: kind, Carrier: carrier, Value: value}
}

// scan is a statement of its own, told apart by key.
func scan(key string, refs ...freight.Reference) store.Incoming {
	return store.Incoming{References: refs, Scan: freight.Scan{Key: key, Source: "tms", Milestone: freight.InTransit, Classifier: freight.Actual, OccurredAt: noon}}
}

var deliveries atomic.Int64

// admit files scans as one new delivery.
func admit(t testing.TB, s *store.Store, in ...store.Incoming) store.Admission {
	t.Helper()
	a, err := tryAdmit(t, s, in...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryAdmit(t testing.TB, s *store.Store, in ...store.Incoming) (store.Admission, error) {
	id := fmt.Sprintf("d%d", deliveries.Add(1))
	if _, err := s.Accept(t.Context(), delivery(id, id)); err != nil {
		return store.Admission{}, err
	}
	ds, err := s.Deliveries(t.Context(), store.Pending, "tms", 1000)
	if err != nil {
		return store.Admission{}, err
	}
	for _, d := range ds {
		if d.ID == id {
			return s.Admit(t.Context(), d.Seq, in)
		}
	}
	return store.Admission{}, fmt.Errorf("delivery %s is not pending", id)
}

// register records a shipment's references, as its story does.
func register(t testing.TB, s *store.Store, id freight.ShipmentID, refs ...freight.Reference) {
	t.Helper()
	if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: id, Revision: 1}, References: refs}); err != nil {
		t.Fatal(err)
	}
}

// sent takes all that waits and marks it as sent, and returns it by shipment.
func sent(t testing.TB, s *store.Store, holder string) map[freight.ShipmentID][]freight.Scan {
	t.Helper()
	got := map[freight.ShipmentID][]freight.Scan{}
	for {
		bs := lease(t, s, holder)
		if len(bs) == 0 {
			return got
		}
		for _, b := range bs {
			got[b.Shipment] = append(got[b.Shipment], b.Scans...)
			if err := s.Sent(t.Context(), holder, b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

const span = 10 * time.Second

func lease(t testing.TB, s *store.Store, holder string) []store.Batch {
	t.Helper()
	bs, err := s.Lease(t.Context(), holder, span, 0, 100, 200)
	if err != nil {
		t.Fatal(err)
	}
	return bs
}

func keys(scans []freight.Scan) (ks []string) {
	for _, s := range scans {
		ks = append(ks, s.Key)
	}
	return ks
}

func usd(number string) freight.Money { return freight.Money{Number: number, Currency: "USD"} }
