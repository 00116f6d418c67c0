package shipment

import (
	"errors"
	"fmt"
	"strconv"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// arrangeCarriage claims the delivery in Odoo, asks the TMS to move it, and waits for a carrier to accept.
func (r *run) arrangeCarriage(ctx workflow.Context) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	if err := r.readTerms(ctx); err != nil {
		return err
	}
	for {
		if err := r.tender(ctx); err != nil {
			return err
		}
		if err := r.estimate(ctx); err != nil {
			return err
		}
		declined := func() bool { return r.s.Declined == r.s.Tenders }
		if err := r.await(ctx, func() bool { return r.s.Journey.Accepted() || declined() }); err != nil {
			return err
		}
		if r.s.Journey.Accepted() {
			r.settleException(ctx, freight.TenderOverdue, "", "accepted")
			return nil
		}
		ref := "tender-" + strconv.Itoa(r.s.Tenders)
		if err := r.park(ctx, freight.TenderWasDeclined, ref, "the tender was declined", r.s.Journey.Accepted); err != nil {
			return err
		}
		if !r.s.Journey.Accepted() {
			r.s.Booking = freight.Booking{} // ask anew
		}
	}
}

func (r *run) claim(ctx workflow.Context) error {
	if r.claimed() {
		return nil
	}
	q := protocol.ClaimRequest{Shipment: r.s.ID, Picking: r.in.Picking}
	release, err := insist(ctx, r, protocol.ClaimDelivery, freight.PartnerFailed, "claim", "delivery "+strconv.FormatInt(r.in.Picking, 10), func() protocol.ClaimRequest { return q })
	if protocol.Ends(err) && !isControl(err) {
		r.s.Cancel = &freight.CancelRequest{By: waybill, Reason: protocol.Words(err), At: workflow.Now(ctx)}
		return errCancelled
	}
	if err != nil {
		return err
	}
	r.s.Release = release
	r.s.Shown = r.s.Report() // the claim writes the first status
	r.refs = append(r.refs, references(r.s)...)
	r.note(ctx, freight.AuditClaimed, r.in.ReleasedBy, fmt.Sprintf("delivery %s of order %s", release.PickingName, release.OrderName))
	return nil
}

// references are the numbers under which partners may speak of the shipment.
func references(s *freight.Shipment) (rs []freight.Reference) {
	add := func(k freight.ReferenceKind, c freight.CarrierCode, v string) {
		if v != "" {
			rs = append(rs, freight.Reference{Kind: k, Carrier: c, Value: v})
		}
	}
	add(freight.RefShipment, "", string(s.ID))
	add(freight.RefOrder, "", s.Release.OrderName)
	add(freight.RefCustomer, "", s.Release.CustomerPO)
	add(freight.RefBOL, "", s.Release.PickingName)
	add(freight.RefPRO, s.Booking.Carrier, s.Booking.PRO)
	return rs
}

func (r *run) readTerms(ctx workflow.Context) (err error) {
	if r.s.Terms.Policy != "" {
		return nil
	}
	q := protocol.TermsRequest{Customer: r.s.Release.Customer, Currency: r.s.Release.Currency}
	r.s.Terms, err = insist(ctx, r, protocol.ReadTerms, freight.PartnerFailed, "terms", string(q.Customer), func() protocol.TermsRequest { return q })
	return err
}

// tender asks the TMS, once for each tender number.
func (r *run) tender(ctx workflow.Context) error {
	if r.s.Booking.Ref != "" {
		return nil
	}
	if r.s.Tenders == r.s.Declined {
		r.s.Tenders++
	}
	q := func() protocol.TransportRequest {
		return protocol.TransportRequest{Shipment: r.s.ID, Tender: r.s.Tenders, Release: r.s.Release}
	}
	b, err := insist(ctx, r, protocol.RequestCarrier, freight.PartnerFailed, "tender", "tender "+strconv.Itoa(r.s.Tenders), q)
	if err != nil {
		return err
	}
	r.s.Booking = b
	r.note(ctx, freight.AuditTendered, waybill, "TMS "+b.Ref)
	if b.PRO != "" {
		r.refs = append(r.refs, freight.Reference{Kind: freight.RefPRO, Carrier: b.Carrier, Value: b.PRO})
	}
	return nil
}

// estimate asks what the freight should cost. That there is no contract yet does not stop the freight: it is
// pointed out now, so that the delivery does not find it.
func (r *run) estimate(ctx workflow.Context) error {
	if r.s.Estimate.Stated() || r.s.Terms.Scope == freight.BillsNothing {
		return nil
	}
	rating, err := ask(ctx, r, protocol.RateShipment, "estimate", "estimate", r.ratingRequest(false))
	switch {
	case err == nil:
		r.s.Estimate = rating.Total
	case isControl(err):
		return err
	default:
		r.note(ctx, freight.AuditRated, waybill, "no estimate: "+protocol.Words(err))
	}
	return nil
}

func (r *run) ratingRequest(final bool) protocol.RatingRequest {
	q := protocol.RatingRequest{
		Shipment: r.s.ID, Contract: r.s.Terms.Contract, Carrier: r.s.Release.Carrier, ShipDate: r.s.Since,
		Currency: r.s.Terms.Currency, ShipTo: r.s.Release.ShipTo, Weight: r.s.Release.Weight, Pieces: r.s.Release.Pieces,
	}
	if final {
		q.Carrier, q.Charges = r.s.Carrier(), r.s.Journey.Charges()
		if at := r.s.Journey.At(freight.PickedUp); !at.IsZero() {
			q.ShipDate = at
		}
	}
	return q
}

// followTheFreight waits for the delivery. Trouble opens an exception; the wait goes on.
func (r *run) followTheFreight(ctx workflow.Context) error {
	err := r.await(ctx, func() bool { return r.s.Journey.Has(freight.Delivered) })
	if err != nil {
		return err
	}
	r.settleException(ctx, freight.DeliveryOverdue, "", "delivered")
	return nil
}

// proveDelivery waits for the proof the customer wants, and for all pieces.
func (r *run) proveDelivery(ctx workflow.Context) error {
	proved := func() bool { return freight.ProofOf(r.s.Journey, r.s.Terms.POD) == "" }
	if err := r.await(ctx, proved); err != nil {
		return err
	}
	r.settleException(ctx, freight.PODMissing, "", "proof came")
	if p := r.s.Journey.Pieces; p.Short() {
		return r.park(ctx, freight.PODShort, "", fmt.Sprintf("%d of %d pieces were delivered", p.Delivered, p.Expected), func() bool { return !r.s.Journey.Pieces.Short() })
	}
	return nil
}

// gatherCharges waits for the carrier's invoice where the customer's terms want it first.
func (r *run) gatherCharges(ctx workflow.Context) error {
	complete := func() bool { return !r.s.Terms.Charges.NeedCarrierInvoice || len(r.s.Journey.Invoices) > 0 }
	if err := r.await(ctx, complete); err != nil {
		return err
	}
	r.settleException(ctx, freight.ChargesMissing, "", "charges came")
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
	if err := r.commitDraft(ctx); err != nil {
		return err
	}
	return r.tellFinance(ctx)
}

func (r *run) post(ctx workflow.Context) error {
	if r.s.Invoice != nil {
		return nil
	}
	r.shielded = true
	defer func() { r.shielded = false }()
	inv, err := insist(ctx, r, protocol.PostInvoice, freight.PostingFailed, r.s.Plan.Key, r.s.Plan.Net.String(), func() freight.InvoicePlan { return *r.s.Plan })
	if !isControl(err) && protocol.Ends(err) {
		r.note(ctx, freight.AuditRefusedAsk, waybill, protocol.Words(err))
		r.s.Plan, r.s.Validation, r.s.Billable = nil, nil, nil
		return errRevalidate
	}
	if err != nil {
		return err
	}
	r.s.Invoice = &inv
	r.note(ctx, freight.AuditPosted, waybill, fmt.Sprintf("%s over %s net, %s total", inv.Number, inv.Net, inv.Total))
	return nil
}

func (r *run) commitDraft(ctx workflow.Context) error {
	if r.s.Draft != "" {
		return nil
	}
	q := protocol.DraftRequest{Plan: *r.s.Plan, Customer: r.s.Release.Customer, RatingHash: r.s.Rating.Hash, Contract: r.s.Rating.Contract, Version: r.s.Rating.Version}
	d, err := insist(ctx, r, protocol.CommitDraft, freight.PartnerFailed, "draft", r.s.Plan.Key, func() protocol.DraftRequest { return q })
	if err != nil {
		return unlessEnds(err)
	}
	r.s.Draft = d.ID
	return nil
}

func (r *run) tellFinance(ctx workflow.Context) error {
	if r.s.Told != "" {
		return nil
	}
	q := protocol.FinanceNotice{Key: r.s.Plan.Key, Shipment: r.s.ID, Customer: r.s.Release.Customer, OrderName: r.s.Release.OrderName, Invoice: *r.s.Invoice}
	receipt, err := insist(ctx, r, protocol.TellFinance, freight.PartnerFailed, "finance", r.s.Invoice.Number, func() protocol.FinanceNotice { return q })
	if err != nil {
		return unlessEnds(err)
	}
	r.s.Told = receipt.Number
	r.note(ctx, freight.AuditTold, waybill, "finance platform number "+receipt.Number)
	return nil
}

// unlessEnds lets the story go on from an answer that has no meaning at this step: the invoice is posted,
// and what a partner makes of it is shown by reconciliation.
func unlessEnds(err error) error {
	if isControl(err) || !protocol.Ends(err) {
		return err
	}
	return nil
}

// settle waits until the invoice is paid, no dispute is open, and late adjustments had their time.
func (r *run) settle(ctx workflow.Context) error {
	return r.await(ctx, func() bool { return r.s.Quiet(workflow.Now(ctx)) })
}

// callOff cancels the shipment: the TMS first. It reports false where the freight turns out to have left;
// then the story goes on.
func (r *run) callOff(ctx workflow.Context) (done bool, err error) {
	wasShielded := r.shielded
	r.shielded = true
	if err := r.stopAndWait(ctx); err != nil {
		return false, err
	}
	refusal, err := r.cancelCarrier(ctx)
	if err != nil {
		return false, err
	}
	if refusal != "" && (r.s.Cancel == nil || !r.s.Cancel.Final) {
		r.shielded, r.cancelled, r.s.Cancel = wasShielded, false, nil
		r.raise(ctx, freight.CancelTooLate, "", "the TMS does not cancel it: "+refusal)
		return false, nil
	}
	r.note(ctx, freight.AuditCancelled, r.canceller(), r.cancelReason())
	return true, r.close(ctx, freight.StageCancelled)
}

func (r *run) canceller() string {
	if r.s.Cancel != nil {
		return r.s.Cancel.By
	}
	return "operator"
}

func (r *run) cancelReason() string {
	if r.s.Cancel != nil {
		return r.s.Cancel.Reason
	}
	return "cancelled in Temporal"
}

func (r *run) stopAndWait(ctx workflow.Context) error {
	r.leaving = true
	r.stopCalls()
	err := r.await(ctx, func() bool { return len(r.calls) == 0 })
	r.leaving = false
	return err
}

// cancelCarrier asks the TMS to stop, also where the reply to our request was never seen.
func (r *run) cancelCarrier(ctx workflow.Context) (refusal string, err error) {
	if r.s.Tenders == 0 {
		return "", nil
	}
	q := protocol.TransportCancel{Shipment: r.s.ID, Tender: r.s.Tenders, Booking: r.s.Booking.Ref, Reason: r.cancelReason()}
	answer, err := insist(ctx, r, protocol.CancelCarrier, freight.PartnerFailed, "cancel", r.cancelReason(), func() protocol.TransportCancel { return q })
	if err != nil && !errors.Is(err, errCancelled) {
		return "", unlessEnds(err)
	}
	return answer.Refusal, nil
}
