package shipment

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// readMessages connects every signal to the inbox. What cannot be read becomes an exception.
func (r *run) readMessages(ctx workflow.Context) {
	bad := func(err error) { r.raise(ctx, freight.MessageUnreadable, "", err.Error()) }
	protocol.Scans.On(ctx, r.inbox, func(b protocol.ScanBatch) { r.applyScans(ctx, b) }, bad)
	protocol.PaymentSeen.On(ctx, r.inbox, func(p freight.Payment) { r.seePayment(ctx, p) }, bad)
	protocol.CancelAsked.On(ctx, r.inbox, func(c freight.CancelRequest) { r.hearCancelRequest(ctx, c) }, bad)
	protocol.ResolveAsked.On(ctx, r.inbox, func(q protocol.ResolveRequest) { r.resolve(ctx, q) }, bad)
	protocol.DisputeSettled.On(ctx, r.inbox, func(m protocol.Settlement) { r.hearSettlement(ctx, m) }, bad)
	protocol.OrderSeen.On(ctx, r.inbox, func(o freight.Ordered) { r.seeOrder(ctx, o) }, bad)
	protocol.NumbersKnown.On(ctx, r.inbox, func(g freight.NumbersGiven) { r.hearNumbers(ctx, g) }, bad)
}

// applyScans folds scans in, each number once. One that cannot be read keeps its number free: mended, it may be sent
// again.
func (r *run) applyScans(ctx workflow.Context, b protocol.ScanBatch) {
	defer r.judge(ctx, r.known())
	for _, s := range b.Scans {
		if err := s.Check(); err != nil {
			r.raise(ctx, freight.MessageUnreadable, "scan", fmt.Sprintf("scan %d of %s: %v", s.Number, s.Source, err))
			continue
		}
		if !r.s.Take(s.Number) {
			r.s.Repeats++
			continue
		}
		r.scans++
		r.applyScan(ctx, s)
	}
}

func (r *run) applyScan(ctx workflow.Context, s freight.Scan) {
	if why := r.s.Forbids(s); why != "" {
		r.raise(ctx, freight.ScanRefused, s.Source, why)
		r.s.Refuse(s)
		return
	}
	r.hearDecline(ctx, s)
	bills, first := len(r.s.Journey.Invoices), r.s.Journey.At(s.Milestone)
	if !r.s.Journey.Apply(s) || s.Classifier != freight.Actual {
		return
	}
	if inv := s.Invoice; inv != nil && len(r.s.Journey.Invoices) > bills {
		r.note(ctx, freight.AuditCharges, s.Source, fmt.Sprintf("invoice %s of %s over %s", inv.Number, inv.Carrier, inv.Total))
		if flaw := r.s.Journey.Flaw(inv.Number); flaw != "" {
			r.raise(ctx, freight.ChargesInvalid, inv.Number, flaw)
		}
	}
	if s.Milestone.Trouble() && !first.Equal(r.s.Journey.At(s.Milestone)) {
		r.ill = append(r.ill, s)
	}
	r.settleDelivery(ctx)
}

// hearDecline notes that the tender under way was declined. A scan that is older than it is about the one before.
func (r *run) hearDecline(ctx workflow.Context, s freight.Scan) {
	if s.Milestone != freight.TenderDeclined || s.Classifier != freight.Actual || r.s.Tenders > 1 && s.OccurredAt.Before(r.s.Tendered) {
		return
	}
	if r.s.Stage == freight.StageFulfilment && !r.s.Journey.Accepted() {
		r.s.Declined = r.s.Tenders
		return
	}
	if !r.s.Journey.Moving() {
		r.raise(ctx, freight.TenderWasDeclined, freight.TenderRef(r.s.Tenders), "the carrier gave the tender back after it had accepted it")
	}
}

// settleDelivery shows what is short of a delivery, for as long as it is.
func (r *run) settleDelivery(ctx workflow.Context) {
	short := r.s.Shortage()
	if r.s.Exceptions.IsOpen(freight.PODShort, short) {
		return
	}
	r.settle(ctx, freight.PODShort, "", "more was delivered since")
	if short != "" && !r.s.Delivered() && !r.s.AwaitsRest() {
		r.raise(ctx, freight.PODShort, short, "delivered: "+short)
	}
}

// seePayment takes Odoo's newest word on our invoice.
func (r *run) seePayment(ctx workflow.Context, p freight.Payment) {
	if now := workflow.Now(ctx); p.SeenAt.After(now) {
		p.SeenAt = now // a clock that goes ahead must not outvote what is seen later
	}
	if r.s.Invoice == nil || p.Move != r.s.Invoice.Move || !p.SeenAt.After(r.s.Payment.SeenAt) || p.Same(r.s.Payment) {
		return
	}
	r.s.Payment = p
	r.note(ctx, freight.AuditPaid, "odoo", fmt.Sprintf("%s, %s open", p.State, p.Residual))
	if r.s.Paid() {
		r.settle(ctx, freight.PaymentOverdue, "", string(p.State))
	}
}

// resolve answers a person's request about an exception.
func (r *run) resolve(ctx workflow.Context, q protocol.ResolveRequest) {
	now := workflow.Now(ctx)
	reply := r.s.Resolve(freight.ResolveReply{Exception: q.Exception, Action: q.Action, By: q.By, Reason: q.Reason, At: now})
	if reply.Refusal != "" {
		if len(r.s.Unsaid) < lotsUnsaid {
			r.note(ctx, freight.AuditRefusedAsk, q.By, reply.Refusal)
		}
		return
	}
	e, _ := r.s.Exceptions.ByID(q.Exception)
	r.note(ctx, freight.AuditResolved, q.By, fmt.Sprintf("exception %d: %s: %s", q.Exception, q.Action, q.Reason), *e)
	r.s.SayEnded(*e)
	r.urgent = true
	switch {
	case e.Kind == freight.ReportRefused && e.Ref == statusKey:
		r.s.Shown, r.s.Filed = freight.StatusReport{}, nil // show it again
	case (e.Kind == freight.FreightInTrouble || e.Kind == freight.ReturnToSender) && q.Action == freight.Dismiss:
		r.applyRefused(ctx)
	case q.Action == freight.Abandon:
		r.s.Cancel = &freight.CancelRequest{By: q.By, Reason: q.Reason, At: now, Final: true}
	}
}

// applyRefused takes the scans that could not be true before a person said that the freight moves again.
func (r *run) applyRefused(ctx workflow.Context) {
	defer r.judge(ctx, r.known())
	kept := slices.Clone(r.s.Refused)
	r.s.Refused = nil
	for _, s := range kept {
		r.applyScan(ctx, s)
	}
}
