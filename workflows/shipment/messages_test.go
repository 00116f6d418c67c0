package shipment_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// send sends scans as they are numbered.
func (s *story) send(scans ...freight.Scan) {
	s.SignalWorkflow(protocol.Scans.Name, protocol.ScanBatch{Scans: scans})
}

func TestBatchThatComesLateLosesNoScan(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		scans := numbered(carried(s.Now(), ""))
		s.send(scans[4:]...)
		s.send(scans[:4]...)
		s.send(scans[2:6]...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	st := s.finished(freight.StageClosed)
	if st.Repeats != 4 || len(st.Missing) != 0 || len(s.plans) != 1 || !st.Journey.Has(freight.PickedUp) {
		t.Errorf("repeats %d, missing %v, postings %d, journey %+v", st.Repeats, st.Missing, len(s.plans), st.Journey.Marks)
	}
}

func TestWrongNumberDoesNotMakeTheRightOnesRepeats(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		wrong := milestone(freight.Delayed, s.Now())
		wrong.Number = 1 << 60
		s.send(wrong)
		s.send(numbered(carried(s.Now(), ""))...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); st.Repeats != 0 || len(s.plans) != 1 {
		t.Errorf("repeats %d, postings %d", st.Repeats, len(s.plans))
	}
}

func TestOneBadScanDoesNotCostTheOthersOfItsBatch(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		scans := numbered(carried(s.Now(), ""))
		bad := milestone("teleported", s.Now())
		bad.Number = 8
		s.send(append([]freight.Scan{bad}, scans...)...)
	})
	s.at(2*time.Hour, func() {
		st := s.state()
		if !slices.Contains(st.Exceptions.OpenKinds(), freight.MessageUnreadable) || len(s.plans) != 1 {
			t.Errorf("open %v, postings %d", st.Exceptions.OpenKinds(), len(s.plans))
		}
		mended := milestone(freight.InTransit, s.Now())
		mended.Number = 8
		s.send(mended)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); !st.Journey.Has(freight.InTransit) || st.Repeats != 0 {
		t.Errorf("the mended scan was not taken: %+v", st.Journey.Marks)
	}
}

func TestEmptyMessagesChangeNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		for _, name := range []string{protocol.Scans.Name, protocol.PaymentSeen.Name, protocol.CancelAsked.Name, protocol.ResolveAsked.Name, protocol.DisputeSettled.Name, protocol.NumbersKnown.Name} {
			s.SignalWorkflow(name, map[string]any{})
		}
	})
	s.at(2*time.Hour, func() {
		st := s.state()
		if len(st.Exceptions) != 1 || st.Exceptions[0].Times != 6 || st.Cancel != nil || len(st.Rulings)+len(st.Decisions) != 0 || st.Payment != (freight.Payment{}) {
			t.Errorf("after empty messages: exceptions %+v, cancel %+v", st.Exceptions, st.Cancel)
		}
		s.scan(carried(s.Now(), "")...)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

// TestTimesThatCannotBeWrittenDownStopNothing: the year 10000 in UTC has no JSON, and the state would have none.
func TestTimesThatCannotBeWrittenDownStopNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		end := "9999-12-31T23:59:59-12:00"
		s.SignalWorkflow(protocol.Scans.Name, map[string]any{"scans": []any{map[string]any{"n": 1, "key": "k", "milestone": "picked_up", "classifier": "actual", "at": end}}})
		s.SignalWorkflow(protocol.CancelAsked.Name, map[string]any{"by": "ann", "reason": "withdrawn", "at": end})
		s.SignalWorkflow(protocol.PaymentSeen.Name, map[string]any{"move": 99, "state": "paid", "seenAt": end})
	})
	s.run()
	if st := s.finished(freight.StageCancelled); st.Cancel == nil || st.Cancel.By != "ann" {
		t.Errorf("cancelled by %+v", st.Cancel)
	}
}

func TestExceptionIsResolvedOnce(t *testing.T) {
	s := newStory(t)
	refuse := true
	post := s.post
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if refuse {
			return freight.Invoice{}, protocol.Rejected.Of(errors.New("period is closed"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Retry); s.resolve(1, freight.Retry) })
	s.at(3*time.Hour, func() {
		if st := s.state(); len(s.plans) != 2 || st.Replies[0].Refusal != "" || st.Replies[1].Refusal == "" {
			t.Errorf("asked %d times, replies %+v; want one retry, and the second told so", len(s.plans), st.Replies)
		}
		refuse = false
		s.resolve(2, freight.Retry)
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestDeliveryIsOfAllPieces(t *testing.T) {
	for name, finish := range map[string]func(*story){
		"the rest is delivered": func(s *story) {
			rest := milestone(freight.Delivered, s.Now())
			rest.Key, rest.Pieces = "rest", freight.Pieces{Delivered: 3, Expected: 3}
			s.scan(rest)
		},
		"a person has corrected the delivery": func(s *story) { s.resolve(1, freight.Retry) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			s.at(time.Hour, func() {
				scans := carried(s.Now(), "")
				scans[4].Pieces = freight.Pieces{Delivered: 1, Expected: 3}
				planned := milestone(freight.Delivered, s.Now())
				planned.Key, planned.Classifier, planned.Pieces = "planned", freight.Planned, freight.Pieces{Delivered: 3, Expected: 3}
				s.scan(append(scans, planned)...)
			})
			s.at(2*time.Hour, func() {
				st := s.state()
				if len(s.plans) != 0 || st.Stage != freight.StageTransit || st.Shown.Status != freight.StatusOutForDelivery || !slices.Equal(st.Exceptions.OpenKinds(), []freight.ExceptionKind{freight.PODShort}) {
					t.Errorf("1 of 3 pieces: %d postings, stage %s, shown %s, open %v", len(s.plans), st.Stage, st.Shown.Status, st.Exceptions.OpenKinds())
				}
				finish(s)
			})
			s.at(3*time.Hour, s.paid)
			s.run()
			if st := s.finished(freight.StageClosed); len(s.plans) != 1 || st.Shown.Status != freight.StatusDelivered || st.Exceptions[0].Times != 1 {
				t.Errorf("postings %d, shown %s, exceptions %+v", len(s.plans), st.Shown.Status, st.Exceptions)
			}
		})
	}
}

// TestReturnThatWasAMistakeIsTakenBackByAPerson: the scans that came meanwhile count then.
func TestReturnThatWasAMistakeIsTakenBackByAPerson(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		scans := carried(s.Now(), "")
		returned := milestone(freight.Returned, s.Now().Add(2*time.Minute+time.Second))
		s.scan(append(append(scans[:3:3], returned), scans[3:]...)...)
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Journey.Has(freight.Delivered) || !slices.Contains(st.Exceptions.OpenKinds(), freight.ScanRefused) {
			t.Errorf("delivered after it was returned: open %v", st.Exceptions.OpenKinds())
		}
		s.dismissAll(freight.ReturnToSender)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

func TestEveryTroubleIsShown(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(append(carried(s.Now(), "")[:2], milestone(freight.Lost, s.Now().Add(time.Hour)), milestone(freight.Damaged, s.Now()))...)
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); len(st.Exceptions) != 2 {
			t.Errorf("exceptions %+v, want one for lost and one for damaged", st.Exceptions)
		}
		s.resolve(1, freight.Abandon)
	})
	s.run()
	s.finished(freight.StageCancelled)
}

func TestDeclineOfAnEarlierTenderDoesNotDeclineTheNext(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderDeclined, s.Now())) })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Retry) })
	s.at(3*time.Hour, func() {
		again := milestone(freight.TenderDeclined, s.Now().Add(-2*time.Hour-time.Minute))
		again.Key = "from another source"
		s.scan(again)
	})
	s.at(4*time.Hour, func() {
		if len(s.openKinds()) != 0 {
			t.Errorf("open %v, want the second tender still out", s.openKinds())
		}
		s.scan(carried(s.Now(), "")...)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestTenderGivenBackAfterItWasAcceptedIsShown(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(milestone(freight.TenderAccepted, s.Now()), milestone(freight.TenderDeclined, s.Now().Add(time.Minute)))
	})
	s.at(2*time.Hour, func() {
		if !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.TenderWasDeclined}) {
			t.Errorf("open %v", s.openKinds())
		}
		s.scan(carried(s.Now(), "")[1:]...)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestCarrierThatAcceptsAfterItsDeclineTakesTheShipment(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderDeclined, s.Now())) })
	s.at(2*time.Hour, func() {
		if !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.TenderWasDeclined}) {
			t.Errorf("open %v", s.openKinds())
		}
		s.scan(milestone(freight.TenderAccepted, s.Now()))
	})
	s.at(3*time.Hour, func() {
		if open := s.openKinds(); len(open) > 0 {
			t.Errorf("it was accepted, and %v are open", open)
		}
		s.scan(carried(s.Now(), "")[1:]...)
	})
	s.at(5*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

// garbage sends messages of a good form that say nothing, each in another way.
func (s *story) garbage(from, n int) {
	for i := from; i < from+n; i++ {
		who := fmt.Sprint("source ", i)
		scan := milestone("nonsense", s.Now())
		scan.Number, scan.Source = int64(i+10), who
		s.send(scan)
		s.SignalWorkflow(protocol.ResolveAsked.Name, protocol.ResolveRequest{Exception: 1000 + i, Action: freight.Retry, By: who, Reason: "x"})
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: who, Reason: "x"})
		s.SignalWorkflow(protocol.DisputeSettled.Name, protocol.Settlement{Dispute: freight.DisputeIDOf(shipmentID, i), JWS: who})
		s.SignalWorkflow(protocol.Scans.Name, i)
	}
}

// TestGarbageDoesNotMakeTheShipmentGrow sends thousands of messages that say nothing, each in another way.
func TestGarbageDoesNotMakeTheShipmentGrow(t *testing.T) {
	s := newStory(t)
	down := true
	s.keep = func() error {
		if down {
			return protocol.Transient.Of(errors.New("the store is down"))
		}
		return nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	for round := range 6 {
		s.at(time.Hour+time.Duration(round+1)*time.Second, func() { s.garbage(150*round, 150) })
	}
	s.at(time.Hour+time.Minute, func() {
		st := s.state()
		b, err := json.Marshal(st)
		if err != nil || len(b) > 100_000 || len(st.Exceptions) > 50 || len(st.Decisions) > 20 || len(st.Unsaid) > 200 {
			t.Errorf("the state is %d bytes, with %d exceptions, %d decisions, %d unsaid (%v)", len(b), len(st.Exceptions), len(st.Decisions), len(st.Unsaid), err)
		}
		down = false
		s.scan(carried(s.Now(), "")[2:]...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

// TestLargestShipmentStillFitsIntoOneMessage has as many charge lines as a shipment holds, all of them disputed.
func TestLargestShipmentStillFitsIntoOneMessage(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		var lines []freight.Charge
		for i := range 250 {
			lines = append(lines, freight.Charge{Code: freight.Detention, RawCode: "DET", Amount: usd(fmt.Sprintf("%d.00", 1000+i)), Quantity: "3.50", Unit: "h"})
		}
		s.scan(append(delivered(s.Now()), carrierBill(s.Now(), "C1", lines...), carrierBill(s.Now(), "C2", lines...), carrierBill(s.Now(), "C3", lines[:1]...))...)
	})
	s.at(2*time.Hour, func() {
		st := s.state()
		b, err := json.Marshal(st)
		if err != nil || len(b) > 1_000_000 {
			t.Errorf("the state is %d bytes (%v)", len(b), err)
		}
		if len(st.OpenDisputes()) != 20 || len(s.plans) != 0 || !slices.Contains(st.Exceptions.OpenKinds(), freight.ScanRefused) {
			t.Errorf("%d disputes open, %d postings, open %v; want 20, none, and the third invoice refused", len(st.OpenDisputes()), len(s.plans), st.Exceptions.OpenKinds())
		}
		for n := 1; n <= 20; n++ {
			s.decide(n, "reject")
		}
	})
	s.at(3*time.Hour, func() {
		if st := s.state(); len(st.Rulings) != 20 || len(st.OpenDisputes()) != 20 || len(s.plans) != 0 {
			t.Errorf("after 20 rulings: %d rulings, %d open, %d postings", len(st.Rulings), len(st.OpenDisputes()), len(s.plans))
		}
		damaged := milestone(freight.Damaged, s.Now())
		damaged.Number = 100
		s.send(damaged)
	})
	s.at(4*time.Hour, func() {
		for _, e := range s.state().Exceptions {
			if e.Kind == freight.FreightDamaged {
				s.resolve(e.ID, freight.Abandon)
			}
		}
	})
	s.run()
	s.finished(freight.StageCancelled)
}
