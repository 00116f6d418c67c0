package shipment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
)

// TestExceptionThatComesAndGoesIsRecordedEachOnceAndInOrder, whatever records there are between.
func TestExceptionThatComesAndGoesIsRecordedEachOnceAndInOrder(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		now := s.Now()
		s.scan(append(carried(now, "")[:2], reason(freight.ReasonConsigneeNotHome, milestone(freight.DeliveryAttempted, now.Add(2*time.Minute))))...)
		s.scan(milestone(freight.OutForDelivery, now.Add(3*time.Minute)))
		s.cancel("odoo")
		s.resolve(2, freight.Dismiss)
		s.scan(carried(now, "")[4:]...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	var last int64
	var told []string
	for _, q := range s.records {
		if !q.View.Trailed {
			t.Errorf("view %d does not say that its entries tell of exceptions", q.View.Revision)
		}
		for _, e := range q.Audits {
			if e.N <= last {
				continue
			}
			last = e.N
			for _, f := range freight.TrailEvents(q.View, []freight.AuditEntry{e}) {
				told = append(told, fmt.Sprintf("%s %d %s %s", f.Kind, f.Number, f.Exception, f.Action))
			}
		}
	}
	want := []string{"exception_opened 1 delivery_attempt_failed ", "exception_closed 1 delivery_attempt_failed dismiss", "exception_opened 2 cancel_too_late ", "exception_closed 2 cancel_too_late dismiss"}
	if !slices.Equal(told, want) {
		t.Errorf("recorded %q, want %q", told, want)
	}
}
