// Package shipment carries one shipment from its release in Odoo to its payment.
package shipment

import (
	"errors"
	"slices"
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
		{freight.StageFulfilment, r.arrangeCarriage}, // claimed, asked of the TMS, accepted by a carrier, asked of the warehouse
		{freight.StageTransit, r.followTheFreight},   // milestones in, clocks running
		{freight.StageProof, r.proveDelivery},        // what the customer wants to see before it pays
		{freight.StageCharges, r.gatherCharges},      // what the carrier asks, in its window
		{freight.StageValidation, r.validate},        // what may be billed, against what was agreed
		{freight.StageInvoicing, r.invoice},          // once, whatever happens
		{freight.StageSettlement, r.awaitPayment},    // until nothing is open
		{freight.StageClosed, r.closeUp},             // all of it shown and recorded
	})
}

type stage struct {
	name freight.Stage
	do   func(workflow.Context) error
}

// errRevalidate sends the story back to validation: what was validated is no longer so.
var errRevalidate = errors.New("facts have changed since validation")

// errUnsettled sends the story back to settlement: something came while it closed.
var errUnsettled = errors.New("there is something to settle again")

// errCancelled ends the story on its way to cancellation.
var errCancelled = errors.New("shipment is cancelled")

// through takes the stages in order, from wherever an earlier run stopped.
func (r *run) through(ctx workflow.Context, stages []stage) (protocol.ShipmentResult, error) {
	if r.s.Stage == freight.StageCancelled {
		return r.result(), r.close(ctx, freight.StageCancelled)
	}
	for i := at(stages, r.s.Stage); i < len(stages); {
		r.enter(ctx, stages[i].name)
		switch err := stages[i].do(ctx); {
		case err == nil:
			i++
		case errors.Is(err, errRevalidate):
			i = at(stages, freight.StageValidation)
		case errors.Is(err, errTakenBack):
			r.stopSteps()
			i = at(stages, freight.StageTransit)
		case errors.Is(err, errUnsettled):
			i = at(stages, freight.StageSettlement)
		case errors.Is(err, errCancelled):
			if done, err := r.callOff(ctx); done || err != nil {
				return r.result(), err
			}
		default:
			return r.result(), err
		}
	}
	return r.result(), nil
}

func at(stages []stage, name freight.Stage) int {
	return max(0, slices.IndexFunc(stages, func(s stage) bool { return s.name == name }))
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
	r.note(ctx, freight.AuditStage, waybill, "")
}

// waybill is who acts where no person does.
const waybill = "waybill"

func (r *run) note(ctx workflow.Context, kind freight.AuditKind, actor, detail string, about ...freight.Exception) {
	r.s.Note(workflow.Now(ctx), kind, actor, detail, about...)
}

// run is one run of the story. What must outlive it is in s; the rest is rebuilt.
type run struct {
	in    protocol.ShipmentInput
	s     *freight.Shipment
	inbox workflow.Selector

	calls     []*call        // out, in order of their start
	shielded  bool           // money is being posted, or the shipment ends: nothing may call it off now
	cancelled bool           // cancelled in Temporal
	scans     int            // read in this run
	ill       []freight.Scan // of the batch being read: what went wrong with the freight

	wakes  []time.Time // when running timers fire
	shown  attributes  // search attributes as last set
	urgent bool        // the store should hear now, not when the story next rests
}

func begin(ctx workflow.Context, in protocol.ShipmentInput) (*run, workflow.Context, error) {
	r := &run{in: in, s: in.Resume, inbox: workflow.NewNamedSelector(ctx, "inbox"), shown: attributesSet(ctx)}
	if r.s == nil {
		r.s = &freight.Shipment{ID: in.ID, Since: workflow.Now(ctx), Entered: workflow.Now(ctx), Stage: freight.StageFulfilment}
		if in.Terms != nil {
			r.s.Terms = *in.Terms
		}
	}
	if r.s.Stage == freight.StageClosed {
		r.s.Stage, r.s.Entered = freight.StageSettlement, workflow.Now(ctx) // something came late, or while it closed
	}
	// Everything is done in a context of its own: whether a cancellation stops a call is for the story to say.
	own, _ := workflow.NewDisconnectedContext(ctx)
	protocol.OnCancel(ctx, r.inbox, func() { r.cancelled = true })
	r.readMessages(own)
	err := protocol.ShipmentState.Answer(ctx, func() (freight.Shipment, error) { return *r.s, nil })
	return r, own, err
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
		case r.takenBack():
			return errTakenBack
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

func (r *run) mustHandOver(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || r.scans >= scansPerRun
}

// handOver ends this run and lets a fresh one resume in the same stage. Calls are stopped and waited for,
// while messages are still read; what was unanswered is asked again by the same key.
func (r *run) handOver(ctx workflow.Context) error {
	for _, c := range r.calls {
		c.stop()
	}
	for len(r.calls) > 0 || r.inbox.HasPending() {
		r.inbox.Select(ctx)
	}
	if r.cancelled && r.s.Cancel == nil {
		wish := r.wish(ctx)
		r.s.Cancel = &wish
	}
	next := r.in
	next.Resume, next.Terms = r.s, nil
	return workflow.NewContinueAsNewError(ctx, protocol.Shipment.Name, next)
}

// closeUp ends a shipment that went its way.
func (r *run) closeUp(ctx workflow.Context) error {
	r.note(ctx, freight.AuditClosed, waybill, "")
	return r.close(ctx, freight.StageClosed)
}

// close ends the shipment: everything is shown and recorded, every message read.
func (r *run) close(ctx workflow.Context, as freight.Stage) error {
	r.enter(ctx, as)
	why := "the shipment is " + string(as)
	for _, p := range r.s.OpenDisputes() {
		r.withdraw(ctx, p, why)
	}
	for _, kind := range r.s.Exceptions.OpenKinds() {
		r.settle(ctx, kind, "", why)
	}
	r.shielded, r.urgent = true, true
	if err := r.await(ctx, func() bool { return r.atRest(ctx) || r.unsettled(as) }); err != nil {
		return err
	}
	if r.unsettled(as) {
		r.shielded = false
		return errUnsettled
	}
	if r.cancelled && as == freight.StageCancelled {
		return temporal.NewCanceledError("cancelled in Temporal")
	}
	return nil
}

// unsettled reports whether a shipment that closes has become one that may not.
func (r *run) unsettled(as freight.Stage) bool {
	return as == freight.StageClosed && r.s.Invoice != nil && (r.moreCharges() || !r.s.Paid())
}

// atRest reports whether nothing is out, unread or unsaid.
func (r *run) atRest(ctx workflow.Context) bool {
	return len(r.calls) == 0 && !r.inbox.HasPending() && !r.statusDue() && !r.recordDue() && !r.notesDue(ctx)
}
