package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// fedex is a history of scans, each written as date, event type and status.
func fedex(scans ...[3]string) string {
	var list []string
	for _, s := range scans {
		list = append(list, fmt.Sprintf(`{"date":%q,"eventType":%q,"derivedStatusCode":%q}`, s[0], s[1], s[2]))
	}
	return `{"output":{"completeTrackResults":[{"trackResults":[{"trackingNumberInfo":{"trackingNumber":"FX1"},"scanEvents":[` + strings.Join(list, ",") + `]}]}]}}`
}

// TestBadInputHasADefinedAnswer sends what partners do send, over HTTP, to where a person would look for it.
func TestBadInputHasADefinedAnswer(t *testing.T) {
	good := [3]string{"2026-11-23T10:00:00-05:00", "IT", ""}
	for name, c := range map[string]struct {
		source, body string
		dead         string                                // reason, where nothing of it can be read
		surprise     string                                // of the one scan that is not as expected
		holds        func(t *testing.T, fs []freight.Scan) // what becomes scans, in the order they stand there
	}{
		"zones mixed in one history": {source: "fedex", body: fedex([3]string{"2026-11-23T10:00:00-05:00", "IT", ""}, [3]string{"2026-11-24T00:30:00+09:00", "AR", ""}), holds: func(t *testing.T, ss []freight.Scan) {
			if ss[1].OccurredAt.Sub(ss[0].OccurredAt) != 30*time.Minute || ss[0].ZoneSource != freight.ZoneFromPayload {
				t.Errorf("%s and %s", ss[0].OccurredAt, ss[1].OccurredAt)
			}
		}},
		"no zone": {source: "fedex", body: fedex(good, [3]string{"2026-11-23T12:00:00", "AR", ""}), holds: func(t *testing.T, ss []freight.Scan) {
			if ss[1].ZoneSource != freight.ZoneAssumedUTC {
				t.Errorf("its zone is by %s", ss[1].ZoneSource)
			}
		}},
		"a time to come, as done":          {source: "fedex", body: fedex(good, [3]string{"2026-12-24T12:00:00Z", "DL", "DL"}), surprise: "is to come, and yet it is reported as done", holds: unclassified},
		"1970":                             {source: "fedex", body: fedex(good, [3]string{"1970-01-01T00:00:00Z", "DL", "DL"}), surprise: `the time "1970-01-01T00:00:00Z" cannot be`, holds: unclassified},
		"1970 alone":                       {source: "fedex", body: fedex([3]string{"1970-01-01T00:00:00Z", "DL", "DL"}), dead: `/output/completeTrackResults/0/trackResults/0/scanEvents/0: the time "1970-01-01T00:00:00Z" cannot be`},
		"one field says delivered":         {source: "fedex", body: fedex(good, [3]string{"2026-11-24T10:00:00Z", "DL", "DE"}), surprise: `"DL" says delivered and "DE" says delivery_attempted`, holds: unclassified},
		"a code nobody knows":              {source: "fedex", body: fedex(good, [3]string{"2026-11-24T10:00:00Z", "ZZ", ""}), surprise: `is not in mapping fedex@1`, holds: unclassified},
		"a key twice":                      {source: "fedex", body: `{"output":{"completeTrackResults":[],"completeTrackResults":[]}}`, dead: "/output/completeTrackResults: the key comes twice"},
		"a key twice, for a program":       {source: "gls", body: `{"parcels":[],"parcels":[]}`, dead: "/parcels: the key comes twice"},
		"nested a thousand deep":           {source: "gls", body: strings.Repeat("[", 1000) + strings.Repeat("]", 1000), dead: "nested more than 32 deep"},
		"an entity bomb":                   {source: "dpd", body: `<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;&b;</l>`, dead: "document type"},
		"an entity from elsewhere":         {source: "dpd", body: `<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>`, dead: "document type"},
		"a confirmation of a subscription": {source: "dhl", body: `{"scope":"subscription.activation","secret":"s","self":"https://api.example.com/subscription/1"}`, dead: "confirm"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t))
			e := newEdge(w)
			e.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}, References: []freight.Reference{senders["fedex"].known}})
			e.temporal.start("acme-1")
			if a := e.send(c.source, c.body, agreed); a.status != http.StatusAccepted && a.status != senders[c.source].yes {
				t.Fatalf("answered %+v: a signed delivery is never refused for what it says", a)
			}
			r := e.relay("r")
			r.Connectors = e.sources
			e.once(r)
			d := e.kept(c.source)
			if c.dead != "" {
				if d.State != store.Dead || !strings.Contains(d.Reason, c.dead) {
					t.Errorf("it is %s: %s", d.State, d.Reason)
				}
				return
			}
			found, err := e.store.FiledFrom(t.Context(), d.Seq)
			if err != nil || d.State != store.Done || len(found) != 2 {
				t.Fatalf("%s %s: %+v, %v", d.State, d.Reason, found, err)
			}
			c.holds(t, []freight.Scan{found[0].Scan, found[1].Scan})
			odd, err := e.store.Unexpected(t.Context(), c.source, 10)
			if err != nil || (len(odd) == 1) != (c.surprise != "") || len(odd) == 1 && !strings.Contains(odd[0].Surprise, c.surprise) {
				t.Errorf("listed are %+v, %v", odd, err)
			}
		})
	}
}

func unclassified(t *testing.T, ss []freight.Scan) {
	t.Helper()
	if ss[0].Milestone != freight.InTransit || ss[1].Milestone != freight.Unclassified || ss[1].Reason == "" {
		t.Errorf("%s, and %s (%s)", ss[0].Milestone, ss[1].Milestone, ss[1].Reason)
	}
}

func TestHistoryOfFiveThousandScansReachesItsShipmentInOrder(t *testing.T) {
	each(t, func(w *world) {
		e := newEdge(w)
		e.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}, References: []freight.Reference{senders["fedex"].known}})
		e.temporal.start("acme-1")
		var scans [][3]string
		for i := range 5000 {
			scans = append(scans, [3]string{w.clock.Now().Add(-time.Duration(i) * time.Minute).Format(time.RFC3339), "IT", ""})
		}
		if a := e.send("fedex", fedex(scans...), agreed); a.status != http.StatusAccepted {
			w.Fatalf("answered %+v", a)
		}
		r := e.relay("r")
		r.Connectors = e.sources
		for w.once(r) {
		}
		if s := e.temporal.story("acme-1"); len(s.heard) != 5000 || len(s.gaps) > 0 || s.highWater != 5000 || s.batches != 25 {
			w.Errorf("it hears %d in %d signals, to number %d; gaps %v", len(s.heard), s.batches, s.highWater, s.gaps)
		}
		if a := e.send("fedex", fedex(scans...)+" ", agreed); a.status != http.StatusAccepted || a.repeat {
			w.Fatalf("with a space more: %+v", a)
		}
		for w.once(r) {
		}
		w.counts(map[string]int{"sent": 5000})
	})
}
