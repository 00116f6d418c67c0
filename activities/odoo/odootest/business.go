package odootest

import (
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// business runs the methods that change more than a record. Those that return None are done, and then XML-RPC cannot
// say so.
func (db *database) business(model, method string, args []any, _ row) (any, error) {
	m, ok := map[string]struct {
		do    func(row) error
		right string // on model, beside what it writes
		out   any
	}{
		"sale.order.action_confirm":                       {db.confirm, "write", true},
		"sale.order.action_cancel":                        {db.cancel, "write", true},
		"account.move.action_post":                        {db.post, "write", false},
		"account.move.button_draft":                       {db.redraft, "write", none{}},
		"account.move.button_cancel":                      {db.cancelMove, "write", none{}},
		"stock.picking.button_validate":                   {db.validate, "write", true},
		"account.payment.register.action_create_payments": {db.pay, "create", true},
		"account.lock_exception.action_revoke":            {func(e row) error { e["state"] = "revoked"; return nil }, "write", none{}},
	}[model+"."+method]
	if model+"."+method == "account.move.reversal.refund_moves" {
		return db.refund(ids(args[0]))
	}
	if !ok {
		return nil, traceback("AttributeError: The method '%s.%s' does not exist", model, method)
	}
	if err := db.allowed(model, m.right); err != nil {
		return nil, err
	}
	for _, id := range ids(args[0]) {
		r := db.row(model, id)
		if r == nil {
			return nil, business("Record does not exist or has been deleted.\n(Record: %s(%v,), User: %d)", model, id, db.user)
		}
		if err := m.do(r); err != nil {
			return nil, err
		}
	}
	return m.out, nil
}

func (db *database) confirm(o row) error {
	if o["state"] != "draft" {
		return business("Some orders are not in a state requiring confirmation.")
	}
	warehouses := db.where("stock.warehouse", func(w row) bool { return w["company_id"] == o["company_id"] })
	if len(warehouses) == 0 {
		return business("Please create a warehouse for company %v.", db.row("res.company", o["company_id"])["name"])
	}
	o["state"] = "sale"
	var goods []row
	for _, l := range db.rowsOf("sale.order", o, "order_line") {
		if product := db.row("product.product", l["product_id"]); product != nil && product["type"] != "service" && float(l["product_uom_qty"]) > 0 {
			goods = append(goods, l)
		}
	}
	if len(goods) == 0 {
		return nil
	}
	picking := db.newPicking(o["id"], false)
	for _, l := range goods {
		product := db.row("product.product", l["product_id"])
		quantity := db.inUnit(float(l["product_uom_qty"]), l["product_uom_id"], product["uom_id"])
		db.newMoveOf(picking, l["id"], product, quantity)
	}
	return nil
}

func (db *database) newMoveOf(picking int64, saleLine any, product row, quantity float64) {
	db.mustInsert("stock.move", row{"picking_id": picking, "sale_line_id": saleLine, "product_id": product["id"], "product_uom": product["uom_id"], "product_uom_qty": quantity, "quantity": quantity, "state": "assigned"})
	db.mustInsert("stock.move.line", row{"move_id": db.tables["stock.move"].next})
}

func (db *database) newPicking(order any, backorder any) int64 {
	o := db.row("sale.order", order)
	id, err := db.insert("stock.picking", row{
		"name": fmt.Sprintf("WH/OUT/%05d", db.tables["stock.picking"].next+1), "state": "assigned", "picking_type_code": "outgoing", "sale_id": order,
		"partner_id": o["partner_shipping_id"], "carrier_id": o["carrier_id"], "company_id": o["company_id"], "backorder_id": backorder,
	})
	if err != nil {
		panic(err)
	}
	return id
}

// cancel cancels an order, its open deliveries and its draft invoices. What is delivered or posted stays.
func (db *database) cancel(o row) error {
	o["state"] = "cancel"
	for _, p := range db.rowsOf("sale.order", o, "picking_ids") {
		if p["state"] == "done" {
			continue
		}
		p["state"] = "cancel"
		for _, m := range db.rowsOf("stock.picking", p, "move_ids") {
			m["state"] = "cancel"
		}
	}
	for _, l := range db.rowsOf("sale.order", o, "order_line") {
		for _, id := range invoiceLines(db, l) {
			if m := db.row("account.move", db.row("account.move.line", id)["move_id"]); m["state"] == "draft" {
				m["state"] = "cancel"
			}
		}
	}
	return nil
}

// validate completes a delivery; what was not picked becomes a backorder.
func (db *database) validate(p row) error {
	if p["state"] == "cancel" {
		return business("Trouble alert! The transfer is cancelled.")
	}
	if p["state"] == "done" {
		return nil
	}
	if err := db.allowed("stock.move", "write"); err != nil {
		return err
	}
	rest := map[any]float64{}
	moves := db.rowsOf("stock.picking", p, "move_ids")
	for _, m := range moves {
		done, asked := float(m["quantity"]), float(m["product_uom_qty"])
		m["state"] = "done"
		if done < asked {
			rest[m["id"]] = asked - done
			m["product_uom_qty"] = done
		}
	}
	p["state"], p["date_done"] = "done", now()
	if len(rest) == 0 {
		return nil
	}
	picking := db.newPicking(p["sale_id"], p["id"])
	for _, m := range moves {
		if left := rest[m["id"]]; left > 0 {
			db.newMoveOf(picking, m["sale_line_id"], db.row("product.product", m["product_id"]), left)
		}
	}
	return nil
}

// post posts a draft. Like Odoo it refuses little: a date in a closed period is moved to today without a word.
func (db *database) post(m row) error {
	if m["state"] != "draft" {
		return business("The entry %v (id %v) must be in draft.", m["name"], m["id"])
	}
	if len(db.rowsOf("account.move", m, "invoice_line_ids")) == 0 {
		return business("Even magicians can't post nothing!")
	}
	if net, _ := totals(db, m); net.Negative {
		return business("You cannot validate an invoice with a negative total amount. You should create a credit note instead.")
	}
	if currency := db.row("res.currency", m["currency_id"]); currency["active"] == false {
		return business("You cannot validate a document with an inactive currency: %v", currency["name"])
	}
	today := time.Now().UTC().Format("2006-01-02")
	if m["invoice_date"] == nil || m["invoice_date"] == false {
		m["invoice_date"] = today
	}
	m["date"] = m["invoice_date"]
	for _, lock := range []string{"sale_lock_date", "fiscalyear_lock_date", "tax_lock_date", "hard_lock_date"} {
		if until, _ := db.userLock(db.row("res.company", m["company_id"]), lock).(string); len(until) == len(today) && until >= fmt.Sprint(m["date"]) {
			m["date"] = today
		}
	}
	if m["posted_before"] != true {
		db.invoices++
		m["name"] = fmt.Sprintf("%s/%d/%05d", map[any]string{"out_refund": "RINV"}[m["move_type"]]+map[any]string{"out_invoice": "INV"}[m["move_type"]], time.Now().UTC().Year(), db.invoices)
	}
	m["state"], m["payment_state"], m["posted_before"] = "posted", "not_paid", true
	if of := db.row("account.move", m["reversed_entry_id"]); of != nil {
		of["payment_state"] = "reversed"
	}
	return nil
}

func (db *database) redraft(m row) error {
	m["state"] = "draft"
	return nil
}

func (db *database) cancelMove(m row) error {
	if m["state"] == "posted" {
		return business("You cannot cancel a posted entry: reset it to draft first.")
	}
	m["state"] = "cancel"
	return nil
}

func (db *database) registerDefaults(v, kw row) error {
	about, _ := kw["context"].(row)
	move, _ := ids(about["active_ids"])[0].(int64)
	m := db.row("account.move", move)
	if m["payment_state"] == "paid" {
		return business("You can't register a payment because there is nothing left to pay on the selected journal items.")
	}
	v["move"] = move
	if v["amount"] == nil {
		v["amount"] = residual(db, m)
	}
	return nil
}

func (db *database) pay(register row) error {
	m := db.row("account.move", register["move"])
	if m == nil || m["state"] != "posted" {
		return business("You can only register payment for posted journal entries.")
	}
	m["paid"], _ = sumOf(decimal(m["paid"]), decimal(register["amount"])).Float64()
	m["payment_state"] = "partial"
	if left := decimal(residual(db, m)); left.Cmp(apd.New(0, 0)) <= 0 {
		m["payment_state"] = "paid"
	}
	return nil
}

// refund makes the draft credit note of a reversal, without what is not copied.
func (db *database) refund(wizards []any) (any, error) {
	if err := db.allowed("account.move", "create"); err != nil {
		return nil, err
	}
	w := db.row("account.move.reversal", wizards[0])
	of := ids(w["move_ids"])
	made, err := db.copy("account.move", of)
	if err != nil {
		return nil, err
	}
	id := ids(made)[0]
	r := db.row("account.move", id)
	r["move_type"], r["reversed_entry_id"], r["name"] = "out_refund", of[0], false
	for _, l := range db.rowsOf("account.move", db.row("account.move", of[0]), "invoice_line_ids") {
		line := cloneRow(l)
		delete(line, "id")
		line["move_id"], line["sale_line_ids"], line["tax_ids"] = id, setOf(ids(l["sale_line_ids"])), setOf(ids(l["tax_ids"]))
		db.mustInsert("account.move.line", line)
	}
	return row{"type": "ir.actions.act_window", "res_model": "account.move", "res_id": id}, nil
}
