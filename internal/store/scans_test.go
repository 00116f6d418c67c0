package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

const (
	pro      = freight.RefPRO
	bol      = freight.RefBOL
	order    = freight.RefOrder
	customer = freight.RefCustomer
	tracking = freight.RefTracking
	shipment = freight.RefShipment
)

func TestSameStatementUnderAnotherDeliveryIDIsDropped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		if a := admit(t, s, scan("k1", ref(bol, "", "B1"))); a.New != 1 || a.Repeats != 0 {
			t.Fatalf("first: %+v", a)
		}
		if a := admit(t, s, scan("k1", ref(bol, "", "B1")), scan("k2", ref(bol, "", "B1"))); a.New != 1 || a.Repeats != 1 {
			t.Fatalf("again: %+v", a)
		}
		if got := keys(sent(t, s, "r")["acme-1"]); !slices.Equal(got, []string{"k1", "k2"}) {
			t.Errorf("sent %v", got)
		}
	})
}

func TestProofThatComesLaterIsKeptAndSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		bare := scan("delivered", ref(bol, "", "B1"))
		bare.Scan.Milestone = freight.Delivered
		late := bare
		late.Scan.Key = "delivered, with photo"
		late.Scan.Documents = []freight.DocumentRef{{Kind: freight.DocumentPhoto, SHA256: "abc", MediaType: "image/jpeg", Size: 4}}
		late.Documents = []store.Document{{SHA256: "abc", MediaType: "image/jpeg", Signer: "A. Receiver", Body: []byte("\xff\xd8\x00!")}}
		admit(t, s, bare)
		admit(t, s, late)
		got := sent(t, s, "r")["acme-1"]
		if len(got) != 2 || len(got[1].Documents) != 1 || got[1].Documents[0].SHA256 != "abc" {
			t.Fatalf("sent %+v", got)
		}
		if _, _, _, err := s.Document(t.Context(), "abd"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a document that is not there: %v", err)
		}
		body, media, signer, err := s.Document(t.Context(), "abc")
		if err != nil || string(body) != "\xff\xd8\x00!" || media != "image/jpeg" || signer != "A. Receiver" {
			t.Errorf("document %q %s %s, %v", body, media, signer, err)
		}
	})
}

func TestScanFindsItsShipment(t *testing.T) {
	days := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	cases := map[string]struct {
		refs    []freight.Reference
		carrier freight.CarrierCode
		at      time.Time
		want    freight.ShipmentID
		why     string // a part of the reason where there is no shipment
	}{
		"by our own id":                          {refs: []freight.Reference{ref(shipment, "", "acme-1")}, want: "acme-1"},
		"by our own id years later":              {refs: []freight.Reference{ref(shipment, "", "acme-1")}, at: days(900), want: "acme-1"},
		"by PRO and carrier":                     {refs: []freight.Reference{ref(pro, "FAST", "77")}, want: "acme-1"},
		"by PRO and the other carrier":           {refs: []freight.Reference{ref(pro, "SLOW", "77")}, want: "acme-2"},
		"by PRO and the carrier that scanned":    {refs: []freight.Reference{ref(pro, "", "77")}, carrier: "SLOW", want: "acme-2"},
		"not by the PRO of a third carrier":      {refs: []freight.Reference{ref(pro, "", "77")}, carrier: "NONE", why: "no shipment"},
		"not by a PRO that two carriers gave":    {refs: []freight.Reference{ref(pro, "", "77")}, why: "acme-1, acme-2"},
		"not by an order of two shipments":       {refs: []freight.Reference{ref(order, "", "S1")}, why: "several shipments"},
		"by the more telling of two":             {refs: []freight.Reference{ref(order, "", "S1"), ref(bol, "", "B2")}, want: "acme-2"},
		"by two that agree":                      {refs: []freight.Reference{ref(bol, "", "B1"), ref(pro, "FAST", "77")}, want: "acme-1"},
		"not by two of a kind that do not agree": {refs: []freight.Reference{ref(bol, "", "B1"), ref(bol, "", "B2")}, why: "several shipments"},
		"within the life of a number":            {refs: []freight.Reference{ref(bol, "", "B1")}, at: days(89), want: "acme-1"},
		"not by a number that is used again":     {refs: []freight.Reference{ref(bol, "", "B1")}, at: days(91), why: "no shipment"},
		"not by a number before it was given":    {refs: []freight.Reference{ref(bol, "", "B1")}, at: days(-91), why: "no shipment"},
		"not by the value under another kind":    {refs: []freight.Reference{ref(customer, "", "B1")}, why: "no shipment"},
		"not by a number nobody knows":           {refs: []freight.Reference{ref(bol, "", "B9")}, why: "no shipment"},
		"by a number registered for any carrier": {refs: []freight.Reference{ref(tracking, "FAST", "T1")}, want: "acme-1"},
		"by such a number, whoever scanned":      {refs: []freight.Reference{ref(tracking, "", "T1")}, carrier: "SLOW", want: "acme-1"},
	}
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(shipment, "", "acme-1"), ref(pro, "FAST", "77"), ref(bol, "", "B1"), ref(order, "", "S1"), ref(tracking, "", "T1"))
		register(t, s, "acme-2", ref(shipment, "", "acme-2"), ref(pro, "SLOW", "77"), ref(bol, "", "B2"), ref(order, "", "S1"))
		lost := 0
		for name, c := range cases {
			in := scan(name, c.refs...)
			in.Scan.Carrier = c.carrier
			if !c.at.IsZero() {
				in.Scan.OccurredAt = c.at
			}
			admit(t, s, in)
			var got freight.ShipmentID
			for id := range sent(t, s, "r") {
				got = id
			}
			if got != c.want {
				t.Errorf("%s: went to %q, want %q", name, got, c.want)
			}
			if c.want != "" {
				continue
			}
			lost++
			strays, err := s.Unmatched(t.Context(), 100)
			if err != nil || len(strays) != lost || !strings.Contains(strays[lost-1].Reason, c.why) {
				t.Fatalf("%s: unmatched %+v, %v", name, strays, err)
			}
		}
	})
}

func TestNumberUsedAgainGoesToWhoHasItNow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(pro, "FAST", "77"))
		clock.Pass(200 * 24 * time.Hour)
		register(t, s, "acme-2", ref(pro, "FAST", "77"))
		for at, want := range map[time.Time]freight.ShipmentID{noon: "acme-1", clock.Now(): "acme-2"} {
			in := scan("at "+at.String(), ref(pro, "FAST", "77"))
			in.Scan.OccurredAt = at
			admit(t, s, in)
			if got := sent(t, s, "r"); len(got) != 1 || len(got[want]) != 1 {
				t.Errorf("scan of %s went to %v, want %s", at, got, want)
			}
		}
	})
}

func TestUnmatchedScanWaitsUntilItsReferenceIsRegistered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		admit(t, s, scan("early", ref(pro, "FAST", "77"), ref(bol, "", "B1")))
		admit(t, s, scan("never", ref(bol, "", "B9")))
		clock.Pass(3 * time.Hour)
		strays, err := s.Unmatched(t.Context(), 10)
		if err != nil || len(strays) != 2 {
			t.Fatalf("unmatched: %+v, %v", strays, err)
		}
		got := strays[0]
		want := store.Stray{Seq: got.Seq, Source: "tms", Delivery: got.Delivery, DeliveryID: got.DeliveryID, Milestone: freight.InTransit, OccurredAt: noon,
			References: []freight.Reference{ref(pro, "FAST", "77"), ref(bol, "", "B1")}, Reason: "no shipment has these references", At: noon, Age: 3 * time.Hour}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d, err := s.Delivery(t.Context(), got.Delivery); err != nil || d.ID != got.DeliveryID {
			t.Errorf("its delivery: %+v, %v", d, err)
		}
		register(t, s, "acme-1", ref(bol, "", "B1"), ref(pro, "FAST", "77"))
		if got := keys(sent(t, s, "r")["acme-1"]); !slices.Equal(got, []string{"early"}) {
			t.Errorf("sent %v", got)
		}
		if n, err := s.ScanCounts(t.Context()); err != nil || n["sent"] != 1 || n["unmatched"] != 1 {
			t.Errorf("counts %v, %v", n, err)
		}
		if strays, err := s.Unmatched(t.Context(), 10); err != nil || len(strays) != 1 || strays[0].Milestone == "" {
			t.Errorf("still unmatched: %+v, %v", strays, err)
		}
	})
}

func TestScanSaysWhyItIsUnmatchedAsThingsStand(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(order, "", "S1"))
		register(t, s, "acme-2", ref(order, "", "S1"))
		admit(t, s, scan("k", ref(order, "", "S1"), ref(bol, "", "B3")))
		register(t, s, "acme-3", ref(order, "", "S1"))
		strays, err := s.Unmatched(t.Context(), 10)
		if err != nil || len(strays) != 1 || !strings.Contains(strays[0].Reason, "acme-1, acme-2, acme-3") {
			t.Fatalf("unmatched: %+v, %v", strays, err)
		}
		register(t, s, "acme-3", ref(bol, "", "B3")) // more telling than the order
		if got := sent(t, s, "r"); len(got["acme-3"]) != 1 {
			t.Errorf("sent %v", got)
		}
	})
}

// A source that is configured wrongly leaves scans that will never match: others must not wait behind them.
func TestScanIsRedrivenHoweverManyCannotBe(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		var hopeless []store.Incoming
		for i := range 1100 {
			hopeless = append(hopeless, scan(fmt.Sprintf("hopeless %d", i), ref(bol, "", fmt.Sprintf("X%d", i))))
		}
		admit(t, s, hopeless...)
		admit(t, s, scan("early", ref(bol, "", "B1")))
		register(t, s, "acme-1", ref(bol, "", "B1"))
		if got := sent(t, s, "r"); len(got["acme-1"]) != 1 {
			t.Errorf("sent %v", got)
		}
	})
}

// While scans come in and shipments register their numbers at the same time, none is left behind and none counted twice.
func TestScanAndItsReferenceMayComeAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		const n = 60
		together(2*n, func(i int) {
			id := freight.ShipmentID(fmt.Sprintf("acme-%d", i/2+1))
			if i%2 == 0 {
				register(t, s, id, ref(pro, "FAST", string(id)), ref(bol, "", string(id)))
				return
			}
			if _, err := tryAdmit(t, s, scan("scan of "+string(id), ref(pro, "FAST", string(id)), ref(bol, "", string(id)))); err != nil {
				t.Error(err)
			}
		})
		got := sent(t, s, "r")
		for i := range n {
			id := freight.ShipmentID(fmt.Sprintf("acme-%d", i+1))
			if ks := keys(got[id]); !slices.Equal(ks, []string{"scan of " + string(id)}) || got[id][0].Number != 1 {
				t.Errorf("%s got %v", id, got[id])
			}
		}
	})
}

// A scan has found no shipment and is not committed yet, when its reference is registered: one must wait for the other,
// or neither sees the other. On SQLite transactions never overlap.
func TestReferenceThatIsRegisteredWhileItsScanIsFiledFindsIt(t *testing.T) {
	db := storetest.Postgres(t)
	s, _ := open(t, db)
	raw := db.SQL(t)
	unblock := block(t, db, "unmatched_refs") // where a scan goes after it has looked for its shipment
	var both sync.WaitGroup
	both.Go(func() { admit(t, s, scan("k", ref(bol, "", "B1"))) })
	until(func() bool { return stuck(t, raw, 1) })
	var registered atomic.Bool
	both.Go(func() {
		register(t, s, "acme-1", ref(bol, "", "B1"))
		registered.Store(true)
	})
	until(func() bool { return stuck(t, raw, 2) || registered.Load() })
	unblock()
	both.Wait()
	if got := sent(t, s, "r"); len(got["acme-1"]) != 1 {
		t.Errorf("sent %v", got)
	}
}

// Two shipments register what one scan names, each another number of it: it goes to one of the two.
func TestScanThatTwoShipmentsClaimAtOnceGoesToOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		const n = 30
		for i := range n {
			admit(t, s, scan(fmt.Sprintf("k%d", i), ref(pro, "FAST", fmt.Sprint(i)), ref(bol, "", fmt.Sprint(i))))
		}
		together(2*n, func(i int) {
			r := ref(pro, "FAST", fmt.Sprint(i/2))
			if i%2 == 1 {
				r = ref(bol, "", fmt.Sprint(i/2))
			}
			register(t, s, freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), r)
		})
		seen := map[string]int{}
		for id, scans := range sent(t, s, "r") {
			for i, sc := range scans {
				seen[sc.Key]++
				if sc.Number != int64(i+1) {
					t.Errorf("%s has number %d at place %d", id, sc.Number, i+1)
				}
			}
		}
		for i := range n {
			if got := seen[fmt.Sprintf("k%d", i)]; got != 1 {
				t.Errorf("k%d went to %d shipments", i, got)
			}
		}
	})
}

func TestNumbersHaveNoGapWhoeverGivesThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		relays := []*store.Store{}
		for range 3 {
			s, _ := open(t, db)
			relays = append(relays, s)
		}
		ids := []freight.ShipmentID{"acme-1", "acme-2", "acme-3"}
		for _, id := range ids {
			register(t, relays[0], id, ref(bol, "", string(id)))
		}
		const n = 60
		together(n, func(i int) {
			// Every delivery has a scan for each shipment, in another order, and one that others have too.
			var in []store.Incoming
			for j := range ids {
				id := ids[(i+j)%len(ids)]
				in = append(in, scan(fmt.Sprintf("%s %d", id, i), ref(bol, "", string(id))))
			}
			in = append(in, scan(fmt.Sprintf("shared %d", i%10), ref(bol, "", "acme-1")))
			if _, err := tryAdmit(t, relays[i%len(relays)], in...); err != nil {
				t.Error(err)
			}
		})
		got := sent(t, relays[0], "r")
		for id, want := range map[freight.ShipmentID]int{"acme-1": n + 10, "acme-2": n, "acme-3": n} {
			if len(got[id]) != want {
				t.Errorf("%s has %d scans, want %d", id, len(got[id]), want)
			}
			for i, sc := range got[id] {
				if sc.Number != int64(i+1) {
					t.Fatalf("%s has number %d at place %d", id, sc.Number, i+1)
				}
			}
		}
	})
}

// PostgreSQL ends a circle of waiting by undoing one of those in it. The store's side does its work anew.
func TestTransactionThatWasUndoneForAnotherIsDoneAnew(t *testing.T) {
	db := storetest.Postgres(t)
	s, _ := open(t, db)
	waiting(t, s, 2)
	raw := db.SQL(t)
	other, err := raw.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	do := func(statement string) {
		if _, err := other.ExecContext(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	do(`SET deadlock_timeout = '1h'`) // the other never notices the circle, so it is not the one undone
	do(`BEGIN`)
	do(`UPDATE outbox SET tries = tries WHERE shipment = 'acme-2'`)
	var filing sync.WaitGroup
	filing.Go(func() {
		if a, err := tryAdmit(t, s, scan("one", ref(bol, "", "acme-1")), scan("two", ref(bol, "", "acme-2"))); err != nil || a.New != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	})
	until(func() bool { return stuck(t, raw, 1) })
	do(`UPDATE outbox SET tries = tries WHERE shipment = 'acme-1'`)
	do(`COMMIT`)
	filing.Wait()
	got := sent(t, s, "r")
	if len(got["acme-1"]) != 2 || len(got["acme-2"]) != 2 || got["acme-2"][1].Number != 2 {
		t.Errorf("sent %v", got)
	}
}

// stuck reports whether so many of the stores' statements wait for a lock.
func stuck(t *testing.T, raw *sql.DB, n int) bool {
	var got int
	err := raw.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name = current_setting('application_name')`).Scan(&got)
	return err != nil || got >= n
}

func TestDeliveryIsFiledByOneOfTwoRelays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		accept(t, s, delivery("msg_1", "body"))
		ds, err := s.Waiting(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		filed := 0
		together(10, func(i int) {
			a, err := s.Admit(t.Context(), ds[0].Seq, []store.Incoming{scan("k", ref(bol, "", "B1"))})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			filed += a.New + a.Repeats
		})
		if filed != 1 {
			t.Errorf("%d relays filed it", filed)
		}
		// A slower relay of an older release cannot read it: what is done stays done.
		if err := s.SetDelivery(t.Context(), ds[0].Seq, store.Dead, "its connector does not know it"); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Delivery(t.Context(), ds[0].Seq); err != nil || d.State != store.Done {
			t.Errorf("delivery is %s, %v", d.State, err)
		}
	})
}

func TestDeadDeliveryIsReadAgainWhenSetPending(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		d := delivery("msg_1", "body")
		d.State, d.Reason = store.Dead, "unknown milestone"
		accept(t, s, d)
		dead, err := s.Deliveries(t.Context(), store.Dead, "", 10)
		if err != nil || len(dead) != 1 {
			t.Fatal(dead, err)
		}
		in := []store.Incoming{scan("k", ref(bol, "", "B1"))}
		if a, err := s.Admit(t.Context(), dead[0].Seq, in); err != nil || !a.Elsewhere || a.New != 0 {
			t.Fatalf("a dead one was filed: %+v, %v", a, err)
		}
		if err := s.SetDelivery(t.Context(), dead[0].Seq, store.Pending, ""); err != nil {
			t.Fatal(err)
		}
		if a, err := s.Admit(t.Context(), dead[0].Seq, in); err != nil || a.New != 1 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestWaitingLeavesOutSourcesThatOthersRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		for i := range 5 {
			accept(t, s, store.Delivery{Source: "odoo-hint", ID: fmt.Sprint(i)})
			accept(t, s, store.Delivery{Source: "files", ID: fmt.Sprint(i)})
		}
		accept(t, s, delivery("msg_1", "body"))
		ds, err := s.Waiting(t.Context(), 2, "odoo-hint", "files")
		if err != nil || len(ds) != 1 || ds[0].ID != "msg_1" {
			t.Errorf("got %+v, %v", ds, err)
		}
		if ds, err := s.Waiting(t.Context(), 2); err != nil || len(ds) != 2 {
			t.Errorf("of all: %+v, %v", ds, err)
		}
	})
}

func TestWhatTheDatabaseRefusesIsToldFromADatabaseThatIsDown(t *testing.T) {
	db := storetest.Postgres(t) // SQLite takes any text
	s, _ := open(t, db)
	for what, value := range map[string]string{"a zero byte": "a\x00b", "a number too long for an index": noise(8000)} {
		if _, err := tryAdmit(t, s, scan("k", ref(bol, "", value))); !errors.Is(err, store.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), delivery("k", "k")); err == nil || errors.Is(err, store.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// noise is a text that does not compress.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

func TestReasonIsKeptWhateverItQuotes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		d := delivery("msg_1", "body")
		d.State, d.Reason = store.Dead, "/data: \xff\x00 is no number"
		accept(t, s, d)
		accept(t, s, delivery("msg_2", "body"))
		ds, err := s.Waiting(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetDelivery(t.Context(), ds[0].Seq, store.Dead, d.Reason); err != nil {
			t.Error(err)
		}
		dead, err := s.Deliveries(t.Context(), store.Dead, "", 10)
		if err != nil || len(dead) != 2 || dead[0].Reason != "/data: ?? is no number" || dead[1].Reason != dead[0].Reason {
			t.Errorf("%+v, %v", dead, err)
		}
	})
}

func bill(key, number string, total string, refs ...freight.Reference) store.Incoming {
	in := scan(key, refs...)
	in.Scan.Milestone = freight.ChargesReceived
	in.Scan.Invoice = &freight.CarrierInvoice{Carrier: "FAST", Number: number, Total: usd(total)}
	return in
}

func TestCarrierInvoiceNumberIsClaimedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		register(t, s, "acme-2", ref(bol, "", "B2"))
		admit(t, s, bill("first", "C1", "80.00", ref(bol, "", "B1")))
		admit(t, s, bill("on another shipment", "C1", "80.00", ref(bol, "", "B2")))
		admit(t, s, bill("with another amount", "C1", "90.00", ref(bol, "", "B1")))
		admit(t, s, bill("told again", "C1", "80.00", ref(bol, "", "B1")))
		admit(t, s, bill("of its own", "C2", "80.00", ref(bol, "", "B2")))
		got := map[string]string{}
		for _, scans := range sent(t, s, "r") {
			for _, sc := range scans {
				got[sc.Key] = sc.Invoice.DuplicateOf
			}
		}
		want := map[string]string{"first": "", "on another shipment": "acme-1", "with another amount": "acme-1", "told again": "", "of its own": ""}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestCarrierInvoiceThatTwoShipmentsClaimAtOnceIsDuplicateForOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		const bills, each = 10, 4
		for i := range each {
			id := fmt.Sprintf("acme-%d", i+1)
			register(t, s, freight.ShipmentID(id), ref(bol, "", id))
		}
		together(bills*each, func(i int) {
			id, number := fmt.Sprintf("acme-%d", i%each+1), fmt.Sprintf("C%d", i/each)
			if _, err := tryAdmit(t, s, bill(number+" on "+id, number, "80.00", ref(bol, "", id))); err != nil {
				t.Error(err)
			}
		})
		owners := map[string][]string{}
		for id, scans := range sent(t, s, "r") {
			for _, sc := range scans {
				if n := sc.Invoice.Number; sc.Invoice.DuplicateOf == "" {
					owners[n] = append(owners[n], string(id))
				}
			}
		}
		for i := range bills {
			if n := fmt.Sprintf("C%d", i); len(owners[n]) != 1 {
				t.Errorf("%s is held by %v", n, owners[n])
			}
		}
	})
}
