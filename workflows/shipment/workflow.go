// Package shipment carries one shipment from its release in Odoo to its payment.
package shipment

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Workflow carries one shipment from its release to its payment. Each line is one stage of the business;
// the method of that name says how it is done.
func Workflow(ctx workflow.Context, in protocol.ShipmentInput) (protocol.ShipmentResult, error) {
	r, ctx, err := begin(ctx, in)
	if err != nil {
		return protocol.ShipmentResult{}, err
	}
	return r.through(ctx, []stage{
		{freight.StageFulfilment, r.arrangeCarriage}, // claimed, asked of the TMS, accepted by a carrier
		{freight.StageTransit, r.followTheFreight},   // milestones in, clocks running
		{freight.StageProof, r.proveDelivery},        // what the customer wants to see before it pays
		{freight.StageCharges, r.gatherCharges},      // what the carrier asks, in its window
		{freight.StageValidation, r.validate},        // what may be billed, against what was agreed
		{freight.StageInvoicing, r.invoice},          // once, whatever happens
		{freight.StageSettlement, r.settle},          // until nothing is open
	})
}

type stage struct {
	name freight.Stage
	do   func(workflow.Context) error
}

// errRevalidate sends the story back to validation: what was validated is no longer so.
var errRevalidate = errors.New("facts have changed since validation")

// errCancelled ends the story on its way to cancellation.
var errCancelled = errors.New("shipment is cancelled")

// through takes the stages in order, from wherever an earlier run stopped.
func (r *run) through(ctx workflow.Context, stages []stage) (protocol.ShipmentResult, error) {
	if r.s.Stage == freight.StageClosed || r.s.Stage == freight.StageCancelled {
		return r.result(), r.close(ctx, r.s.Stage)
	}
	for i := at(stages, r.s.Stage); i < len(stages); {
		r.enter(ctx, stages[i].name)
		switch err := stages[i].do(ctx); {
		case err == nil:
			i++
		case errors.Is(err, errRevalidate):
			i = at(stages, freight.StageValidation)
		case errors.Is(err, errCancelled):
			if done, err := r.callOff(ctx); done || err != nil {
				return r.result(), err
			}
		default:
			return r.result(), err
		}
	}
	return r.result(), r.close(ctx, freight.StageClosed)
}

func at(stages []stage, name freight.Stage) int {
	for i, s := range stages {
		if s.name == name {
			return i
		}
	}
	return 0
}

func (r *run) result() protocol.ShipmentResult {
	res := protocol.ShipmentResult{Stage: r.s.Stage}
	if r.s.Invoice != nil {
		res.Invoice, res.Net = r.s.Invoice.Number, r.s.Invoice.Net
	}
	return res
}

// enter moves the shipment into a stage; staying in one, after a hand-over, changes nothing.
func (r *run) enter(ctx workflow.Context, s freight.Stage) {
	if r.s.Stage == s {
		return
	}
	r.s.Stage, r.s.Entered = s, workflow.Now(ctx)
	r.note(ctx, freight.AuditStage, waybill, string(s))
}

// waybill is who acts where no person does.
const waybill = "waybill"

func (r *run) note(ctx workflow.Context, kind freight.AuditKind, actor, detail string) {
	r.s.Note(workflow.Now(ctx), kind, actor, detail)
}

// run is one run of the story. What must outlive it is in s; the rest is rebuilt.
type run struct {
	in    protocol.ShipmentInput
	s     *freight.Shipment
	inbox workflow.Selector

	calls     []*call // out, in order of their start
	steps     int     // calls that the story itself waits for, apart from reports
	shielded  bool    // money is being posted: nothing may call the shipment off now
	leaving   bool    // handing over: unanswered calls are sent again by the next run
	cancelled bool    // cancelled in Temporal
	scans     int     // applied in this run

	wakeAt time.Time  // when the running timer fires; zero for none
	shown  attributes // search attributes as last set
	refs   []freight.Reference
	filing []string // documents that the status report under way files
	urgent bool     // the store should hear now, not when the story next rests
}

func begin(ctx workflow.Context, in protocol.ShipmentInput) (*run, workflow.Context, error) {
	r := &run{in: in, s: in.Resume, inbox: workflow.NewNamedSelector(ctx, "inbox")}
	if r.s == nil {
		r.s = &freight.Shipment{ID: in.ID, Since: workflow.Now(ctx), Entered: workflow.Now(ctx), Stage: freight.StageFulfilment}
		if in.Terms != nil {
			r.s.Terms = *in.Terms
		}
	}
	r.shown = attributesOf(r.s)
	// Everything is done in a context of its own: whether a cancellation stops a call is for the story to say.
	own, _ := workflow.NewDisconnectedContext(ctx)
	r.hearCancel(ctx)
	r.readMessages(own)
	err := protocol.ShipmentState.Answer(ctx, func() (freight.Shipment, error) { return *r.s, nil })
	return r, own, err
}

// hearCancel lets a cancellation wake the inbox once. A closed Done channel in the selector would look
// like a message for ever.
func (r *run) hearCancel(ctx workflow.Context) {
	heard := workflow.NewBufferedChannel(ctx, 1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		heard.SendAsync(true)
	})
	r.inbox.AddReceive(heard, func(c workflow.ReceiveChannel, _ bool) {
		c.ReceiveAsync(nil)
		r.cancelled = true
	})
}

// scansPerRun bounds the signals of one run far under Temporal's 10,000, which it does not announce.
const scansPerRun = 1000

// await reads the inbox until done. The story reads its messages here and nowhere else, in the order they
// came, so none is ever half-handled: that is what makes a hand-over to a fresh run safe.
func (r *run) await(ctx workflow.Context, done func() bool) error {
	for !done() {
		switch {
		case r.calledOff():
			return errCancelled
		case r.inbox.HasPending():
		case r.mustHandOver(ctx):
			return r.handOver(ctx)
		default:
			r.tell(ctx)
		}
		r.inbox.Select(ctx)
	}
	return nil
}

func (r *run) calledOff() bool { return !r.shielded && (r.cancelled || r.s.Cancel != nil) }

func (r *run) mustHandOver(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || r.scans >= scansPerRun
}

// handOver ends this run and lets a fresh one resume in the same stage. Calls are stopped and waited for,
// while messages are still read; what was unanswered is asked again by the same key.
func (r *run) handOver(ctx workflow.Context) error {
	r.leaving = true
	r.stopCalls()
	for len(r.calls) > 0 || r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
	if r.cancelled && r.s.Cancel == nil {
		r.s.Cancel = &freight.CancelRequest{By: "operator", Reason: "cancelled in Temporal", At: workflow.Now(ctx)}
	}
	next := r.in
	next.Resume, next.Terms = r.s, nil
	return workflow.NewContinueAsNewError(ctx, protocol.Shipment.Name, next)
}

// close ends the shipment: everything is shown and recorded, every message read.
func (r *run) close(ctx workflow.Context, as freight.Stage) error {
	if r.s.Stage != as {
		r.enter(ctx, as)
		r.note(ctx, freight.AuditClosed, waybill, string(as))
	}
	r.shielded, r.urgent = true, true
	if err := r.await(ctx, r.atRest); err != nil {
		return err
	}
	if r.cancelled && as == freight.StageCancelled {
		return temporal.NewCanceledError("cancelled in Temporal")
	}
	return nil
}

// atRest reports whether nothing is out, unread or unsaid.
func (r *run) atRest() bool {
	return len(r.calls) == 0 && !r.inbox.HasPending() && !r.statusDue() && !r.recordDue()
}
