package shipment_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// timers counts the timers the story starts.
func (s *story) timers() *int {
	n := 0
	s.SetOnTimerScheduledListener(func(string, time.Duration) { n++ })
	return &n
}

// TestWaitingCostsNoTimerButOnesThatAreNeeded waits for months with everything overdue.
func TestWaitingCostsNoTimerButOnesThatAreNeeded(t *testing.T) {
	s := newStory(t)
	n := s.timers()
	s.at(10*24*time.Hour, func() { s.scan(carried(s.Now(), "")[:5]...) })
	s.at(20*24*time.Hour, func() { s.scan(pod(s.Now())) })
	s.at(50*24*time.Hour, func() { s.scan(charges(s.Now(), "")) })
	s.at(100*24*time.Hour, func() {
		kinds := []freight.ExceptionKind{}
		for _, e := range s.state().Exceptions {
			kinds = append(kinds, e.Kind)
		}
		if want := []freight.ExceptionKind{freight.TenderOverdue, freight.DeliveryOverdue, freight.PODMissing, freight.ChargesMissing, freight.PaymentOverdue}; !slices.Equal(kinds, want) {
			t.Errorf("raised %v, want %v, each once", kinds, want)
		}
		s.paid()
	})
	s.run()
	s.finished(freight.StageClosed)
	if *n > 7 {
		t.Errorf("%d timers for 6 clocks", *n)
	}
}

func TestShipmentInTimeCostsTwoTimers(t *testing.T) {
	s := newStory(t)
	n := s.timers()
	for i, e := range carried(time.Now(), "") {
		s.at(time.Duration(i+1)*time.Hour, func() { e.OccurredAt = s.Now(); s.scan(e) })
	}
	s.at(9*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if *n != 2 {
		t.Errorf("%d timers, want one until acceptance and one before closing", *n)
	}
}

func TestRefusedRecordIsKeptAndSaidAgain(t *testing.T) {
	s := newStory(t)
	refuse := true
	s.keep = func() error {
		if refuse {
			return protocol.Rejected.Of(errors.New("the store has no such shipment"))
		}
		return nil
	}
	s.at(time.Hour, func() {
		if !slices.Contains(s.openKinds(), freight.ReportRefused) || len(s.records) != 1 {
			t.Errorf("open %v, said %d times; want one refusal, shown", s.openKinds(), len(s.records))
		}
		refuse = false
		s.resolve(1, freight.Retry)
		s.scan(carried(s.Now(), "")...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	var said int64
	for _, r := range s.records[1:] {
		for _, a := range r.Audits {
			if a.N > said+1 { // one may come twice: a record under way, and the posting, carry the same
				t.Fatalf("audit entry %d came after number %d: the chain has a gap", a.N, said)
			}
			said = max(said, a.N)
		}
	}
}

func TestRefusedStatusIsShownAndTriedAgain(t *testing.T) {
	s := newStory(t)
	refuse := true
	s.board = func() error {
		if refuse {
			return protocol.Rejected.Of(errors.New("the delivery was deleted"))
		}
		return nil
	}
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderAccepted, s.Now())) })
	s.at(2*time.Hour, func() {
		if !slices.Contains(s.openKinds(), freight.ReportRefused) {
			t.Errorf("open %v", s.openKinds())
		}
		refuse = false
		s.resolve(1, freight.Retry)
	})
	s.at(3*time.Hour, func() {
		if len(s.statuses) == 0 || s.statuses[len(s.statuses)-1].Report.Status != freight.StatusAccepted {
			t.Errorf("after the retry Odoo shows %+v", s.statuses)
		}
		s.scan(carried(s.Now(), "")[1:]...)
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}
