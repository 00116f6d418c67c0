package freight_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"waybill/workflows/freight"
)

func TestNumbersInOneTextAreToldApartAsOdooKeepsThem(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                nil,
		"1Z1":                             {"1Z1"},
		"1Z1,1Z2":                         {"1Z1", "1Z2"},
		" 1Z 1 ; 1Z2\r\n1Z3\n,, 1Z2":      {"1Z 1", "1Z2", "1Z3"},
		strings.Repeat("x", 201) + ",1Z4": {"1Z4"},
	} {
		var got []string
		for _, r := range freight.TrackingsIn(text, "UPS") {
			if r.Kind != freight.RefTracking || r.Carrier != "UPS" {
				t.Errorf("%+v", r)
			}
			got = append(got, r.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	var many []string
	for i := range 300 {
		many = append(many, strconv.Itoa(i))
	}
	if n := len(freight.TrackingsIn(strings.Join(many, ","), "")); n != 200 {
		t.Errorf("%d of 300 numbers were taken", n)
	}
}

func TestShipmentWithoutAPROShowsItsFirstTrackingNumber(t *testing.T) {
	s := freight.Shipment{Booking: freight.Booking{Ref: "T1", Tracking: []string{"1Z1", "1Z2"}}}
	if got := s.Report().Tracking; got != "1Z1" {
		t.Errorf("shows %q", got)
	}
	if s.Booking.PRO = "PRO1"; s.Report().Tracking != "PRO1" {
		t.Errorf("shows %q", s.Report().Tracking)
	}
}

func TestNumbersOfTheCarriersAreTakenOnceAndNoOthers(t *testing.T) {
	s := freight.Shipment{ID: "acme-7", Release: freight.Release{PickingName: "WH/OUT/7", OrderName: "S7", Carrier: "UPS", Known: []freight.Reference{{Kind: freight.RefCustomer, Value: "PO-1"}}}}
	if got := s.Numbers(); len(got) != 0 {
		t.Errorf("%+v are the carrier's: a delivery's own name is not", got)
	}
	news := s.Supply([]freight.Reference{{Kind: freight.RefTracking, Value: " 1Z1"}, {Kind: freight.RefTracking, Carrier: "DHL", Value: "1Z1"}, {Kind: freight.RefOrder, Value: "S8"}, {Kind: freight.RefBOL, Value: "B1"}})
	want := []freight.Reference{{Kind: freight.RefTracking, Carrier: "UPS", Value: "1Z1"}, {Kind: freight.RefBOL, Value: "B1"}}
	if !slices.Equal(news, want) || !slices.Equal(s.Numbers(), want) {
		t.Errorf("took %+v, has %+v, want %+v", news, s.Numbers(), want)
	}
	if again := s.Supply(want); len(again) != 0 || s.Report().Tracking != "1Z1" {
		t.Errorf("took %+v again, shows %q", again, s.Report().Tracking)
	}
	for i := range 100 {
		s.Supply([]freight.Reference{{Kind: freight.RefPRO, Value: strconv.Itoa(i)}})
	}
	if len(s.Supplied) != 50 {
		t.Errorf("it carries %d numbers", len(s.Supplied))
	}
	for _, r := range want {
		if !slices.Contains(s.References(), r) {
			t.Errorf("%+v is registered nowhere when a store is made anew", r)
		}
	}
}

func TestNumbersThatAreNoneAreRefused(t *testing.T) {
	good := freight.NumbersGiven{Numbers: []freight.Reference{{Kind: freight.RefPRO, Value: "P1"}}, By: "ann", Reason: "called"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*freight.NumbersGiven){
		"none":      func(g *freight.NumbersGiven) { g.Numbers = nil },
		"too many":  func(g *freight.NumbersGiven) { g.Numbers = make([]freight.Reference, 21) },
		"blank":     func(g *freight.NumbersGiven) { g.Numbers = []freight.Reference{{Kind: freight.RefPRO, Value: " "}} },
		"our own":   func(g *freight.NumbersGiven) { g.Numbers = []freight.Reference{{Kind: freight.RefOrder, Value: "S7"}} },
		"no author": func(g *freight.NumbersGiven) { g.By = "" },
		"no reason": func(g *freight.NumbersGiven) { g.Reason = "" },
		"a long one": func(g *freight.NumbersGiven) {
			g.Numbers = []freight.Reference{{Kind: freight.RefPRO, Value: strings.Repeat("x", 201)}}
		},
	} {
		bad := good
		if change(&bad); bad.Check() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
