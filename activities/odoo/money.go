package odoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Money posts invoices, and is the only one that can. Its user has accounting rights and nothing to do with
// the status.
type Money struct {
	Odoo           Caller
	FreightProduct string // internal reference of the product that freight lines use

	mu      sync.Mutex
	product int64
}

var billableSpec = func() spec {
	move := fields("state", "move_type", fieldShipment)
	billed := with(fields("quantity", "parent_state"), "move_id", move)
	line := fields("is_delivery", "display_type", "name", "product_id", "price_unit", "discount", "tax_ids", "qty_delivered", "qty_invoiced", "product_uom_qty", "product_uom_id")
	line = with(line, "invoice_lines", billed)
	order := fields("name", "state", "payment_term_id", "partner_shipping_id")
	order = with(order, "currency_id", fields("name"))
	order = with(order, "partner_invoice_id", fields("active"))
	order = with(order, "order_line", line)
	s := fields("name", "state", fieldShipment)
	s = with(s, "sale_id", order)
	s = with(s, "move_ids", fields("state", "quantity", "sale_line_id", "product_uom"))
	return with(s, "company_id", fields("sale_lock_date", "fiscalyear_lock_date", "hard_lock_date"))
}()

// ReadBillable answers what may be billed for a delivery now: what was done, never more than was delivered and
// not invoiced, at the order's own price.
func (m *Money) ReadBillable(ctx context.Context, q protocol.BillableRequest) (freight.Billable, error) {
	b, _, err := m.billable(For(ctx, q.Shipment), q)
	return b, err
}

func (m *Money) billable(ctx context.Context, q protocol.BillableRequest) (b freight.Billable, p rec, err error) {
	p, ok, err := readOne(ctx, m.Odoo, "stock.picking", q.Picking, billableSpec)
	if err != nil {
		return b, nil, cross(err)
	}
	if !ok {
		return b, nil, rejectf("delivery %d is not in Odoo any more", q.Picking)
	}
	b.Blockers = blockers(p, q)
	for _, line := range p.sub("sale_id").list("order_line") {
		m.addLine(&b, p, line, q)
	}
	return b, p, nil
}

func blockers(p rec, q protocol.BillableRequest) (bs []string) {
	order := p.sub("sale_id")
	if q.Scope == freight.GoodsAndFreight && p.str("state") != "done" {
		bs = append(bs, fmt.Sprintf("delivery %s is not validated in Odoo (it is %s): validate it", p.str("name"), p.str("state")))
	}
	if order.str("state") != "sale" {
		bs = append(bs, fmt.Sprintf("order %s is %s in Odoo: confirm it again, or bill by hand", order.str("name"), order.str("state")))
	}
	if partner := order.sub("partner_invoice_id"); partner.id("id") != 0 && !partner.flag("active") {
		bs = append(bs, "the invoice address is archived: restore it, or choose another on the order")
	}
	return bs
}

// addLine adds one line of the order to what may be billed, or what stands in the way of it.
func (m *Money) addLine(b *freight.Billable, p, line rec, q protocol.BillableRequest) {
	ours, draft := ownShare(line, q.Shipment)
	invoiced := subtract(line.dec("qty_invoiced"), ours)
	switch {
	case line.str("display_type") != "":
	case line.flag("is_delivery"):
		if sign(invoiced) <= 0 && draft == 0 {
			b.DeliveryLine = line.id("id")
		}
		if draft != 0 {
			b.Blockers = append(b.Blockers, draftText(draft, line))
		}
	case q.Scope == freight.GoodsAndFreight:
		done := doneBy(p, line.id("id"))
		quantity := least(done, subtract(line.dec("qty_delivered"), invoiced))
		if sign(done) > 0 && draft != 0 {
			b.Blockers = append(b.Blockers, draftText(draft, line))
		}
		if sign(quantity) > 0 {
			b.Goods = append(b.Goods, goodsLine(line, quantity, p.sub("sale_id").sub("currency_id").str("name")))
		}
	}
}

func draftText(draft int64, line rec) string {
	return fmt.Sprintf("a draft invoice made by hand (id %d) bills %q: post it or delete it", draft, line.str("name"))
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

// ownShare is how much of a line's invoiced quantity is on invoices of this shipment, and the id of a draft that
// is nobody's of ours; 0 for none.
func ownShare(line rec, id freight.ShipmentID) (ours string, draft int64) {
	ours = "0"
	for _, l := range line.list("invoice_lines") {
		move := l.sub("move_id")
		if move.str("state") == "cancel" {
			continue
		}
		switch {
		case move.str(fieldShipment) == string(id) && move.str("move_type") == "out_invoice":
			ours = add(ours, l.dec("quantity"))
		case move.str(fieldShipment) == "" && move.str("state") == "draft":
			draft = move.id("id")
		}
	}
	return ours, draft
}

func doneBy(p rec, saleLine int64) string {
	done := "0"
	for _, mv := range p.list("move_ids") {
		if mv.str("state") == "done" && mv.id("sale_line_id") == saleLine {
			done = add(done, mv.dec("quantity"))
		}
	}
	return done
}

// PostInvoice posts the plan once: however often it is called, by whomever, whatever replies are lost, there is
// one posted invoice under the plan's key, and it is exactly the plan. FactsChanged where Odoo's facts are not
// those that were validated; Rejected where Odoo would make something else of it.
func (m *Money) PostInvoice(ctx context.Context, p freight.InvoicePlan) (freight.Invoice, error) {
	ctx = For(ctx, p.Shipment)
	scope := freight.FreightOnly
	if slices.ContainsFunc(p.Lines, func(l freight.InvoiceLine) bool { return l.Code == "" }) {
		scope = freight.GoodsAndFreight
	}
	b, facts, err := m.billable(ctx, protocol.BillableRequest{Shipment: p.Shipment, Picking: p.Picking, Order: p.Order, Scope: scope, Key: p.Key})
	if err != nil {
		return freight.Invoice{}, err
	}
	if why := changed(p, b); why != "" {
		if inv, ok, err := m.adopt(ctx, p); ok || err != nil {
			return inv, err
		}
		return freight.Invoice{}, protocol.FactsChanged.Of(errors.New(why))
	}
	if why := locked(p, facts); why != "" {
		return freight.Invoice{}, rejectf("%s", why)
	}
	return m.converge(ctx, p, facts)
}

// changed says how what may be billed now differs from the plan.
func changed(p freight.InvoicePlan, b freight.Billable) string {
	if len(b.Blockers) > 0 {
		return strings.Join(b.Blockers, "; ")
	}
	now := map[string]freight.InvoiceLine{}
	for _, g := range b.Goods {
		now[g.Ref] = g
	}
	goods := 0
	for _, l := range p.Lines {
		if l.Code != "" {
			if l.SaleLine != 0 && l.SaleLine != b.DeliveryLine {
				return "the order's delivery line has been invoiced since validation"
			}
			continue
		}
		goods++
		if g, ok := now[l.Ref]; !ok || !same(g.Quantity, l.Quantity) || !same(g.UnitPrice.Number, l.UnitPrice.Number) || !sameOrZero(g.Discount, l.Discount) {
			return fmt.Sprintf("%q is no longer %s at %s: it was delivered, invoiced or repriced since validation", l.Description, l.Quantity, l.UnitPrice)
		}
	}
	if goods != len(b.Goods) {
		return "more has been delivered since validation"
	}
	return ""
}

// locked says whether the books are closed for the invoice's date: Odoo would move the date without a word.
func locked(p freight.InvoicePlan, facts rec) string {
	company := facts.sub("company_id")
	for _, lock := range []string{"sale_lock_date", "fiscalyear_lock_date", "hard_lock_date"} {
		if until := company.str(lock); until != "" && until >= p.Date {
			return fmt.Sprintf("the period is closed in Odoo until %s (%s), the invoice is dated %s: reopen it, or wait", until, lock, p.Date)
		}
	}
	return ""
}

// rounds bounds how often an attempt starts over after a competitor was in the way; Temporal tries again later.
const rounds = 6

// converge makes the state in Odoo what the plan says, from whatever state it is in.
func (m *Money) converge(ctx context.Context, p freight.InvoicePlan, facts rec) (freight.Invoice, error) {
	id, err := m.ensureDraft(ctx, p, facts)
	if err != nil {
		return freight.Invoice{}, err
	}
	adopted := true
	for range rounds {
		move, err := m.readMove(ctx, id)
		if err != nil {
			return freight.Invoice{}, err
		}
		switch state := move.str("state"); {
		case state == "posted":
			return invoiceOf(move, p, adopted)
		case state == "cancel":
			return freight.Invoice{}, rejectf("invoice %s (id %d) was cancelled in Odoo: reset it to draft there and retry, or bill by hand", p.Key, id)
		case move.str(fieldLinesHash) != p.LinesHash():
			if id, err = m.replace(ctx, id, p, facts); err != nil {
				return freight.Invoice{}, err
			}
			continue
		}
		if why := differs(move, p); why != "" {
			return freight.Invoice{}, m.refuseDraft(ctx, id, why)
		}
		adopted = m.post(ctx, id) != nil // any answer: the state decides
	}
	return freight.Invoice{}, protocol.Transient.Of(fmt.Errorf("odoo: post %s: others are at it too", p.Key))
}

// refuseDraft deletes the draft that may not be posted, so that the next attempt makes it anew, and says why.
func (m *Money) refuseDraft(ctx context.Context, id int64, why string) error {
	if err := m.discard(ctx, id); err != nil {
		return err
	}
	return rejectf("Odoo would make something else of the invoice than was validated: %s. Mend the cause in Odoo, and retry", why)
}

// replace deletes the draft an earlier plan left, and makes this one's.
func (m *Money) replace(ctx context.Context, id int64, p freight.InvoicePlan, facts rec) (int64, error) {
	if err := m.discard(ctx, id); err != nil {
		return 0, err
	}
	return m.ensureDraft(ctx, p, facts)
}

func (m *Money) post(ctx context.Context, id int64) error {
	_, err := m.Odoo.Call(ctx, "account.move", "action_post", []any{[]int64{id}}, nil)
	return err
}

// discard deletes a draft of ours. A posted document is never deleted: Odoo refuses it.
func (m *Money) discard(ctx context.Context, id int64) error {
	_, err := m.Odoo.Call(ctx, "account.move", "unlink", []any{[]int64{id}}, nil)
	return cross(ignoreCommitted(err))
}

var invoiceColumns = []string{
	"id", "move_type", "partner_id/.id", "partner_shipping_id/.id", "invoice_date", "invoice_origin", "ref", "invoice_payment_term_id/.id",
	fieldShipment, fieldLinesHash,
	"invoice_line_ids/product_id/.id", "invoice_line_ids/name", "invoice_line_ids/quantity", "invoice_line_ids/price_unit", "invoice_line_ids/discount", "invoice_line_ids/sale_line_ids/.id",
}

// ensureDraft finds the invoice of the plan's key, or makes its draft. The key is unique in Odoo's own database,
// so of any number of callers one makes it.
func (m *Money) ensureDraft(ctx context.Context, p freight.InvoicePlan, facts rec) (int64, error) {
	product, err := m.freightProduct(ctx)
	if err != nil {
		return 0, err
	}
	order := facts.sub("sale_id")
	head := []any{p.Key, "out_invoice", p.Partner, idText(order.id("partner_shipping_id")), p.Date, p.OrderName, string(p.Shipment), idText(order.id("payment_term_id")), string(p.Shipment), p.LinesHash()}
	var rows [][]any
	for i, l := range p.Lines {
		if i > 0 {
			head = []any{"", "", "", "", "", "", "", "", "", ""}
		}
		use := l.Product
		if use == 0 {
			use = product
		}
		rows = append(rows, append(slices.Clone(head), use, l.Description, l.Quantity, l.UnitPrice.Number, orZero(l.Discount), idText(l.SaleLine)))
	}
	answer, err := load(ctx, m.Odoo, "account.move", invoiceColumns, rows)
	if err != nil {
		return 0, cross(err)
	}
	if len(answer.ids) == 0 {
		return 0, loadFault("make the draft of "+p.Key, answer.message)
	}
	return answer.ids[0], nil
}

func idText(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}

var moveSpec = func() spec {
	s := fields("name", "state", "partner_id", "invoice_date", "date", "amount_untaxed", "amount_tax", "amount_total", fieldLinesHash, "move_type")
	s = with(s, "currency_id", fields("name"))
	return with(s, "invoice_line_ids", fields("display_type", "product_id", "name", "quantity", "price_unit", "discount", "tax_ids", "sale_line_ids"))
}()

func (m *Money) readMove(ctx context.Context, id int64) (rec, error) {
	move, ok, err := readOne(ctx, m.Odoo, "account.move", id, moveSpec)
	if err != nil {
		return nil, cross(err)
	}
	if !ok {
		return nil, protocol.Transient.Of(fmt.Errorf("odoo: invoice %d was deleted while it was read", id))
	}
	return move, nil
}

// differs says how a move is not the plan: nil is the only answer that lets it be posted.
func differs(move rec, p freight.InvoicePlan) string {
	currency := move.sub("currency_id").str("name")
	switch net := move.money("amount_untaxed", currency); {
	case move.str("move_type") != "out_invoice":
		return "it is a " + move.str("move_type")
	case move.id("partner_id") != p.Partner:
		return fmt.Sprintf("partner %d, not %d", move.id("partner_id"), p.Partner)
	case currency != p.Currency:
		return fmt.Sprintf("currency %s, not %s", currency, p.Currency)
	case !net.Equal(p.Net):
		return fmt.Sprintf("net %s, not %s (prices that include tax are not supported)", net, p.Net)
	case move.str("invoice_date") != p.Date:
		return fmt.Sprintf("date %s, not %s", move.str("invoice_date"), p.Date)
	}
	return linesDiffer(move, p)
}

func linesDiffer(move rec, p freight.InvoicePlan) string {
	var lines []rec
	for _, l := range move.list("invoice_line_ids") {
		if t := l.str("display_type"); t == "" || t == "product" {
			lines = append(lines, l)
		}
	}
	if len(lines) != len(p.Lines) {
		return fmt.Sprintf("%d lines, not %d", len(lines), len(p.Lines))
	}
	left := slices.Clone(lines)
	for _, want := range p.Lines {
		i := slices.IndexFunc(left, func(l rec) bool { return matches(l, want) })
		if i < 0 {
			return fmt.Sprintf("no line %q of %s at %s with the order's taxes", want.Description, want.Quantity, want.UnitPrice)
		}
		left = slices.Delete(left, i, i+1)
	}
	return ""
}

func matches(l rec, want freight.InvoiceLine) bool {
	taxes := l.ids("tax_ids")
	slices.Sort(taxes)
	return same(l.dec("quantity"), want.Quantity) && same(l.dec("price_unit"), want.UnitPrice.Number) && sameOrZero(l.dec("discount"), want.Discount) &&
		(want.SaleLine == 0 || slices.Contains(l.ids("sale_line_ids"), want.SaleLine)) &&
		(len(want.Taxes) == 0 || slices.Equal(taxes, want.Taxes))
}

// adopt finds the posted invoice of exactly this plan, where an earlier attempt's reply was lost.
func (m *Money) adopt(ctx context.Context, p freight.InvoicePlan) (freight.Invoice, bool, error) {
	rs, err := searchRead(ctx, m.Odoo, "account.move", []any{[]any{fieldShipment, "=", string(p.Shipment)}, []any{fieldLinesHash, "=", p.LinesHash()}, []any{"state", "=", "posted"}, []any{"move_type", "=", "out_invoice"}}, []string{"name"}, nil)
	if err != nil || len(rs) == 0 {
		return freight.Invoice{}, false, cross(err)
	}
	move, err := m.readMove(ctx, rs[0].id("id"))
	if err != nil {
		return freight.Invoice{}, false, err
	}
	inv, err := invoiceOf(move, p, true)
	return inv, true, err
}

// invoiceOf reads a posted move back, and compares it with the plan once more.
func invoiceOf(move rec, p freight.InvoicePlan, adopted bool) (freight.Invoice, error) {
	if why := differs(move, p); why != "" {
		return freight.Invoice{}, rejectf("%s is posted, and is not what was validated: %s. Credit it in Odoo and bill by hand", move.str("name"), why)
	}
	c := p.Currency
	return freight.Invoice{
		Move: move.id("id"), Number: move.str("name"), Date: move.str("date"), Net: move.money("amount_untaxed", c), Tax: move.money("amount_tax", c),
		Total: move.money("amount_total", c), Lines: len(p.Lines), Adopted: adopted,
	}, nil
}

func (m *Money) freightProduct(ctx context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.product != 0 {
		return m.product, nil
	}
	rs, err := searchRead(For(ctx, ""), m.Odoo, "product.product", []any{[]any{"default_code", "=", m.FreightProduct}}, []string{"default_code"}, map[string]any{"limit": 1})
	if err != nil {
		return 0, cross(err)
	}
	if len(rs) == 0 {
		return 0, protocol.Configuration.Of(fmt.Errorf("odoo: there is no product with internal reference %q: run waybill-admin odoo setup", m.FreightProduct))
	}
	m.product = rs[0].id("id")
	return m.product, nil
}

// Payments reads the payment state of many invoices in one call.
func (m *Money) Payments(ctx context.Context, moves []int64) ([]freight.Payment, error) {
	rs, err := searchRead(ctx, m.Odoo, "account.move", []any{[]any{"id", "in", moves}}, []string{"payment_state", "amount_residual", "currency_id"}, nil)
	if err != nil {
		return nil, cross(err)
	}
	states := map[string]freight.InvoiceState{"not_paid": freight.InvoicePosted, "partial": freight.InvoicePartPaid, "in_payment": freight.InvoicePaid, "paid": freight.InvoicePaid, "reversed": freight.InvoiceReversed}
	var ps []freight.Payment
	for _, r := range rs {
		if state, ok := states[r.str("payment_state")]; ok {
			ps = append(ps, freight.Payment{Move: r.id("id"), State: state, Residual: r.money("amount_residual", label(r["currency_id"]))})
		}
	}
	return ps, nil
}

// label is the name beside a many2one's id.
func label(v any) string {
	if vs, ok := v.([]any); ok && len(vs) > 1 {
		s, _ := vs[1].(string)
		return s
	}
	return ""
}
