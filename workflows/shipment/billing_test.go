package shipment_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// carrierBill is a carrier's invoice of some lines, each "code amount".
func carrierBill(at time.Time, number string, lines ...freight.Charge) freight.Scan {
	s := milestone(freight.ChargesReceived, at)
	s.Key = "bill-" + number
	inv := freight.CarrierInvoice{Carrier: "FASTFRT", Number: number, Total: usd("0.00")}
	for i, l := range lines {
		l.Ref = fmt.Sprintf("%s/%d", number, i+1)
		inv.Lines = append(inv.Lines, l)
		if total, err := inv.Total.Add(l.Amount); err == nil {
			inv.Total = total
		}
	}
	s.Invoice = &inv
	return s
}

func charged(code freight.ChargeCode, amount string) freight.Charge {
	return freight.Charge{Code: code, Amount: usd(amount)}
}

// delivered is everything before the carrier's invoice.
func delivered(now time.Time) []freight.Scan { return carried(now, "")[:6] }

func (s *story) openKinds() []freight.ExceptionKind { return s.state().Exceptions.OpenKinds() }

// dismissAll dismisses every open exception of a kind.
func (s *story) dismissAll(kind freight.ExceptionKind) {
	for _, e := range s.state().Exceptions {
		if e.Open() && e.Kind == kind {
			s.resolve(e.ID, freight.Dismiss)
		}
	}
}

func TestDisputeAboutTheCarriersPaymentDoesNotHoldTheCustomersInvoice(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(append(delivered(s.Now()), carrierBill(s.Now(), "C1", charged(freight.Linehaul, "95.00")))...)
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); len(s.plans) != 1 || s.plans[0].Net != usd("600.00") || len(st.OpenDisputes()) != 1 {
			t.Errorf("linehaul over contract: %d postings, %d open disputes; want the invoice at the contract's price, and a dispute", len(s.plans), len(st.OpenDisputes()))
		}
		s.paid()
	})
	s.at(90*24*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageSettlement {
			t.Errorf("stage %s with a dispute open, want settlement", st.Stage)
		}
		s.decide(1, "reject")
	})
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Rulings) != 1 || st.Rulings[0].Amount != usd("80.00") {
		t.Errorf("rulings %+v", st.Rulings)
	}
}

func TestApprovedAmountIsWhatTheCustomerPaysOfAPassThrough(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() { s.decide(1, "approve 70.00 USD") })
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if len(s.plans) != 1 || s.plans[0].Net != usd("670.00") {
		t.Errorf("posted %+v, want one over 670.00", s.plans)
	}
}

// TestRulingDecidesOnlyTheAmountsItWasMadeOn rates anew with another contract after the ruling.
func TestRulingDecidesOnlyTheAmountsItWasMadeOn(t *testing.T) {
	s := newStory(t)
	contract := usd("50.00")
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		r := ratingOf(q)
		for i, l := range r.Lines {
			if l.Side == freight.Buy && l.Code == freight.Detention {
				r.Lines[i].Amount = contract
			}
		}
		return r, nil
	}
	post, first := s.post, true
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if first {
			first, contract = false, usd("60.00") // corrected while the invoice waited
			return freight.Invoice{}, protocol.FactsChanged.Of(errors.New("delivered quantity is 1, was 2"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() { s.decide(1, "approve") })
	s.at(3*time.Hour, func() {
		st := s.state()
		if open := st.OpenDisputes(); len(s.plans) != 1 || len(open) != 1 || open[0].Expected != usd("60.00") || open[0].Dispute != "acme-7/2" {
			t.Errorf("after the contract changed: %d postings, open %+v; want the old ruling void and a second dispute", len(s.plans), open)
		}
		s.decide(2, "reject")
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
	if len(s.plans) != 2 || s.plans[1].Net != usd("660.00") {
		t.Errorf("posted %+v, want the second over 660.00", s.plans)
	}
}

// TestDisputeThatLostItsObjectIsWithdrawn rates anew before the ruling, since more charges came.
func TestDisputeThatLostItsObjectIsWithdrawn(t *testing.T) {
	s := newStory(t)
	allowed := usd("50.00")
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		r := ratingOf(q)
		for i, l := range r.Lines {
			if l.Side == freight.Buy && l.Code == freight.Detention {
				r.Lines[i].Amount = allowed
			}
		}
		return r, nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() {
		allowed = usd("90.00")
		s.scan(carrierBill(s.Now(), "C2", charged(freight.Linehaul, "79.00")))
	})
	s.at(3*time.Hour, func() {
		st := s.state()
		if len(s.plans) != 1 || len(st.OpenDisputes()) != 0 || !slices.Equal(st.Withdrawn, []freight.DisputeID{"acme-7/1"}) {
			t.Errorf("%d postings, open %+v, withdrawn %v", len(s.plans), st.OpenDisputes(), st.Withdrawn)
		}
		s.paid()
	})
	s.run()
	s.finished(freight.StageClosed)
}

func TestDisputeThatEndedWithoutADecisionIsOpenedAnewWhereTheChargeStillStands(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() {
		s.SignalWorkflow(protocol.DisputeSettled.Name, protocol.Settlement{Dispute: "acme-7/1"}) // as it says when it is cancelled
	})
	s.at(3*time.Hour, func() {
		if open := s.state().OpenDisputes(); len(open) != 1 || open[0].Dispute != "acme-7/2" {
			t.Errorf("open %+v, want the second dispute", open)
		}
		s.decide(1, "approve") // of the one that is over
		s.decide(2, "reject")
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); s.plans[0].Net != usd("650.00") || len(st.Rulings) != 1 {
		t.Errorf("posted %+v, rulings %+v", s.plans, st.Rulings)
	}
}

// TestSettlementSentByHandRulesNothing signals the shipment itself, past the dispute.
func TestSettlementSentByHandRulesNothing(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "90.00")...) })
	s.at(2*time.Hour, func() {
		s.SignalWorkflow(protocol.DisputeSettled.Name, protocol.Settlement{Dispute: "acme-7/1", JWS: "forged"})
		s.SignalWorkflow(protocol.DisputeSettled.Name, protocol.Settlement{Dispute: "acme-7/9", JWS: "approve"})
	})
	s.at(3*time.Hour, func() {
		st := s.state()
		if len(st.Rulings) != 0 || len(s.plans) != 0 || len(st.OpenDisputes()) != 1 || !slices.Contains(st.Exceptions.OpenKinds(), freight.MessageUnreadable) {
			t.Errorf("a forged settlement: rulings %+v, %d postings, open %v", st.Rulings, len(s.plans), st.Exceptions.OpenKinds())
		}
		s.decide(1, "reject")
	})
	s.at(4*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); s.plans[0].Net != usd("650.00") {
		t.Errorf("posted %+v", s.plans)
	}
}

// TestInvoiceThatComesWhileAnotherIsRatedIsRatedToo keeps the engine busy while the second one comes.
func TestInvoiceThatComesWhileAnotherIsRatedIsRatedToo(t *testing.T) {
	s := newStory(t)
	rate, down := s.rate, true
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down && len(q.Charges) > 0 {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return rate(q)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(time.Hour+time.Second, func() { s.scan(carrierBill(s.Now(), "C2", charged(freight.Detention, "50.00"))) })
	s.at(time.Hour+time.Minute, func() { down = false })
	s.at(3*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Disputes) != 0 || len(s.plans) != 1 || s.plans[0].Net != usd("650.00") {
		t.Errorf("disputes %+v, posted %+v; want the second invoice's detention on the one invoice", st.Disputes, s.plans)
	}
}

func TestSameChargeOnASecondInvoiceIsAskedAboutAndBilledOnce(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		s.scan(append(delivered(s.Now()), carrierBill(s.Now(), "C1", charged(freight.Detention, "50.00")), carrierBill(s.Now(), "C2", charged(freight.Detention, "50.00")))...)
	})
	s.at(2*time.Hour, func() {
		if open := s.state().OpenDisputes(); len(s.plans) != 0 || len(open) != 1 || open[0].Rule != freight.RuleTwice || open[0].ChargeRef != "C2/1" {
			t.Errorf("charged twice: %d postings, open %+v", len(s.plans), open)
		}
		s.decide(1, "reject")
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); s.plans[0].Net != usd("650.00") {
		t.Errorf("posted %+v, want detention once", s.plans[0])
	}
}

func TestCorrectedInvoiceUnderANewNumberLetsItGoOn(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		bad := carrierBill(s.Now(), "C1", charged(freight.Linehaul, "80.00"), charged(freight.Detention, "50.00"))
		bad.Invoice.Total = usd("150.00")
		s.scan(append(delivered(s.Now()), bad)...)
	})
	s.at(2*time.Hour, func() {
		if st := s.state(); len(s.plans) != 0 || st.Stage != freight.StageCharges || !slices.Contains(st.Exceptions.OpenKinds(), freight.ChargesInvalid) {
			t.Errorf("lines that do not add up: %d postings, stage %s, open %v", len(s.plans), st.Stage, st.Exceptions.OpenKinds())
		}
		s.scan(carrierBill(s.Now(), "C1A", charged(freight.Linehaul, "80.00"), charged(freight.Detention, "50.00")))
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if st := s.finished(freight.StageClosed); len(s.plans) != 1 || s.plans[0].Net != usd("650.00") || len(st.Exceptions.OpenKinds()) != 0 {
		t.Errorf("posted %+v, open %v", s.plans, st.Exceptions.OpenKinds())
	}
}

func TestChargesThatNeverComeCanBeWaived(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(delivered(s.Now())...) })
	s.at(15*24*time.Hour, func() {
		if !slices.Contains(s.openKinds(), freight.ChargesMissing) || len(s.plans) != 0 {
			t.Errorf("after the window: open %v, %d postings", s.openKinds(), len(s.plans))
		}
		s.resolve(len(s.state().Exceptions), freight.Waive)
	})
	s.at(16*24*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 || s.plans[0].Net != usd("600.00") {
		t.Errorf("posted %+v, want the contract's freight", s.plans)
	}
}

func TestChargeForTheCustomerAfterPostingWaitsForAPerson(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.scan(carrierBill(s.Now(), "C2", charged(freight.Detention, "50.00"))) })
	s.at(3*time.Hour, s.paid)
	s.at(60*24*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageSettlement || !slices.Equal(st.Exceptions.OpenKinds(), []freight.ExceptionKind{freight.LateCharge}) {
			t.Errorf("stage %s, open %v; want it open for finance", st.Stage, st.Exceptions.OpenKinds())
		}
		s.dismissAll(freight.LateCharge)
	})
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings, want the one", len(s.plans))
	}
}

func TestCarriersInvoiceAfterOursIsAuditedAndNeedsNobodyWhereItIsRight(t *testing.T) {
	s := newStory(t)
	in := protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: terms(), Edition: protocol.Carrying}
	in.Terms.Charges.NeedCarrierInvoice = false // bill now, adjust later
	s.at(time.Hour, func() { s.scan(delivered(s.Now())...) })
	s.at(2*time.Hour, func() {
		if len(s.plans) != 1 {
			t.Errorf("%d postings before the carrier's invoice, want 1", len(s.plans))
		}
		s.scan(carrierBill(s.Now(), "C1", charged(freight.Linehaul, "80.00")))
	})
	s.at(3*time.Hour, s.paid)
	s.ExecuteWorkflow(protocol.Shipment.Name, in)
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 0 || st.Audited != 1 {
		t.Errorf("exceptions %+v, audited %d; want none and one", st.Exceptions, st.Audited)
	}
}

func TestCarriersInvoiceAfterOursIsDisputedWhereItIsWrong(t *testing.T) {
	s := newStory(t)
	in := protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: terms(), Edition: protocol.Carrying}
	in.Terms.Charges.NeedCarrierInvoice = false
	s.at(time.Hour, func() { s.scan(delivered(s.Now())...) })
	s.at(2*time.Hour, func() { s.scan(carrierBill(s.Now(), "C1", charged(freight.Linehaul, "180.00"))) })
	s.at(3*time.Hour, func() { s.paid() })
	s.at(4*time.Hour, func() {
		if len(s.state().OpenDisputes()) != 1 {
			t.Error("100.00 over contract, and nobody is asked")
		}
		s.decide(1, "reject")
	})
	s.ExecuteWorkflow(protocol.Shipment.Name, in)
	s.finished(freight.StageClosed)
}

// TestInvoiceThatComesWhileOursIsPostedIsNotLost is the time between validation and Odoo's answer.
func TestInvoiceThatComesWhileOursIsPostedIsNotLost(t *testing.T) {
	s := newStory(t)
	post, down := s.post, true
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if down {
			return freight.Invoice{}, protocol.Transient.Of(errors.New("Odoo is down"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(time.Hour+time.Minute, func() { s.scan(carrierBill(s.Now(), "C2", charged(freight.Detention, "50.00"))) })
	s.at(time.Hour+3*time.Minute, func() { down = false })
	s.at(4*time.Hour, func() {
		if !slices.Contains(s.openKinds(), freight.LateCharge) {
			t.Errorf("open %+v, want the late charge", s.state().Exceptions)
		}
		s.dismissAll(freight.LateCharge)
		s.paid()
	})
	s.run()
	s.finished(freight.StageClosed)
}

// TestFreightIsRatedByWhatWasDelivered: what was ordered may still lie in the warehouse.
func TestFreightIsRatedByWhatWasDelivered(t *testing.T) {
	s := newStory(t)
	s.weight = "60"
	var weights []string
	s.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		weights = append(weights, q.Weight)
		return ratingOf(q), nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); !slices.Equal(weights, []string{"120", "60"}) {
		t.Errorf("rated %v kg, want the estimate by the order's weight and the invoice by the delivery's", weights)
	}
}

// TestWhatBlocksThePostingDoesNotKeepTheChargesFromBeingAudited, and is looked at again by itself when charges come.
func TestWhatBlocksThePostingDoesNotKeepTheChargesFromBeingAudited(t *testing.T) {
	s := newStory(t)
	s.blockers = []string{"delivery WH/OUT/7 is not validated in Odoo: validate it"}
	s.at(time.Hour, func() {
		s.scan(append(delivered(s.Now()), carrierBill(s.Now(), "C1", charged(freight.Linehaul, "95.00")))...)
	})
	s.at(2*time.Hour, func() {
		st := s.state()
		if len(s.plans) != 0 || len(st.OpenDisputes()) != 1 || !slices.Contains(st.Exceptions.OpenKinds(), freight.PostingFailed) {
			t.Errorf("%d postings, disputes %+v, open %v", len(s.plans), st.OpenDisputes(), st.Exceptions.OpenKinds())
		}
		s.blockers, s.weight = nil, "60"
		for _, e := range st.Exceptions {
			if e.Kind == freight.PostingFailed {
				s.resolve(e.ID, freight.Retry)
			}
		}
		s.decide(1, "reject")
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.plans) != 1 {
		t.Errorf("%d postings", len(s.plans))
	}
}

func TestChargeInAnotherCurrencyStopsTheCarriersPaymentOnly(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() {
		bill := carrierBill(s.Now(), "C1", freight.Charge{Code: freight.Linehaul, Amount: freight.MustMoney("80.00 EUR")})
		bill.Invoice.Total = freight.MustMoney("80.00 EUR")
		s.scan(append(delivered(s.Now()), bill)...)
	})
	s.at(2*time.Hour, func() { s.paid() })
	s.at(10*24*time.Hour, func() {
		if st := s.state(); len(s.plans) != 1 || !slices.Equal(st.Exceptions.OpenKinds(), []freight.ExceptionKind{freight.PayableHeld}) || st.Stage != freight.StageSettlement {
			t.Errorf("%d postings, stage %s, open %v", len(s.plans), st.Stage, st.Exceptions.OpenKinds())
		}
		s.dismissAll(freight.PayableHeld)
	})
	s.run()
	s.finished(freight.StageClosed)
}

func TestFactsThatKeepChangingAreShownToAPerson(t *testing.T) {
	s := newStory(t)
	post, broken := s.post, true
	s.post = func(p freight.InvoicePlan) (freight.Invoice, error) {
		if broken {
			return freight.Invoice{}, protocol.FactsChanged.Of(errors.New("the unit of measure is another"))
		}
		return post(p)
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() {
		if st := s.state(); len(s.plans) != 3 || !slices.Contains(st.Exceptions.OpenKinds(), freight.PostingFailed) {
			t.Errorf("asked to post %d times, open %v; want 3 and a person", len(s.plans), st.Exceptions.OpenKinds())
		}
		broken = false
		s.resolve(1, freight.Retry)
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	s.finished(freight.StageClosed)
}

func TestBillingOutageDoesNotKeepTheInvoiceFromFinance(t *testing.T) {
	s := newStory(t)
	down := true
	s.commit = func() error {
		if down {
			return protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return nil
	}
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(time.Hour+time.Minute, func() {
		if len(s.notices) != 1 || s.state().Invoice == nil {
			t.Errorf("finance was told %d times with billing down, want once", len(s.notices))
		}
		down = false
	})
	s.at(3*time.Hour, s.paid)
	s.run()
	if s.finished(freight.StageClosed); len(s.notices) != 1 || s.state().Draft != "D1" {
		t.Errorf("finance told %d times, draft %q", len(s.notices), s.state().Draft)
	}
}

func (s *story) pay(state freight.InvoiceState, residual string, seen time.Time) {
	s.SignalWorkflow(protocol.PaymentSeen.Name, freight.Payment{Move: 99, State: state, Residual: usd(residual), SeenAt: seen})
}

func TestPaymentInPartKeepsTheShipmentOpenUntilTheRestIsPaid(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.pay(freight.InvoicePartPaid, "100.00", s.Now()) })
	s.at(3*time.Hour, func() { s.pay(freight.InvoicePaid, "0.01", s.Now()) })
	s.at(4*time.Hour, func() {
		if st := s.state(); st.Stage != freight.StageSettlement || st.Shown.InvoiceState != freight.InvoicePaid {
			t.Errorf("a cent open: stage %s, shown %s", st.Stage, st.Shown.InvoiceState)
		}
		s.pay(freight.InvoicePartPaid, "100.00", s.Now().Add(-2*time.Hour)) // late, and older
		s.pay(freight.InvoicePaid, "0.00", s.Now())
	})
	s.run()
	if st := s.finished(freight.StageClosed); st.Payment.Residual != usd("0.00") {
		t.Errorf("payment %+v", st.Payment)
	}
}

func TestInvoiceCreditedInFullIsSettled(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.pay(freight.InvoiceReversed, "0.00", s.Now()) })
	s.run()
	if st := s.finished(freight.StageClosed); st.Payment.State != freight.InvoiceReversed {
		t.Errorf("payment %+v", st.Payment)
	}
}

func TestPaymentSeenByAClockThatGoesAheadDoesNotOutvoteTheNext(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(2*time.Hour, func() { s.pay(freight.InvoicePartPaid, "100.00", s.Now().Add(24*365*time.Hour)) })
	s.at(3*time.Hour, func() { s.pay(freight.InvoicePaid, "0.00", s.Now()) })
	s.run()
	s.finished(freight.StageClosed)
}

func TestInvoiceThatIsOverdueIsPointedOutOnceAndSettledByThePayment(t *testing.T) {
	s := newStory(t)
	s.at(time.Hour, func() { s.scan(carried(s.Now(), "")...) })
	s.at(31*24*time.Hour, func() {
		if !slices.Equal(s.openKinds(), []freight.ExceptionKind{freight.PaymentOverdue}) {
			t.Errorf("open %v, want the overdue payment", s.openKinds())
		}
		s.paid()
	})
	s.run()
	if st := s.finished(freight.StageClosed); len(st.Exceptions) != 1 || st.Exceptions[0].Times != 1 {
		t.Errorf("exceptions %+v, want the one, once", st.Exceptions)
	}
}
