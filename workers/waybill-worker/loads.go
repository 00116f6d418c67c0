package main

import (
	"context"

	"go.uber.org/zap"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// release starts the shipment of a load that another system releases: once, however often it is told.
func (h *house) release(ctx context.Context, l freight.Load) error {
	id, err := freight.LoadShipmentID(h.config.Tenant, l.Source, l.ID)
	if err != nil {
		return err
	}
	started, err := protocol.StartShipment(ctx, h.temporal, protocol.ShipmentInput{ID: id, Load: &l, ReleasedBy: l.Source}, "", l.OrderName)
	if started {
		h.log.Info("shipment_started", zap.String("shipment", string(id)), zap.String("source", l.Source), zap.String("load", l.ID))
	}
	return err
}
