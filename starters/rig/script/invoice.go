package script

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// posted is one posted invoice as Odoo has it. Amounts are in the invoice's currency, with two decimals, or all that
// there are where one is no whole cent.
type posted struct {
	move                        int64
	name, kind, origin          string
	partner, currency           string
	net, tax, total, left, paid string // left: still to pay; paid: Odoo's word for how far it is
	lines                       []string
	deliveries                  int // lines that bill the order's delivery line
}

// invoiceFields are all that makes an invoice right, with its lines and whose they are.
var invoiceFields = func() map[string]any {
	some := func(names ...string) map[string]any {
		fields := map[string]any{}
		for _, n := range names {
			fields[n] = map[string]any{}
		}
		return fields
	}
	with := func(names ...string) map[string]any { return map[string]any{"fields": some(names...)} }
	line := some("display_type", "quantity", "price_unit", "discount", "price_subtotal")
	line["product_id"], line["tax_ids"], line["sale_line_ids"] = with("default_code"), with("amount"), with("order_id", "is_delivery")
	move := some("name", "move_type", "invoice_origin", "amount_untaxed", "amount_tax", "amount_total", "amount_residual", "payment_state")
	move["partner_id"], move["currency_id"] = with("ref"), with("name")
	move["invoice_line_ids"] = map[string]any{"fields": line}
	return move
}()

// postedInOdoo reads the shipment's posted invoices.
func (s *Show) postedInOdoo(ctx context.Context, p *Plan) (ps []posted, err error) {
	domain := []any{[]any{"x_waybill_shipment", "=", string(p.ID)}, []any{"state", "=", "posted"}}
	v, err := s.Odoo.Call(ctx, "account.move", "web_search_read", []any{domain, invoiceFields}, nil)
	if err != nil {
		return nil, err
	}
	answer, _ := v.(map[string]any)
	for _, move := range records(answer["records"]) {
		ps = append(ps, readPosted(move, p.order))
	}
	return ps, nil
}

func readPosted(move map[string]any, order int64) posted {
	text := func(r map[string]any, field string) string { t, _ := r[field].(string); return t }
	id, _ := move["id"].(int64)
	i := posted{
		move: id, name: text(move, "name"), kind: text(move, "move_type"), origin: text(move, "invoice_origin"),
		partner: text(record(move["partner_id"]), "ref"), currency: text(record(move["currency_id"]), "name"), paid: text(move, "payment_state"),
		net: amount(move["amount_untaxed"]), tax: amount(move["amount_tax"]), total: amount(move["amount_total"]), left: amount(move["amount_residual"]),
	}
	for _, l := range records(move["invoice_line_ids"]) {
		if t := text(l, "display_type"); t != "" && t != "product" {
			continue // a section, a note
		}
		var rates []string
		for _, t := range records(l["tax_ids"]) {
			rates = append(rates, percent(t["amount"]))
		}
		link, delivery := linkOf(l, order)
		i.deliveries += delivery
		words := lineWords(text(record(l["product_id"]), "default_code"), number(l["quantity"]), amount(l["price_unit"]), amount(l["price_subtotal"]), rates, link)
		if off := number(l["discount"]); off != "0" {
			words += " less " + off + " %"
		}
		i.lines = append(i.lines, words)
	}
	slices.Sort(i.lines)
	return i
}

// linkOf says which line of the order a line of an invoice bills, and counts it where that is the delivery line: any
// line for freight may be the one that does.
func linkOf(l map[string]any, order int64) (words string, delivery int) {
	sold := records(l["sale_line_ids"])
	for _, o := range sold {
		switch of := o["order_id"]; {
		case len(sold) > 1:
			return fmt.Sprintf(", for %d lines of orders", len(sold)), 0
		case of != order && record(of)["id"] != order:
			return ", for a line of another order", 0
		case o["is_delivery"] == true:
			return "", 1
		}
		return ofTheOrder, 0
	}
	return "", 0
}

// lineWords say all that must be right of a line, the same for Odoo's and the oracle's.
func lineWords(product, quantity, price, net string, rates []string, link string) string {
	return fmt.Sprintf("%s × %s at %s: %s and %s %% tax%s", quantity, product, price, net, strings.Join(rates, " + "), link)
}

func record(v any) map[string]any { m, _ := v.(map[string]any); return m }

func records(v any) (rs []map[string]any) {
	list, _ := v.([]any)
	for _, r := range list {
		if m, ok := r.(map[string]any); ok {
			rs = append(rs, m)
		}
	}
	return rs
}

// number is a number as Odoo sends it, without zeros at its end.
func number(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprintf("no number (%v)", v)
}

func percent(v any) string { return number(v) }

// amount is a number with two decimals; one with a part of a cent is left as it is.
func amount(v any) string {
	r, ok := new(big.Rat).SetString(number(v))
	if ok && new(big.Rat).Mul(r, big.NewRat(100, 1)).IsInt() {
		return r.FloatString(2)
	}
	return number(v)
}

// cents are those of an amount with two decimals; ok is false for any other.
func cents(amount string) (n int64, ok bool) {
	r, ok := new(big.Rat).SetString(amount)
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(100, 1))
	return r.Num().Int64(), r.IsInt()
}

// compare says how what is posted is not what was expected: one invoice, of which each thing is right. got is the net
// that is posted, in cents.
func (s *Show) compare(ps []posted, p *Plan) (got int64, why []string) {
	want := p.bill(s.tax)
	wanted := min(len(want.lines), 1)
	if len(ps) != wanted {
		why = append(why, fmt.Sprintf("%d invoices, want %d", len(ps), wanted))
	}
	for _, i := range ps {
		n, ok := cents(i.net)
		if !ok {
			why = append(why, "amount "+i.net)
		}
		got += n
		if wanted > 0 {
			why = append(why, i.differs(p, want)...)
		}
	}
	return got, append(why, p.wrong...)
}

// differs says what of an invoice is not as expected.
func (i posted) differs(p *Plan, want bill) (why []string) {
	for _, c := range []struct{ what, got, want string }{
		{"kind", i.kind, "out_invoice"}, {"customer", i.partner, p.customer}, {"currency", i.currency, billed}, {"origin", i.origin, p.name},
		{"net", i.net, dollars(want.net())}, {"tax", i.tax, dollars(want.due())}, {"total", i.total, dollars(want.total())},
		{"lines", strings.Join(i.lines, "; "), strings.Join(want.words(), "; ")},
	} {
		if c.got != c.want {
			why = append(why, fmt.Sprintf("%s: %s %q, want %q", i.name, c.what, c.got, c.want))
		}
	}
	most, least := 1, 1
	if p.Situation == Backorder || p.Situation == RestOfOrder {
		least = 0 // the order's one delivery line goes with whichever is posted first
	}
	if i.deliveries < least || i.deliveries > most {
		why = append(why, fmt.Sprintf("%s: %d lines bill the order's delivery line, want %d", i.name, i.deliveries, most))
	}
	return append(why, i.unpaid(p)...)
}

// unpaid says how an invoice is not paid whose shipment has ended; nothing for one that has not.
func (i posted) unpaid(p *Plan) []string {
	if !p.paid || i.left == "0.00" && (i.paid == "paid" || i.paid == "in_payment") {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s is open of what was paid, and Odoo says %q", i.name, i.left, i.paid)}
}

// Wrong says of each shipment what Odoo has posted for it that the oracle does not expect, or lacks.
func (s *Show) Wrong(ctx context.Context) (all []string, err error) {
	for _, p := range s.Plans {
		ps, err := s.postedInOdoo(ctx, p)
		if err != nil {
			return nil, err
		}
		if _, why := s.compare(ps, p); len(why) > 0 {
			all = append(all, string(p.ID)+": "+strings.Join(why, "; "))
		}
	}
	return all, nil
}
