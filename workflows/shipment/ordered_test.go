package shipment_test

import (
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// asked is what the order of every shipment of this world asks when it is claimed.
func asked(desks string) *freight.Ordered {
	return &freight.Ordered{Lines: []freight.OrderedLine{{ID: 40, Product: "DESK", Quantity: desks}}, ShipTo: freight.Place{Country: "US", Postcode: "75001"}}
}

func (s *story) orders(desks string) { s.SignalWorkflow(protocol.OrderSeen.Name, *asked(desks)) }

// TestOrderThatIsChangedAfterItsReleaseIsShownUntilItIsAsItWas, in words, and again where it is changed again.
func TestOrderThatIsChangedAfterItsReleaseIsShownUntilItIsAsItWas(t *testing.T) {
	s := newStory(t)
	s.ordered = asked("2")
	s.at(time.Hour, func() { s.orders("3"); s.orders("3"); s.accepted() })
	s.at(2*time.Hour, func() {
		st := s.state()
		es := open(st, freight.OrderChanged)
		if len(es) != 1 || es[0].Times != 1 || es[0].Owner != freight.Operations || es[0].Detail != "since its release the order was changed: 3 of DESK, was 2 of DESK" || st.Stage != freight.StageTransit {
			t.Errorf("stage %s, exceptions %+v", st.Stage, st.Exceptions)
		}
		if v := s.records[len(s.records)-1].View; v.Ordered != asked("3").Hash() {
			t.Errorf("the store knows that it asks %q", v.Ordered)
		}
		s.orders("4")
	})
	s.at(3*time.Hour, func() {
		if es := open(s.state(), freight.OrderChanged); len(es) != 1 || !strings.HasSuffix(es[0].Detail, "4 of DESK, was 2 of DESK") {
			t.Errorf("exceptions %+v", es)
		}
		s.orders("2")
	})
	s.at(4*time.Hour, func() {
		if es := open(s.state(), freight.OrderChanged); len(es) != 0 {
			t.Errorf("exceptions %+v", es)
		}
		s.left()
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 2 || len(s.plans) != 1 {
		t.Errorf("exceptions %+v, %d postings", st.Exceptions, len(s.plans))
	}
	s.wantNotes("Exception 1, order changed, for operations by", "Exception 1, order changed, is over: the order was changed again", "Exception 2, order changed", "Exception 2, order changed, is over: the order is as it was released", "Invoice")
}

func TestChangeOfAnOrderThatIsArrangedIsDismissedAndComesAgainOnlyWithTheNext(t *testing.T) {
	s := newStory(t)
	s.ordered = asked("2")
	s.at(time.Hour, func() { s.orders("3") })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Dismiss) })
	s.at(3*time.Hour, func() { s.orders("3"); s.accepted() })
	s.at(4*time.Hour, func() { s.left() })
	s.at(5*time.Hour, func() { s.orders("5"); s.paid() }) // it is delivered: what is billed is Odoo's to say
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 1 || st.Exceptions[0].Resolution.By != "ann" {
		t.Errorf("exceptions %+v", st.Exceptions)
	}
}
