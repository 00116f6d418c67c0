package odoo

import (
	"context"

	"waybill/workflows/freight"
)

// Claimed is a delivery that a shipment carries.
type Claimed struct {
	Shipment freight.ShipmentID
	Picking  int64
	Name     string
}

// Claimed lists the deliveries that a tenant's shipments carry and that are not cancelled, a page as Released does.
func (s *Status) Claimed(ctx context.Context, tenant freight.TenantCode, after int64, limit int) (out []Claimed, err error) {
	domain := []any{[]any{fieldShipment, "=like", string(tenant) + "-%"}, []any{"state", "!=", "cancel"}, []any{"id", ">", after}}
	rs, err := searchRead(ctx, s.Odoo, "stock.picking", domain, []string{fieldShipment, "name"}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	for _, r := range rs {
		out = append(out, Claimed{freight.ShipmentID(r.str(fieldShipment)), r.id("id"), r.str("name")})
	}
	return out, nil
}

// Posting is a posted invoice that names a shipment.
type Posting struct {
	Shipment freight.ShipmentID
	Move     int64
	Number   string
}

// Postings lists the posted invoices of a tenant's shipments, a page as Released does.
func (m *Money) Postings(ctx context.Context, tenant freight.TenantCode, after int64, limit int) (out []Posting, err error) {
	domain := []any{[]any{fieldShipment, "=like", string(tenant) + "-%"}, []any{"state", "=", "posted"}, []any{"move_type", "=", "out_invoice"}, []any{"id", ">", after}}
	rs, err := searchRead(ctx, m.Odoo, "account.move", domain, []string{fieldShipment, "name"}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	for _, r := range rs {
		out = append(out, Posting{freight.ShipmentID(r.str(fieldShipment)), r.id("id"), r.str("name")})
	}
	return out, nil
}
