package shipment

import (
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
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
		if err := r.rate(ctx); err != nil {
			return err
		}
		seen := len(r.s.Journey.Invoices)
		r.s.Findings = freight.Audit(r.s.AuditFacts())
		if err := r.openDisputes(ctx); err != nil {
			return err
		}
		holds := freight.SellHolds(r.s.Findings)
		if len(holds) > 0 {
			if err := r.resolveHolds(ctx, holds, seen); err != nil {
				return err
			}
			continue
		}
		planned, err := r.plan(ctx, seen)
		if err != nil || planned {
			return err
		}
	}
}

// rate asks the contracts. That there is none is a fact for RATE-3, not a failure.
func (r *run) rate(ctx workflow.Context) error {
	rating, err := insist(ctx, r, protocol.RateShipment, freight.PartnerFailed, "rating", "contract "+r.s.Terms.Contract, func() protocol.RatingRequest { return r.ratingRequest(true) })
	switch {
	case err == nil:
		r.s.Rating, r.s.NoContract = &rating, ""
		r.note(ctx, freight.AuditRated, waybill, fmt.Sprintf("contract %s version %s: %s", rating.Contract, rating.Version, rating.Total))
	case isControl(err):
		return err
	default:
		r.s.Rating, r.s.NoContract = nil, protocol.Words(err)
	}
	return nil
}

// resolveHolds waits until something about the holds has changed.
func (r *run) resolveHolds(ctx workflow.Context, holds []freight.Finding, seen int) error {
	moreCharges := func() bool { return len(r.s.Journey.Invoices) > seen }
	for _, h := range holds {
		if h.Disputable() {
			continue
		}
		return r.park(ctx, kindOf(h), h.ChargeRef, h.Reason, moreCharges)
	}
	return r.await(ctx, func() bool { return len(r.s.OpenDisputes()) == 0 || moreCharges() })
}

func kindOf(f freight.Finding) freight.ExceptionKind {
	switch f.Rule {
	case freight.RuleContract:
		return freight.ContractMissing
	case freight.RulePOD:
		return freight.PODMissing
	}
	return freight.ChargesInvalid
}

// openDisputes opens one for every charge that a person can rule on, whether it stops the customer's invoice
// or only the carrier's payment.
func (r *run) openDisputes(ctx workflow.Context) error {
	for _, f := range r.s.Findings {
		if !f.Disputable() || r.disputed(f.ChargeRef) {
			continue
		}
		if err := r.openDispute(ctx, r.proposal(f)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) disputed(chargeRef string) bool {
	for _, p := range r.s.Disputes {
		if p.ChargeRef == chargeRef {
			return true
		}
	}
	return false
}

func (r *run) proposal(f freight.Finding) freight.Proposal {
	c, _ := r.s.Journey.Charge(f.ChargeRef)
	return freight.Proposal{
		Dispute: freight.DisputeIDOf(r.s.ID, len(r.s.Disputes)+1), Shipment: r.s.ID, Rule: f.Rule, ChargeRef: f.ChargeRef,
		Code: c.Code, Claimed: f.Actual, Expected: f.Expected, Reason: f.Reason, Evidence: f.Evidence,
	}
}

// openDispute starts the dispute's own story and waits until it has started; one that is there already is ours.
func (r *run) openDispute(ctx workflow.Context, p freight.Proposal) error {
	in := protocol.DisputeInput{Proposal: p}
	if c := r.s.Terms.Clocks.Dispute; c > 0 {
		in.RespondBy = workflow.Now(ctx).Add(c)
	}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, r.disputeOptions(p)), protocol.Dispute.Name, in)
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return r.park(ctx, freight.PartnerFailed, string(p.Dispute), "the dispute could not be opened: "+protocol.Words(err), nil)
	}
	r.s.Disputes = append(r.s.Disputes, p)
	r.note(ctx, freight.AuditDisputed, waybill, fmt.Sprintf("dispute %s: %s", p.Dispute, p.Reason))
	r.raise(ctx, freight.ChargeDisputed, string(p.Dispute), p.Reason)
	return nil
}

func (r *run) disputeOptions(p freight.Proposal) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID:            protocol.DisputeWorkflowID(p.Dispute),
		TaskQueue:             protocol.QueueStories,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(searchAttributes(r.s)...),
		StaticSummary:         fmt.Sprintf("%s of %s: %s claimed, %s by contract", p.Code, p.Shipment, p.Claimed, p.Expected),
	}
}

// plan reads what Odoo allows to be billed, and makes the invoice with the record that allows it. It reports
// false where charges came meanwhile: they are audited first.
func (r *run) plan(ctx workflow.Context, seen int) (bool, error) {
	if err := r.readBillable(ctx); err != nil {
		return false, err
	}
	if len(r.s.Journey.Invoices) > seen {
		return false, nil
	}
	p, err := freight.PlanOf(r.s, 1, workflow.Now(ctx).UTC().Format("2006-01-02"))
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
	v := freight.Validation{
		LinesHash: p.LinesHash(), RatingHash: r.s.Rating.Hash, Contract: r.s.Rating.Contract, Version: r.s.Rating.Version,
		Policy: r.s.Terms.Policy + "@" + r.s.Terms.Version, Verdict: freight.Worst(r.s.Findings), Findings: r.s.Findings, At: workflow.Now(ctx),
	}
	p.Validation = v.LinesHash
	r.s.Plan, r.s.Validation = &p, &v
	r.note(ctx, freight.AuditValidated, waybill, fmt.Sprintf("%s by %s: lines %s", v.Verdict, v.Policy, v.LinesHash))
	r.note(ctx, freight.AuditIntent, waybill, fmt.Sprintf("%s over %s net", p.Key, p.Net))
	r.urgent = true
}

// readBillable reads the delivery's goods; what blocks a posting goes to a person.
func (r *run) readBillable(ctx workflow.Context) error {
	q := protocol.BillableRequest{Shipment: r.s.ID, Picking: r.s.Release.Picking, Order: r.s.Release.Order, Scope: r.s.Terms.Scope, Key: freight.InvoiceKey(r.s.ID, 1)}
	for {
		b, err := insist(ctx, r, protocol.ReadBillable, freight.PostingFailed, "billable", r.s.Release.PickingName, func() protocol.BillableRequest { return q })
		if err != nil {
			if !isControl(err) {
				err = r.park(ctx, freight.PostingFailed, "billable", protocol.Words(err), nil)
			}
			if err != nil {
				return err
			}
			continue
		}
		if len(b.Blockers) == 0 {
			r.s.Billable = &b
			return nil
		}
		if err := r.park(ctx, freight.PostingFailed, "billable", strings.Join(b.Blockers, "; "), nil); err != nil {
			return err
		}
	}
}
