package tms

import (
	"context"

	"waybill/workflows/protocol"
)

// Check proves that the TMS answers and takes the token. It changes nothing.
func (t *TMS) Check(ctx context.Context) error {
	_, err := t.find(ctx, protocol.TransportCancel{Shipment: "waybill-check", Tender: 1})
	return err
}
