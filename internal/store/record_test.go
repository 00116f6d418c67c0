package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// trail makes the audit entries from..to of a shipment.
func trail(from, to int64) (es []freight.AuditEntry) {
	for n := from; n <= to; n++ {
		es = append(es, freight.AuditEntry{N: n, At: noon, Kind: freight.AuditStage, Actor: "waybill", Detail: fmt.Sprint("entry ", n)})
	}
	return es
}

func record(t testing.TB, s *store.Store, revision int64, es []freight.AuditEntry) int64 {
	t.Helper()
	last, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: revision, Stage: freight.Stage(fmt.Sprint("stage ", revision))}, Audits: es})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func TestRecordAgainChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		record(t, s, 1, trail(1, 2))
		for range 2 {
			if last := record(t, s, 2, trail(2, 4)); last != 4 { // 2 comes again with the next
				t.Fatalf("last is %d", last)
			}
		}
		es, err := s.Audit(t.Context(), "acme-1")
		if err != nil || len(es) != 4 || es[3].Detail != "entry 4" {
			t.Errorf("trail %+v, %v", es, err)
		}
		if n, err := s.VerifyChain(t.Context(), "acme-1"); err != nil || n != 4 {
			t.Errorf("chain of %d, %v", n, err)
		}
		if n, err := s.VerifyChain(t.Context(), "acme-9"); err != nil || n != 0 {
			t.Errorf("no chain: %d, %v", n, err)
		}
	})
}

func TestOlderViewNeverOverwritesANewer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		together(20, func(i int) {
			final := &freight.Shipment{ID: "acme-1", Revision: int64(i)}
			if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: int64(i + 1)}, Final: final}); err != nil {
				t.Error(err)
			}
		})
		v, ok, err := s.View(t.Context(), "acme-1")
		if err != nil || !ok || v.Revision != 20 {
			t.Errorf("view %+v, %t, %v", v, ok, err)
		}
		var snapshot string
		if err := db.SQL(t).QueryRowContext(t.Context(), `SELECT snapshot FROM finals`).Scan(&snapshot); err != nil || !strings.Contains(snapshot, `"revision":19`) {
			t.Errorf("final %s, %v", snapshot, err)
		}
		if _, closed, err := s.Final(t.Context(), "acme-1"); err != nil || !closed {
			t.Errorf("closed %t, %v", closed, err)
		}
	})
}

func TestTrailWithAGapIsRefusedWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		record(t, s, 1, trail(1, 2))
		_, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 9}, Audits: trail(4, 5)})
		if err == nil || !strings.Contains(err.Error(), "one is missing") {
			t.Fatalf("got %v", err)
		}
		if v, _, err := s.View(t.Context(), "acme-1"); err != nil || v.Revision != 1 {
			t.Errorf("view %+v, %v", v, err)
		}
	})
}

func TestTrailIsOneChainWhoeverRecordsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		together(20, func(i int) {
			// An old attempt that still runs, beside the new one.
			if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: int64(i)}, Audits: trail(1, int64(5+i%3))}); err != nil {
				t.Error(err)
			}
		})
		if n, err := s.VerifyChain(t.Context(), "acme-1"); err != nil || n != 7 {
			t.Errorf("chain of %d, %v", n, err)
		}
	})
}

// guards are how someone with all rights takes the guard off the trail.
func guards(db storetest.DB) []string {
	if strings.HasPrefix(db.URL, "sqlite") {
		return []string{`DROP TRIGGER audit_is_not_changed`, `DROP TRIGGER audit_is_not_deleted`, `DROP TRIGGER audit_is_not_replaced`}
	}
	return []string{`DROP TRIGGER audit_is_kept ON audit`}
}

func TestChainTellsWhatWasDoneToATrail(t *testing.T) {
	for name, c := range map[string]struct {
		do []string
		at string
	}{
		"an entry is changed":       {[]string{`UPDATE audit SET entry = replace(entry, 'entry 3', 'entry X') WHERE shipment = 'acme-1' AND n = 3`}, "broken at entry 3"},
		"an entry is removed":       {[]string{`DELETE FROM audit WHERE shipment = 'acme-1' AND n = 2`}, "broken at entry 2"},
		"the last entry is removed": {[]string{`DELETE FROM audit WHERE shipment = 'acme-1' AND n = 5`}, "ends at entry 4 of 5"},
		"all entries are removed":   {[]string{`DELETE FROM audit WHERE shipment = 'acme-1'`}, "ends at entry 0 of 5"},
		"two entries change places": {[]string{`UPDATE audit SET n = 99 WHERE shipment = 'acme-1' AND n = 2`, `UPDATE audit SET n = 2 WHERE shipment = 'acme-1' AND n = 3`, `UPDATE audit SET n = 3 WHERE shipment = 'acme-1' AND n = 99`}, "broken at entry 2"},
		"a trail is another shipment's": {[]string{`UPDATE audit SET shipment = 'acme-9' WHERE shipment = 'acme-1'`, `UPDATE audit SET shipment = 'acme-1' WHERE shipment = 'acme-2'`,
			`UPDATE audit_heads SET n = 5, hash = (SELECT hash FROM audit WHERE shipment = 'acme-1' AND n = 5) WHERE shipment = 'acme-1'`}, "broken at entry 1"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db storetest.DB) {
				s, _ := open(t, db)
				record(t, s, 1, trail(1, 5))
				if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-2", Revision: 1}, Audits: trail(1, 5)}); err != nil {
					t.Fatal(err)
				}
				raw := db.SQL(t)
				for _, statement := range append(guards(db), c.do...) {
					if _, err := raw.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
				if _, err := s.VerifyChain(t.Context(), "acme-1"); err == nil || !strings.Contains(err.Error(), c.at) {
					t.Errorf("got %v, want %q", err, c.at)
				}
			})
		})
	}
}

func TestAuditTrailCannotBeChangedEvenByTheOwner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		record(t, s, 1, trail(1, 2))
		raw := db.SQL(t)
		statements := []string{`UPDATE audit SET entry = 'x'`, `UPDATE audit SET n = 9 WHERE n = 2`, `DELETE FROM audit WHERE n = 2`, `DELETE FROM audit`}
		if strings.HasPrefix(db.URL, "sqlite") {
			statements = append(statements, `INSERT OR REPLACE INTO audit (shipment, n, entry, hash) VALUES ('acme-1', 2, 'x', 'x')`)
		} else {
			statements = append(statements, `TRUNCATE audit`)
		}
		for _, statement := range statements {
			if _, err := raw.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if n, err := s.VerifyChain(t.Context(), "acme-1"); err != nil || n != 2 {
			t.Errorf("chain of %d, %v", n, err)
		}
	})
}

// With more open invoices than are asked about at a time, each has its turn.
func TestEveryUnsettledInvoiceHasItsTurn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		for i := range int64(7) {
			v := freight.View{Shipment: freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), Revision: 1, Invoice: &freight.Invoice{Move: 100 + i}, InvoiceState: freight.InvoicePosted}
			if i == 6 {
				v.InvoiceState = freight.InvoicePaid
			}
			if _, err := s.Record(t.Context(), store.Entry{View: v}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Told(t.Context(), store.Unsettled{Shipment: "acme-4", Move: 103, Told: "partial"}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // twice round
			seen := map[int64]string{}
			for range 4 {
				us, err := s.Unsettled(t.Context(), 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range us {
					seen[u.Move] = u.Told
				}
			}
			if len(seen) != 6 || seen[103] != "partial" || seen[105] != "" {
				t.Fatalf("seen %v", seen)
			}
		}
	})
}

func TestViewOfAnUnknownShipmentIsToldFromAFault(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		if _, ok, err := s.View(t.Context(), "acme-1"); ok || err != nil {
			t.Errorf("%t, %v", ok, err)
		}
		register(t, s, "acme-1")
		if v, ok, err := s.View(t.Context(), "acme-1"); !ok || err != nil || v.Shipment != "acme-1" {
			t.Errorf("%+v, %t, %v", v, ok, err)
		}
		_ = s.Close()
		if _, ok, err := s.View(t.Context(), "acme-1"); ok || err == nil {
			t.Errorf("closed: %t, %v", ok, err)
		}
	})
}

func TestReferenceAgainDoesNotMoveItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := open(t, db)
		register(t, s, "acme-1", ref(pro, "FAST", "77"))
		clock.Pass(60 * 24 * time.Hour)
		register(t, s, "acme-1", ref(pro, "FAST", "77"))
		in := scan("k", ref(pro, "FAST", "77"))
		in.Scan.OccurredAt = noon.AddDate(0, 0, 100)
		if a := admit(t, s, in); a.Unmatched != 1 {
			t.Errorf("%+v", a)
		}
	})
}
