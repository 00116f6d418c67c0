package record

import (
	"context"

	"waybill/workflows/protocol"
)

// ReadNumbers answers with the numbers of its carrier under which a shipment is registered: also those that its acceptance
// named, its TMS or somebody in Odoo.
func (k *Keeper) ReadNumbers(ctx context.Context, q protocol.NumbersRequest) (protocol.Numbers, error) {
	rs, err := k.Store.Numbers(ctx, q.Shipment)
	if err != nil {
		return protocol.Numbers{}, faultOf(err)
	}
	return protocol.Numbers{Numbers: rs}, nil
}
