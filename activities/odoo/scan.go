package odoo

import (
	"context"
	"time"

	"waybill/workflows/freight"
)

// Released is a delivery that no shipment carries yet.
type Released struct {
	Picking   int64
	OrderName string
	Customer  freight.CustomerCode
	Currency  string
}

// Released lists the unclaimed outgoing deliveries of confirmed orders that were made since, oldest first. The
// claim is the state, so none can be missed; backorders and the last step of pick-pack-ship appear here when
// Odoo makes them.
func (s *Status) Released(ctx context.Context, since time.Time, limit int) ([]Released, error) {
	domain := []any{
		[]any{"picking_type_code", "=", "outgoing"}, []any{"state", "not in", []any{"draft", "cancel"}}, []any{"sale_id.state", "=", "sale"},
		[]any{fieldShipment, "=", false}, []any{"create_date", ">=", since.UTC().Format(timeForm)},
	}
	order := with(fields("name"), "currency_id", fields("name"))
	order = with(order, "partner_invoice_id", with(spec{}, "commercial_partner_id", fields("ref")))
	v, err := s.Odoo.Call(ctx, "stock.picking", "web_search_read", []any{domain, map[string]any(with(spec{}, "sale_id", order))}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	m, _ := v.(map[string]any)
	rs, err := records(m["records"])
	if err != nil {
		return nil, cross(err)
	}
	var out []Released
	for _, r := range rs {
		order := r.sub("sale_id")
		c := order.sub("partner_invoice_id").sub("commercial_partner_id")
		out = append(out, Released{Picking: r.id("id"), OrderName: order.str("name"), Customer: CustomerCode(c.str("ref"), c.id("id")), Currency: order.sub("currency_id").str("name")})
	}
	return out, nil
}

// Cancelled is a carried delivery that Odoo has cancelled.
type Cancelled struct {
	Shipment freight.ShipmentID
	Picking  int64
}

// Cancelled lists carried deliveries that are cancelled in Odoo and do not show it yet.
func (s *Status) Cancelled(ctx context.Context, limit int) ([]Cancelled, error) {
	open := []any{string(freight.StatusReleased), string(freight.StatusAccepted), string(freight.StatusInTransit), string(freight.StatusOutForDelivery)}
	rs, err := searchRead(ctx, s.Odoo, "stock.picking", []any{[]any{fieldShipment, "!=", false}, []any{"state", "=", "cancel"}, []any{fieldStatus, "in", open}}, []string{fieldShipment}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	var out []Cancelled
	for _, r := range rs {
		out = append(out, Cancelled{freight.ShipmentID(r.str(fieldShipment)), r.id("id")})
	}
	return out, nil
}
