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
