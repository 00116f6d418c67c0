package odootest

import (
	"crypto/sha1" //nolint:gosec // it is Odoo's own checksum of attachments
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
)

func now() string { return time.Now().UTC().Format("2006-01-02 15:04:05") }

func one(model string) kind { return kind{one: model} }

func back(model, inverse string) kind { return kind{many: model, inverse: inverse, uncopied: true} }

func (db *database) build() {
	db.buildSystem()
	db.buildMasters()
	db.buildSales()
	db.buildStock()
	db.buildAccounting()
	for model := range db.tables {
		db.mustInsert("ir.model", row{"name": model, "model": model})
	}
	db.fill()
	db.fillRights()
}

func (db *database) buildSystem() {
	db.add("ir.model", plain("model:char"))
	db.add("ir.model.data", plain("module:char", "model:char", "res_id:int", "noupdate:bool"))
	selection := db.add("ir.model.fields.selection", plain("value:char", "sequence:int"))
	selection.fields["field_id"] = one("ir.model.fields")
	fields := db.add("ir.model.fields", plain("model:char", "model_id:int", "ttype:char", "field_description:char", "copied:bool", "index:bool", "compute:char", "depends:char", "store:bool", "readonly:bool", "relation:char"))
	fields.fields["selection_ids"] = back("ir.model.fields.selection", "field_id")
	db.add("ir.ui.view", plain("model:char", "inherit_id:int", "mode:char", "priority:int", "arch:char", "arch_db:char"))
	db.add("ir.actions.server", plain("model_id:int", "state:char", "code:char", "usage:char", "webhook_url:char"))
	db.tables["ir.actions.server"].fields["webhook_field_ids"] = kind{many: "ir.model.fields"}
	rule := db.add("base.automation", plain("model_id:int", "trigger:char", "trg_selection_field_id:int", "filter_pre_domain:char", "filter_domain:char", "active:bool"))
	rule.fields["trigger_field_ids"], rule.fields["action_server_ids"] = kind{many: "ir.model.fields"}, kind{many: "ir.actions.server"}
	groups := db.add("res.groups", plain("comment:char"))
	groups.fields["implied_ids"] = kind{many: "res.groups"}
	access := db.add("ir.model.access", plain("perm_read:bool", "perm_write:bool", "perm_create:bool", "perm_unlink:bool"))
	access.fields["group_id"], access.fields["model_id"] = one("res.groups"), one("ir.model")
	users := db.add("res.users", plain("login:char", "password:char", "active:bool"))
	users.fields["group_ids"], users.fields["company_ids"], users.fields["company_id"] = kind{many: "res.groups"}, kind{many: "res.company"}, one("res.company")
	attachment := db.add("ir.attachment", plain("res_model:char", "res_id:int", "mimetype:char", "datas:char", "description:char"))
	attachment.fields["checksum"] = kind{plain: "char", computed: checksum}
	db.add("mail.message", plain("model:char", "res_id:int", "message_type:char", "body:char", "subtype_id:char"))
}

func checksum(_ *database, r row) any {
	text, _ := r["datas"].(string)
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	sum := sha1.Sum(body) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

func (db *database) buildMasters() {
	db.add("res.currency", plain("active:bool"))
	db.add("res.country", plain("code:char"))
	db.add("uom.uom", map[string]kind{"id": {plain: "int"}, "name": {plain: "char"}, "factor": {plain: "float"}, "rounding": {computed: func(*database, row) any { return 0.01 }}})
	db.buildCompany()
	p := db.add("res.partner", plain("ref:char", "zip:char", "street:char", "street2:char", "city:char", "is_company:bool", "active:bool"))
	p.fields["country_id"] = one("res.country")
	p.fields["commercial_partner_id"] = kind{one: "res.partner", computed: func(_ *database, r row) any { return r["id"] }}
	p.fields["active"] = kind{computed: func(_ *database, r row) any { return r["active"] != false }, plain: "bool"}
	product := db.add("product.product", plain("default_code:char", "type:char", "weight:float", "list_price:float", "invoice_policy:char", "sale_ok:bool", "active:bool"))
	product.fields["uom_id"], product.fields["taxes_id"] = one("uom.uom"), kind{many: "account.tax"}
	c := db.add("delivery.carrier", plain("delivery_type:char"))
	c.fields["product_id"] = one("product.product")
	list := db.add("product.pricelist", plain())
	list.fields["currency_id"] = one("res.currency")
}

func (db *database) buildCompany() {
	company := db.add("res.company", plain("sale_lock_date:date", "fiscalyear_lock_date:date", "tax_lock_date:date", "hard_lock_date:date", "tax_calculation_rounding_method:char", "weight_in_lbs:bool"))
	company.fields["country_id"] = one("res.country")
	company.fields["currency_id"], company.fields["account_sale_tax_id"] = one("res.currency"), one("account.tax")
	for _, lock := range []string{"sale_lock_date", "fiscalyear_lock_date", "tax_lock_date", "hard_lock_date"} {
		company.fields["user_"+lock] = kind{plain: "date", computed: func(db *database, r row) any { return db.userLock(r, lock) }}
	}
	exception := db.add("account.lock_exception", plain("reason:char", "state:char"))
	exception.fields["company_id"], exception.fields["user_id"] = one("res.company"), one("res.users")
	for _, lock := range []string{"sale_lock_date", "fiscalyear_lock_date", "tax_lock_date", "end_datetime"} {
		exception.fields[lock] = kind{plain: "date"}
	}
}

// userLock is a lock as the user sees it: an exception made for him, or for all, lifts it.
func (db *database) userLock(company row, lock string) any {
	until, locked := company[lock].(string)
	if !locked {
		return "1-01-01" // what Odoo makes of the first day there is
	}
	lifted := db.where("account.lock_exception", func(e row) bool {
		_, names := e[lock]
		return names && e["state"] != "revoked" && e["company_id"] == company["id"] && (e["user_id"] == nil || e["user_id"] == false || e["user_id"] == db.user)
	})
	if len(lifted) > 0 {
		return "1-01-01"
	}
	return until
}

func (db *database) buildSales() {
	o := db.add("sale.order", plain("state:char", "commitment_date:char", "client_order_ref:char", "payment_term_id:int", "reference:char"))
	for name, model := range map[string]string{"partner_id": "res.partner", "partner_invoice_id": "res.partner", "partner_shipping_id": "res.partner", "carrier_id": "delivery.carrier", "company_id": "res.company",
		"pricelist_id": "product.pricelist", "fiscal_position_id": "account.fiscal.position", "user_id": "res.users", "incoterm": "account.incoterms", "journal_id": "account.journal"} {
		o.fields[name] = one(model)
	}
	o.fields["currency_id"] = kind{one: "res.currency", computed: func(db *database, r row) any {
		if list := db.row("product.pricelist", r["pricelist_id"]); list != nil {
			return list["currency_id"]
		}
		return db.row("res.company", r["company_id"])["currency_id"]
	}}
	o.fields["order_line"] = kind{many: "sale.order.line", inverse: "order_id"}
	o.fields["picking_ids"] = back("stock.picking", "sale_id")
	l := db.add("sale.order.line", plain("display_type:char", "is_delivery:bool", "is_downpayment:bool"))
	l.fields["product_uom_qty"], l.fields["price_unit"], l.fields["discount"] = kind{plain: "float", digits: 2}, kind{plain: "float"}, kind{plain: "float", digits: 2}
	l.fields["order_id"], l.fields["product_id"], l.fields["product_uom_id"] = one("sale.order"), one("product.product"), one("uom.uom")
	l.fields["tax_ids"] = kind{many: "account.tax"}
	l.fields["qty_delivered"] = kind{plain: "float", computed: delivered}
	l.fields["qty_invoiced"] = kind{plain: "float", computed: invoiced}
	l.fields["qty_to_invoice"] = kind{plain: "float", computed: func(db *database, line row) any {
		of := line["product_uom_qty"]
		if db.row("product.product", line["product_id"])["invoice_policy"] == "delivery" {
			of = delivered(db, line)
		}
		return rounded(float(of)-float(invoiced(db, line)), 2)
	}}
	l.fields["invoice_lines"] = kind{many: "account.move.line", computed: func(db *database, r row) any { return invoiceLines(db, r) }}
}

func delivered(db *database, line row) any {
	sum := 0.0
	for _, id := range db.leading("stock.move", "sale_line_id", line["id"], func(m row) bool { return m["state"] == "done" }) {
		m := db.row("stock.move", id)
		sum += db.inUnit(float(m["quantity"]), m["product_uom"], line["product_uom_id"])
	}
	return rounded(sum, 2)
}

// inUnit converts a quantity from one unit to another.
func (db *database) inUnit(quantity float64, from, to any) float64 {
	f, t := db.row("uom.uom", from), db.row("uom.uom", to)
	if f == nil || t == nil {
		return quantity
	}
	return quantity * float(f["factor"]) / float(t["factor"])
}

func invoiceLines(db *database, line row) []any {
	return db.leading("account.move.line", "sale_line_ids", line["id"], all)
}

func invoiced(db *database, line row) any {
	sum := 0.0
	for _, id := range invoiceLines(db, line) {
		l := db.row("account.move.line", id)
		quantity := db.inUnit(float(l["quantity"]), l["product_uom_id"], line["product_uom_id"])
		switch move := db.row("account.move", l["move_id"]); {
		case move == nil || move["state"] == "cancel":
		case move["move_type"] == "out_refund":
			sum -= quantity
		default:
			sum += quantity
		}
	}
	return rounded(sum, 2)
}

func (db *database) buildStock() {
	db.add("stock.warehouse", plain("code:char"))
	db.tables["stock.warehouse"].fields["company_id"] = one("res.company")
	db.add("stock.package", plain())
	p := db.add("stock.picking", plain("state:char", "picking_type_code:char", "date_done:char"))
	p.fields["carrier_tracking_ref"] = kind{plain: "char", uncopied: true}
	for name, model := range map[string]string{"sale_id": "sale.order", "partner_id": "res.partner", "carrier_id": "delivery.carrier", "company_id": "res.company", "backorder_id": "stock.picking"} {
		p.fields[name] = one(model)
	}
	p.fields["move_ids"] = back("stock.move", "picking_id")
	p.fields["weight"] = kind{plain: "float", computed: func(db *database, r row) any { return weigh(db, r, "product_uom_qty") }}
	p.fields["shipping_weight"] = kind{plain: "float", computed: func(db *database, r row) any { return weigh(db, r, "quantity") }}
	p.fields["weight_uom_name"] = kind{plain: "char", computed: func(db *database, r row) any {
		if db.row("res.company", r["company_id"])["weight_in_lbs"] == true {
			return "lb"
		}
		return "kg"
	}}
	m := db.add("stock.move", plain("state:char", "product_uom_qty:float", "quantity:float", "picked:bool"))
	m.fields["picking_id"], m.fields["sale_line_id"], m.fields["product_id"], m.fields["product_uom"] = one("stock.picking"), one("sale.order.line"), one("product.product"), one("uom.uom")
	m.fields["move_line_ids"] = back("stock.move.line", "move_id")
	l := db.add("stock.move.line", plain())
	l.fields["move_id"], l.fields["result_package_id"] = one("stock.move"), one("stock.package")
	l.fields["quantity"] = kind{plain: "float", computed: func(db *database, r row) any { return float(db.row("stock.move", r["move_id"])["quantity"]) }}
}

func weigh(db *database, picking row, quantity string) any {
	sum := 0.0
	for _, m := range db.rowsOf("stock.picking", picking, "move_ids") {
		product := db.row("product.product", m["product_id"])
		if m["state"] != "cancel" {
			sum += db.inUnit(float(m[quantity]), m["product_uom"], product["uom_id"]) * float(product["weight"])
		}
	}
	return rounded(sum, 2)
}

func (db *database) buildAccounting() {
	tax := db.add("account.tax", plain("amount:float", "price_include:bool", "type_tax_use:char"))
	tax.fields["company_id"], tax.fields["fiscal_position_ids"], tax.fields["original_tax_ids"] = one("res.company"), kind{many: "account.fiscal.position"}, kind{many: "account.tax"}
	tax.fields["replacing_tax_ids"] = kind{many: "account.tax", computed: func(db *database, r row) any {
		return db.where("account.tax", func(t row) bool { return slices.Contains(ids(t["original_tax_ids"]), r["id"]) })
	}}
	position := db.add("account.fiscal.position", plain())
	position.fields["company_id"] = one("res.company")
	position.fields["tax_ids"] = kind{many: "account.tax", computed: func(db *database, r row) any {
		return db.where("account.tax", func(t row) bool { return slices.Contains(ids(t["fiscal_position_ids"]), r["id"]) })
	}}
	db.add("account.incoterms", plain("code:char"))
	journal := db.add("account.journal", plain("type:char"))
	journal.fields["company_id"] = one("res.company")
	register := db.add("account.payment.register", plain("amount:float"))
	register.fields["move"] = one("account.move")
	db.add("account.payment", plain())
	reversal := db.add("account.move.reversal", plain("reason:char", "date:date"))
	reversal.fields["move_ids"], reversal.fields["journal_id"] = kind{many: "account.move"}, one("account.journal")
	db.buildMoves()
}

func (db *database) buildMoves() {
	m := db.add("account.move", plain("move_type:char", "invoice_date:date", "invoice_origin:char", "ref:char", "invoice_payment_term_id:int", "payment_reference:char"))
	for _, f := range []string{"state", "date", "payment_state", "delivery_date", "posted_before", "paid"} {
		m.fields[f] = kind{plain: map[string]string{"posted_before": "bool", "paid": "float"}[f], uncopied: true}
	}
	for name, model := range map[string]string{"partner_id": "res.partner", "partner_shipping_id": "res.partner", "company_id": "res.company", "currency_id": "res.currency", "journal_id": "account.journal",
		"fiscal_position_id": "account.fiscal.position", "invoice_user_id": "res.users", "invoice_incoterm_id": "account.incoterms", "reversed_entry_id": "account.move"} {
		m.fields[name] = one(model)
	}
	m.fields["invoice_line_ids"] = kind{many: "account.move.line", inverse: "move_id"}
	amount := func(f func(net, tax *apd.Decimal) *apd.Decimal) kind {
		return kind{plain: "float", computed: func(db *database, r row) any {
			v, _ := f(totals(db, r)).Float64()
			return v
		}}
	}
	m.fields["amount_untaxed"] = amount(func(n, _ *apd.Decimal) *apd.Decimal { return n })
	m.fields["amount_tax"] = amount(func(_, t *apd.Decimal) *apd.Decimal { return t })
	m.fields["amount_total"] = amount(sumOf)
	m.fields["amount_residual"] = kind{plain: "float", computed: func(db *database, r row) any { return residual(db, r) }}
	l := db.add("account.move.line", plain("price_unit:float", "display_type:char"))
	l.fields["quantity"], l.fields["discount"] = kind{plain: "float", digits: 2}, kind{plain: "float", digits: 2}
	l.fields["move_id"], l.fields["product_id"], l.fields["product_uom_id"] = one("account.move"), one("product.product"), one("uom.uom")
	l.fields["sale_line_ids"], l.fields["tax_ids"] = kind{many: "sale.order.line"}, kind{many: "account.tax"}
	l.fields["display_type"] = kind{plain: "char", computed: func(_ *database, r row) any {
		if t, ok := r["display_type"].(string); ok {
			return t
		}
		return "product"
	}}
	l.fields["price_subtotal"] = kind{plain: "float", computed: func(db *database, r row) any {
		v, _ := cents(lineNet(db, r)).Float64()
		return v
	}}
	l.fields["parent_state"] = kind{plain: "char", computed: func(db *database, r row) any { return db.row("account.move", r["move_id"])["state"] }}
}

func residual(db *database, r row) any {
	if r["payment_state"] == "reversed" {
		return 0.0
	}
	left := new(apd.Decimal)
	_, _ = arithmetic.Sub(left, sumOf(totals(db, r)), decimal(r["paid"]))
	v, _ := left.Float64()
	return v
}

var arithmetic = apd.BaseContext.WithPrecision(40)

func sumOf(a, b *apd.Decimal) *apd.Decimal {
	s := new(apd.Decimal)
	_, _ = arithmetic.Add(s, a, b)
	return s
}

func cents(d *apd.Decimal) *apd.Decimal {
	c := new(apd.Decimal)
	_, _ = arithmetic.Quantize(c, d, -2)
	return c
}

// lineNet is quantity times price less discount, without a tax the price includes, and not rounded.
func lineNet(db *database, l row) *apd.Decimal {
	v := decimal(l["quantity"])
	_, _ = arithmetic.Mul(v, v, decimal(l["price_unit"]))
	off := new(apd.Decimal)
	_, _ = arithmetic.Sub(off, apd.New(100, 0), decimal(l["discount"]))
	_, _ = arithmetic.Mul(v, v, off)
	_, _ = arithmetic.Mul(v, v, apd.New(1, -2))
	for _, t := range db.rowsOf("account.move.line", l, "tax_ids") {
		if t["price_include"] == true {
			_, _ = arithmetic.Quo(v, v, sumOf(apd.New(1, 0), share(t)))
		}
	}
	return v
}

// share is a tax as a part of its base.
func share(tax row) *apd.Decimal {
	d := decimal(tax["amount"])
	_, _ = arithmetic.Mul(d, d, apd.New(1, -2))
	return d
}

// totals are net and tax of a move. A company rounds each line, or the invoice once: the latter is Odoo's default, and
// then the net need not be the sum of the lines as they are shown.
func totals(db *database, move row) (net, tax *apd.Decimal) {
	net, tax = new(apd.Decimal), new(apd.Decimal)
	perLine := false
	if company := db.row("res.company", move["company_id"]); company != nil {
		perLine = company["tax_calculation_rounding_method"] == "round_per_line"
	}
	for _, l := range db.rowsOf("account.move", move, "invoice_line_ids") {
		line, due := lineNet(db, l), new(apd.Decimal)
		if perLine {
			line = cents(line)
		}
		for _, t := range db.rowsOf("account.move.line", l, "tax_ids") {
			part := new(apd.Decimal)
			_, _ = arithmetic.Mul(part, line, share(t))
			due = sumOf(due, part)
		}
		if perLine {
			due = cents(due)
		}
		net, tax = sumOf(net, line), sumOf(tax, due)
	}
	return cents(net), cents(tax)
}

func decimal(v any) *apd.Decimal {
	d, _, err := apd.NewFromString(strconv.FormatFloat(float(v), 'f', -1, 64))
	if err != nil {
		return new(apd.Decimal)
	}
	return d
}

func float(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case string:
		f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f
	}
	return 0
}
