package freight_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
)

func because(r freight.Reason, s freight.Scan) freight.Scan {
	s.Reason, s.Key = string(r), s.Key+string(r)
	return s
}

func TestEventOpensTheTroubleItIsUntilALaterOneEndsIt(t *testing.T) {
	out, done := said(freight.OutForDelivery, 60), said(freight.Delivered, 90)
	for name, tt := range map[string]struct {
		scans []freight.Scan
		want  string
	}{
		"an attempt that failed":                {[]freight.Scan{because(freight.ReasonConsigneeNotHome, said(freight.DeliveryAttempted, 30))}, "delivery_attempt_failed 2026-11-24T12:30Z"},
		"and is out again":                      {[]freight.Scan{said(freight.DeliveryAttempted, 30), out}, ""},
		"and was out before":                    {[]freight.Scan{said(freight.OutForDelivery, 10), said(freight.DeliveryAttempted, 30)}, "delivery_attempt_failed 2026-11-24T12:30Z"},
		"and failed again after it was out":     {[]freight.Scan{said(freight.DeliveryAttempted, 30), out, said(freight.DeliveryAttempted, 70)}, "delivery_attempt_failed 2026-11-24T13:10Z"},
		"two attempts in a row are one trouble": {[]freight.Scan{said(freight.DeliveryAttempted, 30), said(freight.DeliveryAttempted, 40)}, "delivery_attempt_failed 2026-11-24T12:40Z"},
		"an estimate of an attempt is none": {[]freight.Scan{func() freight.Scan {
			s := said(freight.DeliveryAttempted, 30)
			s.Classifier = freight.Planned
			return s
		}()}, ""},
		"an attempt that was taken back":              {[]freight.Scan{said(freight.DeliveryAttempted, 30), takeBack(freight.DeliveryAttempted, 40)}, ""},
		"the cure was taken back":                     {[]freight.Scan{said(freight.DeliveryAttempted, 30), out, takeBack(freight.OutForDelivery, 70)}, "delivery_attempt_failed 2026-11-24T12:30Z"},
		"another parcel is out":                       {[]freight.Scan{of("A", said(freight.DeliveryAttempted, 30)), of("B", out)}, "delivery_attempt_failed A 2026-11-24T12:30Z"},
		"refused at the door":                         {[]freight.Scan{because(freight.ReasonConsigneeRefused, said(freight.DeliveryAttempted, 30))}, "delivery_refused 2026-11-24T12:30Z"},
		"refused, then taken after all":               {[]freight.Scan{said(freight.Refused, 30), done}, ""},
		"refused, then on its way back":               {[]freight.Scan{said(freight.Refused, 30), said(freight.Returning, 40)}, "return_to_sender 2026-11-24T12:40Z"},
		"back with the shipper":                       {[]freight.Scan{said(freight.Returning, 40), said(freight.Returned, 50)}, "return_to_sender 2026-11-24T12:50Z"},
		"turned round on its way back":                {[]freight.Scan{said(freight.Returning, 40), out}, ""},
		"lost":                                        {[]freight.Scan{said(freight.PickedUp, 1), said(freight.Lost, 30)}, "freight_lost 2026-11-24T12:30Z"},
		"lost and found":                              {[]freight.Scan{said(freight.Lost, 30), said(freight.ArrivedAtFacility, 40)}, ""},
		"damaged stays so when delivered":             {[]freight.Scan{said(freight.Damaged, 30), done}, "freight_damaged 2026-11-24T12:30Z"},
		"held in customs":                             {[]freight.Scan{because(freight.ReasonCustomsDocuments, said(freight.Held, 30))}, "held_in_customs 2026-11-24T12:30Z"},
		"released by customs":                         {[]freight.Scan{because(freight.ReasonCustomsDuties, said(freight.Held, 30)), said(freight.CustomsReleased, 40)}, ""},
		"held for another reason":                     {[]freight.Scan{because(freight.ReasonWeather, said(freight.Held, 30))}, ""},
		"an address that is not there":                {[]freight.Scan{because(freight.ReasonCarrierAddress, said(freight.DeliveryAttempted, 30))}, "address_problem 2026-11-24T12:30Z"},
		"an address that was corrected":               {[]freight.Scan{because(freight.ReasonConsigneeAddress, said(freight.Held, 30)), said(freight.Reconsigned, 40)}, ""},
		"delivered in the minute in which it says no": {[]freight.Scan{said(freight.DeliveryAttempted, 90), done}, ""},
		"the shipment is delivered, a parcel damaged": {[]freight.Scan{of("A", said(freight.Damaged, 30)), of("B", said(freight.DeliveryAttempted, 40)), done}, "freight_damaged A 2026-11-24T12:30Z"},
	} {
		permute(tt.scans, func(order []freight.Scan) {
			var got []string
			for _, tr := range fold(order...).Troubles() {
				got = append(got, string(tr.Kind)+" "+tr.Ref)
				if !strings.Contains(tr.Detail, "the carrier reports") {
					t.Errorf("%s: it says %q", name, tr.Detail)
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Fatalf("%s: %v, want %q", name, got, tt.want)
			}
		})
	}
}

func TestFreightThatWasFoundIsOnItsWayAgain(t *testing.T) {
	lost := []freight.Scan{said(freight.PickedUp, 1), said(freight.Lost, 30)}
	if j := fold(lost...); j.Status() != freight.StatusLost {
		t.Errorf("lost is shown as %s", j.Status())
	}
	if j := fold(append(lost, said(freight.ArrivedAtFacility, 60))...); j.Status() != freight.StatusInTransit {
		t.Errorf("found is shown as %s", j.Status())
	}
	if j := fold(of("A", said(freight.PickedUp, 1)), of("B", said(freight.PickedUp, 1)), of("A", said(freight.Lost, 30))); j.Status() != freight.StatusInTransit {
		t.Errorf("one lost parcel of two is shown as %s", j.Status())
	}
}

func TestStatementsThatExcludeEachOtherAreFoundAndUncertainTimesAreNot(t *testing.T) {
	guess := said(freight.Delivered, 60)
	guess.ZoneSource = freight.ZoneAssumedUTC
	date := said(freight.Delivered, -12*60)
	date.Precision = freight.ToTheDay
	unclear := because(freight.ReasonContradictory, said(freight.Unclassified, 3))
	for name, tt := range map[string]struct {
		scans []freight.Scan
		want  string
	}{
		"delivered as it should be":                {[]freight.Scan{said(freight.PickedUp, 1), said(freight.Delivered, 5)}, ""},
		"delivered before it was picked up":        {[]freight.Scan{said(freight.PickedUp, 90), said(freight.Delivered, 5)}, "delivered before pick-up true"},
		"in a zone that was guessed":               {[]freight.Scan{said(freight.PickedUp, 90), guess}, ""},
		"on the day of its pick-up":                {[]freight.Scan{said(freight.PickedUp, 90), date}, ""},
		"another parcel was picked up later":       {[]freight.Scan{of("A", said(freight.PickedUp, 90)), of("B", said(freight.Delivered, 5))}, ""},
		"returned after it was delivered":          {[]freight.Scan{said(freight.Delivered, 5), said(freight.Returned, 90)}, "returned after delivery true"},
		"delivered after it was refused":           {[]freight.Scan{said(freight.Refused, 5), said(freight.Delivered, 90)}, ""},
		"lost after it was delivered, as it seems": {[]freight.Scan{said(freight.Delivered, 5), said(freight.Lost, 90), takeBack(freight.Lost, 95)}, ""},
		"another parcel is lost":                   {[]freight.Scan{of("A", said(freight.Delivered, 5)), of("B", said(freight.Lost, 90))}, ""},
		"delivered again two days later":           {[]freight.Scan{said(freight.Delivered, 5), said(freight.Delivered, 2*24*60)}, "delivered twice false"},
		"a status that contradicts itself":         {[]freight.Scan{unclear}, "unclear false"},
	} {
		permute(tt.scans, func(order []freight.Scan) {
			var got []string
			for _, d := range fold(order...).Doubts() {
				got = append(got, fmt.Sprint(d.Ref, " ", d.Grave))
			}
			if strings.Join(got, ", ") != tt.want {
				t.Fatalf("%s: %v, want %q", name, got, tt.want)
			}
		})
	}
}

func TestContradictionHoldsTheBillUntilAPersonHasLooked(t *testing.T) {
	s := released(1, said(freight.PickedUp, 1), said(freight.Delivered, 5), said(freight.Returned, 90))
	status := func() freight.Finding {
		fs := freight.Audit(s.AuditFacts())
		i := slices.IndexFunc(fs, func(f freight.Finding) bool { return f.Rule == freight.RuleStatus })
		if i < 0 {
			return freight.Finding{}
		}
		return fs[i]
	}
	if v := status(); v.Rule != "" {
		t.Errorf("a shipment of an earlier release is judged: %+v", v)
	}
	s.Judged = true
	v := status()
	if v.Verdict != freight.Hold || !v.SellHold || v.ChargeRef != "returned after delivery" {
		t.Fatalf("%+v", v)
	}
	id, _ := s.Exceptions.Raise(freight.StatusContradictory, v.ChargeRef, s.Stage, v.Reason, noon)
	s.Resolve(freight.ResolveReply{Exception: id, Action: freight.Dismiss, By: "ann", Reason: "the consignee has it", At: noon})
	if v := status(); v.Verdict != freight.Warn || v.SellHold {
		t.Errorf("after a person has looked: %+v", v)
	}
}

func TestPartsOfAScanAreCheckedAndBounded(t *testing.T) {
	good := said(freight.Delivered, 5)
	good.Number, good.Leg, good.Stop, good.Precision = 1, freight.Position{ID: "L1", N: 1, Of: 2}, freight.Position{N: 2, Of: 2}, freight.ToTheDay
	good.Quantities = []freight.Quantity{{Kind: "weight", Number: "12.5", Unit: "KGM"}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 201)
	for name, change := range map[string]func(*freight.Scan){
		"third of two legs":      func(s *freight.Scan) { s.Leg.N = 3 },
		"stop -1":                func(s *freight.Scan) { s.Stop.N = -1 },
		"precision of a week":    func(s *freight.Scan) { s.Precision = "week" },
		"-1 pieces":              func(s *freight.Scan) { s.Pieces.Delivered = -1 },
		"-1 numbers":             func(s *freight.Scan) { s.Numbered = -1 },
		"a billion pieces":       func(s *freight.Scan) { s.Pieces.Expected = 1e9 },
		"eleven quantities":      func(s *freight.Scan) { s.Quantities = make([]freight.Quantity, 11) },
		"a long parcel":          func(s *freight.Scan) { s.Parcel = freight.ParcelID(long) },
		"a long place":           func(s *freight.Scan) { s.Place.City = long },
		"a long statement":       func(s *freight.Scan) { s.Statement = long },
		"taking back nothing":    func(s *freight.Scan) { s.Retracts = &freight.Retracts{} },
		"taking back nonsense":   func(s *freight.Scan) { s.Retracts = &freight.Retracts{Milestone: "teleported"} },
		"taking back an invoice": func(s *freight.Scan) { s.Retracts = &freight.Retracts{Milestone: freight.ChargesReceived} },
		"taking back 1970": func(s *freight.Scan) {
			s.Retracts = &freight.Retracts{Milestone: freight.Delivered, At: time.Unix(1, 0)}
		},
	} {
		s := good
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: it was let through", name)
		}
	}
}

func TestShipmentTakesOnlySoManyParcelsAndRetractions(t *testing.T) {
	var s freight.Shipment
	for i := range 500 {
		s.Journey.Apply(of(freight.ParcelID(fmt.Sprint("P", i)), said(freight.LabelCreated, 1)))
	}
	if s.Forbids(of("P7", said(freight.Delivered, 5))) != "" || s.Forbids(of("one more", said(freight.Delivered, 5))) == "" {
		t.Error("want 500 parcels known, and not one more")
	}
	for i := range 100 {
		s.Journey.Apply(takeBack(freight.Held, i))
	}
	if s.Forbids(takeBack(freight.Held, 500)) == "" {
		t.Error("there is no end to what is taken back")
	}
}

func TestParcelThatCameBackKeepsNoOtherFromBeingDelivered(t *testing.T) {
	s := released(2, of("A", said(freight.Returned, 30)))
	if s.Forbids(of("A", said(freight.Delivered, 60))) == "" || s.Forbids(of("B", said(freight.Delivered, 60))) != "" || s.Forbids(of("A", said(freight.Delivered, 20))) != "" {
		t.Error("want only what comes of parcel A after its return to be refused")
	}
	s.Judged = true
	dismiss := func(ref string) {
		id, _ := s.Exceptions.Raise(freight.ReturnToSender, ref, s.Stage, "it is back", noon)
		s.Resolve(freight.ResolveReply{Exception: id, Action: freight.Dismiss, By: "ann", Reason: "sent out again", At: noon})
	}
	dismiss("B 2026-11-24T12:30Z")
	if s.Forbids(of("A", said(freight.Delivered, 60))) == "" {
		t.Error("a person's word on another parcel lets this one through")
	}
	dismiss("A 2026-11-24T12:30Z")
	if why := s.Forbids(of("A", said(freight.Delivered, 60))); why != "" {
		t.Errorf("it moves again, and yet: %s", why)
	}
}

func TestSubscribersAreToldWhichParcelAndWhatIsTakenBack(t *testing.T) {
	e, ok := freight.ScanEvent(of("A", said(freight.Delivered, 5)), freight.View{})
	if !ok || e.Parcel != "A" {
		t.Errorf("told %v: %+v; who reads it would take the shipment for delivered", ok, e)
	}
	if e, ok := freight.ScanEvent(takeBack(freight.Delivered, 9), freight.View{}); !ok || e.Retracts == nil || e.Retracts.Milestone != freight.Delivered {
		t.Errorf("told %v: %+v", ok, e)
	}
}
