package odootest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// StandIn is an Odoo for tests and the demo: the wire protocol, the faults and the rules of the real one, for the
// calls that Waybill, its setup and a shop make. It is not a reason to skip the tests on a real Odoo.
type StandIn struct {
	mu      sync.Mutex
	db      *database
	loading map[string]bool // external ids being created by a call under way
	Latency time.Duration   // of each call that writes
}

// Start starts a stand-in for a test and returns its URL. Login and password are admin and admin.
func Start(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(NewStandIn())
	t.Cleanup(srv.Close)
	return srv.URL
}

// NewStandIn makes an empty company in US dollars with a sales tax of 10 %.
func NewStandIn() *StandIn {
	s := &StandIn{db: &database{tables: map[string]*table{}, external: map[string]external{}}, loading: map[string]bool{}}
	s.db.build()
	return s
}

func now() string { return time.Now().UTC().Format("2006-01-02 15:04:05") }

func one(model string) kind { return kind{one: model} }

func back(model, inverse string) kind { return kind{many: model, inverse: inverse} }

func (db *database) build() {
	db.add("res.currency", plain())
	db.add("res.country", plain("code:char"))
	db.add("res.company", plain("sale_lock_date:date", "fiscalyear_lock_date:date", "hard_lock_date:date"))
	db.add("ir.model", plain("model:char"))
	db.add("ir.model.fields.selection", plain("value:char", "sequence:int", "field_id:int"))
	fields := db.add("ir.model.fields", plain("model:char", "model_id:int", "ttype:char", "field_description:char", "copied:bool", "index:bool", "compute:char", "depends:char", "store:bool", "readonly:bool"))
	fields.fields["selection_ids"] = kind{many: "ir.model.fields.selection"}
	db.add("ir.ui.view", plain("model:char", "inherit_id:int", "mode:char", "priority:int", "arch:char"))
	db.add("ir.attachment", plain("res_model:char", "res_id:int", "mimetype:char", "datas:char", "description:char"))
	db.add("account.tax", plain("amount:float"))
	db.add("account.payment.register", plain("move:int"))
	db.buildPartners()
	db.buildSales()
	db.buildStock()
	db.buildAccounting()
	for model := range db.tables {
		db.mustInsert("ir.model", row{"name": model, "model": model})
	}
	db.mustInsert("res.currency", row{"name": "USD"})
	db.mustInsert("res.country", row{"name": "United States", "code": "US"})
	db.mustInsert("res.company", row{"name": "Company"})
	db.mustInsert("account.tax", row{"name": "10%", "amount": 10.0})
}

func (db *database) mustInsert(model string, values row) {
	if _, err := db.insert(model, values); err != nil {
		panic(err)
	}
}

func (db *database) buildPartners() {
	p := db.add("res.partner", plain("ref:char", "zip:char", "is_company:bool", "active:bool"))
	p.fields["country_id"] = one("res.country")
	p.fields["commercial_partner_id"] = kind{one: "res.partner", computed: func(_ *database, r row) any { return r["id"] }}
	p.fields["active"] = kind{computed: func(_ *database, r row) any { return r["active"] != false }, plain: "bool"}
	db.add("product.product", plain("default_code:char", "type:char", "weight:float", "list_price:float", "invoice_policy:char", "sale_ok:bool"))
	c := db.add("delivery.carrier", plain("delivery_type:char"))
	c.fields["product_id"] = one("product.product")
}

func (db *database) buildSales() {
	o := db.add("sale.order", plain("state:char", "client_order_ref:char", "payment_term_id:int"))
	for name, model := range map[string]string{"partner_id": "res.partner", "partner_invoice_id": "res.partner", "partner_shipping_id": "res.partner", "carrier_id": "delivery.carrier", "company_id": "res.company"} {
		o.fields[name] = one(model)
	}
	o.fields["currency_id"] = kind{one: "res.currency", computed: func(*database, row) any { return int64(1) }}
	o.fields["order_line"] = back("sale.order.line", "order_id")
	o.fields["picking_ids"] = back("stock.picking", "sale_id")
	l := db.add("sale.order.line", plain("product_uom_qty:float", "price_unit:float", "discount:float", "is_delivery:bool", "display_type:char", "product_uom_id:int"))
	l.fields["order_id"], l.fields["product_id"] = one("sale.order"), one("product.product")
	l.fields["tax_ids"] = kind{many: "account.tax", computed: func(*database, row) any { return []any{int64(1)} }}
	l.fields["qty_delivered"] = kind{plain: "float", computed: delivered}
	l.fields["qty_invoiced"] = kind{plain: "float", computed: invoiced}
	l.fields["invoice_lines"] = kind{many: "account.move.line", computed: func(db *database, r row) any { return invoiceLines(db, r) }}
}

func delivered(db *database, line row) any {
	sum := 0.0
	for _, id := range db.where("stock.move", func(m row) bool { return m["sale_line_id"] == line["id"] && m["state"] == "done" }) {
		sum += float(db.row("stock.move", id)["quantity"])
	}
	return sum
}

func invoiceLines(db *database, line row) []any {
	return db.where("account.move.line", func(l row) bool { return slices.Contains(ids(l["sale_line_ids"]), line["id"]) })
}

func invoiced(db *database, line row) any {
	sum := 0.0
	for _, id := range invoiceLines(db, line) {
		l := db.row("account.move.line", id)
		if move := db.row("account.move", l["move_id"]); move["state"] != "cancel" {
			sum += float(l["quantity"])
		}
	}
	return sum
}

func (db *database) buildStock() {
	p := db.add("stock.picking", plain("state:char", "picking_type_code:char"))
	for name, model := range map[string]string{"sale_id": "sale.order", "partner_id": "res.partner", "carrier_id": "delivery.carrier", "company_id": "res.company", "backorder_id": "stock.picking"} {
		p.fields[name] = one(model)
	}
	p.fields["move_ids"] = back("stock.move", "picking_id")
	p.fields["weight"] = kind{plain: "float", computed: func(db *database, r row) any {
		sum := 0.0
		for _, m := range db.rowsOf("stock.picking", r, "move_ids") {
			sum += float(m["product_uom_qty"]) * float(db.row("product.product", m["product_id"])["weight"])
		}
		return sum
	}}
	m := db.add("stock.move", plain("state:char", "product_uom_qty:float", "quantity:float", "picked:bool", "product_uom:int"))
	m.fields["picking_id"], m.fields["sale_line_id"], m.fields["product_id"] = one("stock.picking"), one("sale.order.line"), one("product.product")
}

func (db *database) buildAccounting() {
	m := db.add("account.move", plain("move_type:char", "state:char", "invoice_date:date", "date:date", "invoice_origin:char", "ref:char", "invoice_payment_term_id:int", "payment_state:char", "paid:bool"))
	m.fields["partner_id"], m.fields["partner_shipping_id"] = one("res.partner"), one("res.partner")
	m.fields["currency_id"] = kind{one: "res.currency", computed: func(*database, row) any { return int64(1) }}
	m.fields["invoice_line_ids"] = back("account.move.line", "move_id")
	amount := func(f func(net, tax *apd.Decimal) *apd.Decimal) kind {
		return kind{plain: "float", computed: func(db *database, r row) any {
			v, _ := f(totals(db, r)).Float64()
			return v
		}}
	}
	m.fields["amount_untaxed"] = amount(func(n, _ *apd.Decimal) *apd.Decimal { return n })
	m.fields["amount_tax"] = amount(func(_, t *apd.Decimal) *apd.Decimal { return t })
	m.fields["amount_total"] = amount(sumOf)
	m.fields["amount_residual"] = kind{plain: "float", computed: func(db *database, r row) any {
		if r["payment_state"] == "paid" {
			return 0.0
		}
		v, _ := sumOf(totals(db, r)).Float64()
		return v
	}}
	l := db.add("account.move.line", plain("quantity:float", "price_unit:float", "discount:float"))
	l.fields["move_id"], l.fields["product_id"] = one("account.move"), one("product.product")
	l.fields["sale_line_ids"] = kind{many: "sale.order.line"}
	l.fields["tax_ids"] = kind{many: "account.tax", computed: func(*database, row) any { return []any{int64(1)} }}
	l.fields["display_type"] = kind{plain: "char", computed: func(*database, row) any { return "product" }}
	l.fields["parent_state"] = kind{plain: "char", computed: func(db *database, r row) any { return db.row("account.move", r["move_id"])["state"] }}
}

var arithmetic = apd.BaseContext.WithPrecision(40)

func sumOf(a, b *apd.Decimal) *apd.Decimal {
	s := new(apd.Decimal)
	_, _ = arithmetic.Add(s, a, b)
	return s
}

// totals are net and tax of a move, rounded a line at a time to cents, as Odoo's default does.
func totals(db *database, move row) (net, tax *apd.Decimal) {
	net, tax = new(apd.Decimal), new(apd.Decimal)
	for _, l := range db.rowsOf("account.move", move, "invoice_line_ids") {
		v := decimal(l["quantity"])
		_, _ = arithmetic.Mul(v, v, decimal(l["price_unit"]))
		off := new(apd.Decimal)
		_, _ = arithmetic.Sub(off, apd.New(100, 0), decimal(l["discount"]))
		_, _ = arithmetic.Mul(v, v, off)
		_, _ = arithmetic.Mul(v, v, apd.New(1, -2))
		_, _ = arithmetic.Quantize(v, v, -2)
		net = sumOf(net, v)
	}
	_, _ = arithmetic.Mul(tax, net, apd.New(1, -1))
	_, _ = arithmetic.Quantize(tax, tax, -2)
	return net, tax
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
		f, _ := strconv.ParseFloat(v, 64)
		return f
	}
	return 0
}

// ServeHTTP answers as /xmlrpc/2/common and /xmlrpc/2/object do.
func (s *StandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, params, err := decodeCall(r.Body)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	answer, err := s.answer(r.URL.Path, method, params)
	if err != nil {
		f, ok := err.(fault)
		if !ok {
			f = traceback("%v", err)
		}
		answer = f
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(encodeAnswer(answer)) // the caller has gone if this fails
}

func (s *StandIn) answer(path, method string, params []any) (any, error) {
	switch {
	case strings.HasSuffix(path, "/common") && method == "authenticate" && len(params) == 4:
		if params[1] != "admin" || params[2] != "admin" {
			return false, nil
		}
		return int64(2), nil
	case strings.HasSuffix(path, "/object") && method == "execute_kw" && len(params) == 7:
		if params[2] != "admin" {
			return nil, fault{3, "Access Denied"}
		}
		model, _ := params[3].(string)
		name, _ := params[4].(string)
		args, _ := params[5].([]any)
		kw, _ := params[6].(row)
		return s.execute(model, name, args, kw)
	}
	return nil, traceback("AttributeError: no such method %s", method)
}

func (s *StandIn) execute(model, method string, args []any, kw row) (any, error) {
	if model == "account.move" && method == "load" {
		return s.loadMove(args)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.db.table(model); err != nil && model != "ir.model.data" {
		return nil, err
	}
	switch method {
	case "search_read":
		return s.db.searchRead(model, args, kw)
	case "web_search_read":
		return s.db.webSearchRead(model, args, kw)
	case "create":
		values, _ := args[0].(row)
		return s.db.create(model, values, kw)
	case "write":
		values, _ := args[1].(row)
		return s.db.write(model, ids(args[0]), values)
	case "unlink":
		return s.db.unlink(model, ids(args[0]))
	case "load":
		return s.db.load(model, args)
	case "check_access_rights":
		return true, nil
	case "check_object_reference":
		return []any{"ir.ui.view", int64(len(fmt.Sprint(args)))}, nil
	}
	return s.db.business(model, method, args, kw)
}

func (db *database) searchRead(model string, args []any, kw row) (any, error) {
	domain, _ := args[0].([]any)
	found, err := db.search(model, domain)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range limited(found, kw) {
		r, err := db.flat(model, db.row(model, id), ids(kw["fields"]))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func limited(found []any, kw row) []any {
	if n, ok := kw["limit"].(int64); ok && int(n) < len(found) {
		return found[:n]
	}
	return found
}

func (db *database) webSearchRead(model string, args []any, kw row) (any, error) {
	domain, _ := args[0].([]any)
	specification, _ := args[1].(row)
	found, err := db.search(model, domain)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range limited(found, kw) {
		r, err := db.nested(model, db.row(model, id), specification)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return row{"records": out, "length": int64(len(found))}, nil
}

func (db *database) create(model string, values row, kw row) (any, error) {
	values = cloneRow(values)
	switch model {
	case "ir.model.fields":
		return db.createField(values)
	case "sale.order":
		for _, f := range []string{"partner_invoice_id", "partner_shipping_id"} {
			if values[f] == nil {
				values[f] = values["partner_id"]
			}
		}
		values["state"], values["company_id"] = "draft", int64(1)
		values["name"] = fmt.Sprintf("S%05d", db.tables["sale.order"].next+1)
	case "sale.order.line":
		if values["name"] == nil {
			values["name"] = db.label(db.row("product.product", values["product_id"]))
		}
	case "account.payment.register":
		about, _ := kw["context"].(row)
		move, _ := ids(about["active_ids"])[0].(int64)
		if db.row("account.move", move)["payment_state"] == "paid" {
			return nil, business("You can't register a payment because there is nothing left to pay on the selected journal items.")
		}
		values["move"] = move
	}
	id, err := db.insert(model, values)
	return id, err
}

// createField makes a custom field usable at once, as Odoo's registry does.
func (db *database) createField(values row) (any, error) {
	name, _ := values["name"].(string)
	model := ""
	if m := db.row("ir.model", values["model_id"]); m != nil {
		model, _ = m["model"].(string)
	}
	t, err := db.table(model)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "x_") {
		return nil, business("Custom fields must have a name that starts with 'x_'!")
	}
	if _, there := t.fields[name]; there {
		return nil, business("Field names must be unique per model.")
	}
	f := kind{plain: map[string]string{"integer": "int", "selection": "char", "datetime": "char"}[fmt.Sprint(values["ttype"])]}
	for _, c := range ids(values["selection_ids"]) {
		if cmd, _ := c.([]any); len(cmd) == 3 {
			choice, _ := cmd[2].(row)
			f.choices = append(f.choices, fmt.Sprint(choice["value"]))
		}
	}
	if values["compute"] != nil {
		f.computed = func(db *database, r row) any { return fromDeliveries(db, r, name) }
	}
	t.fields[name] = f
	values["model"] = model
	return db.insert("ir.model.fields", values)
}

// fromDeliveries is what the setup's computed fields of an order give.
func fromDeliveries(db *database, order row, name string) any {
	var said []string
	deliveries := db.rowsOf("sale.order", order, "picking_ids")
	for _, p := range deliveries {
		if s, _ := p[name].(string); s != "" {
			said = append(said, s)
		}
	}
	if len(said) == 0 {
		return false
	}
	return strings.Join(said, ", ")
}

func (db *database) write(model string, of []any, values row) (any, error) {
	for _, id := range of {
		n, _ := id.(int64)
		if model == "account.move" && db.row(model, id)["state"] == "posted" {
			return nil, business("You cannot modify the following readonly fields on a posted move: %v", values)
		}
		if err := db.update(model, n, values); err != nil {
			return nil, err
		}
	}
	return true, nil
}

func (db *database) unlink(model string, of []any) (any, error) {
	for _, id := range of {
		r := db.row(model, id)
		if model == "account.move" && r != nil && r["state"] == "posted" {
			return nil, business("You can't delete a posted journal item. Don’t play games with your accounting records; reset the journal entry to draft before deleting it.")
		}
		n, _ := id.(int64)
		delete(db.tables[model].rows, n)
		for key, x := range db.external {
			if x == (external{model, n}) {
				delete(db.external, key)
			}
		}
		if model == "account.move" {
			for _, l := range db.where("account.move.line", func(l row) bool { return l["move_id"] == id }) {
				line, _ := l.(int64)
				delete(db.tables["account.move.line"].rows, line)
			}
		}
	}
	return true, nil
}
