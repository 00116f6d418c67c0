package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/routing"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// written is an event as these tests have it sent.
type written struct {
	N    int64
	Kind freight.EventKind
	Said freight.Event
}

// openFor opens an empty store with subscribers.
func openFor(t *testing.T, db storetest.DB, ss ...store.Subscription) (*store.Store, *storetest.Clock) {
	t.Helper()
	clock := &storetest.Clock{}
	render := func(e freight.Event, n int64) ([]byte, error) { return json.Marshal(written{n, e.Kind, e}) }
	return db.Open(t, store.WithClock(clock.Now), store.WithSubscribers(ss, render)), clock
}

const (
	portal     = "portal"
	leaseShort = time.Minute
)

func viewOf(id freight.ShipmentID, revision int64, change func(*freight.View)) store.Entry {
	v := freight.View{Shipment: id, Revision: revision, Stage: freight.StageTransit, Customer: "GLOBEX", OrderName: "S00042", At: noon}
	if change != nil {
		change(&v)
	}
	return store.Entry{View: v, References: []freight.Reference{ref(bol, "", string(id))}}
}

// of are the shipments of a customer.
func of(c freight.CustomerCode) routing.Match {
	return routing.Match{Customers: []freight.CustomerCode{c}}
}

// alpine are the express shipments from Germany into the Valais.
var alpine = routing.Match{From: []string{"DE"}, To: []string{"CH"}, Postcodes: []string{"39"}, Services: []string{"EXPRESS"}}

// happenOnLanes lets a milestone happen to shipments on several lanes, of which only acme-1 is alpine.
func happenOnLanes(t *testing.T, s *store.Store) {
	t.Helper()
	for id, change := range map[freight.ShipmentID]func(*freight.View){
		"acme-1": func(*freight.View) {}, "acme-2": func(v *freight.View) { v.Postcode = "8000" }, "acme-3": func(v *freight.View) { v.From = "AT" },
		"acme-4": func(v *freight.View) { v.To = "DE" }, "acme-5": func(v *freight.View) { v.Service = "" },
	} {
		recordEntry(t, s, viewOf(id, 1, func(v *freight.View) {
			v.From, v.To, v.Postcode, v.Service = "DE", "CH", "3900", "EXPRESS"
			change(v)
		}))
		admit(t, s, scan("moved "+string(id), ref(bol, "", string(id))))
	}
}

func recordEntry(t *testing.T, s *store.Store, e store.Entry) {
	t.Helper()
	if _, err := s.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, s *store.Store, name string) []store.Notification {
	t.Helper()
	ns, err := s.Notifications(t.Context(), name, leaseShort, 100)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// drain takes and acknowledges everything that waits, and says what it was: "acme-1 milestone in_transit".
func drain(t *testing.T, s *store.Store, name string) (said []string) {
	t.Helper()
	for {
		ns := take(t, s, name)
		if len(ns) == 0 {
			return said
		}
		for _, n := range ns {
			var w written
			if err := json.Unmarshal(n.Body, &w); err != nil {
				t.Fatal(err)
			}
			said = append(said, strings.TrimSpace(fmt.Sprintf("%s %s %s%s", n.Shipment, w.Kind, w.Said.Milestone, w.Said.Exception)))
			if err := s.Notified(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSubscriberIsToldWhatHappenedInItsOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		recordEntry(t, s, viewOf("acme-1", 1, nil))
		admit(t, s, scan("one", ref(bol, "", "acme-1")))
		recordEntry(t, s, viewOf("acme-1", 2, func(v *freight.View) { v.Exceptions = []freight.ExceptionKind{freight.PODMissing} }))
		invoice := &freight.Invoice{Move: 7, Number: "INV/1"}
		recordEntry(t, s, viewOf("acme-1", 3, func(v *freight.View) { v.Invoice, v.InvoiceState = invoice, freight.InvoicePosted }))
		recordEntry(t, s, viewOf("acme-1", 4, func(v *freight.View) { v.Invoice, v.InvoiceState = invoice, freight.InvoicePaid }))
		want := []string{"acme-1 milestone in_transit", "acme-1 exception_opened pod_missing", "acme-1 exception_closed pod_missing", "acme-1 invoice_posted", "acme-1 invoice_paid"}
		if got := drain(t, s, portal); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// opened and ended are audit entries that an exception has opened, and that it has ended.
func opened(n int64, number int, k freight.ExceptionKind) freight.AuditEntry {
	return freight.AuditEntry{N: n, At: noon, Kind: freight.AuditException, Exceptions: []freight.ExceptionFacts{{Number: number, Kind: k, Owner: freight.Operations, DueBy: noon}}}
}

func ended(n int64, number int, k freight.ExceptionKind) freight.AuditEntry {
	e := opened(n, number, k)
	e.Kind, e.Exceptions[0].Action = freight.AuditResolved, freight.Dismiss
	return e
}

// trailed is a record whose entries tell of exceptions.
func trailed(revision int64, es ...freight.AuditEntry) store.Entry {
	e := viewOf("acme-1", revision, func(v *freight.View) { v.Trailed = true })
	e.Audits = es
	return e
}

// TestSubscriberMissesNoExceptionHoweverShort, and hears of each once and in order, whatever is recorded again or late.
func TestSubscriberMissesNoExceptionHoweverShort(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		es := append(trail(1, 1), opened(2, 1, freight.PODMissing), ended(3, 1, freight.PODMissing), opened(4, 2, freight.PODShort), opened(5, 3, freight.PODMissing), ended(6, 2, freight.PODShort))
		for _, e := range []store.Entry{trailed(1, es[:1]...), trailed(3, es[:4]...), trailed(2, es[:5]...), trailed(3, es[:4]...), trailed(4, es[3:]...), trailed(4, es[3:]...)} {
			recordEntry(t, s, e)
		}
		want := []string{
			"acme-1 exception_opened pod_missing", "acme-1 exception_closed pod_missing", "acme-1 exception_opened pod_short",
			"acme-1 exception_opened pod_missing", "acme-1 exception_closed pod_short",
		}
		if got := drain(t, s, portal); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestManyWhoRecordAtOnceTellOfEachExceptionOnceAndInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		var es []freight.AuditEntry
		var want []string
		for i := range 10 {
			es = append(es, opened(int64(2*i+1), i+1, freight.PODMissing), ended(int64(2*i+2), i+1, freight.PODMissing))
			want = append(want, "acme-1 exception_opened pod_missing", "acme-1 exception_closed pod_missing")
		}
		together(20, func(i int) {
			if _, err := s.Record(t.Context(), trailed(int64(i+1), es[:i+1]...)); err != nil {
				t.Error(err)
			}
		})
		if got := drain(t, s, portal); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestExceptionOpenWhenTheReleaseChangesIsToldOnce: the one before compared views.
func TestExceptionOpenWhenTheReleaseChangesIsToldOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		before := viewOf("acme-1", 1, func(v *freight.View) { v.Exceptions = []freight.ExceptionKind{freight.PODMissing} })
		before.Audits = trail(1, 2)
		after := trailed(2, trail(2, 3)...)
		after.View.Exceptions = before.View.Exceptions
		for _, e := range []store.Entry{before, after, trailed(3, ended(4, 1, freight.PODMissing)), before} {
			recordEntry(t, s, e)
		}
		if got, want := drain(t, s, portal), []string{"acme-1 exception_opened pod_missing", "acme-1 exception_closed pod_missing"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestRepeatsTellNothingAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		e := viewOf("acme-1", 2, func(v *freight.View) { v.Exceptions = []freight.ExceptionKind{freight.PODMissing} })
		for range 2 {
			recordEntry(t, s, e)
			recordEntry(t, s, viewOf("acme-1", 1, nil)) // an old one that comes late
			admit(t, s, scan("one", ref(bol, "", "acme-1")))
		}
		if got := drain(t, s, portal); len(got) != 2 {
			t.Errorf("got %q, want the exception and the milestone once", got)
		}
	})
}

func TestSubscriberHearsOnlyWhatItAskedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal, Shipments: of("ACME")}, store.Subscription{Name: "erp", Kinds: []freight.EventKind{freight.EventExceptionOpened}})
		recordEntry(t, s, viewOf("acme-1", 1, func(v *freight.View) { v.Exceptions = []freight.ExceptionKind{freight.PODMissing} }))
		admit(t, s, scan("one", ref(bol, "", "acme-1")))
		if got := drain(t, s, portal); len(got) != 0 {
			t.Errorf("it heard of another customer's shipment: %q", got)
		}
		if got, want := drain(t, s, "erp"), []string{"acme-1 exception_opened pod_missing"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestSubscriberHearsOfTheLaneAndTheServiceItAskedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		others := routing.Match{Customers: []freight.CustomerCode{"ACME"}, To: alpine.To}
		s, _ := openFor(t, db, store.Subscription{Name: portal, Shipments: alpine}, store.Subscription{Name: "other", Shipments: others}, store.Subscription{Name: "erp"})
		happenOnLanes(t, s)
		if got, want := drain(t, s, portal), []string{"acme-1 milestone in_transit"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := drain(t, s, "other"); len(got) != 0 {
			t.Errorf("it heard of another customer's shipment on its lane: %q", got)
		}
		if got := drain(t, s, "erp"); len(got) != 5 {
			t.Errorf("who asked for no lane heard of %q", got)
		}
	})
}

// TestShipmentWhoseLaneIsNotKnownIsToldToNobodyWhoAskedForOne: an earlier release recorded none.
func TestShipmentWhoseLaneIsNotKnownIsToldToNobodyWhoAskedForOne(t *testing.T) {
	s, _ := openFor(t, storetest.SQLite(t), store.Subscription{Name: portal, Shipments: alpine}, store.Subscription{Name: "erp"})
	recordEntry(t, s, viewOf("acme-9", 1, nil))
	admit(t, s, scan("early", ref(bol, "", "acme-9")))
	if alpines, all := drain(t, s, portal), drain(t, s, "erp"); len(alpines) != 0 || len(all) != 1 {
		t.Errorf("got %q and %q", alpines, all)
	}
}

// TestCarriersChargesAreToldToNobody: what a carrier asks is between it and us.
func TestCarriersChargesAreToldToNobody(t *testing.T) {
	s, _ := openFor(t, storetest.SQLite(t), store.Subscription{Name: portal})
	recordEntry(t, s, viewOf("acme-1", 1, nil))
	in := scan("bill", ref(bol, "", "acme-1"))
	in.Scan.Milestone = freight.ChargesReceived
	admit(t, s, in)
	if got := drain(t, s, portal); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsKeptWithoutSubscribers(t *testing.T) {
	db := storetest.SQLite(t)
	s, _ := open(t, db)
	recordEntry(t, s, viewOf("acme-1", 1, func(v *freight.View) { v.Exceptions = []freight.ExceptionKind{freight.PODMissing} }))
	admit(t, s, scan("one", ref(bol, "", "acme-1")))
	var n int
	if err := db.SQL(t).QueryRow(`SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_heads) + (SELECT count(*) FROM notifications)`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestNextEventWaitsForTheOneBefore, also where that one is on its way, refused, or its lease ran out.
func TestNextEventWaitsForTheOneBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db, store.Subscription{Name: portal})
		recordEntry(t, s, viewOf("acme-1", 1, nil))
		admit(t, s, scan("one", ref(bol, "", "acme-1")))
		admit(t, s, scan("two", ref(bol, "", "acme-1")))
		first := take(t, s, portal)
		if len(first) != 1 || len(take(t, s, portal)) != 0 {
			t.Fatalf("%d were taken, and then more", len(first))
		}
		if _, err := s.Refused(t.Context(), first[0], store.Refusal{Reason: "down", Wait: time.Minute, GiveUp: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if got := take(t, s, portal); len(got) != 0 {
			t.Errorf("%v was taken before its time", got)
		}
		clock.Pass(time.Minute)
		again := take(t, s, portal)
		if len(again) != 1 || again[0].ID != first[0].ID || string(again[0].Body) != string(first[0].Body) || again[0].Tries != 1 {
			t.Fatalf("got %+v, want %+v again", again, first)
		}
		clock.Pass(leaseShort)
		third := take(t, s, portal)
		if err := s.Notified(t.Context(), again[0]); err != nil { // whose lease is over
			t.Fatal(err)
		}
		if got := take(t, s, portal); len(third) != 1 || third[0].Tries != 1 || len(got) != 0 { // a lease that ran out is no refusal
			t.Errorf("who had lost the lease let the next pass: %v, %v", third, got)
		}
	})
}

func TestNotificationIsForOneHoweverManyTake(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		const n = 30
		for i := range n {
			id := freight.ShipmentID(fmt.Sprintf("acme-%d", i+1))
			recordEntry(t, s, viewOf(id, 1, nil))
			admit(t, s, scan(string(id), ref(bol, "", string(id))))
			admit(t, s, scan(string(id)+" more", ref(bol, "", string(id))))
		}
		var mu sync.Mutex
		var order = map[freight.ShipmentID][]int64{}
		together(6, func(int) {
			for {
				ns, err := s.Notifications(t.Context(), portal, leaseShort, 4)
				if err != nil {
					t.Error(err)
				}
				if len(ns) == 0 {
					return
				}
				for _, v := range ns {
					mu.Lock()
					order[v.Shipment] = append(order[v.Shipment], v.N)
					mu.Unlock()
					if err := s.Notified(t.Context(), v); err != nil {
						t.Error(err)
					}
				}
			}
		})
		drain(t, s, portal) // what was skipped while another held its row
		for id, ns := range order {
			if !slices.IsSorted(ns) || len(slices.Compact(ns)) != len(ns) {
				t.Errorf("%s was told of %v", id, ns)
			}
		}
		if st, err := s.SubscriberState(t.Context(), portal); err != nil || st.Counts["sent"] != 2*n || st.Counts["waiting"] != 0 {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

func TestSubscriberThatTakesNothingIsDisabledAndKeepsWhatWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db, store.Subscription{Name: portal})
		recordEntry(t, s, viewOf("acme-1", 1, nil))
		admit(t, s, scan("one", ref(bol, "", "acme-1")))
		admit(t, s, scan("two", ref(bol, "", "acme-1")))
		no := store.Refusal{Reason: "503", Wait: time.Minute, GiveUp: time.Hour}
		want := []store.Outcome{store.TriedAgain, store.TriedAgain, store.Disabled}
		for i, pass := range []time.Duration{0, 30 * time.Minute, 30 * time.Minute} {
			clock.Pass(pass)
			if o, err := s.Refused(t.Context(), take(t, s, portal)[0], no); err != nil || o != want[i] {
				t.Fatalf("refusal %d: %s, %v", i+1, o, err)
			}
		}
		clock.Pass(24 * time.Hour)
		admit(t, s, scan("three", ref(bol, "", "acme-1")))
		if got := take(t, s, portal); len(got) != 0 {
			t.Errorf("a disabled one was told of %v", got)
		}
		st, err := s.SubscriberState(t.Context(), portal)
		if err != nil || st.Disabled.IsZero() || st.Reason != "503" || st.Counts["waiting"] != 3 {
			t.Errorf("%+v, %v", st, err)
		}
		if err := s.Enable(t.Context(), portal); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, s, portal); len(got) != 3 {
			t.Errorf("got %q after it was enabled", got)
		}
	})
}

// TestEventThatIsNeverTakenLetsTheOthersPass: a subscriber that takes all but one is not failing.
func TestEventThatIsNeverTakenLetsTheOthersPass(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db, store.Subscription{Name: portal})
		for _, id := range []freight.ShipmentID{"acme-1", "acme-2"} {
			recordEntry(t, s, viewOf(id, 1, nil))
			admit(t, s, scan("a"+string(id), ref(bol, "", string(id))))
			admit(t, s, scan("b"+string(id), ref(bol, "", string(id))))
		}
		both := take(t, s, portal)
		no := store.Refusal{Reason: "400", Wait: time.Minute, GiveUp: time.Hour}
		if _, err := s.Refused(t.Context(), both[0], no); err != nil {
			t.Fatal(err)
		}
		if err := s.Notified(t.Context(), both[1]); err != nil {
			t.Fatal(err)
		}
		clock.Pass(time.Hour)
		var outcomes []store.Outcome
		for _, n := range take(t, s, portal) {
			if n.ID != both[0].ID {
				continue
			}
			o, err := s.Refused(t.Context(), n, no)
			if err != nil {
				t.Fatal(err)
			}
			outcomes = append(outcomes, o)
		}
		clock.Pass(leaseShort)
		if got := drain(t, s, portal); !slices.Equal(outcomes, []store.Outcome{store.Dropped}) || len(got) != 2 {
			t.Errorf("%v, then %q", outcomes, got)
		}
	})
}

func TestSubscriberThatIsGoneIsDisabledAtOnce(t *testing.T) {
	s, _ := openFor(t, storetest.SQLite(t), store.Subscription{Name: portal})
	recordEntry(t, s, viewOf("acme-1", 1, nil))
	admit(t, s, scan("one", ref(bol, "", "acme-1")))
	if o, err := s.Refused(t.Context(), take(t, s, portal)[0], store.Refusal{Reason: "410", Gone: true, GiveUp: time.Hour}); err != nil || o != store.Disabled {
		t.Errorf("%s, %v", o, err)
	}
}

func TestPausedSubscriberIsLeftAloneForAllItsShipments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db, store.Subscription{Name: portal})
		for _, id := range []freight.ShipmentID{"acme-1", "acme-2"} {
			recordEntry(t, s, viewOf(id, 1, nil))
			admit(t, s, scan(string(id), ref(bol, "", string(id))))
		}
		ns, err := s.Notifications(t.Context(), portal, leaseShort, 1)
		if err != nil || len(ns) != 1 {
			t.Fatal(ns, err)
		}
		if _, err := s.Refused(t.Context(), ns[0], store.Refusal{Reason: "429", Wait: time.Minute, Pause: time.Minute, GiveUp: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if got := take(t, s, portal); len(got) != 0 {
			t.Errorf("told of %v in its pause", got)
		}
		clock.Pass(time.Minute)
		if got := drain(t, s, portal); len(got) != 2 {
			t.Errorf("got %q after its pause", got)
		}
	})
}

func TestReplaySendsTheOldEventsUnderTheirIDs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db, store.Subscription{Name: portal})
		recordEntry(t, s, viewOf("acme-1", 1, nil))
		var ids []string
		for i := range 3 {
			admit(t, s, scan(fmt.Sprint(i), ref(bol, "", "acme-1")))
			ns := take(t, s, portal)
			ids = append(ids, ns[0].ID+string(ns[0].Body))
			if err := s.Notified(t.Context(), ns[0]); err != nil {
				t.Fatal(err)
			}
			clock.Pass(time.Hour)
		}
		newcomer := store.Subscription{Name: "newcomer", Kinds: []freight.EventKind{freight.EventMilestone}, Shipments: of("GLOBEX")}
		for _, to := range []store.Subscription{{Name: portal}, newcomer} {
			n, err := s.Replay(t.Context(), to, noon.Add(time.Hour), noon.Add(3*time.Hour))
			if err != nil || n != 2 {
				t.Fatalf("%d, %v", n, err)
			}
			for _, want := range ids[1:] {
				ns := take(t, s, to.Name)
				if len(ns) != 1 || ns[0].ID+string(ns[0].Body) != want {
					t.Fatalf("%s got %+v, want %s", to.Name, ns, want)
				}
				if err := s.Notified(t.Context(), ns[0]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n, err := s.Replay(t.Context(), store.Subscription{Name: "other", Shipments: of("ACME")}, noon, noon.Add(3*time.Hour)); err != nil || n != 0 {
			t.Errorf("another customer's events were replayed: %d, %v", n, err)
		}
	})
}

func TestReplayKeepsToTheLanes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: "erp"})
		happenOnLanes(t, s)
		newcomer := store.Subscription{Name: portal, Shipments: alpine}
		if n, err := s.Replay(t.Context(), newcomer, noon.Add(-time.Hour), noon.Add(time.Hour)); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if got, want := drain(t, s, portal), []string{"acme-1 milestone in_transit"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		newcomer.Shipments.Customers = []freight.CustomerCode{"ACME"}
		if n, err := s.Replay(t.Context(), newcomer, noon.Add(-time.Hour), noon.Add(time.Hour)); err != nil || n != 0 {
			t.Errorf("another customer's events were replayed: %d, %v", n, err)
		}
	})
}

func TestOldEventsAreForgottenButNotThoseThatWait(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := openFor(t, db, store.Subscription{Name: portal})
		recordEntry(t, s, viewOf("acme-1", 1, nil))
		admit(t, s, scan("one", ref(bol, "", "acme-1")))
		if err := s.Notified(t.Context(), take(t, s, portal)[0]); err != nil {
			t.Fatal(err)
		}
		admit(t, s, scan("two", ref(bol, "", "acme-1")))
		if n, err := s.ForgetEvents(t.Context(), noon.Add(time.Second), 10); err != nil || n != 1 {
			t.Errorf("%d forgotten, %v", n, err)
		}
		if got := drain(t, s, portal); len(got) != 1 {
			t.Errorf("what waited is %q", got)
		}
	})
}
