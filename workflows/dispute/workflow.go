// Package dispute carries one dispute from its opening to a ruling by a person with the authority for it.
package dispute

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Workflow waits for a decision that is signed by someone who may make it, and tells the shipment. A decision
// that may not be made is answered and changes nothing. Cancelled, the dispute is withdrawn.
func Workflow(ctx workflow.Context, in protocol.DisputeInput) (freight.Ruling, error) {
	r, ctx, err := begin(ctx, in)
	if err != nil {
		return freight.Ruling{}, err
	}
	if err := r.awaitRuling(ctx); err != nil {
		return freight.Ruling{}, err
	}
	r.d.Withdrawn = r.d.Ruling == nil
	workflow.SetCurrentDetails(ctx, Details(r.d))
	if err := r.tellShipment(ctx); err != nil {
		return freight.Ruling{}, err
	}
	r.answerTheRest(ctx)
	if r.d.Withdrawn {
		return freight.Ruling{}, temporal.NewCanceledError("withdrawn")
	}
	return *r.d.Ruling, nil
}

// run is one run of the story; d outlives it.
type run struct {
	in        protocol.DisputeInput
	d         *freight.Dispute
	inbox     workflow.Selector
	waiting   []protocol.SignedDecision // read, not yet verified, in their order
	stop      workflow.CancelFunc       // of the verification that is out; nil for none
	cancelled bool
	read      int // messages in this run
}

func begin(ctx workflow.Context, in protocol.DisputeInput) (*run, workflow.Context, error) {
	r := &run{in: in, d: in.Resume, waiting: in.Waiting, inbox: workflow.NewNamedSelector(ctx, "inbox")}
	if r.d == nil {
		r.d = &freight.Dispute{Proposal: in.Proposal, Hash: in.Proposal.Hash(), OpenedAt: workflow.Now(ctx), RespondBy: in.RespondBy}
	}
	own, _ := workflow.NewDisconnectedContext(ctx) // a ruling that was made is told, whatever is cancelled
	protocol.OnCancel(ctx, r.inbox, func() { r.cancelled = true })
	protocol.DecisionMade.On(own, r.inbox,
		func(d protocol.SignedDecision) { r.hear(own, d) },
		func(err error) {
			r.read++
			r.refuse(own, "", err.Error()+": use waybill dispute approve or reject")
		})
	r.watchClock(own)
	return r, own, protocol.DisputeState.Answer(ctx, func() (freight.Dispute, error) { return *r.d, nil })
}

// watchClock notes when the time to respond has run out; the dispute stays open.
func (r *run) watchClock(ctx workflow.Context) {
	if r.d.RespondBy.IsZero() || r.d.Overdue {
		return
	}
	wait := max(r.d.RespondBy.Sub(workflow.Now(ctx)), 0)
	t := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "finance has not decided in time"})
	r.inbox.AddFuture(t, func(workflow.Future) { r.d.Overdue = true })
}

// waitingKept bounds the decisions that wait for one that is verified: more come only where the store is down.
const waitingKept = 20

// hear takes a decision. The same document again gets the one answer.
func (r *run) hear(ctx workflow.Context, d protocol.SignedDecision) {
	r.read++
	switch {
	case slices.Contains(r.waiting, d):
	case len(r.waiting) >= waitingKept:
		r.refuse(ctx, d.Hash(), "too many decisions wait to be verified: decide again when those are answered")
	default:
		r.waiting = append(r.waiting, d)
	}
}

// messagesPerRun bounds the decisions one run reads; a dispute has a handful.
const messagesPerRun = 500

// awaitRuling reads the inbox until there is a ruling, or the dispute is cancelled.
func (r *run) awaitRuling(ctx workflow.Context) error {
	for r.d.Ruling == nil && !r.cancelled {
		switch {
		case r.inbox.HasPending():
		case workflow.GetInfo(ctx).GetContinueAsNewSuggested() || r.read >= messagesPerRun:
			return r.handOver(ctx)
		default:
			r.verify(ctx)
			workflow.SetCurrentDetails(ctx, Details(r.d))
		}
		r.inbox.Select(ctx)
	}
	return nil
}

// handOver lets a fresh run go on. What is being verified is verified by that one.
func (r *run) handOver(ctx workflow.Context) error {
	if r.stop != nil {
		r.stop()
	}
	for r.stop != nil || r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
	if r.d.Ruling != nil || r.cancelled {
		return nil
	}
	next := r.in
	next.Resume, next.Waiting = r.d, r.waiting
	return workflow.NewContinueAsNewError(ctx, protocol.Dispute.Name, next)
}

// verify asks whether the oldest decision may decide, one at a time.
func (r *run) verify(ctx workflow.Context) {
	if r.stop != nil || len(r.waiting) == 0 {
		return
	}
	d := r.waiting[0]
	cctx, stop := workflow.WithCancel(ctx)
	r.stop = stop
	q := protocol.DecisionRequest{Proposal: r.d.Proposal, JWS: d.JWS}
	r.inbox.AddFuture(protocol.VerifyDecision.Start(cctx, q, "decision "+d.Hash()[:12]), func(f workflow.Future) {
		var v protocol.DecisionVerified
		err := f.Get(ctx, &v)
		r.stop = nil
		if temporal.IsCanceledError(err) {
			return // the next run asks again
		}
		r.waiting = r.waiting[1:]
		r.take(ctx, d, v, err)
	})
}

// take applies what became of a decision, and answers it.
func (r *run) take(ctx workflow.Context, d protocol.SignedDecision, v protocol.DecisionVerified, err error) {
	switch {
	case r.d.Withdrawn:
		r.refuse(ctx, d.Hash(), withdrawn)
	case err != nil:
		r.refuse(ctx, d.Hash(), "it could not be verified: "+protocol.Words(err))
	case v.Ruling != nil && v.Ruling.Proposal != r.d.Hash:
		r.refuse(ctx, d.Hash(), "it was made on another proposal: show the dispute again and decide anew")
	default:
		if v.Ruling != nil {
			r.d.Ruling, r.d.JWS = v.Ruling, d.JWS
		}
		r.answer(v.Reply)
	}
}

func (r *run) refuse(ctx workflow.Context, document, why string) {
	r.answer(freight.DecisionReply{Document: document, Refusal: freight.Clip(why, longestRefusal), At: workflow.Now(ctx)})
}

const (
	longestRefusal = 500 // bytes
	// answersKept bounds the replies a dispute carries; a sender reads its own within seconds.
	answersKept = 50
)

func (r *run) answer(a freight.DecisionReply) {
	r.d.Answers = append(r.d.Answers, a)
	if over := len(r.d.Answers) - answersKept; over > 0 {
		r.d.Answers = slices.Clone(r.d.Answers[over:])
	}
}

// retellAfter is how long a shipment that could not be told is left alone.
const retellAfter = 10 * time.Second

// tellShipment repeats the outcome until the shipment has it; one that is gone needs it no more.
func (r *run) tellShipment(ctx workflow.Context) error {
	id := protocol.ShipmentWorkflowID(r.d.Proposal.Shipment)
	m := protocol.Settlement{Dispute: r.d.Proposal.Dispute, JWS: r.d.JWS}
	for {
		err := protocol.DisputeSettled.SendFrom(ctx, id, m).Get(ctx, nil)
		var gone *temporal.UnknownExternalWorkflowExecutionError
		if err == nil || errors.As(err, &gone) {
			return nil
		}
		if err := workflow.Sleep(ctx, retellAfter); err != nil {
			return err
		}
	}
}

const withdrawn = "the dispute was withdrawn: see the shipment"

// answerTheRest tells whoever decided after the end that it had come.
func (r *run) answerTheRest(ctx workflow.Context) {
	for r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
	why := withdrawn
	if r.d.Ruling != nil {
		why = fmt.Sprintf("the dispute was decided by %s before", r.d.Ruling.By)
	}
	for _, d := range r.waiting {
		if d.JWS != r.d.JWS {
			r.refuse(ctx, d.Hash(), why)
		}
	}
}
