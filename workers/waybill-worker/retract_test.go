package main

import (
	"fmt"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/relay"
	"waybill/workflows/freight"
)

// TestDeliveryThatAMappingMadeUpIsTakenBackFromARunningShipment has the mapping mended after its shipment was told.
func TestDeliveryThatAMappingMadeUpIsTakenBackFromARunningShipment(t *testing.T) {
	w := newWorld(t)
	w.connector(1, "delivered", false)
	w.change("metrics: ", fmt.Sprintf("connectors: {folder: %s/connectors, look_every: 1s}\nbridge: {sources: [{name: parcels, owner: o, connector: parcels, secrets: [x]}]}\nmetrics: ", w.dir))
	r := w.start()
	w.says(r, "worker_started")
	s, err := store.Open(t.Context(), "sqlite:"+w.dir+"/waybill.db")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	id := w.release("ACME")
	if err := s.Register(t.Context(), id, []freight.Reference{{Kind: freight.RefTracking, Carrier: "ACME", Value: "one"}}); err != nil {
		t.Fatal(err)
	}
	w.readBy(s, r, "one")
	w.state(w.temporal, id, "delivered by mistake", func(s freight.Shipment) bool { return s.Journey.Has(freight.Delivered) })
	w.connector(2, "in_transit", false)
	catalog, err := declared.OpenCatalog(w.dir+"/connectors", false, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	mended, err := catalog.Find("parcels@2")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		q := &relay.Replay{Store: s, Connector: mended, Source: "parcels", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Retract: &relay.Correction{By: "ann", Reason: "A is a departure"}, Now: time.Now}
		if o, err := q.Run(t.Context()); err != nil || o.TakenBack != 1-i {
			t.Fatalf("replay %d: %+v, %v", i+1, o, err)
		}
	}
	st := w.state(w.temporal, id, "on its way again", func(s freight.Shipment) bool {
		return s.HighWater == 3 && s.Stage == freight.StageTransit && s.Journey.Has(freight.InTransit)
	})
	if st.Journey.Has(freight.Delivered) || len(st.Journey.Retractions) != 1 || st.Plan != nil {
		t.Errorf("%+v", st)
	}
}
