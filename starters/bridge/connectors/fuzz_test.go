package connectors_test

import (
	"testing"
	"time"

	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// fuzz wants that whatever comes is refused in words or makes scans that can be, twice the same.
func fuzz(f *testing.F, name string) {
	for _, code := range six[name] {
		f.Add(writers[name](at(code, 0)))
	}
	f.Add(writers[name](at(six[name][0], 0), at(six[name][5], 1)))
	f.Add([]byte(`{}`))
	f.Add([]byte(`[]`))
	p := partner(f, name)
	f.Fuzz(func(t *testing.T, body []byte) {
		es, err := p.Explain(delivery(name, body), noon)
		if err != nil {
			if err.Error() == "" || len(es) > 0 {
				t.Fatalf("refused without words, or with %d scans", len(es))
			}
			return
		}
		again, err := p.Explain(delivery(name, body), noon)
		if err != nil || len(again) != len(es) {
			t.Fatalf("the same delivery again makes %d scans, not %d: %v", len(again), len(es), err)
		}
		for i, e := range es {
			sound(t, e)
			if again[i].Scan.Key != e.Scan.Key {
				t.Fatalf("the same statement has two keys")
			}
		}
	})
}

// sound checks what holds of every scan.
func sound(t *testing.T, e connectors.Explained) {
	t.Helper()
	s := e.Scan
	switch {
	case !s.Milestone.Known() && !e.Silent:
		t.Fatalf("milestone %q", s.Milestone)
	case len(s.Key) != 64 || len(e.References) == 0 && e.Surprise == "" || len(e.References) > 20:
		t.Fatalf("key %q, references %v", s.Key, e.References)
	case !e.Silent && (s.OccurredAt.Year() < 2000 || s.OccurredAt.After(noon.Add(367*24*time.Hour))):
		t.Fatalf("time %s", s.OccurredAt)
	case s.Milestone == freight.Delivered && (s.Classifier != freight.Actual && !s.ETA.IsZero() || s.Pieces.Short() && s.Parcel == ""):
		t.Fatalf("delivered: %+v", s)
	case len(s.Carrier) > 20 || len(s.RawCode) > 40:
		t.Fatalf("carrier %q, code %q", s.Carrier, s.RawCode)
	}
	if _, err := e.JSON(true); err != nil {
		t.Fatal(err)
	}
}

func FuzzEasyPost(f *testing.F)  { fuzz(f, "easypost") }
func FuzzShippo(f *testing.F)    { fuzz(f, "shippo") }
func FuzzAfterShip(f *testing.F) { fuzz(f, "aftership") }
func FuzzUPS(f *testing.F)       { fuzz(f, "ups") }
func FuzzFedEx(f *testing.F)     { fuzz(f, "fedex") }
func FuzzDHL(f *testing.F)       { fuzz(f, "dhl") }
func FuzzDCSA(f *testing.F)      { fuzz(f, "dcsa") }
func FuzzKarrio(f *testing.F)    { fuzz(f, "karrio") }
