package shipment

import (
	"strings"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
)

// seeOrder hears that the order asks something else than when it was last looked at. People are told what is otherwise
// than at its release, which is what the carrier and the warehouse were told; nothing is changed by itself.
func (r *run) seeOrder(ctx workflow.Context, o freight.Ordered) {
	changes, news := r.s.See(o)
	if !news {
		return
	}
	r.urgent = true // the store compares with what was seen
	if len(changes) == 0 {
		r.settle(ctx, freight.OrderChanged, "", "the order is as it was released")
		return
	}
	r.settle(ctx, freight.OrderChanged, "", "the order was changed again")
	if !r.unwanted() && !r.s.Delivered() {
		r.raise(ctx, freight.OrderChanged, o.Hash(), "since its release the order was changed: "+strings.Join(changes, "; "))
	}
}
