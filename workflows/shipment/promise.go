package shipment

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
)

// watch judges the promise to the customer and shows when it stands otherwise than before.
func (r *run) watch(ctx workflow.Context) {
	over := r.s.Stage == freight.StageClosed || r.s.Stage == freight.StageCancelled || r.unwanted()
	if !over && !r.s.Doubtful && r.s.Unforeseen() {
		r.s.Doubtful = tellsDoubt(ctx)
	}
	if over || !r.s.Watch(workflow.Now(ctx)) || r.s.SLA.State == "" {
		return
	}
	is := r.s.SLA
	switch {
	case is.State == freight.OnTime || is.State == freight.Unknown || r.s.Delivered():
		r.settle(ctx, freight.DeliveryAtRisk, "", "the promise: "+string(is.State))
		r.settle(ctx, freight.DeliveryOverdue, "", "the promise: "+string(is.State))
	case is.State == freight.AtRisk:
		r.raise(ctx, freight.DeliveryAtRisk, "", is.Reason)
	default:
		r.settle(ctx, freight.DeliveryAtRisk, "", "the promise is broken")
		r.raise(ctx, freight.DeliveryOverdue, "", is.Reason)
	}
	if is.State == freight.AtRisk || is.State == freight.Late {
		r.note(ctx, freight.AuditPromise, waybill, fmt.Sprintf("%s by %s: %s", is.State, is.Policy, strings.Join(append([]string{is.Reason}, is.Evidence...), "; ")))
	}
}
