package freight_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
)

// told is what events say of exceptions: "exception_opened 1 pod_missing".
func told(es []freight.Event) (out []string) {
	for _, e := range es {
		out = append(out, fmt.Sprintf("%s %d %s %s", e.Kind, e.Number, e.Exception, e.Action))
	}
	return out
}

// troubled opens two exceptions, of which one ends and opens again, all between two records.
func troubled() *freight.Shipment {
	s := &freight.Shipment{ID: "acme-7", Stage: freight.StageTransit, Release: freight.Release{Customer: "ACME", OrderName: "S00070"}}
	raise := func(k freight.ExceptionKind) {
		e, _ := s.Raise(k, "", "it happened", noon)
		s.Note(noon, freight.AuditException, "waybill", string(k), e)
	}
	end := func(k freight.ExceptionKind) {
		s.Note(noon, freight.AuditResolved, "waybill", string(k), s.Exceptions.Settle(k, "", "it is over", noon)...)
	}
	raise(freight.PODMissing)
	raise(freight.PODShort)
	end(freight.PODMissing)
	s.Note(noon, freight.AuditStage, "waybill", "")
	raise(freight.PODMissing)
	return s
}

func TestExceptionThatCameAndWentBetweenTwoRecordsIsTold(t *testing.T) {
	s := troubled()
	view := s.ViewAt(2, noon.Add(time.Minute))
	got := freight.RecordEvents(freight.View{Revision: 1}, view, s.Unsaid)
	want := []string{"exception_opened 1 pod_missing ", "exception_opened 2 pod_short ", "exception_closed 1 pod_missing dismiss", "exception_opened 3 pod_missing "}
	if !slices.Equal(told(got), want) {
		t.Errorf("told %q, want %q", told(got), want)
	}
	for _, e := range got {
		if e.Shipment != "acme-7" || e.Customer != "ACME" || e.Order != "S00070" || !e.At.Equal(noon) || e.Owner != freight.Operations || !e.DueBy.Equal(noon.Add(24*time.Hour)) {
			t.Errorf("%+v", e)
		}
	}
	later := s.ViewAt(9, noon.Add(time.Hour))
	for i, e := range freight.RecordEvents(view, later, s.Unsaid) {
		if e.ID() != got[i].ID() {
			t.Errorf("event %d has another id when it is recorded again", i)
		}
	}
}

// TestRecordOfAnEarlierReleaseTellsWhatItsViewShows: entries without facts, as a run carries them that it handed over.
func TestRecordOfAnEarlierReleaseTellsWhatItsViewShows(t *testing.T) {
	s := troubled()
	for i := range s.Unsaid {
		s.Unsaid[i].Exceptions = nil
	}
	view := s.ViewAt(2, noon)
	if got := told(freight.RecordEvents(freight.View{}, view, s.Unsaid)); !slices.Equal(got, []string{"exception_opened 0 pod_missing ", "exception_opened 0 pod_short "}) {
		t.Errorf("told %q", got)
	}
	s.Unsaid = nil
	e, _ := s.Exceptions.ByID(2)
	e.Resolution = &freight.Resolution{Action: freight.Retry, By: "ann", Reason: "mended", At: noon}
	s.Note(noon, freight.AuditResolved, "ann", "exception 2", *e)
	if got := told(freight.RecordEvents(view, s.ViewAt(3, noon), s.Unsaid)); !slices.Equal(got, []string{"exception_closed 2 pod_short retry"}) {
		t.Errorf("the next record told %q", got)
	}
}
