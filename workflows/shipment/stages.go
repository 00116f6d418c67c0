package shipment

import (
	"fmt"
	"strconv"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// arrangeCarriage claims the delivery in Odoo, asks the TMS to move it, waits for a carrier to accept, and asks the
// warehouse for the goods where the route names one.
func (r *run) arrangeCarriage(ctx workflow.Context) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	if err := r.readTerms(ctx); err != nil {
		return err
	}
	if err := r.findCarrier(ctx); err != nil {
		return err
	}
	return r.askWarehouse(ctx)
}

// findCarrier asks the TMS, anew after a decline where a person says so, until a carrier has accepted.
func (r *run) findCarrier(ctx workflow.Context) error {
	for {
		if err := r.tender(ctx); err != nil {
			return err
		}
		declined := func() bool { return r.s.Declined == r.s.Tenders }
		if err := r.await(ctx, func() bool { return r.s.Journey.Accepted() || declined() }); err != nil {
			return err
		}
		if r.s.Journey.Accepted() {
			r.settle(ctx, freight.TenderOverdue, "", "accepted")
			if declined() {
				r.settle(ctx, freight.TenderWasDeclined, freight.TenderRef(r.s.Tenders), "accepted after all")
			}
			return nil
		}
		ref := freight.TenderRef(r.s.Tenders)
		if r.s.Exceptions.Answered(freight.TenderWasDeclined, ref, freight.Retry) {
			r.s.Booking = freight.Booking{} // ask anew
			continue
		}
		if err := r.park(ctx, freight.TenderWasDeclined, ref, "the tender was declined", r.acceptance(ctx)); err != nil {
			return err
		}
	}
}

// claimKey is the key of the claim.
const claimKey = "claim"

func (r *run) claim(ctx workflow.Context) error {
	if r.claimed() {
		return nil
	}
	err := r.insist(ctx, step[protocol.ClaimRequest, freight.Release]{
		do: protocol.ClaimDelivery, key: claimKey, summary: r.what(), kind: freight.PartnerFailed, ends: protocol.NotOurs,
		in: func() protocol.ClaimRequest {
			return protocol.ClaimRequest{Shipment: r.s.ID, Picking: r.in.Picking, Load: r.in.Load}
		},
		take: func(release freight.Release) { r.takeClaim(ctx, release) },
	})
	if err != nil && !isControl(err) {
		r.s.Cancel = &freight.CancelRequest{By: waybill, Reason: protocol.Words(err), At: workflow.Now(ctx)}
		return errCancelled
	}
	return err
}

// what is what is claimed, in words.
func (r *run) what() string {
	if r.in.Load != nil {
		return fmt.Sprintf("load %s of %s", r.in.Load.ID, r.in.Load.Source)
	}
	return "delivery " + strconv.FormatInt(r.in.Picking, 10)
}

func (r *run) takeClaim(ctx workflow.Context, release freight.Release) {
	r.s.Release = release
	r.s.Shown = r.s.Report() // the claim writes the first status
	r.s.Unregistered = append(r.s.Unregistered, r.s.References()...)
	what := "delivery " + release.PickingName
	if r.in.Load != nil {
		what = r.what()
	}
	r.note(ctx, freight.AuditClaimed, r.in.ReleasedBy, what+" of order "+release.OrderName)
}

func (r *run) readTerms(ctx workflow.Context) error {
	if r.s.Terms.Policy != "" {
		return nil
	}
	q := protocol.TermsRequest{Customer: r.s.Release.Customer, Currency: r.s.Release.Currency}
	return r.insist(ctx, step[protocol.TermsRequest, freight.Terms]{
		do: protocol.ReadTerms, key: "terms", summary: "policy of " + string(q.Customer), kind: freight.PartnerFailed,
		in:   func() protocol.TermsRequest { return q },
		take: func(t freight.Terms) { r.s.Terms = t },
	})
}

// tender asks the TMS, once for each tender number.
func (r *run) tender(ctx workflow.Context) error {
	if r.s.Booking.Ref != "" {
		return nil
	}
	if r.s.Tenders == r.s.Declined {
		r.s.Tenders++
		r.s.Tendered = workflow.Now(ctx)
	}
	var said *protocol.RecordRequest
	return r.insist(ctx, step[protocol.TransportRequest, protocol.Booked]{
		do: protocol.RequestCarrier, key: "tender", summary: freight.TenderRef(r.s.Tenders), kind: freight.PartnerFailed,
		in: func() protocol.TransportRequest {
			said = r.carry(ctx)
			return protocol.TransportRequest{Shipment: r.s.ID, Tender: r.s.Tenders, Release: r.s.Release, Record: said}
		},
		take: func(b protocol.Booked) { r.takeBooking(ctx, b, said) },
	})
}

func (r *run) takeBooking(ctx workflow.Context, b protocol.Booked, said *protocol.RecordRequest) {
	r.s.Booking = b.Booking
	r.note(ctx, freight.AuditTendered, waybill, "TMS "+b.Ref)
	if b.Recorded && said != nil {
		r.said(*said)
		return
	}
	r.s.Unregistered = append(r.s.Unregistered, b.References()...)
}

func (r *run) ratingRequest(final bool) protocol.RatingRequest {
	q := protocol.RatingRequest{
		Shipment: r.s.ID, Contract: r.s.Terms.Contract, Carrier: r.s.Release.Carrier, ShipDate: r.s.Since,
		Currency: r.s.Terms.Currency, ShipTo: r.s.Release.ShipTo, Weight: r.s.Release.Weight, Pieces: r.s.Release.Pieces,
		Target: r.s.Release.Route.Billing,
	}
	if final {
		q.Weight, q.Pieces = r.s.Carried()
		q.Carrier, q.Charges = r.s.Carrier(), r.s.Journey.Charges()
		if at := r.s.Journey.At(freight.PickedUp); !at.IsZero() {
			q.ShipDate = at
		}
	}
	return q
}

// followTheFreight waits for the delivery, all pieces of it. Trouble opens an exception; the wait goes on.
func (r *run) followTheFreight(ctx workflow.Context) error {
	if err := r.await(ctx, r.s.Delivered); err != nil {
		return err
	}
	r.settle(ctx, freight.DeliveryOverdue, "", "delivered")
	return nil
}

// proveDelivery waits for the proof the customer wants.
func (r *run) proveDelivery(ctx workflow.Context) error {
	if err := r.await(ctx, func() bool { return r.s.PODWanted() == "" }); err != nil {
		return err
	}
	r.settle(ctx, freight.PODMissing, "", "proof came")
	return nil
}

// gatherCharges waits for a carrier's invoice that can be used, where the customer's terms want it first.
func (r *run) gatherCharges(ctx workflow.Context) error {
	complete := func() bool {
		return !r.s.Terms.Charges.NeedCarrierInvoice || len(r.s.Journey.Usable()) > 0 || r.s.ChargesWaived()
	}
	if err := r.await(ctx, complete); err != nil {
		return err
	}
	r.settle(ctx, freight.ChargesMissing, "", "charges came")
	if len(r.s.Journey.Usable()) > 0 {
		r.settle(ctx, freight.ChargesInvalid, "", "an invoice came that can be used")
	}
	return nil
}

// invoice posts what was validated, once, and tells the billing engine and the finance platform.
func (r *run) invoice(ctx workflow.Context) error {
	if r.s.Plan == nil {
		return nil // nothing for us to bill
	}
	if err := r.post(ctx); err != nil {
		return err
	}
	var tell []asker
	if r.s.Draft == "" {
		tell = append(tell, r.commitDraft())
	}
	if r.s.Told == "" {
		tell = append(tell, r.tellFinance(ctx))
	}
	return r.insist(ctx, tell...)
}

// changesInRow is how often facts may be found changed at posting before a person is asked: what Odoo answers and what
// it accepts may contradict each other for ever.
const changesInRow = 3

func (r *run) post(ctx workflow.Context) error {
	if r.s.Invoice != nil {
		return nil
	}
	r.shielded = true
	defer func() { r.shielded = false }()
	var said *protocol.RecordRequest
	err := r.insist(ctx, step[protocol.PostingRequest, protocol.Posted]{
		do: protocol.PostInvoice, key: r.s.Plan.Key, summary: "post " + r.s.Plan.Net.String() + " net", kind: freight.PostingFailed, ends: protocol.FactsChanged,
		in: func() protocol.PostingRequest {
			said = r.carry(ctx)
			return protocol.PostingRequest{InvoicePlan: *r.s.Plan, Record: said}
		},
		take: func(p protocol.Posted) {
			if p.Recorded && said != nil {
				r.said(*said)
			}
			r.takeInvoice(ctx, p.Invoice)
		},
	})
	if err == nil || isControl(err) {
		return err
	}
	return r.revalidate(ctx, protocol.Words(err))
}

func (r *run) takeInvoice(ctx workflow.Context, inv freight.Invoice) {
	r.s.Invoice, r.s.Changed = &inv, 0
	r.settle(ctx, freight.PostingFailed, "changed", "posted")
	r.note(ctx, freight.AuditPosted, waybill, fmt.Sprintf("%s over %s net, %s total", inv.Number, inv.Net, inv.Total))
	r.s.SayPosted(inv)
}

// revalidate drops a plan whose facts have changed. Where that does not help, a person looks first.
func (r *run) revalidate(ctx workflow.Context, why string) error {
	r.note(ctx, freight.AuditRefusedAsk, waybill, why)
	r.s.Changed++
	if r.s.Changed%changesInRow == 0 {
		if err := r.park(ctx, freight.PostingFailed, "changed", fmt.Sprintf("found changed %d times in a row: %s", r.s.Changed, why), nil); err != nil {
			return err
		}
	}
	r.s.Plan, r.s.Validation, r.s.Billable = nil, nil, nil
	return errRevalidate
}

func (r *run) commitDraft() asker {
	return step[protocol.DraftRequest, protocol.Draft]{
		do: protocol.CommitDraft, key: "draft", summary: r.s.Plan.Key, kind: freight.PartnerFailed,
		in: func() protocol.DraftRequest {
			v := r.s.Validation
			return protocol.DraftRequest{Plan: *r.s.Plan, Customer: r.s.Release.Customer, RatingHash: v.RatingHash, Contract: v.Contract, Version: v.Version, Target: r.s.Release.Route.Billing}
		},
		take: func(d protocol.Draft) { r.s.Draft = d.ID },
	}
}

func (r *run) tellFinance(ctx workflow.Context) asker {
	return step[protocol.FinanceNotice, protocol.FinanceReceipt]{
		do: protocol.TellFinance, key: "finance", summary: r.s.Invoice.Number, kind: freight.PartnerFailed,
		in: func() protocol.FinanceNotice {
			return protocol.FinanceNotice{Key: r.s.Plan.Key, Shipment: r.s.ID, Customer: r.s.Release.Customer, OrderName: r.s.Release.OrderName, Invoice: *r.s.Invoice, Target: r.s.Release.Route.Finance}
		},
		take: func(f protocol.FinanceReceipt) {
			r.s.Told = f.Number
			r.note(ctx, freight.AuditTold, waybill, "finance platform number "+f.Number)
		},
	}
}

// awaitPayment waits until the invoice is paid, nothing is left to decide, and late adjustments had their time. What
// carriers charge meanwhile is audited as it comes.
func (r *run) awaitPayment(ctx workflow.Context) error {
	late := func() bool { return r.moreCharges() && r.s.Invoice != nil }
	for {
		if err := r.await(ctx, func() bool { return late() || r.mayDispute() || r.s.Quiet(workflow.Now(ctx)) }); err != nil {
			return err
		}
		switch {
		case late():
			if err := r.auditLate(ctx); err != nil {
				return err
			}
		case r.mayDispute():
			if err := r.dispute(ctx); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// auditLate audits what came after our invoice was made. What the customer would have to pay of it goes to a person.
func (r *run) auditLate(ctx workflow.Context) error {
	if err := r.audit(ctx); err != nil {
		return err
	}
	late := func(ref, detail string) {
		if !r.s.Exceptions.Answered(freight.LateCharge, ref, freight.Dismiss) {
			r.raise(ctx, freight.LateCharge, ref, detail)
		}
	}
	if r.s.Rating == nil {
		late("rating", "a carrier's invoice came after "+r.s.Invoice.Number+" was made, and cannot be rated: "+r.s.NoContract)
	}
	for _, l := range r.s.Unbilled() {
		late(l.ChargeRef, fmt.Sprintf("%s of %s (charge %s) came after %s was made", l.Code, l.Amount, l.ChargeRef, r.s.Invoice.Number))
	}
	return nil
}
