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

// Released lists the unclaimed outgoing deliveries of confirmed orders that were made since, by id, a page of at most
// limit after the id given; 0 for the first page. The claim is the state, so none can be missed; backorders and the
// last step of pick-pack-ship appear here when Odoo makes them. An order of services alone has no delivery: see
// ReleasedOrders.
func (s *Status) Released(ctx context.Context, since time.Time, after int64, limit int) ([]Released, error) {
	domain := []any{
		[]any{"picking_type_code", "=", "outgoing"}, []any{"state", "not in", []any{"draft", "cancel"}}, []any{"sale_id.state", "=", "sale"},
		[]any{fieldShipment, "=", false}, []any{"create_date", ">=", since.UTC().Format(timeForm)}, []any{"id", ">", after},
	}
	rs, err := s.released(ctx, "stock.picking", domain, with(spec{}, "sale_id", releasedOrder()), limit)
	if err != nil {
		return nil, err
	}
	var out []Released
	for _, r := range rs {
		order := r.sub("sale_id")
		c := order.sub("partner_invoice_id").sub("commercial_partner_id")
		out = append(out, Released{Picking: r.id("id"), OrderName: order.str("name"), Customer: CustomerCode(c.str("ref"), c.id("id")), Currency: order.sub("currency_id").str("name")})
	}
	return out, nil
}

// releasedOrder is what the start of a shipment says of its order.
func releasedOrder() spec {
	order := with(fields("name"), "currency_id", fields("name"))
	return with(order, "partner_invoice_id", with(spec{}, "commercial_partner_id", fields("ref")))
}

func (s *Status) released(ctx context.Context, model string, domain []any, of spec, limit int) ([]rec, error) {
	v, err := s.Odoo.Call(ctx, model, "web_search_read", []any{domain, map[string]any(of)}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	m, _ := v.(map[string]any)
	rs, err := records(m["records"])
	return rs, cross(err)
}

// Cancelled is a carried delivery that Odoo has cancelled.
type Cancelled struct {
	Shipment freight.ShipmentID
	Picking  int64
}

// Changed is a carried delivery that is cancelled in Odoo and does not show it yet, or that has numbers of the carrier.
type Changed struct {
	Cancelled
	Stopped bool   // it is cancelled
	Numbers string // as Odoo keeps them, see freight.TrackingsIn; "" for none
}

// Changed lists carried deliveries on their way of which something is to be told, a page as Released does: those that are
// cancelled in Odoo and do not show it yet, and those with numbers of the carrier that were written since. One that was
// delivered is not cancelled with its order: what is billed of it is credited in Odoo, and shows in Payments.
func (s *Status) Changed(ctx context.Context, since time.Time, after int64, limit int) (out []Changed, err error) {
	domain := append(carried(place{"stock.picking", 0}, after),
		"|", []any{"state", "=", "cancel"}, "&", []any{fieldCarrierRef, "!=", false}, []any{"write_date", ">=", since.UTC().Format(timeForm)})
	rs, err := searchRead(ctx, s.Odoo, "stock.picking", domain, []string{fieldShipment, "state", fieldCarrierRef}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	for _, r := range rs {
		out = append(out, Changed{Cancelled{freight.ShipmentID(r.str(fieldShipment)), r.id("id")}, r.str("state") == "cancel", r.str(fieldCarrierRef)})
	}
	return out, nil
}

// carried asks for what a shipment carries that is not at its end yet, by what it shows.
func carried(of place, after int64) []any {
	open := []any{string(freight.StatusReleased), string(freight.StatusAccepted), string(freight.StatusInTransit), string(freight.StatusOutForDelivery)}
	return []any{[]any{fieldShipment, "!=", false}, []any{of.field(fieldStatus), "in", open}, []any{"id", ">", after}}
}
