package connectors

import (
	"encoding/json"
	"fmt"

	"waybill/internal/store"
	"waybill/workflows/freight"
)

// ReleaseType is the type of an event that releases freight no delivery in Odoo stands for.
const ReleaseType = "com.waybill.shipment.release.v1"

// ReleaseOf reads the load that a delivery of our own schema releases; nil for one that tells of something else. Its
// source is where it came in: nobody can release another's load.
func ReleaseOf(d store.Delivery) (*freight.Load, error) {
	var e Event
	if json.Unmarshal(d.Body, &e) != nil || e.Type != ReleaseType {
		return nil, nil
	}
	var l freight.Load
	if err := json.Unmarshal(e.Data, &l); err != nil {
		return nil, fmt.Errorf("/data: %w", err)
	}
	l.Source, l.Order, l.ShipTo.Ref = d.Source, 0, 0
	if err := l.Check(); err != nil {
		return nil, fmt.Errorf("/data: %w", err)
	}
	return &l, nil
}
