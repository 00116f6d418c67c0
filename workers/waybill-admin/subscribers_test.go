package main

import (
	"path/filepath"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// TestDisabledSubscriberIsShownWithTheReasonAndToldAgain once somebody enables it; and what it was told is sent anew.
func TestDisabledSubscriberIsShownWithTheReasonAndToldAgain(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	d.config = d.write("subscribed.yaml", `store: {url: "sqlite:`+d.dir+`/waybill.db"}
subscribers: [{name: portal, url: "https://portal.example.com/hooks", secrets: [x]}]
`)
	render := func(freight.Event, int64) ([]byte, error) { return []byte("{}"), nil }
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(d.dir, "waybill.db"), store.WithSubscribers([]store.Subscription{{Name: "portal"}}, render))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.want(console.Done, "live", "", "subscribers", "list")
	if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1, Exceptions: []freight.ExceptionKind{freight.PODMissing}}}); err != nil {
		t.Fatal(err)
	}
	ns, err := s.Notifications(t.Context(), "portal", time.Minute, 1)
	if err != nil || len(ns) != 1 {
		t.Fatal(ns, err)
	}
	if _, err := s.Refused(t.Context(), ns[0], store.Refusal{Reason: "it answered 410 Gone", Gone: true}); err != nil {
		t.Fatal(err)
	}
	out := d.want(console.Done, "", "", "subscribers", "list", "--json")
	if st := consoletest.FromJSON[[]store.SubscriberState](t, out)[0]; st.Disabled.IsZero() || st.Counts["waiting"] != 1 || st.Reason != "it answered 410 Gone" {
		t.Errorf("%+v", st)
	}
	d.want(console.Done, "waybill-admin subscribers enable portal", "", "subscribers", "list")
	d.want(console.Done, "portal is told again, of 1 events that waited", "", "subscribers", "enable", "portal")
	d.want(console.Done, "live", "", "subscribers", "list")
	d.want(console.Done, "1 events are on their way to portal again", "", "subscribers", "replay", "portal", "--from", "2020-01-01T00:00:00Z")
	d.want(console.Done, "0 events", "", "subscribers", "replay", "portal", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z")
	d.want(console.Misused, "", `there is no subscriber "other"`, "subscribers", "enable", "other")
	d.want(console.Misused, "", "write a time such as", "subscribers", "replay", "portal", "--from", "yesterday")
}
