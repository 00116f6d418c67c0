package odoo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The fields of an order that no delivery stands for. An order shows what they hold where it has no carried delivery.
const (
	fieldOwnStatus       = ourPrefix + "own_status"
	fieldOwnInvoiceState = ourPrefix + "own_invoice_state"
	fieldOwnException    = ourPrefix + "own_exception"
	fieldOwnProof        = ourPrefix + "own_proof"
	fieldOwnPromise      = ourPrefix + "own_promise"
	fieldOwnNext         = ourPrefix + "own_next_step"
)

// own is what a delivery's field is called on an order: Odoo derives some of the same name from its deliveries.
func own(name string) string {
	switch name {
	case fieldStatus:
		return fieldOwnStatus
	case fieldInvoiceState:
		return fieldOwnInvoiceState
	case fieldException:
		return fieldOwnException
	case fieldProof:
		return fieldOwnProof
	case fieldPromise:
		return fieldOwnPromise
	case fieldNext:
		return fieldOwnNext
	}
	return name
}

// place is the record that shows a shipment: its delivery, else its order.
type place struct {
	model string
	id    int64
}

func placeOf(picking, order int64) place {
	if picking == 0 {
		return place{"sale.order", order}
	}
	return place{"stock.picking", picking}
}

// field is what a field is called there.
func (p place) field(name string) string {
	if p.model == "sale.order" {
		return own(name)
	}
	return name
}

// named are values by the names the fields have there.
func (p place) named(values map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range values {
		out[p.field(name)] = v
	}
	return out
}

// asDelivery is an order in the form of a delivery that is done by being ordered: it has no moves and no id.
func asDelivery(order rec) rec {
	return rec{
		"name": order.str("name"), "state": "done", "picking_type_code": "outgoing", fieldShipment: order[fieldShipment],
		"sale_id": map[string]any(order), "company_id": order["company_id"], "carrier_id": order["carrier_id"], "partner_id": order["partner_shipping_id"],
	}
}

// withOrder reads an order as a delivery is read, by the spec of a delivery.
func withOrder(s spec) spec {
	order := fieldsOf(s, "sale_id")
	order[fieldShipment] = map[string]any{}
	order["company_id"] = s["company_id"]
	return order
}

// fieldsOf is a copy of what a spec asks of a many2one.
func fieldsOf(s spec, name string) spec {
	out := spec{}
	sub, _ := s[name].(map[string]any)
	inner, _ := sub["fields"].(map[string]any)
	for k, v := range inner {
		out[k] = v
	}
	return out
}

var loadSpec = func() spec {
	s := withOrder(claimSpec)
	s["carrier_id"] = claimSpec["carrier_id"]
	return with(s, "picking_ids", fields("state", "picking_type_code", "name"))
}()

// claimLoad marks an order as carried by a shipment, which no delivery stands for.
func (s *Status) claimLoad(ctx context.Context, q protocol.ClaimRequest) (freight.Release, error) {
	order, err := s.orderOf(ctx, *q.Load)
	if err != nil {
		return freight.Release{}, err
	}
	if why := unclaimableOrder(order, q); why != "" {
		return freight.Release{}, protocol.NotOurs.Of(fmt.Errorf("order %s %s", order.str("name"), why))
	}
	p := placeOf(0, order.id("id"))
	if order.str(fieldShipment) == "" {
		if err := s.claim(ctx, q.Shipment, p); err != nil {
			return freight.Release{}, err
		}
	}
	r := releaseOf(asDelivery(order))
	r.PickingName, r.Ordered = "", nil // what a load asks is not the order's to change
	return q.Load.Complete(r), nil
}

// orderOf finds the confirmed order of a load. That it is not there yet may be mended by a person.
func (s *Status) orderOf(ctx context.Context, l freight.Load) (rec, error) {
	by := []any{"name", "=", l.OrderName}
	if l.Order != 0 {
		by = []any{"id", "=", l.Order}
	}
	v, err := s.Odoo.Call(ctx, "sale.order", "web_search_read", []any{[]any{by}, map[string]any(loadSpec)}, map[string]any{"limit": 2})
	if err != nil {
		return nil, cross(err)
	}
	m, _ := v.(map[string]any)
	rs, err := records(m["records"])
	switch {
	case err != nil:
		return nil, cross(err)
	case len(rs) == 0:
		return nil, rejectf("there is no order %s in Odoo by which the load is billed: enter and confirm it, then resolve with retry", l.OrderName)
	case len(rs) > 1:
		return nil, rejectf("there are several orders %s in Odoo: the load can be billed by one alone", l.OrderName)
	case rs[0].str("state") == "draft" || rs[0].str("state") == "sent":
		return nil, rejectf("order %s is not confirmed in Odoo: confirm it, then resolve with retry", rs[0].str("name"))
	}
	return rs[0], nil
}

func unclaimableOrder(order rec, q protocol.ClaimRequest) string {
	delivered := slices.ContainsFunc(order.list("picking_ids"), func(p rec) bool {
		return p.str("picking_type_code") == "outgoing" && p.str("state") != "cancel"
	})
	switch holder := order.str(fieldShipment); {
	case order.str("state") != "sale":
		return "is " + order.str("state") + " in Odoo"
	case holder != "" && holder != string(q.Shipment):
		return carriedBy + " " + holder
	case delivered:
		return "has deliveries in Odoo, each of which is a shipment of its own"
	}
	return ""
}

// ReleasedOrder is a service order that no shipment carries yet.
type ReleasedOrder struct {
	Order    int64
	Name     string
	Customer freight.CustomerCode
	Currency string
}

// ReleasedOrders lists the confirmed orders with a delivery method and no delivery that no shipment carries, as
// Released does with deliveries. An order without a delivery method is not carried.
func (s *Status) ReleasedOrders(ctx context.Context, since time.Time, after int64, limit int) ([]ReleasedOrder, error) {
	domain := []any{
		[]any{"state", "=", "sale"}, []any{"carrier_id", "!=", false}, []any{"picking_ids", "=", false}, []any{fieldShipment, "=", false},
		[]any{"create_date", ">=", since.UTC().Format(timeForm)}, []any{"id", ">", after},
	}
	rs, err := s.released(ctx, "sale.order", domain, releasedOrder(), limit)
	if err != nil {
		return nil, err
	}
	var out []ReleasedOrder
	for _, o := range rs {
		c := o.sub("partner_invoice_id").sub("commercial_partner_id")
		out = append(out, ReleasedOrder{o.id("id"), o.str("name"), CustomerCode(c.str("ref"), c.id("id")), o.sub("currency_id").str("name")})
	}
	return out, nil
}

// CancelledOrders lists the carried orders without delivery that are cancelled in Odoo and do not show it yet, a page as
// Released does; Picking is the order's id.
func (s *Status) CancelledOrders(ctx context.Context, after int64, limit int) (out []Cancelled, err error) {
	domain := append(carried(place{"sale.order", 0}, after), []any{"state", "=", "cancel"})
	rs, err := searchRead(ctx, s.Odoo, "sale.order", domain, []string{fieldShipment}, map[string]any{"limit": limit, "order": "id"})
	if err != nil {
		return nil, cross(err)
	}
	for _, r := range rs {
		out = append(out, Cancelled{freight.ShipmentID(r.str(fieldShipment)), r.id("id")})
	}
	return out, nil
}

// addService adds what a line of an order without delivery has to bill, by Odoo's own count.
func addService(b *freight.Billable, p, line rec, bills bills) {
	quantity := add(line.dec("qty_to_invoice"), bills.ours)
	switch {
	case bills.draft != "": // Odoo counts it as invoiced already
		b.Blockers = append(b.Blockers, draftText(bills.draft, line))
	case sign(quantity) <= 0:
	default:
		addBillable(b, p, line, quantity)
	}
}

// delivery reads what a shipment bills by: its delivery, else its order in that form.
func (m *Money) delivery(ctx context.Context, q protocol.BillableRequest, s spec) (p rec, ok bool, err error) {
	if q.Picking != 0 {
		return readOne(ctx, m.Odoo, "stock.picking", q.Picking, s)
	}
	order, ok, err := readOne(ctx, m.Odoo, "sale.order", q.Order, withOrder(s))
	if err != nil || !ok {
		return nil, ok, err
	}
	return asDelivery(order), true, nil
}
