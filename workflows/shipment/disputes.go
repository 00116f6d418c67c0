package shipment

import (
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// disputesOpen bounds the disputes that are open at once; the next is opened when one is decided.
const disputesOpen = 20

// dispute opens one for every charge that a person can rule on, whether it stops the customer's invoice or only the
// carrier's payment, and withdraws those that would decide nothing any more.
func (r *run) dispute(ctx workflow.Context) error {
	for _, p := range r.s.Moot() {
		r.withdraw(ctx, p, "it was rated anew")
	}
	for _, v := range r.s.Undisputed() {
		if len(r.s.OpenDisputes()) >= disputesOpen {
			return nil
		}
		if err := r.openDispute(ctx, r.proposal(v)); err != nil {
			return err
		}
	}
	return nil
}

// mayDispute reports whether dispute would open one.
func (r *run) mayDispute() bool {
	return len(r.s.Undisputed()) > 0 && len(r.s.OpenDisputes()) < disputesOpen
}

func (r *run) proposal(v freight.Finding) freight.Proposal {
	c, _ := r.s.Journey.Charge(v.ChargeRef)
	return freight.Proposal{
		Dispute: freight.DisputeIDOf(r.s.ID, len(r.s.Disputes)+1), Shipment: r.s.ID, Rule: v.Rule, ChargeRef: v.ChargeRef,
		Code: c.Code, Claimed: v.Actual, Expected: v.Expected, Reason: v.Reason, Evidence: v.Evidence,
	}
}

// openDispute starts the dispute's own story and waits until it has started; one that is there already is ours.
func (r *run) openDispute(ctx workflow.Context, p freight.Proposal) error {
	in := protocol.DisputeInput{Proposal: p}
	if c := r.s.Terms.Clocks.Dispute; c > 0 {
		in.RespondBy = workflow.Now(ctx).Add(c)
	}
	for {
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, r.disputeOptions(in)), protocol.Dispute.Name, in)
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if err == nil || temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			break
		}
		if err := r.park(ctx, freight.PartnerFailed, string(p.Dispute), "the dispute could not be opened: "+protocol.Words(err), nil); err != nil {
			return err
		}
		if r.calledOff() {
			return errCancelled
		}
	}
	r.s.Disputes = append(r.s.Disputes, p)
	r.note(ctx, freight.AuditDisputed, waybill, fmt.Sprintf("dispute %s: %s", p.Dispute, p.Reason))
	r.raise(ctx, freight.ChargeDisputed, string(p.Dispute), p.Reason)
	return nil
}

func (r *run) disputeOptions(in protocol.DisputeInput) workflow.ChildWorkflowOptions {
	p := in.Proposal
	set := codes(attributesOf(r.s), attributes{})
	if !in.RespondBy.IsZero() {
		set = append(set, protocol.DeadlineAttribute.ValueSet(in.RespondBy))
	}
	return workflow.ChildWorkflowOptions{
		WorkflowID:            protocol.DisputeWorkflowID(p.Dispute),
		TaskQueue:             protocol.QueueStories,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(set...),
		StaticSummary:         protocol.Summary(fmt.Sprintf("%s of %s: %s claimed, %s by contract", p.Code, p.Shipment, p.Claimed, p.Expected)),
	}
}

// withdraw ends a dispute that would decide nothing any more.
func (r *run) withdraw(ctx workflow.Context, p freight.Proposal, why string) {
	workflow.RequestCancelExternalWorkflow(ctx, protocol.DisputeWorkflowID(p.Dispute), "") // it may have ended: then there is nothing to withdraw
	r.endDispute(ctx, p.Dispute, why)
}

func (r *run) endDispute(ctx workflow.Context, id freight.DisputeID, why string) {
	r.s.Withdrawn = append(r.s.Withdrawn, id)
	r.note(ctx, freight.AuditRuled, waybill, fmt.Sprintf("dispute %s withdrawn: %s", id, why))
	r.settle(ctx, freight.ChargeDisputed, string(id), "withdrawn: "+why)
}

// decisionsKept bounds the decisions that wait to be verified; each dispute has one.
const decisionsKept = 20

// hearSettlement keeps the decision of one of our disputes until it is verified. One for a dispute that we do not know
// may come before we open it, where a reset has taken us back.
func (r *run) hearSettlement(ctx workflow.Context, m protocol.Settlement) {
	is := func(p freight.Proposal) bool { return p.Dispute == m.Dispute }
	open := slices.ContainsFunc(r.s.OpenDisputes(), is)
	d := freight.Decided{Dispute: m.Dispute, JWS: m.JWS}
	switch {
	case slices.ContainsFunc(r.s.Disputes, is) && !open, slices.Contains(r.s.Decisions, d):
	case m.JWS != "":
		over := max(0, len(r.s.Decisions)+1-decisionsKept)
		r.s.Decisions = append(slices.Clone(r.s.Decisions[over:]), d)
	case open:
		r.endDispute(ctx, m.Dispute, "its own story ended without a decision")
	}
}

// verifyDecisions asks of each decision whether it may decide our proposal. Whoever can signal the shipment cannot
// rule on its charges: the document alone counts.
func (r *run) verifyDecisions(ctx workflow.Context) {
	for _, d := range r.s.Decisions {
		key := "decision-" + string(d.Dispute)
		i := slices.IndexFunc(r.s.Disputes, func(p freight.Proposal) bool { return p.Dispute == d.Dispute })
		if i < 0 || r.out(key) || r.s.Exceptions.IsOpen(freight.PartnerFailed, key) || r.unwanted() {
			continue
		}
		p := r.s.Disputes[i]
		q := protocol.DecisionRequest{Proposal: p, JWS: d.JWS}
		start(ctx, r, protocol.VerifyDecision, &call{key: key, aside: true}, "decision on "+string(p.Dispute), q, func(v protocol.DecisionVerified, err error) {
			if err != nil {
				r.raise(ctx, freight.PartnerFailed, key, fmt.Sprintf("a decision on %s could not be verified: %s", p.Dispute, protocol.Words(err)))
				return
			}
			r.s.Decisions = slices.DeleteFunc(r.s.Decisions, func(o freight.Decided) bool { return o == d })
			r.rule(ctx, p, v)
		})
	}
}

// rule settles a dispute, once, by a decision that was verified.
func (r *run) rule(ctx workflow.Context, p freight.Proposal, v protocol.DecisionVerified) {
	if !slices.ContainsFunc(r.s.OpenDisputes(), func(o freight.Proposal) bool { return o.Dispute == p.Dispute }) {
		return
	}
	if why := notRuledOn(p, v); why != "" {
		r.raise(ctx, freight.MessageUnreadable, string(p.Dispute), fmt.Sprintf("a decision on %s changed nothing: %s. If its dispute has ended, send dispute-settled with its id and an empty jws: it is opened anew", p.Dispute, why))
		return
	}
	g := *v.Ruling
	r.s.Rulings = append(r.s.Rulings, g)
	if !r.moreCharges() {
		r.s.Findings = freight.Audit(r.s.AuditFacts())
	}
	r.note(ctx, freight.AuditRuled, g.By, fmt.Sprintf("dispute %s: %s at %s: %s", g.Dispute, g.Verdict, g.Amount, g.Reason))
	r.settle(ctx, freight.ChargeDisputed, string(g.Dispute), fmt.Sprintf("%s by %s", g.Verdict, g.By))
}

// notRuledOn says why an answer is no ruling on exactly p; "" if it is.
func notRuledOn(p freight.Proposal, v protocol.DecisionVerified) string {
	switch {
	case v.Ruling == nil:
		return v.Reply.Refusal
	case v.Ruling.Dispute != p.Dispute || v.Ruling.Proposal != p.Hash():
		return "it was made on another proposal"
	}
	return ""
}
