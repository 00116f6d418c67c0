package odoo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// orderedSpec is what is read of an order to know what it asks.
func orderedSpec(order spec) spec {
	order["commitment_date"] = map[string]any{}
	line := with(fields("display_type", "is_delivery", "product_uom_qty"), "product_id", fields("default_code", "type"))
	order = with(order, "order_line", line)
	return with(order, "partner_shipping_id", with(fields("zip", "street", "street2", "city"), "country_id", fields("code")))
}

// orderedOf is what an order asks: goods, where to, and by when. Services are carried by nobody.
func orderedOf(order rec) freight.Ordered {
	to := order.sub("partner_shipping_id")
	o := freight.Ordered{
		ShipTo: freight.Place{Ref: to.id("id"), Country: to.sub("country_id").str("code"), Postcode: to.str("zip")},
		Street: freight.HashOf(strings.TrimSpace(strings.Join([]string{to.str("street"), to.str("street2"), to.str("city")}, "\n"))),
	}
	o.By, _ = time.Parse(timeForm, order.str("commitment_date")) // Odoo's times are UTC; none is asked for
	others := sha256.New()
	for _, l := range order.list("order_line") {
		product := l.sub("product_id")
		if l.str("display_type") != "" || l.flag("is_delivery") || product.str("type") == "service" {
			continue
		}
		line := freight.OrderedLine{ID: l.id("id"), Product: product.str("default_code"), Quantity: l.dec("product_uom_qty")}
		if line.Product == "" || len(line.Product) > longestCode {
			line.Product = fmt.Sprintf("product %d", product.id("id"))
		}
		if len(o.Lines) < freight.OrderedLinesKept {
			o.Lines = append(o.Lines, line)
			continue
		}
		fmt.Fprintf(others, "%d %s %s\n", line.ID, line.Product, line.Quantity)
		o.Others = hex.EncodeToString(others.Sum(nil)[:8])
	}
	return o
}

// longestCode bounds what is repeated of a product's internal reference.
const longestCode = 60

// SeenOrder is what the order of a carried delivery asks now.
type SeenOrder struct {
	Shipment freight.ShipmentID
	Picking  int64
	Ordered  freight.Ordered
}

// Orders lists what the orders ask of carried deliveries on their way that were written since, or whose lines or address
// were, a page as Released does.
func (s *Status) Orders(ctx context.Context, since time.Time, after int64, limit int) (out []SeenOrder, err error) {
	written := func(of string) []any { return []any{of + "write_date", ">=", since.UTC().Format(timeForm)} }
	domain := append(carried(place{"stock.picking", 0}, after), "|", "|", written("sale_id."), written("sale_id.order_line."), written("sale_id.partner_shipping_id."))
	rs, err := s.released(ctx, "stock.picking", domain, with(fields(fieldShipment), "sale_id", orderedSpec(spec{})), limit)
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		out = append(out, SeenOrder{freight.ShipmentID(r.str(fieldShipment)), r.id("id"), orderedOf(r.sub("sale_id"))})
	}
	return out, nil
}
