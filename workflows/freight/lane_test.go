package freight_test

import (
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
)

func TestNineOfTenOnALaneTakeAtMostItsP90(t *testing.T) {
	var ts []freight.Transit
	for i := range 20 {
		ts = append(ts, freight.Transit{To: freight.Place{Country: "US", Postcode: "75001"}, Took: time.Duration(20-i) * time.Hour}) // 1h to 20h
	}
	ts = append(ts, freight.Transit{To: freight.Place{Country: "US", Postcode: "10001"}, Took: 100 * time.Hour}, freight.Transit{To: freight.Place{Country: "CA"}, Took: time.Hour})
	got := freight.Lanes(ts, 2, 10)
	want := []freight.LaneHistory{
		{Country: "US", Shipments: 21, Median: 11 * time.Hour, P90: 19 * time.Hour},
		{Country: "US", Postcode: "75", Shipments: 20, Median: 10 * time.Hour, P90: 18 * time.Hour},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if one := freight.Lanes(ts[21:], 0, 1); len(one) != 1 || one[0].P90 != time.Hour || one[0].Median != time.Hour {
		t.Errorf("of one shipment: %+v", one)
	}
}

func TestShipmentTellsHowLongItTookWhereItsTimesAreKnown(t *testing.T) {
	shipment := func(scans ...freight.Scan) *freight.Shipment {
		return &freight.Shipment{Journey: fold(scans...), Release: freight.Release{From: "US", ShipTo: freight.Place{Country: "CA", Postcode: "V6B"}, Service: "LTL"}}
	}
	got, ok := shipment(said(freight.PickedUp, 60), said(freight.Delivered, 240)).Transit()
	if !ok || got.Took != 3*time.Hour || got.To.Country != "CA" || got.Carrier != "FASTFRT" || got.Service != "LTL" {
		t.Errorf("%+v, %v", got, ok)
	}
	guessed := said(freight.Delivered, 240)
	guessed.ZoneSource = freight.ZoneAssumedUTC
	for name, s := range map[string]*freight.Shipment{
		"not delivered":            shipment(said(freight.PickedUp, 60)),
		"nobody saw the pick-up":   shipment(said(freight.Delivered, 240)),
		"its zone was guessed":     shipment(said(freight.PickedUp, 60), guessed),
		"delivered before pick-up": shipment(said(freight.PickedUp, 240), said(freight.Delivered, 60)),
	} {
		if got, ok := s.Transit(); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
