package shipment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// unnumbered is a story whose TMS names no number of the carrier's, accepted after an hour.
func unnumbered(t *testing.T) *story {
	s := newStory(t)
	s.booked = &freight.Booking{Ref: "T1", Carrier: "FASTFRT"}
	s.at(time.Hour, s.accepted)
	return s
}

// chased are terms with so long for a number of the carrier's.
func chased(d time.Duration) *freight.Terms {
	t := terms()
	t.Clocks.Reference = d
	return t
}

func (s *story) runChased(d time.Duration) {
	s.ExecuteWorkflow(protocol.Shipment.Name, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: chased(d), Edition: protocol.Carrying})
}

func (s *story) number(kind freight.ReferenceKind, value string) {
	s.SignalWorkflow(protocol.NumbersKnown.Name, freight.NumbersGiven{Numbers: []freight.Reference{{Kind: kind, Value: value}}, By: "ann", Reason: "called the carrier"})
}

// kinds are the kinds of all exceptions there were, in their order.
func kinds(s *freight.Shipment) (ks []freight.ExceptionKind) {
	for _, e := range s.Exceptions {
		ks = append(ks, e.Kind)
	}
	return ks
}

func TestFreightThatIsAcceptedWithoutANumberIsChasedUntilOneIsSupplied(t *testing.T) {
	s := unnumbered(t)
	s.at(9*time.Hour-time.Minute, func() {
		if st := s.state(); len(st.Exceptions) != 0 || s.asked != 0 {
			t.Errorf("before its time: %+v, the store was asked %d times", st.Exceptions, s.asked)
		}
	})
	s.at(9*time.Hour+time.Minute, func() {
		st := s.state()
		es := open(st, freight.ReferenceMissing)
		if len(es) != 1 || es[0].Owner != freight.Operations || !es[0].DueBy.Equal(es[0].OpenedAt.Add(4*time.Hour)) || !es[0].Allows(freight.Waive) || es[0].Ref != "tender-1" || s.asked != 1 {
			t.Fatalf("exceptions %+v, the store was asked %d times", st.Exceptions, s.asked)
		}
		if page := shipment.Details(st); !strings.Contains(page, "waybill exception supply") || !strings.Contains(page, `waybill exception resolve acme-7 1 --action waive --reason "..."`) {
			t.Error(page)
		}
		if st.Stage != freight.StageTransit || !strings.HasPrefix(st.Shown.Exception, "reference_missing: accepted, and no tracking, PRO or BOL number") {
			t.Errorf("stage %s, Odoo shows %q", st.Stage, st.Shown.Exception)
		}
		s.number(freight.RefTracking, " 1Z1 ")
	})
	s.at(10*time.Hour, func() {
		st := s.state()
		if want := []freight.Reference{{Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "1Z1"}}; len(open(st, freight.ReferenceMissing)) != 0 || !slices.Equal(st.Numbers(), want) || st.Shown.Tracking != "1Z1" {
			t.Errorf("exceptions %+v, numbers %+v, Odoo shows %q", st.Exceptions, st.Numbers(), st.Shown.Tracking)
		}
		s.left()
	})
	s.at(11*time.Hour, s.paid)
	s.runChased(8 * time.Hour)
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 1 || len(s.plans) != 1 || s.asked != 1 {
		t.Errorf("exceptions %+v, %d postings, the store was asked %d times", st.Exceptions, len(s.plans), s.asked)
	}
	s.wantNotes("Exception 1, reference missing, for operations by", "Exception 1, reference missing, is over: known by now: tracking 1Z1 of FASTFRT", "Invoice")
	if !slices.ContainsFunc(s.records, func(r protocol.RecordRequest) bool {
		return slices.Contains(r.References, freight.Reference{Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "1Z1"})
	}) {
		t.Error("the number was not registered")
	}
}

// TestSubscribersAndAuditorsHearOfAMissingNumber as of any other exception: who gave the number, and that it ended by it.
func TestSubscribersAndAuditorsHearOfAMissingNumber(t *testing.T) {
	s := unnumbered(t)
	s.at(10*time.Hour, func() { s.number(freight.RefBOL, "B-77") })
	s.at(11*time.Hour, s.left)
	s.at(12*time.Hour, s.paid)
	s.runChased(8 * time.Hour)
	s.finished(freight.StageClosed)
	var trail []freight.AuditEntry
	for _, r := range s.records {
		trail = append(trail, r.Audits...)
	}
	var told []freight.EventKind
	for _, e := range freight.TrailEvents(freight.View{Shipment: shipmentID}, trail) {
		if e.Exception != freight.ReferenceMissing || e.Number != 1 {
			t.Errorf("told %+v", e)
		}
		told = append(told, e.Kind)
	}
	if want := []freight.EventKind{freight.EventExceptionOpened, freight.EventExceptionClosed}; !slices.Equal(told, want) {
		t.Errorf("subscribers are told %v, want %v", told, want)
	}
	if !slices.ContainsFunc(trail, func(a freight.AuditEntry) bool {
		return a.Kind == freight.AuditReference && a.Actor == "ann" && a.Detail == "bol B-77: called the carrier"
	}) {
		t.Errorf("the trail does not say who gave the number: %+v", trail)
	}
}

func TestMissingNumberThatIsWaivedIsNotAskedForAgain(t *testing.T) {
	s := unnumbered(t)
	s.at(10*time.Hour, func() { s.resolve(1, freight.Waive) })
	s.at(40*time.Hour, s.left)
	s.at(41*time.Hour, s.paid)
	s.runChased(8 * time.Hour)
	if st := s.finished(freight.StageClosed); !slices.Equal(kinds(st), []freight.ExceptionKind{freight.ReferenceMissing}) || st.Exceptions[0].Resolution.By != "ann" || s.asked != 1 {
		t.Errorf("exceptions %+v, the store was asked %d times", st.Exceptions, s.asked)
	}
}

// TestNumberThatIsRegisteredIsFoundBeforeAnyoneIsAsked: the carrier named it with its acceptance, or somebody in Odoo.
func TestNumberThatIsRegisteredIsFoundBeforeAnyoneIsAsked(t *testing.T) {
	s := unnumbered(t)
	s.numbers = []freight.Reference{{Kind: freight.RefPRO, Carrier: "FASTFRT", Value: "P9"}}
	s.at(10*time.Hour, s.left)
	s.at(11*time.Hour, s.paid)
	s.runChased(8 * time.Hour)
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 0 || !slices.Equal(st.Numbers(), s.numbers) || s.asked != 1 {
		t.Errorf("exceptions %+v, numbers %+v, the store was asked %d times", st.Exceptions, st.Numbers(), s.asked)
	}
}

// TestShipmentWithNumbersIsNotChased, nor one whose policy has no clock for them, nor one that is delivered in time. Each
// costs no timer and no call.
func TestShipmentWithNumbersIsNotChased(t *testing.T) {
	for name, c := range map[string]struct {
		booked freight.Booking
		clock  time.Duration
	}{
		"a PRO":               {freight.Booking{Ref: "T1", Carrier: "FASTFRT", PRO: "PRO1"}, time.Hour},
		"a tracking number":   {freight.Booking{Ref: "T1", Carrier: "FASTFRT", Tracking: []string{"1Z1"}}, time.Hour},
		"no clock":            {freight.Booking{Ref: "T1", Carrier: "FASTFRT"}, 0},
		"delivered before it": {freight.Booking{Ref: "T1", Carrier: "FASTFRT"}, 20 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := unnumbered(t)
			s.booked = &c.booked
			s.at(10*time.Hour, s.left)
			s.at(30*time.Hour, s.paid)
			s.runChased(c.clock)
			if st := s.finished(freight.StageClosed); len(st.Exceptions) != 0 || s.asked != 0 {
				t.Errorf("exceptions %+v, the store was asked %d times", st.Exceptions, s.asked)
			}
		})
	}
}

// TestDeliveryEndsTheChase, and the tender's clock is not the shipment's: another carrier has its own time.
func TestDeliveryEndsTheChase(t *testing.T) {
	s := unnumbered(t)
	s.at(12*time.Hour, s.left)
	s.at(13*time.Hour, s.paid)
	s.runChased(8 * time.Hour)
	st := s.finished(freight.StageClosed)
	if len(st.Exceptions) != 1 || st.Exceptions[0].Resolution.By != "waybill" || st.Exceptions[0].Resolution.Reason != "none is needed any more" {
		t.Errorf("exceptions %+v", st.Exceptions)
	}
}

// TestChaseGoesOnInAFreshRun by its old clock, and asks the store again where its answer was not seen.
func TestChaseGoesOnInAFreshRun(t *testing.T) {
	s := unnumbered(t)
	s.look = func() error { return protocol.Transient.Of(errors.New("the store is down")) }
	s.at(9*time.Hour+time.Minute, func() {
		if !s.state().Intends("numbers") {
			t.Error("the store is not asked")
		}
		s.SetContinueAsNewSuggested(true)
		s.scan(milestone(freight.LabelCreated, s.Now()))
	})
	s.runChased(8 * time.Hour)
	since := s.handedOver().Resume.Unnumbered
	n := s.next(func(n *story) {
		n.at(9*time.Hour+time.Minute, func() { // its clock begins where that of the first did
			if st := n.state(); len(open(st, freight.ReferenceMissing)) != 1 || !st.Unnumbered.Equal(since) {
				t.Errorf("exceptions %+v, without a number since %s, before since %s", st.Exceptions, st.Unnumbered, since)
			}
			n.number(freight.RefPRO, "P9")
		})
		n.at(10*time.Hour, n.left)
		n.at(11*time.Hour, n.paid)
	})
	if n.finished(freight.StageClosed); n.asked != 1 {
		t.Errorf("the store was asked %d times by the fresh run", n.asked)
	}
}
