package store_test

import (
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

// read files scans as one new delivery, read by a version of a connector.
func read(t *testing.T, s *store.Store, id, connector string, in ...store.Incoming) int64 {
	t.Helper()
	accept(t, s, delivery(id, id))
	ds, err := s.Waiting(t.Context(), 10)
	if err != nil || len(ds) != 1 {
		t.Fatal(ds, err)
	}
	if _, err := s.AdmitAll(t.Context(), []store.Filing{{Delivery: ds[0].Seq, Connector: connector, Scans: in}}); err != nil {
		t.Fatal(err)
	}
	return ds[0].Seq
}

func TestVersionOfTheConnectorIsKeptWithWhatItRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		odd := scan("k", ref(bol, "", "B1"))
		odd.Surprise = "code \"X\" is not in mapping gls@1"
		seq := read(t, s, "msg_1", "gls@1", odd)
		if d, err := s.Delivery(t.Context(), seq); err != nil || d.Connector != "gls@1" {
			t.Errorf("delivery: %q, %v", d.Connector, err)
		}
		fs, err := s.Unexpected(t.Context(), "", 10)
		if err != nil || len(fs) != 1 || fs[0].Connector != "gls@1" || fs[0].Surprise != odd.Surprise || fs[0].Delivery != seq || fs[0].Scan.Key != "k" {
			t.Errorf("%+v, %v", fs, err)
		}
		accept(t, s, delivery("msg_2", "poison"))
		ds, err := s.Waiting(t.Context(), 10)
		if err != nil || len(ds) != 1 {
			t.Fatal(ds, err)
		}
		if err := s.Bury(t.Context(), ds[0].Seq, "gls@2", "it is no JSON"); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Delivery(t.Context(), ds[0].Seq); err != nil || d.State != store.Dead || d.Connector != "gls@2" || d.Reason != "it is no JSON" {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestReadmittedDeliveryAddsOnlyWhatIsNew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		register(t, s, "acme-1", ref(bol, "", "B1"))
		seq := read(t, s, "msg_1", "gls@1", scan("same", ref(bol, "", "B1")), scan("astray", ref(bol, "", "nobody's")))
		again := store.Filing{Delivery: seq, Connector: "gls@2", Scans: []store.Incoming{scan("same", ref(bol, "", "B1")), scan("found", ref(bol, "", "B1"))}}
		a, err := s.Readmit(t.Context(), again)
		if err != nil || a.New != 1 || a.Repeats != 1 || a.Elsewhere {
			t.Fatalf("%+v, %v", a, err)
		}
		if a, err := s.Readmit(t.Context(), again); err != nil || a.New != 0 || a.Repeats != 2 {
			t.Errorf("a second time: %+v, %v", a, err)
		}
		if got := keys(sent(t, s, "a")["acme-1"]); len(got) != 2 || got[0] != "same" || got[1] != "found" {
			t.Errorf("the shipment hears %v", got)
		}
		// What the first reading made up must not come back when its reference is registered.
		register(t, s, "acme-2", ref(bol, "", "nobody's"))
		if got := sent(t, s, "a")["acme-2"]; len(got) > 0 {
			t.Errorf("the replaced scan is sent: %v", keys(got))
		}
		if d, err := s.Delivery(t.Context(), seq); err != nil || d.Connector != "gls@2" {
			t.Errorf("%q, %v", d.Connector, err)
		}
	})
}

func TestStatementIsFiledAgainWhenTheReadingThatReplacedItIsRolledBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		right, wrong := scan("right", ref(bol, "", "B1")), scan("wrong", ref(bol, "", "B9"))
		seq := read(t, s, "msg_1", "gls@1", right)
		readmit := func(connector string, in store.Incoming, want store.Admission) {
			t.Helper()
			a, err := s.Readmit(t.Context(), store.Filing{Delivery: seq, Connector: connector, Scans: []store.Incoming{in, in}})
			if err != nil || a != want {
				t.Errorf("by %s: %+v, %v", connector, a, err)
			}
		}
		readmit("gls@2", wrong, store.Admission{Unmatched: 1, Repeats: 1})
		right.Surprise = "as it is read now"
		readmit("gls@1", right, store.Admission{Unmatched: 1, Repeats: 1})
		readmit("gls@1", right, store.Admission{Repeats: 2})
		if fs, err := s.FiledFrom(t.Context(), seq); err != nil || len(fs) != 1 || fs[0].Scan.Key != "right" || fs[0].Connector != "gls@1" || fs[0].Surprise != right.Surprise {
			t.Errorf("%+v, %v", fs, err)
		}
		register(t, s, "acme-9", ref(bol, "", "B9"))
		register(t, s, "acme-1", ref(bol, "", "B1"))
		if got := sent(t, s, "a"); len(got) != 1 || len(got["acme-1"]) != 1 || got["acme-1"][0].Key != "right" {
			t.Errorf("the shipments hear %v", got)
		}
		// Another delivery may be the first to say again what was replaced.
		if a := admit(t, s, wrong); a.New != 1 {
			t.Errorf("%+v", a)
		}
		if got := keys(sent(t, s, "a")["acme-9"]); len(got) != 1 || got[0] != "wrong" {
			t.Errorf("acme-9 hears %v", got)
		}
	})
}

func TestPendingDeliveryIsLeftToTheRelay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		accept(t, s, delivery("msg_1", "body"))
		ds, err := s.Waiting(t.Context(), 10)
		if err != nil || len(ds) != 1 {
			t.Fatal(ds, err)
		}
		if a, err := s.Readmit(t.Context(), store.Filing{Delivery: ds[0].Seq, Connector: "gls@1", Scans: []store.Incoming{scan("k", ref(bol, "", "B1"))}}); err != nil || !a.Elsewhere || a.Unmatched > 0 {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestReadBetweenLeavesOutWhatNoConnectorRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		seq := read(t, s, "msg_1", "gls@1", scan("k", ref(bol, "", "B1")))
		refused := delivery("msg_2#abc", "refused at the door")
		refused.State, refused.Reason = store.Dead, "/data: want a milestone"
		accept(t, s, refused)
		accept(t, s, delivery("msg_3", "pending"))
		at := delivery("", "").ReceivedAt
		for _, c := range []struct {
			from, to time.Time
			after    int64
			n        int
		}{
			{at, at.Add(time.Second), 0, 1}, {at.Add(time.Second), at.Add(time.Hour), 0, 0}, {at.Add(-time.Hour), at, 0, 0}, {at, at.Add(time.Second), seq, 0},
		} {
			ds, err := s.ReadBetween(t.Context(), "tms", c.from, c.to, c.after, 10)
			if err != nil || len(ds) != c.n || c.n == 1 && ds[0].Seq != seq {
				t.Errorf("from %s to %s after %d: %+v, %v", c.from, c.to, c.after, ds, err)
			}
		}
	})
}
