package odoo

import (
	"context"
	"fmt"
	"regexp"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

var claimSpec = func() spec {
	partner := with(fields("zip"), "country_id", fields("code"))
	order := fields("name", "state", "client_order_ref")
	order = with(order, "currency_id", fields("name"))
	order = orderedSpec(order)
	order = with(order, "partner_invoice_id", with(fields("active"), "commercial_partner_id", fields("ref")))
	s := fields("name", "state", "picking_type_code", fieldShipment, fieldCarrierRef, "weight", "weight_uom_name")
	s = with(s, "company_id", with(spec{}, "country_id", fields("code")))
	s = with(s, "sale_id", order)
	s = with(s, "partner_id", partner)
	s = with(s, "carrier_id", with(spec{}, "product_id", fields("default_code")))
	return with(s, "move_ids", moveSpec)
}()

// fieldCarrierRef is where Odoo keeps the numbers that a carrier gave a delivery's parcels, several in one text.
const fieldCarrierRef = "carrier_tracking_ref"

// ClaimDelivery marks a delivery as carried by a shipment and answers with the facts the shipment starts from.
// Claimed by the same shipment before, it answers the same; by another, it is not ours. Of any number that claim it
// at once one has it: the rule that Setup makes refuses to overwrite a claim, in the transaction of the write.
func (s *Status) ClaimDelivery(ctx context.Context, q protocol.ClaimRequest) (freight.Release, error) {
	ctx = For(ctx, q.Shipment)
	if q.Load != nil {
		return s.claimLoad(ctx, q)
	}
	p, ok, err := readOne(ctx, s.Odoo, "stock.picking", q.Picking, claimSpec)
	if err != nil {
		return freight.Release{}, cross(err)
	}
	if why := unclaimable(p, ok, q); why != "" {
		return freight.Release{}, protocol.NotOurs.Of(fmt.Errorf("delivery %d %s", q.Picking, why))
	}
	if p.str(fieldShipment) == "" {
		if err := s.claim(ctx, q.Shipment, placeOf(q.Picking, 0)); err != nil {
			return freight.Release{}, err
		}
	}
	return releaseOf(p), nil
}

func (s *Status) claim(ctx context.Context, id freight.ShipmentID, p place) error {
	_, err := s.Odoo.Call(ctx, p.model, "write", []any{[]int64{p.id}, p.named(map[string]any{
		fieldShipment: string(id), fieldStatus: string(freight.StatusReleased), fieldInvoiceState: string(freight.InvoiceNone), fieldRevision: 0})}, nil)
	if why, no := guarded(err); no {
		return protocol.NotOurs.Of(fmt.Errorf("%s %d %s", p.model, p.id, why))
	}
	return cross(ignoreCommitted(err))
}

func unclaimable(p rec, found bool, q protocol.ClaimRequest) string {
	switch holder := p.str(fieldShipment); {
	case !found:
		return "is not there: it was deleted in Odoo"
	case p.str("picking_type_code") != "outgoing":
		return "is no outgoing one"
	case p.str("state") == "cancel":
		return "is cancelled in Odoo"
	case holder != "" && holder != string(q.Shipment):
		return carriedBy + " " + holder
	case p.sub("sale_id").id("id") == 0:
		return "belongs to no sales order"
	case p.sub("sale_id").str("state") != "sale":
		return "belongs to an order that is not confirmed"
	}
	return ""
}

// carrierForm is what a delivery product's internal reference looks like where it is a carrier's code.
var carrierForm = regexp.MustCompile(`^[A-Z0-9]{2,10}$`)

func releaseOf(p rec) freight.Release {
	order := p.sub("sale_id")
	commercial := order.sub("partner_invoice_id").sub("commercial_partner_id")
	r := freight.Release{
		Picking: p.id("id"), PickingName: p.str("name"), Order: order.id("id"), OrderName: order.str("name"),
		CustomerPO: order.str("client_order_ref"), Customer: CustomerCode(commercial.str("ref"), commercial.id("id")),
		Partner: order.sub("partner_invoice_id").id("id"), Company: p.sub("company_id").id("id"), From: p.sub("company_id").sub("country_id").str("code"), Currency: order.sub("currency_id").str("name"),
		Weight: kilos(p.dec("weight"), p.str("weight_uom_name")), Pieces: pieces(p.list("move_ids")),
	}
	nameService(&r, p.sub("carrier_id").sub("product_id").str("default_code"))
	to := p.sub("partner_id")
	if to.id("id") == 0 {
		to = order.sub("partner_shipping_id")
	}
	r.ShipTo = freight.Place{Ref: to.id("id"), Country: to.sub("country_id").str("code"), Postcode: to.str("zip")}
	r.Missing = missing(commercial.str("ref"), r)
	asks := orderedOf(order)
	r.Ordered = &asks
	r.Known = freight.TrackingsIn(p.str(fieldCarrierRef), r.Carrier)
	return r
}

// nameService takes what a delivery method's product is called internally: the code of a service, and where it looks
// like one, of the carrier.
func nameService(r *freight.Release, code string) {
	if codeForm.MatchString(code) {
		r.Service = code
	}
	if carrierForm.MatchString(code) {
		r.Carrier = freight.CarrierCode(code)
	}
}

// missing are the billing prerequisites that Odoo does not have.
func missing(ref string, r freight.Release) (ms []string) {
	switch {
	case ref == "":
		ms = append(ms, "the customer has no reference in Odoo, so no policy of its own applies")
	case !codeForm.MatchString(ref):
		ms = append(ms, "the customer's reference in Odoo is no code, so no policy of its own applies: use 1 to 40 letters, digits, '.', '_' or '-'")
	}
	if r.ShipTo.Postcode == "" {
		ms = append(ms, "the delivery address has no postcode, so no zone can be found")
	}
	return ms
}

// codeForm is what a customer's reference looks like where it is a code: it is shown in search attributes, where a
// name or an address must never be.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// CustomerCode is the customer's reference in Odoo where that is a code, else "P<id>": never a name.
func CustomerCode(ref string, partner int64) freight.CustomerCode {
	if codeForm.MatchString(ref) {
		return freight.CustomerCode(ref)
	}
	return freight.CustomerCode(fmt.Sprintf("P%d", partner))
}

// moveSpec is what is read of a delivery's moves, before and after it is done.
var moveSpec = with(movedSpec(), "move_line_ids", fields("result_package_id", "quantity"))

// movedSpec is what is read of them where packages do not count.
func movedSpec() spec {
	return with(fields("state", "quantity", "sale_line_id", "product_id"), "product_uom", fields("name", "factor", "rounding"))
}

// pieces are the packages, and one for each move with goods in none.
func pieces(moves []rec) int {
	packages, loose := map[int64]bool{}, 0
	for _, mv := range moves {
		if mv.str("state") == "cancel" {
			continue
		}
		lines := mv.list("move_line_ids")
		open := len(lines) == 0
		for _, l := range lines {
			if p := l.id("result_package_id"); p != 0 {
				packages[p] = true
			} else {
				open = open || sign(l.dec("quantity")) > 0
			}
		}
		if open {
			loose++
		}
	}
	return len(packages) + loose
}

// poundKilos is the international pound, exact by definition.
const poundKilos = "0.45359237"

// kilos is a weight in kg: Odoo keeps all weights in kg, or all in lb, by a setting.
func kilos(weight, unit string) string {
	if unit == "lb" {
		return rounded(multiply(weight, poundKilos), weightDecimals)
	}
	return weight
}

// weightDecimals are the grams of a kilogram.
const weightDecimals = 3
