package shipment_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// noted is what Odoo was given for the order's chatter, each note once for its number, as Odoo writes them.
func (w *world) noted() (texts []string) {
	var last int64
	for _, u := range w.statuses {
		for _, n := range u.Chatter {
			if n.N > last {
				last, texts = n.N, append(texts, n.Text)
			}
		}
	}
	return texts
}

// wantNotes compares notes with how each should begin.
func (s *story) wantNotes(begin ...string) {
	s.t.Helper()
	got := s.noted()
	for i := range max(len(got), len(begin)) {
		if i >= len(got) || i >= len(begin) || !strings.HasPrefix(got[i], begin[i]) {
			s.t.Errorf("the order was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(begin, "\n"))
			return
		}
	}
}

func TestOrderOfACleanShipmentIsToldOfTheInvoiceAlone(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	s.wantNotes("Invoice INV/2026/00099 is posted: 600.00 USD net")
	for i := 1; i < len(s.statuses); i++ {
		if s.statuses[i].Report.Same(s.statuses[i-1].Report) && s.statuses[i].Proof == nil {
			t.Errorf("status %d is written for its notes alone: %+v", i, s.statuses[i])
		}
	}
}

func TestOrderIsToldOfExceptionDisputeAndInvoice(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		now := s.Now()
		s.scan(append(carried(now, "")[:2], reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, now.Add(2*time.Minute))))...)
	})
	s.at(2*time.Hour, func() { s.scan(carried(s.Now(), "90.00")[3:]...) })
	s.at(3*time.Hour, func() { s.decide(1, "reject") })
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	s.wantNotes("Exception 1, delivery attempt failed, for customer service by ", "Exception 1, delivery attempt failed, is over: a later event has ended it",
		"Exception 2, charge disputed, for finance by ", "Dispute acme-7/1 was decided by ann: rejected, 50.00 USD stands: checked", "Invoice INV/2026/00099 is posted: 650.00 USD net")
}

// TestExceptionThatIsNotTheOneShownIsNotedAtOnce: the order has room for the oldest alone.
func TestExceptionThatIsNotTheOneShownIsNotedAtOnce(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(2*time.Hour, func() { s.SignalWorkflow(protocol.Scans.Name, "garbage"); s.cancel("odoo") })
	s.at(3*time.Hour, func() {
		s.wantNotes("Exception 1, message unreadable", "Exception 2, cancel too late")
		s.resolve(2, freight.Dismiss)
	})
	s.at(4*time.Hour, func() {
		s.wantNotes("Exception 1, message unreadable", "Exception 2, cancel too late", "Exception 2, cancel too late, was resolved by ann with dismiss: done")
		s.scan(carried(s.Now(), "")[2:]...)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

// TestStatusThatIsRefusedIsNotTriedAgainForItsNotes, and they are not lost.
func TestStatusThatIsRefusedIsNotTriedAgainForItsNotes(t *testing.T) {
	s := newStory(t)
	tries, refuse := 0, true
	s.board = func() error {
		tries++
		if refuse {
			return protocol.Rejected.Of(errors.New("the delivery was deleted"))
		}
		return nil
	}
	was := 0
	s.at(time.Hour, func() {
		s.scan(carried(s.Now(), "")[:2]...)
		s.SignalWorkflow(protocol.Scans.Name, "garbage")
	})
	s.at(2*time.Hour, func() {
		was = tries
		s.dismissAll(freight.ReportRefused)
	})
	s.at(3*time.Hour, func() {
		if tries > was+1 {
			t.Errorf("tried %d times more after it was dismissed, want once: it is shown again then", tries-was)
		}
		refuse = false
		s.scan(carried(s.Now(), "")[2:]...)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	s.wantNotes("Exception 1, message unreadable, for operations by", "Invoice INV/2026/00099 is posted", "Exception 1, message unreadable, is over: the shipment is closed")
}
