package shipment

import (
	"fmt"

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
	protocol.DisputeSettled.On(ctx, r.inbox, func(g freight.Ruling) { r.applyRuling(ctx, g) }, bad)
}

// applyScans folds scans in by their number: those at or below the high-water mark came before.
func (r *run) applyScans(ctx workflow.Context, b protocol.ScanBatch) {
	for _, s := range b.Scans {
		if s.Number <= r.s.HighWater {
			r.s.Repeats++
			continue
		}
		r.s.HighWater = s.Number
		r.scans++
		r.applyScan(ctx, s)
	}
}

func (r *run) applyScan(ctx workflow.Context, s freight.Scan) {
	if why := r.s.Forbids(s); why != "" {
		r.raise(ctx, freight.ScanRefused, s.Source, why)
		return
	}
	if s.Milestone == freight.TenderDeclined && s.Classifier == freight.Actual {
		r.s.Declined = r.s.Tenders
	}
	if !r.s.Journey.Apply(s) {
		return
	}
	if s.Invoice != nil {
		r.note(ctx, freight.AuditCharges, s.Source, fmt.Sprintf("invoice %s of %s over %s", s.Invoice.Number, s.Invoice.Carrier, s.Invoice.Total))
		r.lateCharge(ctx, *s.Invoice)
	}
	if t := r.s.Journey.Trouble(); t != "" && t == s.Milestone {
		r.raise(ctx, freight.FreightInTrouble, string(t), fmt.Sprintf("the carrier reports it %s%s", t, because(s.Reason)))
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// lateCharge points out a carrier's invoice that comes after ours was made.
func (r *run) lateCharge(ctx workflow.Context, inv freight.CarrierInvoice) {
	if r.s.Invoice != nil {
		r.raise(ctx, freight.LateCharge, inv.Number, fmt.Sprintf("invoice %s of %s over %s came after %s was posted", inv.Number, inv.Carrier, inv.Total, r.s.Invoice.Number))
	}
}

// seePayment takes Odoo's newest word on our invoice.
func (r *run) seePayment(ctx workflow.Context, p freight.Payment) {
	if r.s.Invoice == nil || p.Move != r.s.Invoice.Move || !p.SeenAt.After(r.s.Payment.SeenAt) || p.Same(r.s.Payment) {
		return
	}
	r.s.Payment = p
	r.note(ctx, freight.AuditPaid, "odoo", fmt.Sprintf("%s, %s open", p.State, p.Residual))
	if r.s.Paid() {
		r.settleException(ctx, freight.PaymentOverdue, "", "paid")
	}
}

// hearCancelRequest calls the shipment off while it can be; freight that moves is tracked and billed.
func (r *run) hearCancelRequest(ctx workflow.Context, c freight.CancelRequest) {
	if r.s.Journey.Moving() || r.s.Plan != nil {
		r.raise(ctx, freight.CancelTooLate, "", fmt.Sprintf("%s wants it cancelled (%s), but the freight has been picked up", c.By, c.Reason))
		return
	}
	if r.s.Cancel == nil {
		r.s.Cancel = &c
	}
}

// resolve answers a person's request about an exception.
func (r *run) resolve(ctx workflow.Context, q protocol.ResolveRequest) {
	now := workflow.Now(ctx)
	reply := r.s.Resolve(freight.ResolveReply{Exception: q.Exception, Action: q.Action, By: q.By, Reason: q.Reason, At: now})
	if reply.Refusal != "" {
		r.note(ctx, freight.AuditRefusedAsk, q.By, reply.Refusal)
		return
	}
	r.note(ctx, freight.AuditResolved, q.By, fmt.Sprintf("exception %d: %s: %s", q.Exception, q.Action, q.Reason))
	r.urgent = true
	if e, _ := r.s.Exceptions.ByID(q.Exception); e.Ref == statusKey {
		r.s.Shown, r.s.Filed = freight.StatusReport{}, nil // show it again
	}
	if q.Action == freight.Abandon {
		r.s.Cancel = &freight.CancelRequest{By: q.By, Reason: q.Reason, At: now, Final: true}
	}
}

// applyRuling settles a dispute, once.
func (r *run) applyRuling(ctx workflow.Context, g freight.Ruling) {
	if _, ruled := r.s.RulingOn(g.ChargeRef); ruled {
		return
	}
	r.s.Rulings = append(r.s.Rulings, g)
	r.note(ctx, freight.AuditRuled, g.By, fmt.Sprintf("dispute %s: %s at %s: %s", g.Dispute, g.Verdict, g.Amount, g.Reason))
	r.settleException(ctx, freight.ChargeDisputed, string(g.Dispute), fmt.Sprintf("%s by %s", g.Verdict, g.By))
}
