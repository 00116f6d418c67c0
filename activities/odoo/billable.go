package odoo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Money posts invoices, and is the only one that can. Its user has accounting rights and nothing to do with
// the status.
type Money struct {
	Odoo           Caller
	FreightProduct string         // internal reference of the product that freight lines use
	Zone           *time.Location // whose day an invoice is dated; nil: UTC

	mu      sync.Mutex
	product freightItem
}

// billsSpec is what is read of the invoice lines that bill a line of an order.
var billsSpec = func() spec {
	s := with(fields("quantity"), "product_uom_id", fields("factor", "rounding"))
	return with(s, "move_id", fields("state", "move_type", "display_name", fieldShipment))
}()

// billableSpec is what is read of a delivery to say what may be billed for it.
var billableSpec = billableWith(moveSpec)

// postingSpec is what is read of it again before it is posted: the weight and the packages were rated before.
var postingSpec = billableWith(movedSpec())

func billableWith(moves spec) spec {
	line := fields("is_delivery", "is_downpayment", "display_type", "name", "product_id", "price_unit", "discount", "qty_delivered", "qty_invoiced", "qty_to_invoice", "product_uom_qty")
	line = with(line, "product_uom_id", fields("name", "factor", "rounding"))
	line = with(line, "tax_ids", fields("name", "price_include"))
	line = with(line, "invoice_lines", billsSpec)
	order := fields("name", "state", "client_order_ref", "payment_term_id", "partner_shipping_id", "fiscal_position_id", "user_id", "incoterm", "journal_id", "reference")
	order = with(order, "currency_id", fields("name", "active"))
	order = with(order, "partner_invoice_id", fields("active"))
	order = with(order, "order_line", line)
	s := fields("name", "state", "date_done", fieldShipment, "shipping_weight", "weight_uom_name")
	s = with(s, "sale_id", order)
	s = with(s, "move_ids", moves)
	return with(s, "company_id", fields(append([]string{"name", "account_sale_tax_id", "tax_calculation_rounding_method"}, lockFields...)...))
}

// ReadBillable answers what may be billed for a delivery now: what was done, never more than was delivered and
// not invoiced, at the order's own price; and what stands in the way, in words that say what to do.
func (m *Money) ReadBillable(ctx context.Context, q protocol.BillableRequest) (freight.Billable, error) {
	b, _, err := m.billable(For(ctx, q.Shipment), q, billableSpec)
	return b, err
}

func (m *Money) billable(ctx context.Context, q protocol.BillableRequest, s spec) (b freight.Billable, p rec, err error) {
	p, ok, err := m.delivery(ctx, q, s)
	if err != nil {
		return b, nil, cross(err)
	}
	if !ok {
		return b, nil, rejectf("%s %d is not in Odoo any more, or in a company that the money user may not see", placeOf(q.Picking, q.Order).model, placeOf(q.Picking, q.Order).id)
	}
	b.Partner = p.sub("sale_id").sub("partner_invoice_id").id("id")
	if m.Zone != nil {
		_, b.Ahead = time.Now().In(m.Zone).Zone()
	}
	b.Blockers = blockers(p, q)
	if p.str("state") == "done" && q.Picking != 0 {
		b.Weight, b.Pieces = kilos(p.dec("shipping_weight"), p.str("weight_uom_name")), pieces(p.list("move_ids"))
	}
	for _, line := range p.sub("sale_id").list("order_line") {
		addLine(&b, p, line, q)
	}
	return b, p, nil
}

// blockers are what stands in the way whatever the lines are.
func blockers(p rec, q protocol.BillableRequest) (bs []string) {
	order := p.sub("sale_id")
	if q.Scope == freight.GoodsAndFreight && p.str("state") != "done" {
		bs = append(bs, fmt.Sprintf("delivery %s is not validated in Odoo (it is %s): validate it", p.str("name"), p.str("state")))
	}
	if holder := p.str(fieldShipment); holder != "" && holder != string(q.Shipment) {
		bs = append(bs, fmt.Sprintf("delivery %s %s %s: that one bills it", p.str("name"), carriedBy, holder))
	}
	if order.str("state") != "sale" {
		bs = append(bs, fmt.Sprintf("order %s is %s in Odoo, and its delivery %s is %s: what was delivered is to be billed by hand", order.str("name"), order.str("state"), p.str("name"), p.str("state")))
	}
	if partner := order.sub("partner_invoice_id"); partner.id("id") != 0 && !partner.flag("active") {
		bs = append(bs, "the invoice address is archived: restore it, or choose another on the order")
	}
	if currency := order.sub("currency_id"); currency.id("id") != 0 && !currency.flag("active") {
		bs = append(bs, fmt.Sprintf("currency %s is not active in Odoo: activate it", currency.str("name")))
	}
	return bs
}

// addLine adds one line of the order to what may be billed, or what stands in the way of it.
func addLine(b *freight.Billable, p, line rec, q protocol.BillableRequest) {
	bills := billsOf(line, q.Shipment)
	switch {
	case line.str("display_type") != "":
	case line.flag("is_delivery"):
		addDelivery(b, line, bills)
	case q.Scope != freight.GoodsAndFreight:
	case line.flag("is_downpayment"):
		if sign(line.dec("qty_invoiced")) > 0 {
			b.Blockers = append(b.Blockers, fmt.Sprintf("%q has been invoiced and is on no final invoice yet: bill this order by hand, so that it is deducted", line.str("name")))
		}
	case q.Picking == 0:
		addService(b, p, line, bills)
	default:
		addGoods(b, p, line, bills)
	}
}

// addDelivery takes the order's delivery line for the freight, unless someone has billed freight by it.
func addDelivery(b *freight.Billable, line rec, bills bills) {
	switch {
	case bills.draft != "":
		b.Blockers = append(b.Blockers, draftText(bills.draft, line))
	case sign(bills.byHand) > 0 && sign(line.dec("price_unit")) != 0:
		b.Blockers = append(b.Blockers, fmt.Sprintf("the order's freight was billed by hand on %s: credit that, or bill this delivery by hand", bills.hand))
	case sign(subtract(line.dec("qty_invoiced"), bills.ours)) <= 0:
		b.DeliveryLine = line.id("id")
	}
}

func addGoods(b *freight.Billable, p, line rec, bills bills) {
	done, why := doneBy(p, line)
	switch {
	case why != "":
		b.Blockers = append(b.Blockers, why)
	case sign(done) <= 0 && reduces(line) && sign(line.dec("qty_invoiced")) == 0:
		b.Blockers = append(b.Blockers, fmt.Sprintf("%q takes money off the order and belongs to no delivery: give it as a discount of the lines, or bill this order by hand", line.str("name")))
	case sign(done) <= 0: // a service, or of another delivery
	case bills.draft != "":
		b.Blockers = append(b.Blockers, draftText(bills.draft, line))
	default:
		quantity := least(done, subtract(line.dec("qty_delivered"), subtract(line.dec("qty_invoiced"), bills.ours)))
		if sign(quantity) > 0 {
			addBillable(b, p, line, quantity)
		}
	}
}

func addBillable(b *freight.Billable, p, line rec, quantity string) {
	if t := including(line.list("tax_ids")); t != "" {
		b.Blockers = append(b.Blockers, fmt.Sprintf("the price of %q includes the tax %q: Waybill bills net prices, so take a tax that is added, or bill this order by hand", line.str("name"), t))
		return
	}
	b.Goods = append(b.Goods, goodsLine(line, quantity, p.sub("sale_id").sub("currency_id").str("name")))
}

// including is the name of a tax that the price includes; "" for none.
func including(taxes []rec) string {
	for _, t := range taxes {
		if t.flag("price_include") {
			return t.str("name")
		}
	}
	return ""
}

// reduces reports whether a line takes money off: a discount, or a return entered as a sale.
func reduces(line rec) bool {
	return sign(multiply(line.dec("price_unit"), line.dec("product_uom_qty"))) < 0
}

func draftText(draft string, line rec) string {
	return fmt.Sprintf("%s, made by hand, bills %q: post it or delete it", draft, line.str("name"))
}

func goodsLine(line rec, quantity, currency string) freight.InvoiceLine {
	l := freight.InvoiceLine{
		Ref: fmt.Sprintf("g_%d", line.id("id")), SaleLine: line.id("id"), Product: line.id("product_id"), Description: line.str("name"),
		Quantity: quantity, UnitPrice: freight.Money{Number: line.dec("price_unit"), Currency: currency}, Taxes: line.ids("tax_ids"),
	}
	if d := line.dec("discount"); sign(d) != 0 {
		l.Discount = d
	}
	slices.Sort(l.Taxes)
	return l
}

// bills is who has billed a line of an order.
type bills struct {
	ours   string // quantity on invoices of this shipment, in the line's unit
	byHand string // net quantity on posted documents that are no shipment's
	hand   string // number of one of those
	draft  string // a draft that is no shipment's, by its name and id; "" for none
}

func billsOf(line rec, id freight.ShipmentID) bills {
	b := bills{ours: "0", byHand: "0"}
	for _, l := range line.list("invoice_lines") {
		move := l.sub("move_id")
		quantity, _ := inUnit(l.dec("quantity"), l.sub("product_uom_id"), line.sub("product_uom_id"))
		if move.str("move_type") == "out_refund" {
			quantity = subtract("0", quantity)
		}
		switch holder := move.str(fieldShipment); {
		case move.str("state") == "cancel":
		case holder == string(id):
			b.ours = add(b.ours, quantity)
		case holder != "": // another shipment's: a part of qty_invoiced
		case move.str("state") == "draft":
			b.draft = fmt.Sprintf("%s (id %d)", move.str("display_name"), move.id("id"))
		default:
			b.byHand, b.hand = add(b.byHand, quantity), move.str("display_name")
		}
	}
	return b
}

// doneBy is how much of a line of the order this delivery has brought, in the line's unit, or why that cannot be said.
func doneBy(p, line rec) (done, why string) {
	done = "0"
	for _, mv := range p.list("move_ids") {
		if mv.str("state") != "done" || mv.id("sale_line_id") != line.id("id") {
			continue
		}
		if mv.id("product_id") != line.id("product_id") {
			return "0", fmt.Sprintf("%q is delivered as other products, a kit, which Waybill does not bill: bill this order by hand", line.str("name"))
		}
		unit, sold := mv.sub("product_uom"), line.sub("product_uom_id")
		quantity, exactly := inUnit(mv.dec("quantity"), unit, sold)
		if !exactly {
			return "0", fmt.Sprintf("%s %s of %q are no exact number of %s, the unit on the order: bill this delivery by hand", mv.dec("quantity"), unit.str("name"), line.str("name"), sold.str("name"))
		}
		done = add(done, quantity)
	}
	return done, ""
}

// inUnit converts a quantity from one unit of measure to another; exactly reports whether nothing was rounded. A unit
// without a factor is the one wanted: Odoo sends none where a line has no unit.
func inUnit(quantity string, from, to rec) (converted string, exactly bool) {
	f, t := from.dec("factor"), to.dec("factor")
	if from.id("id") == to.id("id") || sign(f) == 0 || sign(t) == 0 || same(f, t) {
		return quantity, true
	}
	return divided(multiply(quantity, f), t, to.dec("rounding"))
}
