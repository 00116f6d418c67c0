package shipment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// finished fails the test unless the story ended in a stage.
func (s *story) finished(stage freight.Stage) *freight.Shipment {
	s.t.Helper()
	if !s.IsWorkflowCompleted() {
		s.t.Fatal("the story has not ended")
	}
	if err := s.GetWorkflowError(); err != nil {
		s.t.Fatal(err)
	}
	st := s.state()
	if st.Stage != stage {
		s.t.Fatalf("stage = %s, want %s; exceptions %+v", st.Stage, stage, st.Exceptions)
	}
	return st
}

func TestCleanShipmentIsInvoicedOnceAndClosedWhenPaid(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	st := s.finished(freight.StageClosed)
	if len(s.plans) != 1 || s.plans[0].Net != usd("600.00") || s.plans[0].Key != "waybill.inv_acme-7_1" {
		t.Fatalf("posted %+v, want one invoice of 500.00 goods and 100.00 freight", s.plans)
	}
	if v := st.Validation; v == nil || v.LinesHash != s.plans[0].LinesHash() || s.plans[0].Validation != v.LinesHash {
		t.Errorf("validation %+v does not cover the lines posted", v)
	}
	if len(s.drafts) != 1 || len(s.notices) != 1 || s.notices[0].Invoice.Number != "INV/2026/00099" {
		t.Errorf("billing engine told %d times, finance %d times; want once each", len(s.drafts), len(s.notices))
	}
	last := s.statuses[len(s.statuses)-1]
	if last.Report.Status != freight.StatusDelivered || last.Report.InvoiceState != freight.InvoicePaid {
		t.Errorf("Odoo shows %+v at the end", last.Report)
	}
	if line := s.plans[0].Lines[1]; line.SaleLine != 41 {
		t.Errorf("freight is linked to sale line %d, want the delivery line 41", line.SaleLine)
	}
}

func TestStoreHearsEveryAuditEntryOnceAndTheClosingSnapshot(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	var n int64
	for _, r := range s.records {
		for _, a := range r.Audits {
			if n++; a.N != n {
				t.Fatalf("audit entry %d came as number %d", n, a.N)
			}
		}
	}
	last := s.records[len(s.records)-1]
	if last.Final == nil || !last.View.Closed || last.View.Residual != usd("0.00") {
		t.Errorf("last record %+v is no closing snapshot", last.View)
	}
}

func TestAnyOrderOfScansEndsInTheSameInvoice(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := newStory(t)
			s.at(time.Hour, func() {
				scans := carried(s.Now(), "")
				scans = append(scans, scans...)
				rand.New(rand.NewPCG(seed, 1)).Shuffle(len(scans), func(i, j int) { scans[i], scans[j] = scans[j], scans[i] })
				s.scan(scans...)
			})
			s.at(2*time.Hour, s.paid)
			s.run()
			s.finished(freight.StageClosed)
			if len(s.plans) != 1 || s.plans[0].Net != usd("600.00") {
				t.Fatalf("posted %+v", s.plans)
			}
		})
	}
}

func TestRepeatedSignalChangesNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(carried(s.Now(), "")...)
		s.n = 0
		s.scan(carried(s.Now(), "90.00")...)
	})
	s.at(2*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); st.Repeats != 7 || len(st.Disputes) != 0 {
		t.Errorf("repeats %d, disputes %d; want 7 and none", st.Repeats, len(st.Disputes))
	}
}

func TestNothingIsBilledBeforeTheProofComes(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		scans := carried(s.Now(), "")
		s.scan(scans[:5]...)
		s.scan(scans[6])
	})
	s.at(72*time.Hour, func() {
		if st := s.state(); len(s.plans) != 0 || st.Stage != freight.StageProof || !slices.Contains(st.Exceptions.OpenKinds(), freight.PODMissing) {
			t.Errorf("without POD: stage %s, %d postings, exceptions %v", st.Stage, len(s.plans), st.Exceptions.OpenKinds())
		}
		s.scan(pod(s.Now()))
	})
	s.at(80*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || len(st.Exceptions.OpenKinds()) != 0 || !slices.Equal(st.Filed, []string{"aa"}) {
		t.Errorf("postings %d, open %v, filed %v", len(s.plans), st.Exceptions.OpenKinds(), st.Filed)
	}
}

func TestDisputedChargeHoldsTheInvoiceUntilItIsDecided(t *testing.T) {
	for verdict, want := range map[freight.DisputeVerdict]freight.Money{freight.Approve: usd("690.00"), freight.Reject: usd("650.00")} {
		t.Run(string(verdict), func(t *testing.T) {
			s := newStory(t)
			s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
			s.at(2*time.Hour, func() { s.decide(1, "forged") })
			s.at(3*time.Hour, func() {
				if st := s.state(); len(s.plans) != 0 || len(st.OpenDisputes()) != 1 || st.Shown.InvoiceState != freight.InvoiceHeld {
					t.Errorf("held: %d postings, disputes %+v, shown %+v", len(s.plans), st.Disputes, st.Shown)
				}
				s.decide(1, string(verdict))
			})
			s.at(4*time.Hour, s.paid)
			s.run()
			s.finished(freight.StageClosed)
			if len(s.plans) != 1 || s.plans[0].Net != want {
				t.Fatalf("posted %+v, want one over %s", s.plans, want)
			}
		})
	}
}

func TestShipmentWithoutContractWaitsForOneAndIsNeverPostedBefore(t *testing.T) {
	s := newStory(t)
	contract := false
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if !contract {
			return freight.Rating{}, protocol.NoContract.Of(errors.New("no contract NOCON-2026"))
		}
		return ratingOf(q), nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() {
		st := s.state()
		if len(s.plans) != 0 || !slices.Equal(st.Exceptions.OpenKinds(), []freight.ExceptionKind{freight.ContractMissing}) {
			t.Errorf("without a contract: %d postings, open %v", len(s.plans), st.Exceptions.OpenKinds())
		}
		s.resolve(1, freight.Waive)
	})
	s.at(3*time.Hour, func() {
		if st := s.state(); st.Replies[0].Refusal == "" || len(s.plans) != 0 {
			t.Errorf("a missing contract was waived: %+v", st.Replies)
		}
		contract = true
		s.resolve(1, freight.Retry)
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if len(s.plans) != 1 {
		t.Errorf("postings = %d, want 1", len(s.plans))
	}
}

func (s *story) resolve(n int, a freight.Action) {
	s.SignalWorkflow(protocol.ResolveAsked.Name, protocol.ResolveRequest{Exception: n, Action: a, By: "ann", Reason: "done"})
}

func TestOrderCancelledBeforePickUpIsCancelledAtTheTMSAndNeverInvoiced(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(milestone(freight.TenderAccepted, s.Now()))
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: "odoo", Reason: "order cancelled", At: s.Now()})
	})
	s.run()
	s.finished(freight.StageCancelled)
	if len(s.cancels) != 1 || len(s.plans) != 0 || s.statuses[len(s.statuses)-1].Report.Status != freight.StatusCancelled {
		t.Errorf("cancels %+v, postings %d, last status %+v", s.cancels, len(s.plans), s.statuses[len(s.statuses)-1].Report)
	}
}

func TestOrderCancelledAfterPickUpIsStillBilled(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(2*time.Hour, func() {
		s.SignalWorkflow(protocol.CancelAsked.Name, freight.CancelRequest{By: "odoo", Reason: "order cancelled", At: s.Now()})
	})
	s.at(3*time.Hour, func() { s.scan(carried(s.Now(), "")[2:]...) })
	s.at(4*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || !st.Exceptions.Raised(freight.CancelTooLate) {
		t.Errorf("postings %d, exceptions %+v", len(s.plans), st.Exceptions)
	}
}

func TestCancellationInTemporalCancelsTheShipment(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, s.CancelWorkflow)
	s.run()
	if err := s.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Fatalf("error = %v, want cancelled", err)
	}
	if len(s.cancels) != 1 || s.records[len(s.records)-1].View.Stage != freight.StageCancelled {
		t.Errorf("cancels %+v, last record %+v", s.cancels, s.records[len(s.records)-1].View)
	}
}

func TestCancellationInTemporalDoesNotStopFreightThatMoves(t *testing.T) {
	s := newStory(t)
	s.refusal = "picked up"
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")[:2]...) })
	s.at(2*time.Hour, s.CancelWorkflow)
	s.at(3*time.Hour, func() { s.scan(carried(s.Now(), "")[2:]...) })
	s.at(4*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || !st.Exceptions.Raised(freight.CancelTooLate) {
		t.Errorf("postings %d, exceptions %+v", len(s.plans), st.Exceptions)
	}
}

func TestGarbageSignalStopsNoTimerAndIsShown(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.SignalWorkflow(protocol.Scans.Name, "garbage")
		s.SignalWorkflow(protocol.PaymentSeen.Name, []int{1})
		s.SignalWorkflow(protocol.ResolveAsked.Name, map[string]any{"exception": "x"})
	})
	s.at(25*time.Hour, func() {
		kinds := s.state().Exceptions.OpenKinds()
		if !slices.Contains(kinds, freight.MessageUnreadable) || !slices.Contains(kinds, freight.TenderOverdue) {
			t.Errorf("open %v, want the unreadable message and the clock that ran out after it", kinds)
		}
		s.scan(carried(s.Now(), "")...)
	})
	s.at(26*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestRefusedPostingIsRetriedByAPersonUnderTheSameKey(t *testing.T) {
	s := newStory(t)
	closed := true
	post := s.post
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if closed {
			return freight.Invoice{}, protocol.Rejected.Of(errors.New("period 2026-10 is closed"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { closed = false; s.resolve(1, freight.Retry) })
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if len(s.plans) != 2 || s.plans[0].Key != s.plans[1].Key {
		t.Errorf("posting asked %d times, keys %v", len(s.plans), s.plans)
	}
}

func TestFactsThatChangeBeforePostingAreValidatedAgain(t *testing.T) {
	s := newStory(t)
	post, first := s.post, true
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if first {
			first = false
			return freight.Invoice{}, protocol.FactsChanged.Of(errors.New("delivered quantity is 1, was 2"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	validated := map[int64]bool{} // by number: an entry comes again until its record is answered
	for _, r := range s.records {
		for _, a := range r.Audits {
			if a.Kind == freight.AuditValidated {
				validated[a.N] = true
			}
		}
	}
	if len(s.plans) != 2 || len(validated) != 2 {
		t.Errorf("asked to post %d times on %d validations, want 2 and 2", len(s.plans), len(validated))
	}
}

// unavailable is the fault of a system that is down and asks to be let alone for ten minutes: the test environment, unlike
// a server, ends an activity after its tenth attempt.
func unavailable(words string) error {
	return protocol.Transient.After(errors.New(words), 10*time.Minute)
}

// TestBillingDownForAnHourNeverStopsTheStatus has the billing engine fail from before the freight moves until an hour
// later.
func TestBillingDownForAnHourNeverStopsTheStatus(t *testing.T) {
	s := newStory(t)
	rate, asked := s.rate, 0
	var down atomic.Bool
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down.Load() {
			asked++
			return freight.Rating{}, unavailable("billing engine is down")
		}
		return rate(q)
	}
	shows := func(want freight.Status) func() {
		return func() {
			if got := s.state().Shown.Status; got != want || len(s.plans) != 0 {
				t.Errorf("Odoo shows %s with billing down, want %s; %d postings", got, want, len(s.plans))
			}
		}
	}
	s.at(time.Hour, func() { down.Store(true); s.scan(carried(s.Now(), "")[:4]...) })
	s.at(89*time.Minute, shows(freight.StatusOutForDelivery))
	s.at(90*time.Minute, func() { s.scan(carried(s.Now(), "")[4:]...) })
	s.at(2*time.Hour-time.Second, shows(freight.StatusDelivered))
	s.at(2*time.Hour, func() { down.Store(false) })
	s.at(4*time.Hour, s.paid)
	s.run()
	s.billedOnce()
	if asked < 2 {
		t.Errorf("the billing engine failed %d times: it was not asked while it was down", asked)
	}
}

// TestPostingDownForAnHourPostsOnceAfterwards has Odoo refuse every posting for an hour.
func TestPostingDownForAnHourPostsOnceAfterwards(t *testing.T) {
	s := newStory(t)
	post := s.post
	var down atomic.Bool
	down.Store(true)
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if down.Load() {
			return freight.Invoice{}, unavailable("Odoo answers 503")
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() {
		if st := s.state(); st.Invoice != nil || st.Shown.Status != freight.StatusDelivered || len(s.plans) < 2 {
			t.Errorf("with posting down for an hour: invoice %+v, Odoo shows %s, asked %d times", st.Invoice, st.Shown.Status, len(s.plans))
		}
		down.Store(false)
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	s.billedOnce()
}

// billedOnce fails the test unless the story closed with one invoice, of which everyone was told once, however often
// Odoo was asked for it.
func (s *story) billedOnce() {
	s.t.Helper()
	st := s.finished(freight.StageClosed)
	for _, p := range s.plans {
		if p.Key != s.plans[0].Key || p.LinesHash() != s.plans[0].LinesHash() {
			s.t.Errorf("asked to post %+v, and then %+v", s.plans[0], p)
		}
	}
	if st.Invoice == nil || len(s.plans) == 0 || st.Invoice.Net != s.plans[0].Net || len(s.drafts) != 1 || len(s.notices) != 1 {
		s.t.Errorf("invoice %+v; the billing engine was told %d times, finance %d times", st.Invoice, len(s.drafts), len(s.notices))
	}
}

func TestDeclinedTenderIsAskedAnewUnderItsOwnNumber(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(milestone(freight.TenderDeclined, s.Now())) })
	s.at(2*time.Hour, func() { s.resolve(1, freight.Retry) })
	s.at(3*time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if !slices.Equal(s.tenders, []int{1, 2}) {
		t.Errorf("tenders = %v, want 1 and 2", s.tenders)
	}
}

func TestDuplicateCarrierInvoiceNeverReachesTheCustomer(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		scans := carried(s.Now(), "")
		scans[6].Invoice.DuplicateOf = "acme-6"
		s.scan(scans...)
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); len(s.plans) != 0 || !slices.Contains(st.Exceptions.OpenKinds(), freight.ChargesInvalid) {
			t.Errorf("duplicate: %d postings, open %v", len(s.plans), st.Exceptions.OpenKinds())
		}
		next := charges(s.Now(), "")
		next.Invoice.Number, next.Key = "C2", "second"
		s.scan(next)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("postings = %d, want 1", len(s.plans))
	}
}
