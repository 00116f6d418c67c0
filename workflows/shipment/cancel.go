package shipment

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// hearCancelRequest notes a wish to cancel. Whoever looks at Odoo repeats it for as long as Odoo shows it: a wish that
// came too late is answered once.
func (r *run) hearCancelRequest(ctx workflow.Context, c freight.CancelRequest) {
	c.Final = false // that the freight will not be delivered is said by resolving an exception
	if late := r.s.TooLate; late != nil && late.By == c.By && late.Reason == c.Reason {
		return
	}
	if r.s.Cancel != nil {
		return
	}
	if !freight.Plausible(c.At) {
		c.At = workflow.Now(ctx)
	}
	if why := r.tooLate(); why != "" {
		r.refuseCancel(ctx, c, why)
		return
	}
	r.s.Cancel = &c
}

// tooLate says why the shipment cannot be called off any more; "" if it can. Freight that moves is tracked and billed.
func (r *run) tooLate() string {
	switch {
	case r.s.Plan != nil:
		return "its invoice is being posted or is posted"
	case r.s.Journey.Moving():
		return "the freight has been picked up"
	}
	return ""
}

func (r *run) refuseCancel(ctx workflow.Context, c freight.CancelRequest, why string) {
	r.s.TooLate = &c
	r.raise(ctx, freight.CancelTooLate, c.By, fmt.Sprintf("%s wants it cancelled (%s), but %s", c.By, c.Reason, why))
}

// calledOff reports whether the story must stop what it does. While an invoice is posted nothing may stop it, and it
// cannot be called off after that.
func (r *run) calledOff() bool { return !r.shielded && (r.cancelled || r.s.Cancel != nil) }

// wish is who wants the shipment cancelled.
func (r *run) wish(ctx workflow.Context) freight.CancelRequest {
	if r.s.Cancel != nil {
		return *r.s.Cancel
	}
	return freight.CancelRequest{By: "operator", Reason: "cancelled in Temporal", At: workflow.Now(ctx)}
}

// callOff cancels the shipment: with the warehouse and the TMS first. It reports false where the freight turns out to have
// left; then the story goes on.
func (r *run) callOff(ctx workflow.Context) (done bool, err error) {
	for r.inbox.HasPending() {
		r.inbox.Select(ctx) // a pick-up that is in the same task counts
	}
	wish := r.wish(ctx)
	if why := r.tooLate(); why != "" && !wish.Final {
		r.carryOn(ctx, wish, why)
		return false, nil
	}
	r.shielded = true
	if err := r.stopAsking(ctx); err != nil {
		return false, err
	}
	why, err := r.stopPartners(ctx, wish)
	if err != nil {
		return false, err
	}
	r.shielded = false
	if why != "" && !wish.Final {
		r.carryOn(ctx, wish, why)
		return false, nil
	}
	r.note(ctx, freight.AuditCancelled, wish.By, wish.Reason)
	r.s.SayCancelled(wish)
	r.note(ctx, freight.AuditClosed, waybill, "")
	return true, r.close(ctx, freight.StageCancelled)
}

// carryOn answers a wish to cancel that came too late.
func (r *run) carryOn(ctx workflow.Context, wish freight.CancelRequest, why string) {
	r.cancelled, r.s.Cancel = false, nil
	r.refuseCancel(ctx, wish, why)
}

// unwanted reports whether someone wants the shipment cancelled, or it is: nothing new is begun for it.
func (r *run) unwanted() bool {
	return r.cancelled || r.s.Cancel != nil || r.s.Stage == freight.StageCancelled
}

// stopAsking stops what the story asked for. Status and record go on: the truck is stopped also where Odoo is down. A
// claim that is under way is waited for, since nothing is tendered before it, and Odoo must show what became of it.
func (r *run) stopAsking(ctx workflow.Context) error {
	for _, c := range r.calls {
		if c.key != statusKey && c.key != recordKey && c.key != claimKey {
			c.stop()
		}
	}
	asking := func(c *call) bool { return c.key != statusKey && c.key != recordKey }
	return r.await(ctx, func() bool { return !slices.ContainsFunc(r.calls, asking) })
}

// stopPartners tells the warehouse to stop, then the TMS, and says which of them does not; "" where both do. The TMS is not
// told where the warehouse has handed the goods over, unless they will not be delivered whatever anyone says.
func (r *run) stopPartners(ctx workflow.Context, wish freight.CancelRequest) (why string, err error) {
	warehouse, err := r.cancelShipOrder(ctx, wish)
	switch {
	case err != nil:
		return "", err
	case warehouse.Refusal != "" && !wish.Final:
		return "the warehouse does not cancel it: " + warehouse.Refusal, nil
	}
	refusal, err := r.cancelCarrier(ctx, wish)
	if err != nil || refusal == "" {
		return "", err
	}
	why = "the TMS does not cancel it: " + refusal
	if warehouse.Cancelled {
		why += "; the warehouse had cancelled it: reopen it there if the goods have not left"
	}
	return why, nil
}

// cancelCarrier asks the TMS to stop, also where the reply to our request was never seen. A person can give up asking.
func (r *run) cancelCarrier(ctx workflow.Context, wish freight.CancelRequest) (refusal string, err error) {
	if r.s.Tenders == 0 {
		return "", nil
	}
	q := protocol.TransportCancel{Shipment: r.s.ID, Tender: r.s.Tenders, Booking: r.s.Booking.Ref, Reason: wish.Reason, Target: r.s.Release.Route.TMS}
	err = r.insistOnEnd(ctx, "cancel", step[protocol.TransportCancel, protocol.TransportCancelled]{
		do: protocol.CancelCarrier, key: "cancel", summary: "stop " + freight.TenderRef(r.s.Tenders), kind: freight.PartnerFailed,
		in:   func() protocol.TransportCancel { return q },
		take: func(a protocol.TransportCancelled) { refusal = a.Refusal },
	})
	return refusal, err
}

// insistOnEnd asks a partner to stop what the shipment does there, until it answers or a person gives up asking.
func (r *run) insistOnEnd(ctx workflow.Context, key string, stop asker) error {
	for !r.s.Exceptions.Answered(freight.PartnerFailed, key, freight.Abandon) {
		a := stop.ask(ctx, r)
		if err := r.await(ctx, func() bool { return a.came }); err != nil || a.err == nil {
			return err
		}
		if err := r.park(ctx, a.kind, a.key, protocol.Words(a.err), nil); err != nil {
			return err
		}
	}
	return nil
}
