package main

import (
	"fmt"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// TestLanesHaveTheFiguresThatAPolicyWants, of what has closed and was delivered.
func TestLanesHaveTheFiguresThatAPolicyWants(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	s := d.store()
	d.want(console.Done, "", "no lane has so many closed shipments", "lanes")
	picked := time.Now().AddDate(0, 0, -30).Truncate(time.Second)
	for i := range 10 {
		scan := func(m freight.Milestone, at time.Time) freight.Scan {
			return freight.Scan{Key: string(m), Source: "carrier", Milestone: m, Classifier: freight.Actual, OccurredAt: at, Carrier: "FASTFRT"}
		}
		closed := freight.Shipment{ID: freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), Stage: freight.StageClosed, Release: freight.Release{ShipTo: freight.Place{Country: "US", Postcode: "75001"}}}
		closed.Journey.Apply(scan(freight.PickedUp, picked))
		closed.Journey.Apply(scan(freight.Delivered, picked.Add(time.Duration(i+1)*24*time.Hour-time.Minute)))
		if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: closed.ID, Revision: 1, Stage: freight.StageClosed, Closed: true}, Final: closed.Final()}); err != nil {
			t.Fatal(err)
		}
	}
	d.want(console.Done, "216h", "", "lanes")
	hs := consoletest.FromJSON[[]freight.LaneHistory](t, d.want(console.Done, "", "", "lanes", "--json"))
	want := freight.LaneHistory{Country: "US", Postcode: "75", Shipments: 10, Median: 5*24*time.Hour - time.Minute, P90: 9*24*time.Hour - time.Minute}
	if len(hs) != 2 || hs[1] != want || hs[0].Postcode != "" || hs[0].Shipments != 10 {
		t.Errorf("%+v, want that of US and %+v", hs, want)
	}
	for _, none := range [][]string{{"--days", "20"}, {"--least", "11"}, {"--carrier", "SLOWFRT"}, {"--service", "AIR"}} {
		if out := d.want(console.Done, "", "", append([]string{"lanes", "--json"}, none...)...); len(consoletest.FromJSON[[]freight.LaneHistory](t, out)) != 0 {
			t.Errorf("%v: %s", none, out)
		}
	}
}
