package shipment

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// validate rates the charges and runs every audit rule until nothing holds the customer's invoice, then
// plans it. What it finds goes to people; what they decide is audited again.
func (r *run) validate(ctx workflow.Context) error {
	if r.s.Plan != nil || r.s.Terms.Scope == freight.BillsNothing {
		return nil
	}
	for {
		if err := r.readBillable(ctx); err != nil { // what was delivered is what is rated
			return err
		}
		if err := r.audit(ctx); err != nil {
			return err
		}
		if holds := freight.SellHolds(r.s.Findings); len(holds) > 0 {
			if err := r.resolveHolds(ctx, holds); err != nil {
				return err
			}
			continue
		}
		r.clear(ctx)
		planned, err := r.plan(ctx)
		if err != nil || planned {
			return err
		}
	}
}

// moreCharges reports whether a carrier's invoice came after the last audit.
func (r *run) moreCharges() bool { return len(r.s.Journey.Invoices) > r.s.Audited }

// audit rates the charges, runs the rules over exactly what was rated, and asks people about what they can decide.
func (r *run) audit(ctx workflow.Context) error {
	for {
		seen := len(r.s.Journey.Invoices)
		if err := r.rate(ctx); err != nil {
			return err
		}
		if len(r.s.Journey.Invoices) > seen {
			continue // they came while the others were rated
		}
		r.s.Audited, r.s.Findings = seen, freight.Audit(r.s.AuditFacts())
		r.holdPayables(ctx)
		return r.dispute(ctx)
	}
}

// holdPayables points out the carrier's charges that nobody can rule on and that stop no invoice of ours.
func (r *run) holdPayables(ctx workflow.Context) {
	for _, v := range r.s.Findings {
		if v.Verdict == freight.Hold && v.Side == freight.Buy && !v.SellHold && !v.Disputable() && !r.s.Exceptions.Answered(freight.PayableHeld, v.ChargeRef, freight.Dismiss) {
			r.raise(ctx, freight.PayableHeld, v.ChargeRef, v.Reason)
		}
	}
}

// rate asks the contracts. That there is none is a fact for RATE-3, not a failure.
func (r *run) rate(ctx workflow.Context) error {
	err := r.insist(ctx, step[protocol.RatingRequest, freight.Rating]{
		do: protocol.RateShipment, key: "rating", summary: "rate by contract " + r.s.Terms.Contract, kind: freight.PartnerFailed, ends: protocol.NoContract,
		in:   func() protocol.RatingRequest { return r.ratingRequest(true) },
		take: func(rating freight.Rating) { r.s.Rating, r.s.NoContract = &rating, "" },
	})
	switch {
	case err == nil:
		r.note(ctx, freight.AuditRated, waybill, fmt.Sprintf("contract %s version %s: %s", r.s.Rating.Contract, r.s.Rating.Version, r.s.Rating.Total))
	case isControl(err):
		return err
	default:
		r.s.Rating, r.s.NoContract = nil, protocol.Words(err)
	}
	return nil
}

// resolveHolds waits until something about the holds has changed. A dispute about the carrier's payment alone is
// waited for by nobody.
func (r *run) resolveHolds(ctx workflow.Context, holds []freight.Finding) error {
	for _, h := range holds {
		if !h.Disputable() {
			return r.park(ctx, kindOf(h), h.ChargeRef, h.Reason, r.moreCharges)
		}
	}
	asked := func() bool { return slices.ContainsFunc(holds, r.s.Asked) }
	return r.await(ctx, func() bool { return r.moreCharges() || !asked() && len(r.s.OpenDisputes()) < disputesOpen })
}

func kindOf(f freight.Finding) freight.ExceptionKind {
	switch f.Rule {
	case freight.RuleContract:
		return freight.ContractMissing
	case freight.RulePOD:
		return freight.PODMissing
	case freight.RuleStatus:
		return freight.StatusContradictory
	}
	return freight.ChargesInvalid
}

// clear resolves what stood in the way of the invoice before, and no longer does. A carrier's invoice that cannot be
// used stays a matter between us and the carrier.
func (r *run) clear(ctx workflow.Context) {
	const why = "nothing holds the invoice any more"
	r.settle(ctx, freight.ContractMissing, "", why)
	r.settle(ctx, freight.PODMissing, "", why)
	for _, e := range r.s.Exceptions {
		if e.Open() && e.Kind == freight.ChargesInvalid && r.s.Journey.Flaw(e.Ref) == "" {
			r.settle(ctx, e.Kind, e.Ref, why)
		}
	}
}

// plan makes the invoice that Odoo allows, with the record that allows it. It reports false where something is in the
// way, or charges came meanwhile: then all is looked at again.
func (r *run) plan(ctx workflow.Context) (bool, error) {
	if blockers := r.s.Billable.Blockers; len(blockers) > 0 {
		return false, r.park(ctx, freight.PostingFailed, "blocked", strings.Join(blockers, "; "), nil)
	}
	r.settle(ctx, freight.PostingFailed, "blocked", "nothing blocks it any more")
	if r.moreCharges() {
		return false, nil
	}
	p, err := freight.PlanOf(r.s, 1, r.s.Billable.Day(workflow.Now(ctx)))
	if err != nil {
		return false, r.park(ctx, freight.ChargesInvalid, "plan", err.Error(), nil)
	}
	if len(p.Lines) == 0 {
		return false, r.park(ctx, freight.PostingFailed, "plan", "there is nothing to bill: no goods are delivered and not yet invoiced, and no freight is rated", nil)
	}
	r.approve(ctx, p)
	return true, nil
}

// approve makes the validation record, with the hash of exactly the lines that may be posted.
func (r *run) approve(ctx workflow.Context, p freight.InvoicePlan) {
	r.settle(ctx, freight.PostingFailed, "plan", "there is something to bill")
	v := freight.Validation{
		LinesHash: p.LinesHash(), RatingHash: r.s.Rating.Hash, Contract: r.s.Rating.Contract, Version: r.s.Rating.Version,
		Policy: r.s.Terms.Policy + "@" + r.s.Terms.Version, Verdict: freight.Worst(r.s.Findings), Findings: r.s.Findings, At: workflow.Now(ctx),
	}
	p.Validation = v.LinesHash
	r.s.Plan, r.s.Validation = &p, &v
	r.note(ctx, freight.AuditValidated, waybill, fmt.Sprintf("%s by %s: lines %s", v.Verdict, v.Policy, v.LinesHash))
	r.note(ctx, freight.AuditIntent, waybill, fmt.Sprintf("%s over %s net", p.Key, p.Net))
	r.urgent = r.urgent || !r.carries()
}

// readBillable reads what was delivered, what of it may be billed, and what stands in the way.
func (r *run) readBillable(ctx workflow.Context) error {
	q := protocol.BillableRequest{Shipment: r.s.ID, Picking: r.s.Release.Picking, Order: r.s.Release.Order, Scope: r.s.Terms.Scope, Key: freight.InvoiceKey(r.s.ID, 1)}
	return r.insist(ctx, step[protocol.BillableRequest, freight.Billable]{
		do: protocol.ReadBillable, key: "billable", summary: "what may be billed of " + r.s.Release.PickingName, kind: freight.PostingFailed,
		in:   func() protocol.BillableRequest { return q },
		take: func(b freight.Billable) { r.s.Billable = &b },
	})
}
