package odoo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"waybill/workflows/freight"
)

// invoiceSpec is what is read of an invoice: all that makes it what was validated, and again what its lines bill.
var invoiceSpec = func() spec {
	billed := with(fields("is_delivery", "qty_delivered", "qty_invoiced", "qty_to_invoice"), "product_uom_id", fields("factor"))
	billed = with(billed, "invoice_lines", billsSpec)
	line := with(fields(lineFields...), "tax_ids", fields("name"))
	line = with(line, "sale_line_ids", billed)
	s := fields(append([]string{"display_name", "posted_before"}, moveFields...)...)
	s = with(s, "fiscal_position_id", fields("tax_ids"))
	s = with(s, "create_uid", fields("name"))
	s = with(s, "write_uid", fields("name"))
	return with(s, "invoice_line_ids", line)
}()

// postedSpec is what is read of an invoice that was compared as a draft a moment ago, and is posted now: all that makes
// it what was validated. It is half as dear.
var postedSpec = with(fields(moveFields...), "invoice_line_ids", fields(append([]string{"sale_line_ids"}, lineFields...)...))

var (
	moveFields = []string{"name", "state", "move_type", "partner_id", "company_id", "currency_id", "invoice_date", "date", "amount_untaxed", "amount_tax", "amount_total", fieldShipment, fieldLinesHash}
	lineFields = []string{"display_type", "name", "quantity", "price_unit", "discount", "price_subtotal", "product_uom_id", "product_id"}
)

// read reads an invoice: little of one that was compared as a draft and is posted now, all where it is not.
func (a posting) read(ctx context.Context, id int64, tried bool) (move rec, found bool, err error) {
	if tried {
		move, found, err = readOne(ctx, a.m.Odoo, "account.move", id, postedSpec)
		if err != nil || !found || move.str("state") == "posted" {
			return move, found, cross(err)
		}
	}
	move, found, err = readOne(ctx, a.m.Odoo, "account.move", id, invoiceSpec)
	return move, found, cross(err)
}

// step is what an invoice needs next to become the plan's.
type step int

const (
	post    step = iota // it is exactly the plan, in draft
	finish              // it is posted
	stop                // a person must act; nothing is changed
	refuse              // it would become something else: it is deleted, and the plan rejected
	void                // what it bills was billed meanwhile: it is deleted, and the plan is void
	replace             // it is an older plan's draft
	retax               // its goods have not the taxes of the order
)

// next decides from what is there; it is the only place where a posting is allowed.
func (a posting) next(move rec) (step, string) {
	edited := move.sub("write_uid").id("id") != move.sub("create_uid").id("id")
	name := fmt.Sprintf("%s (id %d)", move.str("display_name"), move.id("id"))
	why := a.differs(move)
	stale := move.str(fieldLinesHash) != a.plan.LinesHash() || move.str("invoice_date") != a.plan.Date
	switch {
	case move.str("state") == "posted":
		return finish, ""
	case move.str("state") == "cancel":
		return stop, fmt.Sprintf("invoice %s was cancelled in Odoo: reset it to draft there and retry, or bill by hand", a.plan.Key)
	case (stale || why != "") && move.flag("posted_before"):
		return stop, fmt.Sprintf("%s was posted, reset to draft and is not what was validated: %s. Set it right and post it there, or cancel it and bill by hand", name, orElse(why, "it is of an older validation"))
	case (stale || why != "") && edited:
		return stop, fmt.Sprintf("%s was changed by %s: %s. Delete it to have it made again, or post it there and bill by hand", name, move.sub("write_uid").str("name"), orElse(why, "it is of an older validation"))
	case stale:
		return replace, ""
	case why != "":
		return refuse, why
	}
	if why := a.overbills(move); why != "" {
		return void, why
	}
	return a.taxed(move)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// differs says how an invoice is not the plan, taxes apart; "" for not at all.
func (a posting) differs(move rec) string {
	p := a.plan
	currency := a.currencyOf(move)
	switch {
	case move.str("move_type") != "out_invoice":
		return "it is a " + move.str("move_type")
	case move.str(fieldShipment) != string(p.Shipment):
		return fmt.Sprintf("shipment %q, not %s", move.str(fieldShipment), p.Shipment)
	case move.id("company_id") != a.facts.id("company_id"):
		return fmt.Sprintf("company %d, not %s", move.id("company_id"), a.facts.sub("company_id").str("name"))
	case move.id("partner_id") != p.Partner:
		return fmt.Sprintf("partner %d, not %d", move.id("partner_id"), p.Partner)
	case currency != p.Currency:
		return fmt.Sprintf("currency %s, not %s", currency, p.Currency)
	case move.str("invoice_date") != p.Date:
		return fmt.Sprintf("invoice date %s, not %s", orElse(move.str("invoice_date"), "none"), p.Date)
	}
	if why := a.linesDiffer(move); why != "" {
		return why
	}
	return a.netDiffers(move.money("amount_untaxed", currency), a.facts.sub("company_id").str("tax_calculation_rounding_method"))
}

// currencyOf is the currency of an invoice: the order's by its name, another by its id.
func (a posting) currencyOf(move rec) string {
	if ordered := a.facts.sub("sale_id").sub("currency_id"); move.id("currency_id") == ordered.id("id") {
		return ordered.str("name")
	}
	return fmt.Sprint(move.id("currency_id"))
}

// netDiffers compares the net to the cent. A company rounds the net of each line, or that of the invoice once.
func (a posting) netDiffers(net freight.Money, method string) string {
	byLine, once, err := nets(a.plan)
	if err != nil {
		return err.Error()
	}
	want := byLine
	if method == "round_globally" {
		want = once
	}
	switch {
	case !a.plan.Net.Equal(byLine) && !a.plan.Net.Equal(once):
		return fmt.Sprintf("net %s, its lines make %s", a.plan.Net, byLine)
	case !net.Equal(want):
		return fmt.Sprintf("net %s, not %s", net, want)
	}
	return ""
}

// nets are the plan's net with each line rounded, and rounded once.
func nets(p freight.InvoicePlan) (byLine, once freight.Money, err error) {
	byLine, sum := freight.ZeroMoney(p.Currency), "0"
	for _, l := range p.Lines {
		net, err := l.Net()
		if err != nil {
			return byLine, once, err
		}
		if byLine, err = byLine.Add(net); err != nil {
			return byLine, once, err
		}
		raw := multiply(multiply(l.Quantity, l.UnitPrice.Number), subtract("100", orZero(l.Discount)))
		sum = add(sum, multiply(raw, "0.01"))
	}
	return byLine, freight.Money{Number: sum, Currency: p.Currency}.Rounded(), nil
}

// products are the lines that bill something; the others are sections and notes.
func products(move rec) (ls []rec) {
	for _, l := range move.list("invoice_line_ids") {
		if t := l.str("display_type"); t == "" || t == "product" {
			ls = append(ls, l)
		}
	}
	return ls
}

func (a posting) linesDiffer(move rec) string {
	left := products(move)
	if len(left) != len(a.plan.Lines) {
		return fmt.Sprintf("%d lines, not %d", len(left), len(a.plan.Lines))
	}
	for _, want := range a.plan.Lines {
		i := slices.IndexFunc(left, func(l rec) bool { return a.matches(l, want) })
		if i < 0 {
			return fmt.Sprintf("no line of %s × %q at %s less %s %%, but %s", want.Quantity, want.Description, want.UnitPrice, orZero(want.Discount), lineWords(left))
		}
		left = slices.Delete(left, i, i+1)
	}
	return ""
}

func lineWords(ls []rec) string {
	var words []string
	for _, l := range ls {
		words = append(words, fmt.Sprintf("%s × %q at %s less %s %%", l.dec("quantity"), l.str("name"), l.dec("price_unit"), l.dec("discount")))
	}
	return strings.Join(words, ", ")
}

func (a posting) matches(l rec, want freight.InvoiceLine) bool {
	net, err := want.Net()
	return err == nil && a.uses(l, want) && same(l.dec("quantity"), want.Quantity) && same(l.dec("price_unit"), want.UnitPrice.Number) &&
		sameOrZero(l.dec("discount"), want.Discount) && l.money("price_subtotal", want.UnitPrice.Currency).Equal(net)
}

// uses reports whether a line is of the product and the sale line that were planned.
func (a posting) uses(l rec, want freight.InvoiceLine) bool {
	linked := l.ids("sale_line_ids")
	if want.SaleLine == 0 {
		if len(linked) != 0 {
			return false
		}
	} else if len(linked) != 1 || linked[0] != want.SaleLine {
		return false
	}
	product := l.id("product_id")
	if isFreight(want) {
		return a.item.id == 0 || product == a.item.id // 0: not looked up, for one that is posted
	}
	return product == want.Product && l.id("product_uom_id") == a.units()[want.SaleLine]
}

// units are the units that the lines of the order are sold in.
func (a posting) units() map[int64]int64 {
	units := map[int64]int64{}
	for _, l := range a.facts.sub("sale_id").list("order_line") {
		units[l.id("id")] = l.id("product_uom_id")
	}
	return units
}

// lineFor finds the line of the invoice that was planned so.
func (a posting) lineFor(move rec, want freight.InvoiceLine) (rec, bool) {
	for _, l := range products(move) {
		if a.matches(l, want) {
			return l, true
		}
	}
	return nil, false
}

// overbills looks once more at what the lines bill, now that the draft is there: whatever anyone else invoices from
// now on, Odoo counts our draft against it.
func (a posting) overbills(move rec) string {
	for _, l := range products(move) {
		for _, sold := range l.list("sale_line_ids") {
			b := billsOf(sold, a.plan.Shipment)
			others := subtract(sold.dec("qty_invoiced"), b.ours)
			switch {
			case b.draft != "":
				return draftText(b.draft, l)
			case sold.flag("is_delivery") && sign(others) > 0:
				return "the order's delivery line has been invoiced since validation"
			case !sold.flag("is_delivery") && sign(subtract(subtract(a.earned(sold), others), l.dec("quantity"))) < 0:
				return fmt.Sprintf("%s of %q are delivered, and %s of them were invoiced since validation", a.earned(sold), l.str("name"), others)
			}
		}
	}
	return ""
}

// earned is how much of a line of the order may be billed in all: what was delivered of it or, where no delivery stands
// for the order, what Odoo counts as billed and to be billed.
func (a posting) earned(sold rec) string {
	if a.plan.Picking == 0 {
		return add(sold.dec("qty_invoiced"), sold.dec("qty_to_invoice"))
	}
	return sold.dec("qty_delivered")
}

// taxed decides by the taxes of a draft that is otherwise the plan.
func (a posting) taxed(move rec) (step, string) {
	wrong := false
	for _, want := range a.plan.Lines {
		l, ok := a.lineFor(move, want)
		if !ok {
			return refuse, fmt.Sprintf("no line %q", want.Description)
		}
		have := sorted(l.ids("tax_ids"))
		if isFreight(want) {
			if why := a.freightTax(move, l, have); why != "" {
				return refuse, why
			}
			continue
		}
		if len(want.Taxes) == 0 && len(have) > 0 {
			return refuse, fmt.Sprintf("%q has no tax on the order, and %s by product and fiscal position: make them the same", want.Description, taxNames(l))
		}
		wrong = wrong || !slices.Equal(have, want.Taxes)
	}
	if wrong {
		return retax, ""
	}
	return post, ""
}

// freightTax says why a freight line's tax must not be posted: freight has the tax of its product by the fiscal
// position, which must be that of the order's delivery line, and having none must be someone's decision.
func (a posting) freightTax(move, l rec, have []int64) string {
	own := a.productTaxes()
	want := mapped(own, move.sub("fiscal_position_id"))
	company := a.facts.sub("company_id")
	quoted, there := a.quotedTaxes()
	switch {
	case len(own) == 0 && company.id("account_sale_tax_id") != 0:
		return fmt.Sprintf("product %s has no tax in company %s: give it its tax, or one of 0 %% if freight is not taxed", a.m.FreightProduct, company.str("name"))
	case !slices.Equal(have, want):
		return fmt.Sprintf("%q has %s, and by product and fiscal position it has taxes %v", l.str("name"), taxNames(l), want)
	case there && !slices.Equal(have, quoted):
		return fmt.Sprintf("%q has %s, the order's delivery line has taxes %v: give product %s the taxes of the delivery method", l.str("name"), taxNames(l), quoted, a.m.FreightProduct)
	}
	return ""
}

// productTaxes are the sale taxes of the freight product in the delivery's company.
func (a posting) productTaxes() (ts []rec) {
	for _, t := range a.item.taxes {
		if t.id("company_id") == a.facts.id("company_id") {
			ts = append(ts, t)
		}
	}
	return ts
}

// quotedTaxes are the taxes of the order's delivery line; there is false for an order without one.
func (a posting) quotedTaxes() (ts []int64, there bool) {
	for _, l := range a.facts.sub("sale_id").list("order_line") {
		if l.flag("is_delivery") {
			return sorted(l.ids("tax_ids")), true
		}
	}
	return nil, false
}

// mapped are the taxes that a fiscal position makes of others: those that replace one in it, else the one itself. One
// without taxes takes all away.
func mapped(taxes []rec, position rec) (ns []int64) {
	if position.id("id") != 0 && len(position.ids("tax_ids")) == 0 {
		return nil
	}
	for _, t := range taxes {
		replaced := false
		for _, r := range t.list("replacing_tax_ids") {
			if slices.Contains(r.ids("fiscal_position_ids"), position.id("id")) {
				ns, replaced = append(ns, r.id("id")), true
			}
		}
		if !replaced {
			ns = append(ns, t.id("id"))
		}
	}
	return sorted(ns)
}

func sorted(ns []int64) []int64 { slices.Sort(ns); return slices.Compact(ns) }

func taxNames(l rec) string {
	var names []string
	for _, t := range l.list("tax_ids") {
		names = append(names, t.str("name"))
	}
	return orElse(strings.Join(names, ", "), "no tax")
}

// invoice is a posted invoice as it is reported, after it was compared once more: with the plan, and with the tax the
// draft had where this attempt saw it.
func (a posting) invoice(move rec, adopted bool, tax freight.Money) (freight.Invoice, error) {
	p, number := a.plan, move.str("name")
	net := move.money("amount_untaxed", a.currencyOf(move))
	why := a.differs(move)
	switch now := move.money("amount_tax", p.Currency); {
	case why != "":
	case move.str("date") != p.Date:
		why = fmt.Sprintf("its accounting date is %s, not %s", move.str("date"), p.Date)
	case tax.Stated() && !tax.Equal(now):
		why = fmt.Sprintf("its tax is %s, the draft's was %s", now, tax)
	case number == "":
		why = "it has no number"
	}
	if why != "" {
		return freight.Invoice{}, rejectf("%s (id %d) is posted under %s over %s net, %s net was validated: %s. Reset it to draft, set it right and post it there, then retry; or credit it and bill by hand", number, move.id("id"), p.Key, net, p.Net, why)
	}
	return freight.Invoice{
		Move: move.id("id"), Number: number, Date: move.str("date"), Net: net, Tax: move.money("amount_tax", p.Currency),
		Total: move.money("amount_total", p.Currency), Lines: len(p.Lines), Adopted: adopted,
	}, nil
}
