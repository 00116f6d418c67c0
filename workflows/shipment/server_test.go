package shipment_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// TestHandOverUnderLoadLosesAndRepeatsNothing crosses continue-as-new while 50 scans a second arrive, one
// call is running and another is being retried.
func TestHandOverUnderLoadLosesAndRepeatsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute of scans")
	}
	l := newServer(t, nil)
	down := true
	l.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down && len(q.Charges) > 0 {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return ratingOf(q), nil
	}
	l.start(terms())
	now := time.Now()
	all := carried(now, "")
	for i := range 1200 {
		e := milestone(freight.ETAUpdated, now.Add(time.Duration(i)*time.Second))
		e.Classifier, e.ETA = freight.Estimated, now.Add(time.Duration(i)*time.Minute)
		all = append(all, e)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, e := range all {
		l.send(e)
		<-tick.C
	}
	st := l.until(func(s *freight.Shipment) bool { return s.HighWater == int64(len(all)) })
	if st.Repeats != 0 || len(st.Missing) != 0 || !st.Journey.ETA.Equal(all[len(all)-1].ETA) || len(l.plans) != 0 {
		t.Errorf("repeats %d, missing %v, ETA %s, postings %d", st.Repeats, st.Missing, st.Journey.ETA, len(l.plans))
	}
	l.with(func() { down = false })
	l.until(func(s *freight.Shipment) bool { return s.Stage == freight.StageSettlement })
	if d, err := l.c.DescribeWorkflowExecution(t.Context(), id, ""); err != nil || d.GetWorkflowExecutionInfo().GetFirstRunId() == d.GetWorkflowExecutionInfo().GetExecution().GetRunId() {
		t.Errorf("the story was never handed over (%v): the test proved nothing", err)
	}
	l.with(func() {
		if len(l.plans) != 1 || l.claims != 1 {
			t.Errorf("posted %d times, claimed %d times; want once each", len(l.plans), l.claims)
		}
	})
}

// TestAnswerThatComesWhileHandingOverIsNotAskedForAgain lets Odoo answer after the story has begun to leave.
func TestAnswerThatComesWhileHandingOverIsNotAskedForAgain(t *testing.T) {
	l := newServer(t, nil)
	asked, answer := make(chan bool, 9), make(chan bool)
	l.busy = func() { asked <- true; <-answer }
	l.start(terms())
	l.send(carried(time.Now(), "")...)
	<-asked
	var scans []freight.Scan
	for range 1000 {
		scans = append(scans, milestone(freight.Delayed, time.Now()))
	}
	l.send(scans...)
	l.until(func(s *freight.Shipment) bool { return s.HighWater == l.n })
	close(answer)
	st := l.stage(freight.StageSettlement)
	l.with(func() {
		if len(l.plans) != 1 || st.Invoice == nil {
			t.Errorf("asked to post %d times, want once", len(l.plans))
		}
	})
	if d, err := l.c.DescribeWorkflowExecution(t.Context(), id, ""); err != nil || d.GetWorkflowExecutionInfo().GetFirstRunId() == d.GetWorkflowExecutionInfo().GetExecution().GetRunId() {
		t.Errorf("the story was never handed over (%v): the test proved nothing", err)
	}
	attributes := l.attributes()
	if attributes[protocol.StageAttribute.GetName()] != `"settlement"` || attributes[protocol.CustomerAttribute.GetName()] != `"ACME"` {
		t.Errorf("search attributes after the hand-over: %v", attributes)
	}
}

// attributes are the shipment's search attributes as the server has them.
func (l *live) attributes() map[string]string {
	l.t.Helper()
	d, err := l.c.DescribeWorkflowExecution(l.t.Context(), id, "")
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for name, p := range d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields() {
		out[name] = string(p.GetData())
	}
	return out
}

func TestFirstDeadlineIsListedFromTheStart(t *testing.T) {
	l := newServer(t, nil)
	l.start(terms())
	if at := l.attributes()[protocol.DeadlineAttribute.GetName()]; !strings.Contains(at, time.Now().Add(24*time.Hour).UTC().Format("2006-01-02T")) {
		t.Errorf("next deadline %s, want that of the tender", at)
	}
}

// TestGarbageFromTheTemporalUIFailsNoTask sends what a hand could type into the signal form.
func TestGarbageFromTheTemporalUIFailsNoTask(t *testing.T) {
	l := newServer(t, nil)
	l.start(terms())
	for _, garbage := range []any{nil, "garbage", 7, []byte{0xff, 0}, map[string]any{"scans": "x"}} {
		for _, name := range []string{protocol.Scans.Name, protocol.PaymentSeen.Name, protocol.ResolveAsked.Name, protocol.CancelAsked.Name, protocol.DisputeSettled.Name, "unheard-of"} {
			l.signal(name, garbage)
		}
	}
	l.send(carried(time.Now(), "")...)
	if st := l.stage(freight.StageSettlement); !st.Exceptions.Raised(freight.MessageUnreadable) {
		t.Error("the garbage is nowhere to be seen")
	}
	l.pay(freight.InvoicePaid, "0.00")
	l.ended()
}

// foreign is a codec that seals what ours cannot open.
type foreign struct{}

func (foreign) Encode(ps []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(ps))
	for i := range ps {
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/encrypted"), "encryption-key-id": []byte("lost")}, Data: []byte("sealed")}
	}
	return out, nil
}

func (foreign) Decode(ps []*commonpb.Payload) ([]*commonpb.Payload, error) { return ps, nil }

// TestMessageThatCannotBeOpenedIsShownAndStopsNothing is a sender with a key that is not in the ring.
func TestMessageThatCannotBeOpenedIsShownAndStopsNothing(t *testing.T) {
	l := newServer(t, historytest.Sealed(t, "testdata/keyring.json"))
	l.start(terms())
	l.quiet()
	l.stories.Stop() // so that good and bad ones wait in one task
	sealed, err := foreign{}.Encode(make([]*commonpb.Payload, 1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.signal(protocol.Scans.Name, converter.NewRawValue(sealed[0]))
	}
	l.send(carried(time.Now(), "")...)
	l.signal(protocol.Scans.Name, converter.NewRawValue(sealed[0]))
	l.work(protocol.QueueStories)
	st := l.stage(freight.StageSettlement)
	if es := open(st, freight.MessageUnreadable); len(es) != 1 || es[0].Times != 3 {
		t.Errorf("exceptions %+v, want all three shown", st.Exceptions)
	}
}

// TestPickUpInTheSameTaskAsTheCancellationCounts is a truck that left while someone pressed the button.
func TestPickUpInTheSameTaskAsTheCancellationCounts(t *testing.T) {
	l := newServer(t, nil)
	l.start(terms())
	l.quiet()
	l.stories.Stop()
	if err := l.c.CancelWorkflow(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	l.send(carried(time.Now(), "")[:2]...)
	l.work(protocol.QueueStories)
	l.resolve(freight.CancelTooLate, freight.Dismiss)
	l.send(carried(time.Now(), "")[2:]...)
	l.stage(freight.StageSettlement)
	l.with(func() {
		if len(l.cancels) != 0 || len(l.plans) != 1 {
			t.Errorf("TMS asked to stop %d times, %d postings", len(l.cancels), len(l.plans))
		}
	})
}

// TestDisputeCancelledByHandIsOpenedAnew: the UI's button withdraws, it does not decide.
func TestDisputeCancelledByHandIsOpenedAnew(t *testing.T) {
	l := newServer(t, nil)
	l.start(terms())
	l.send(carried(time.Now(), "90.00")...)
	l.until(func(s *freight.Shipment) bool { return len(s.OpenDisputes()) == 1 })
	if err := l.c.CancelWorkflow(t.Context(), "dispute/acme-7/1", ""); err != nil {
		t.Fatal(err)
	}
	l.decide(2, "reject")
	l.stage(freight.StageSettlement)
	l.with(func() {
		if l.plans[0].Net != usd("650.00") {
			t.Errorf("posted %+v", l.plans)
		}
	})
}

func TestLateScanReopensAClosedShipment(t *testing.T) {
	l := newServer(t, nil)
	l.start(terms())
	l.send(carried(time.Now(), "")...)
	l.stage(freight.StageSettlement)
	l.pay(freight.InvoicePaid, "0.00")
	l.ended()
	var final *freight.Shipment
	l.with(func() { final = l.records[len(l.records)-1].Final })
	late := carrierBill(time.Now(), "C2", charged(freight.Detention, "50.00"))
	late.Number = final.HighWater + 1
	for range 2 { // the relay may send it again
		if err := protocol.ReopenShipment(t.Context(), l.c, *final, protocol.ScanBatch{Scans: []freight.Scan{late}}); err != nil {
			t.Fatal(err)
		}
	}
	st := l.until(func(s *freight.Shipment) bool {
		return len(open(s, freight.LateCharge)) == 1 && s.Repeats == final.Repeats+1
	})
	if listed := l.attributes()[protocol.StageAttribute.GetName()]; st.Stage != freight.StageSettlement || listed != `"settlement"` {
		t.Errorf("stage %s, listed as %s", st.Stage, listed)
	}
	l.resolve(freight.LateCharge, freight.Dismiss)
	l.ended()
}

func numbered(scans []freight.Scan) []freight.Scan {
	for i := range scans {
		scans[i].Number = int64(i + 1)
	}
	return scans
}
