// Package dispute carries one dispute from its opening to a ruling by a person with the authority for it.
package dispute

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Workflow waits for a decision that is signed by someone who may make it, and tells the shipment. A decision
// that may not be made is answered and changes nothing.
func Workflow(ctx workflow.Context, in protocol.DisputeInput) (freight.Ruling, error) {
	r, err := begin(ctx, in)
	if err != nil {
		return freight.Ruling{}, err
	}
	if err := r.awaitRuling(ctx); err != nil {
		return freight.Ruling{}, err
	}
	if err := r.tellShipment(ctx); err != nil {
		return *r.d.Ruling, err
	}
	return *r.d.Ruling, r.answerTheRest(ctx)
}

// run is one run of the story; d outlives it.
type run struct {
	in      protocol.DisputeInput
	d       *freight.Dispute
	inbox   workflow.Selector
	waiting []protocol.SignedDecision // read, not yet verified, in their order
	read    int                       // messages in this run
}

func begin(ctx workflow.Context, in protocol.DisputeInput) (*run, error) {
	r := &run{in: in, d: in.Resume, inbox: workflow.NewNamedSelector(ctx, "inbox")}
	if r.d == nil {
		r.d = &freight.Dispute{Proposal: in.Proposal, Hash: in.Proposal.Hash(), OpenedAt: workflow.Now(ctx), RespondBy: in.RespondBy}
	}
	protocol.DecisionMade.On(ctx, r.inbox,
		func(d protocol.SignedDecision) { r.read++; r.waiting = append(r.waiting, d) },
		func(err error) {
			r.read++
			r.answer(freight.DecisionReply{Refusal: err.Error() + ": use waybill dispute approve or reject", At: workflow.Now(ctx)})
		})
	r.watchClock(ctx)
	return r, protocol.DisputeState.Answer(ctx, func() (freight.Dispute, error) { return *r.d, nil })
}

// watchClock notes when the time to respond has run out; the dispute stays open.
func (r *run) watchClock(ctx workflow.Context) {
	if r.d.RespondBy.IsZero() || r.d.Overdue {
		return
	}
	wait := max(r.d.RespondBy.Sub(workflow.Now(ctx)), 0)
	t := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "time to respond"})
	r.inbox.AddFuture(t, func(f workflow.Future) { r.d.Overdue = f.Get(ctx, nil) == nil })
}

// messagesPerRun bounds the decisions one run reads; a dispute has a handful.
const messagesPerRun = 500

func (r *run) awaitRuling(ctx workflow.Context) error {
	r.inbox.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	for r.d.Ruling == nil {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case len(r.waiting) > 0:
			if err := r.verifyNext(ctx); err != nil {
				return err
			}
			continue
		case r.inbox.HasPending():
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested() || r.read >= messagesPerRun:
			next := r.in
			next.Resume = r.d
			return workflow.NewContinueAsNewError(ctx, protocol.Dispute.Name, next)
		default:
			workflow.SetCurrentDetails(ctx, Details(r.d))
		}
		r.inbox.Select(ctx)
	}
	return nil
}

// verifyNext asks whether the oldest decision may decide. Decisions that come meanwhile wait in the channel.
func (r *run) verifyNext(ctx workflow.Context) error {
	q := protocol.DecisionRequest{Proposal: r.d.Proposal, JWS: r.waiting[0].JWS}
	var v protocol.DecisionVerified
	if err := protocol.VerifyDecision.Start(ctx, q, "decision").Get(ctx, &v); err != nil {
		if temporal.IsCanceledError(err) {
			return err
		}
		v = protocol.DecisionVerified{Reply: freight.DecisionReply{Document: r.waiting[0].Hash(), Refusal: "it could not be verified: " + protocol.Words(err), At: workflow.Now(ctx)}}
	}
	r.waiting = r.waiting[1:]
	if v.Ruling != nil && r.d.Ruling == nil {
		r.d.Ruling = v.Ruling
	}
	r.answer(v.Reply)
	return nil
}

// answersKept bounds the replies a dispute carries; a sender reads its own within seconds.
const answersKept = 50

func (r *run) answer(a freight.DecisionReply) {
	r.d.Answers = append(r.d.Answers, a)
	if over := len(r.d.Answers) - answersKept; over > 0 {
		r.d.Answers = append([]freight.DecisionReply(nil), r.d.Answers[over:]...)
	}
}

// retellAfter is how long a shipment that could not be told is left alone.
const retellAfter = 10 * time.Second

// tellShipment repeats the ruling until the shipment has it; one that is closed needs it no more.
func (r *run) tellShipment(ctx workflow.Context) error {
	workflow.SetCurrentDetails(ctx, Details(r.d))
	id := protocol.ShipmentWorkflowID(r.d.Proposal.Shipment)
	for {
		err := protocol.DisputeSettled.SendFrom(ctx, id, *r.d.Ruling).Get(ctx, nil)
		if err == nil || gone(err) {
			return nil
		}
		if err := workflow.Sleep(ctx, retellAfter); err != nil {
			return err
		}
	}
}

func gone(err error) bool {
	_, unknown := err.(*temporal.UnknownExternalWorkflowExecutionError)
	_, notFound := err.(*serviceerror.NotFound)
	return unknown || notFound
}

// answerTheRest tells whoever decided after the ruling that it had been made.
func (r *run) answerTheRest(ctx workflow.Context) error {
	for ctx.Err() == nil && r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
	for _, d := range r.waiting {
		r.answer(freight.DecisionReply{Document: d.Hash(), Refusal: fmt.Sprintf("the dispute was decided by %s before", r.d.Ruling.By), At: workflow.Now(ctx)})
	}
	return nil
}

// Details is what an approver reads on the dispute's page in the Temporal UI, in Markdown.
func Details(d *freight.Dispute) string {
	var b strings.Builder
	p := d.Proposal
	if d.Ruling != nil {
		fmt.Fprintf(&b, "### %s at %s by %s\n\n%s\n", d.Ruling.Verdict, d.Ruling.Amount, d.Ruling.By, d.Ruling.Reason)
		return b.String()
	}
	fmt.Fprintf(&b, "### Waits for a decision by finance\n\n%s\n\n| claimed | by contract | rule | charge |\n|---|---|---|---|\n| %s | %s | %s | %s %s |\n",
		p.Reason, p.Claimed, p.Expected, p.Rule, p.Code, p.ChargeRef)
	for _, e := range p.Evidence {
		fmt.Fprintf(&b, "- %s\n", e)
	}
	fmt.Fprintf(&b, "\n`waybill dispute approve %s --reason \"...\"` or `waybill dispute reject %s --reason \"...\"`\n", p.Dispute, p.Dispute)
	return b.String()
}
