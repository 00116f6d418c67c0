package shipment

import (
	"cmp"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The keys of what is asked of the warehouse.
const (
	shipOrderKey       = "ship-order"
	cancelShipOrderKey = "cancel-ship-order"
)

// askWarehouse asks the warehouse that the route names to pack the goods and to hand them to the carrier that has accepted
// them. A refusal parks the shipment, and a person who has mended the cause lets it ask again. Goods that have left need no
// asking: what is out then is called back.
func (r *run) askWarehouse(ctx workflow.Context) error {
	gone := func() bool { return r.s.Journey.Moving() }
	for r.s.Release.Route.WMS != "" && r.s.ShipOrder.Ref == "" && !gone() {
		if !asksWarehouse(ctx) {
			return nil
		}
		a := r.shipOrder(ctx).ask(ctx, r)
		if err := r.await(ctx, func() bool { return a.came || gone() }); err != nil {
			return err
		}
		if !a.came || a.err == nil || gone() {
			break
		}
		if err := r.park(ctx, a.kind, a.key, protocol.Words(a.err), gone); err != nil {
			return err
		}
	}
	return r.askNoMore(ctx)
}

// shipOrder asks for the goods to be handed to the carrier that is known by now. While an answer is open the same is asked
// again, whoever is known since: the warehouse may have it.
func (r *run) shipOrder(ctx workflow.Context) step[protocol.ShipOrderRequest, protocol.ShipOrdered] {
	if !r.s.Intends(shipOrderKey) {
		r.s.ShipOrder = freight.ShipOrder{Tender: r.s.Tenders, Carrier: cmp.Or(r.s.Booking.Carrier, r.s.Carrier()), PRO: r.s.Booking.PRO}
	}
	return step[protocol.ShipOrderRequest, protocol.ShipOrdered]{
		do: protocol.RequestShipOrder, key: shipOrderKey, summary: "pack for " + freight.TenderRef(r.s.ShipOrder.Tender), kind: freight.PartnerFailed,
		in: func() protocol.ShipOrderRequest {
			of, o := r.s.Release, r.s.ShipOrder
			return protocol.ShipOrderRequest{
				Shipment: r.s.ID, Tender: o.Tender, Order: of.OrderName, Delivery: of.PickingName, ShipTo: of.ShipTo, Weight: of.Weight, Pieces: of.Pieces,
				Carrier: o.Carrier, PRO: o.PRO, Target: of.Route.WMS,
			}
		},
		take: func(o protocol.ShipOrdered) {
			r.s.ShipOrder.Ref = o.Ref
			r.note(ctx, freight.AuditWarehouse, waybill, "WMS "+o.Ref)
		},
	}
}

// askNoMore stops a call to the warehouse whose answer is not needed any more, and waits until it has ended.
func (r *run) askNoMore(ctx workflow.Context) error {
	for _, c := range r.calls {
		if c.key == shipOrderKey {
			c.stop()
		}
	}
	if err := r.await(ctx, func() bool { return !r.out(shipOrderKey) }); err != nil {
		return err
	}
	r.s.Answered(shipOrderKey) // nor is it asked by a fresh run
	return nil
}

// cancelShipOrder asks the warehouse to stop, also where the reply to our request was never seen. What has left it need not
// be stopped there, and a person can give up asking: the answer is the zero value then.
func (r *run) cancelShipOrder(ctx workflow.Context, wish freight.CancelRequest) (answer protocol.ShipOrderCancelled, err error) {
	if r.s.ShipOrder.Tender == 0 || r.s.Journey.Moving() {
		return answer, nil
	}
	q := protocol.ShipOrderCancel{Shipment: r.s.ID, Tender: r.s.ShipOrder.Tender, ShipOrder: r.s.ShipOrder.Ref, Reason: wish.Reason, Target: r.s.Release.Route.WMS}
	err = r.insistOnEnd(ctx, cancelShipOrderKey, step[protocol.ShipOrderCancel, protocol.ShipOrderCancelled]{
		do: protocol.CancelShipOrder, key: cancelShipOrderKey, summary: "do not pack for " + freight.TenderRef(q.Tender), kind: freight.PartnerFailed,
		in: func() protocol.ShipOrderCancel { return q },
		take: func(a protocol.ShipOrderCancelled) {
			answer = a
			if a.Cancelled {
				r.note(ctx, freight.AuditWarehouse, waybill, "WMS has cancelled "+cmp.Or(q.ShipOrder, "what it was asked"))
			}
		},
	})
	return answer, err
}
