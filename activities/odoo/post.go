package odoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/internal/sabotage"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// posting is one attempt to bring a plan about.
type posting struct {
	m     *Money
	plan  freight.InvoicePlan
	facts rec         // the delivery, as read before
	item  freightItem // what freight lines use

	renewed bool   // the item was read anew, as it did not fit
	denied  denial // the last that Odoo refused for good
}

// denial is a step that Odoo refused to take on an invoice, and will refuse again.
type denial struct {
	id   int64
	step step
	why  error
}

// PostInvoice posts the plan once: however often it is called, by whomever, whatever replies are lost and however
// late an older attempt still arrives, there is one posted invoice under the plan's key, and it is exactly the plan.
// FactsChanged where Odoo's facts are not those that were validated; Rejected where Odoo would make something else
// of it, or has.
func (m *Money) PostInvoice(ctx context.Context, p freight.InvoicePlan) (freight.Invoice, error) {
	ctx = For(ctx, p.Shipment)
	q := protocol.BillableRequest{Shipment: p.Shipment, Picking: p.Picking, Order: p.Order, Scope: scopeOf(p), Key: p.Key}
	b, facts, err := m.billable(ctx, q, postingSpec)
	if err != nil {
		return freight.Invoice{}, err
	}
	a := posting{m: m, plan: p, facts: facts}
	if why := changed(p, b); why != "" {
		return a.adopt(ctx, protocol.FactsChanged.Of(errors.New(why)))
	}
	if err := m.forbids(p, facts, b, time.Now()); err != nil {
		return a.adopt(ctx, err)
	}
	if a.item, err = m.freightItem(ctx); err != nil {
		return freight.Invoice{}, err
	}
	return a.converge(ctx)
}

// isFreight reports whether a line is freight; goods have a product of their own.
func isFreight(l freight.InvoiceLine) bool { return l.Product == 0 }

func scopeOf(p freight.InvoicePlan) freight.BillingScope {
	if slices.ContainsFunc(p.Lines, func(l freight.InvoiceLine) bool { return !isFreight(l) }) {
		return freight.GoodsAndFreight
	}
	return freight.FreightOnly
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
		if isFreight(l) {
			if l.SaleLine != 0 && l.SaleLine != b.DeliveryLine {
				return "the order's delivery line has been invoiced since validation"
			}
			continue
		}
		goods++
		if g, ok := now[l.Ref]; !ok || !same(g.Quantity, l.Quantity) || !same(g.UnitPrice.Number, l.UnitPrice.Number) || !sameOrZero(g.Discount, l.Discount) || !slices.Equal(g.Taxes, l.Taxes) {
			return fmt.Sprintf("%q is no longer %s at %s: it was delivered, invoiced, taxed or priced anew since validation", l.Description, l.Quantity, l.UnitPrice)
		}
	}
	if goods != len(b.Goods) {
		return "more has been delivered since validation"
	}
	return ""
}

// clocksApart is how far the clocks of Temporal's server and of a worker may be apart: an invoice of just after midnight
// is dated by the one and posted by the other.
const clocksApart = 5 * time.Minute

// forbids says why a plan that fits the delivery must not be posted: Odoo itself would post it. One of a day in a period
// that was closed since is void: it is validated anew, and dated the day it is.
func (m *Money) forbids(p freight.InvoicePlan, facts rec, b freight.Billable, now time.Time) error {
	order := facts.sub("sale_id")
	switch ordered := order.sub("currency_id").str("name"); {
	case p.Partner != b.Partner:
		return rejectf("the invoice address of order %s is partner %d now, %d was validated: put it back, or bill by hand", order.str("name"), b.Partner, p.Partner)
	case p.Currency != ordered:
		return rejectf("order %s is in %s, the invoice is in %s: correct the customer's terms", order.str("name"), ordered, p.Currency)
	case p.Date > m.day(now.Add(clocksApart)):
		return rejectf("the invoice is dated %s, which is to come: correct the clock of the worker", p.Date)
	}
	why := locked(p.Date, facts.sub("company_id"))
	switch {
	case why == "":
		return nil
	case p.Date < m.day(now) && locked(m.day(now), facts.sub("company_id")) == "":
		return protocol.FactsChanged.Of(errors.New(why))
	}
	return rejectf("%s", why)
}

// day is the day of an invoice that is made then.
func (m *Money) day(t time.Time) string {
	if m.Zone == nil {
		return t.UTC().Format(dateForm)
	}
	return t.In(m.Zone).Format(dateForm)
}

// lockFields are the dates until which the books are closed for our user, exceptions made for him included.
var lockFields = []string{"user_sale_lock_date", "user_fiscalyear_lock_date", "user_tax_lock_date", "user_hard_lock_date"}

// locked says whether the books are closed for a date: Odoo would move the invoice's without a word.
func locked(date string, company rec) string {
	for _, lock := range lockFields {
		until, err := time.Parse(dateForm, company.str(lock)) // without a lock it is the year 1, in short digits
		if err == nil && until.Format(dateForm) >= date {
			return fmt.Sprintf("the period is closed in Odoo until %s (%s of %s), the invoice is dated %s: reopen it, or make an exception for the user that posts", company.str(lock), strings.TrimPrefix(lock, "user_"), company.str("name"), date)
		}
	}
	return ""
}

// adopt is for a plan that may not be posted any more. Where an earlier attempt has posted under its key all the same,
// that is the invoice: it is found by its key, so nothing is ever posted beside it. Otherwise the plan may not.
func (a posting) adopt(ctx context.Context, mayNot error) (freight.Invoice, error) {
	id, found, err := findByKey(ctx, a.m.Odoo, a.plan.Key)
	if err != nil {
		return freight.Invoice{}, cross(err)
	}
	if !found {
		return freight.Invoice{}, mayNot
	}
	move, found, err := a.read(ctx, id, false)
	switch {
	case err != nil:
		return freight.Invoice{}, err
	case !found || move.str("state") != "posted":
		return freight.Invoice{}, mayNot
	}
	return a.invoice(move, true, freight.Money{})
}

// findByKey finds an invoice by its external id, which its user may look up without further rights.
func findByKey(ctx context.Context, c Caller, key string) (id int64, found bool, err error) {
	module, name, _ := strings.Cut(key, ".")
	v, err := c.Call(ctx, "ir.model.data", "check_object_reference", []any{module, name}, nil)
	if text, ok := faultText(err, codeTraceback); ok && strings.Contains(lastLine(text), "External ID not found") {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if ref, _ := v.([]any); len(ref) == 2 {
		id, _ = ref[1].(int64)
	}
	return id, id != 0, nil
}

// rounds bounds how often an attempt starts over after a competitor was in the way; Temporal tries again later.
const rounds = 8

// converge makes the state in Odoo what the plan says, from whatever state it is in: each round reads where the
// invoice stands and takes one step.
func (a *posting) converge(ctx context.Context) (freight.Invoice, error) {
	id, err := a.ensureDraft(ctx)
	adopted, tax, tried := true, freight.Money{}, false
	for range rounds {
		if err != nil {
			return freight.Invoice{}, err
		}
		move, found, err2 := a.read(ctx, id, tried)
		if err = err2; err != nil {
			continue
		}
		if !found { // replaced by a competitor, or deleted by a person
			id, err = a.ensureDraft(ctx)
			continue
		}
		step, why := a.next(move)
		if a.denied.id == id && a.denied.step == step && step != finish {
			return freight.Invoice{}, cross(a.denied.why)
		}
		switch step {
		case finish:
			return a.invoice(move, adopted, tax)
		case stop:
			return freight.Invoice{}, rejectf("%s", why)
		case refuse:
			if fresh, err2 := a.renewItem(ctx); fresh {
				err = err2
				continue
			}
			return freight.Invoice{}, a.refuse(ctx, id, rejectf("Odoo would make something else of the invoice than was validated: %s. Mend the cause in Odoo, and retry", why))
		case void:
			return freight.Invoice{}, a.refuse(ctx, id, protocol.FactsChanged.Of(errors.New(why)))
		case replace:
			if err = a.discard(ctx, id); err == nil {
				id, err = a.ensureDraft(ctx)
			}
		case retax:
			err = a.retax(ctx, move)
		case post:
			tax, tried = move.money("amount_tax", a.plan.Currency), true
			adopted = a.post(ctx, id) != nil // any answer: the state decides, and whether there is use in another try
		}
	}
	return freight.Invoice{}, protocol.Transient.Of(fmt.Errorf("odoo: post %s: others are at it too", a.plan.Key))
}

// refuse deletes the draft that may not be posted, so that the next attempt makes it anew, and says why. One that a
// competitor has posted meanwhile stays, and the next attempt finds it.
func (a *posting) refuse(ctx context.Context, id int64, why error) error {
	if err := a.discard(ctx, id); err != nil {
		return err
	}
	return why
}

func (a *posting) post(ctx context.Context, id int64) error {
	_, err := a.m.Odoo.Call(ctx, "account.move", "action_post", []any{[]int64{id}}, nil)
	a.deny(id, post, err)
	return err
}

// deny notes what Odoo refused for good. It may have lost its sense meanwhile, as where a competitor has posted: the next
// look decides, and only if that wants the same step of the same invoice again is the refusal the answer.
func (a *posting) deny(id int64, s step, err error) {
	switch err = ignoreCommitted(err); {
	case err == nil:
	case slices.Contains([]protocol.Fault{protocol.Rejected, protocol.Configuration, protocol.Poison}, Classify(err)):
		a.denied = denial{id, s, err}
	}
}

// discard deletes a draft of ours. What is posted, or was, Odoo refuses to delete: it stays, and the next read shows it.
func (a *posting) discard(ctx context.Context, id int64) error {
	_, err := a.m.Odoo.Call(ctx, "account.move", "unlink", []any{[]int64{id}}, nil)
	a.deny(id, replace, err)
	if err = ignoreCommitted(err); err != nil && Classify(err) == protocol.Rejected {
		return nil
	}
	return cross(err)
}

// retax gives goods the taxes they have on the order, as Odoo's own invoicing does.
func (a *posting) retax(ctx context.Context, move rec) error {
	var commands []any
	for _, want := range a.plan.Lines {
		if l, ok := a.lineFor(move, want); ok && !isFreight(want) && !slices.Equal(sorted(l.ids("tax_ids")), want.Taxes) {
			commands = append(commands, []any{1, l.id("id"), map[string]any{"tax_ids": []any{[]any{6, 0, want.Taxes}}}})
		}
	}
	_, err := a.m.Odoo.Call(ctx, "account.move", "write", []any{[]int64{move.id("id")}, map[string]any{"invoice_line_ids": commands}}, nil)
	a.deny(move.id("id"), retax, err)
	if err = ignoreCommitted(err); err != nil && Classify(err) == protocol.Rejected {
		return nil // posted or deleted meanwhile: the next read shows it
	}
	return cross(err)
}

// ensureDraft finds the invoice of the plan's key, or makes its draft.
func (a posting) ensureDraft(ctx context.Context) (int64, error) {
	about := map[string]any{"allowed_company_ids": []int64{a.facts.id("company_id")}} // otherwise Odoo takes the user's own company
	sheet := a.sheet()
	if sabotage.Search {
		id, err := a.searchFirst(ctx)
		if id != 0 || err != nil {
			return id, cross(err)
		}
		sheet.rows[0][0] = fmt.Sprintf("%s_%d", a.plan.Key, time.Now().UnixNano())
	}
	id, err := load(ctx, a.m.Odoo, "account.move", "make the draft of "+a.plan.Key, sheet, about)
	if err != nil {
		a.m.forgetFreightItem() // it may be what is wrong
		return 0, cross(err)
	}
	return id, nil
}

// searchFirst looks for an invoice of the shipment, as one would who then makes it without a key. It is in no build but
// the one that the proof under faults must find out.
func (a posting) searchFirst(ctx context.Context) (int64, error) {
	rs, err := searchRead(ctx, a.m.Odoo, "account.move", []any{[]any{fieldShipment, "=", string(a.plan.Shipment)}, []any{"state", "!=", "cancel"}}, []string{"state"}, map[string]any{"limit": 1})
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].id("id"), nil
}

// sheet is the draft: what Odoo's own invoicing takes from the order, and the plan's lines. Taxes have no column: an
// empty cell would be no tax at all, without one product and fiscal position decide, and the draft is checked.
func (a posting) sheet() (s sheet) {
	p, order := a.plan, a.facts.sub("sale_id")
	s.put("id", p.Key)
	s.put("move_type", "out_invoice")
	s.putID("partner_id", p.Partner)
	s.putID("partner_shipping_id", order.id("partner_shipping_id"))
	s.putID("company_id", a.facts.id("company_id"))
	s.putID("currency_id", order.id("currency_id"))
	s.putID("journal_id", order.id("journal_id"))
	s.putID("fiscal_position_id", order.id("fiscal_position_id"))
	s.putID("invoice_payment_term_id", order.id("payment_term_id"))
	s.putID("invoice_user_id", order.id("user_id"))
	s.putID("invoice_incoterm_id", order.id("incoterm"))
	s.put("invoice_date", p.Date)
	s.putText("delivery_date", deliveryDate(a.facts))
	s.put("invoice_origin", p.OrderName)
	s.put("ref", reference(order, p.Shipment))
	s.putText("payment_reference", order.str("reference"))
	s.put(fieldShipment, string(p.Shipment))
	s.put(fieldLinesHash, p.LinesHash())
	s.lines("invoice_line_ids", []string{"product_id/.id", "name", "quantity", "price_unit", "discount", "product_uom_id/.id", "sale_line_ids/.id"}, a.rows())
	return s
}

func (a posting) rows() (rows [][]any) {
	units := a.units()
	for _, l := range a.plan.Lines {
		product, unit := l.Product, units[l.SaleLine]
		if isFreight(l) {
			product, unit = a.item.id, a.item.unit
		}
		rows = append(rows, []any{product, l.Description, l.Quantity, l.UnitPrice.Number, orZero(l.Discount), idText(unit), idText(l.SaleLine)})
	}
	return rows
}

// reference is what the customer finds the invoice by: his own order number, else the shipment.
func reference(order rec, id freight.ShipmentID) string {
	if po := order.str("client_order_ref"); po != "" {
		return po
	}
	return string(id)
}

// deliveryDate is the day a done delivery was made; "" for another. Odoo shows a date on some that are not done.
func deliveryDate(p rec) string {
	if done := p.str("date_done"); p.str("state") == "done" && len(done) >= len(dateForm) {
		return done[:len(dateForm)]
	}
	return ""
}

func idText(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}

// freightItem is the product of freight lines, its unit, and its sale taxes with what replaces each by fiscal position.
type freightItem struct {
	id, unit int64
	taxes    []rec
	at       time.Time // when it was read
}

// itemAge is how long the freight product is taken for what it was: where a tax does not fit, it is read anew before
// anything is refused.
const itemAge = time.Minute

var itemSpec = with(fields("uom_id"), "taxes_id", with(fields("company_id"), "replacing_tax_ids", fields("fiscal_position_ids")))

func (m *Money) freightItem(ctx context.Context) (freightItem, error) {
	m.mu.Lock()
	known := m.product
	m.mu.Unlock()
	if known.id != 0 && time.Since(known.at) < itemAge {
		return known, nil
	}
	found := freightItem{at: time.Now()}
	r, ok, err := readFirst(For(ctx, ""), m.Odoo, "product.product", []any{[]any{"default_code", "=", m.FreightProduct}}, itemSpec)
	if err != nil {
		return found, cross(err)
	}
	if !ok {
		return found, protocol.Configuration.Of(fmt.Errorf("odoo: there is no product with internal reference %q: run waybill-admin odoo setup", m.FreightProduct))
	}
	found.id, found.unit, found.taxes = r.id("id"), r.id("uom_id"), r.list("taxes_id")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.product = found
	return found, nil
}

// renewItem reads the freight product anew, unless it was read for this attempt; fresh is false for one that was.
func (a *posting) renewItem(ctx context.Context) (fresh bool, err error) {
	if a.renewed {
		return false, nil
	}
	a.renewed = true
	a.m.forgetFreightItem()
	a.item, err = a.m.freightItem(ctx)
	return true, err
}

func (m *Money) forgetFreightItem() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.product = freightItem{}
}

// Payments reads what has become of many invoices, a few hundred to a call. An invoice that was cancelled in Odoo counts
// as credited in full; one that someone has reset to draft is left out until it is posted again.
func (m *Money) Payments(ctx context.Context, moves []int64) (ps []freight.Payment, err error) {
	for page := range slices.Chunk(moves, paymentPage) {
		rs, err := searchRead(ctx, m.Odoo, "account.move", []any{[]any{"id", "in", page}}, []string{"state", "payment_state", "amount_residual", "currency_id"}, nil)
		if err != nil {
			return ps, cross(err)
		}
		for _, r := range rs {
			if p, ok := paymentOf(r); ok {
				ps = append(ps, p)
			}
		}
	}
	return ps, nil
}

// paymentPage bounds the invoices read with one call: 500 take Odoo about half a second.
const paymentPage = 500

var paymentStates = map[string]freight.InvoiceState{
	"not_paid": freight.InvoicePosted, "partial": freight.InvoicePartPaid, "in_payment": freight.InvoicePaid, "paid": freight.InvoicePaid, "reversed": freight.InvoiceReversed,
}

func paymentOf(r rec) (p freight.Payment, ok bool) {
	currency := label(r["currency_id"])
	p = freight.Payment{Move: r.id("id"), Residual: r.money("amount_residual", currency)}
	switch r.str("state") {
	case "posted":
		p.State, ok = paymentStates[r.str("payment_state")]
	case "cancel":
		p.State, p.Residual, ok = freight.InvoiceReversed, freight.ZeroMoney(currency), true
	}
	return p, ok
}
