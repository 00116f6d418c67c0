package odootest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// StandIn is an Odoo for tests and the demo: the wire protocol, the faults, the rights and the rules of the real one,
// for the calls that Waybill, its setup and a shop make. It is not a reason to skip the tests on a real Odoo.
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

// NewStandIn makes two empty companies in US dollars, with a sales tax of 10 % each, and a warehouse in the first.
func NewStandIn() *StandIn {
	s := &StandIn{db: &database{tables: map[string]*table{}, external: map[string]external{}, user: admin}, loading: map[string]bool{}}
	s.db.build()
	return s
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

// none is the result of a method that returns None: done, and XML-RPC cannot carry it.
type none struct{}

// errNone is what Odoo answers then.
var errNone = traceback("TypeError: cannot marshal None unless allow_none is enabled")

func (s *StandIn) answer(path, method string, params []any) (any, error) {
	switch {
	case strings.HasSuffix(path, "/common") && method == "authenticate" && len(params) == 4:
		return s.authenticate(params[1], params[2]), nil
	case strings.HasSuffix(path, "/object") && method == "execute_kw" && len(params) == 7:
		model, _ := params[3].(string)
		name, _ := params[4].(string)
		args, _ := params[5].([]any)
		kw, _ := params[6].(row)
		out, err := s.execute(params[1], params[2], model, name, args, kw)
		if _, isNone := out.(none); isNone && err == nil {
			return nil, errNone
		}
		return out, err
	}
	return nil, traceback("AttributeError: no such method %s", method)
}

func (s *StandIn) authenticate(login, password any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.db.where("res.users", func(u row) bool { return u["login"] == login && u["password"] == password && u["active"] != false }) {
		return id
	}
	return false
}

// enter begins a call of a user: what it writes is his, and what it may is his.
func (s *StandIn) enter(uid, password any) error {
	u := s.db.row("res.users", uid)
	if u == nil || u["password"] != password || u["active"] == false {
		return fault{3, "Access Denied"}
	}
	s.db.user, _ = uid.(int64)
	return nil
}

func (s *StandIn) execute(uid, password any, model, method string, args []any, kw row) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enter(uid, password); err != nil {
		return nil, err
	}
	if _, err := s.db.table(model); err != nil {
		return nil, err
	}
	if model == "account.move" && method == "load" {
		return s.loadMove(args, kw)
	}
	if m, ok := methods[method]; ok {
		if m.right != "" {
			if err := s.db.allowed(model, m.right); err != nil {
				return nil, err
			}
		}
		return m.run(s.db, model, args, kw)
	}
	return s.db.business(model, method, args, kw)
}

// methods are those that every model has, and the right each needs.
var methods = map[string]struct {
	right string
	run   func(db *database, model string, args []any, kw row) (any, error)
}{
	"search_read":     {"read", (*database).searchRead},
	"web_search_read": {"read", (*database).webSearchRead},
	"create":          {"create", (*database).create},
	"write": {"write", func(db *database, model string, args []any, _ row) (any, error) {
		values, _ := args[1].(row)
		return db.write(model, ids(args[0]), values)
	}},
	"web_save": {"write", (*database).webSave},
	"unlink": {"unlink", func(db *database, model string, args []any, _ row) (any, error) {
		return db.unlink(model, ids(args[0]))
	}},
	"copy": {"create", func(db *database, model string, args []any, _ row) (any, error) { return db.copy(model, ids(args[0])) }},
	"load": {"create", func(db *database, model string, args []any, _ row) (any, error) { return db.load(model, args) }},
	"has_access": {"", func(db *database, model string, args []any, _ row) (any, error) {
		mode, _ := args[1].(string)
		return db.allowed(model, mode) == nil, nil
	}},
	"check_access_rights": {"", func(db *database, model string, args []any, _ row) (any, error) {
		mode, _ := args[0].(string)
		return none{}, db.allowed(model, mode)
	}},
	"check_object_reference": {"", func(db *database, _ string, args []any, _ row) (any, error) { return db.reference(args) }},
	"get_views":              {"read", func(db *database, _ string, args []any, _ row) (any, error) { return db.getViews(args) }},
}

func (db *database) searchRead(model string, args []any, kw row) (any, error) {
	domain, _ := args[0].([]any)
	found, err := db.search(model, domain)
	if err != nil {
		return nil, err
	}
	for _, n := range ids(kw["fields"]) {
		name, _ := n.(string)
		if _, known := db.tables[model].fields[name]; !known && name != "display_name" {
			return nil, traceback("ValueError: Invalid field '%s' on '%s'", name, model)
		}
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

func (db *database) webSave(model string, args []any, _ row) (any, error) {
	values, _ := args[1].(row)
	specification, _ := args[2].(row)
	if _, err := db.write(model, ids(args[0]), values); err != nil {
		return nil, err
	}
	return db.nestedMany(model, ids(args[0]), specification)
}

func (db *database) create(model string, values []any, kw row) (any, error) {
	v, _ := values[0].(row)
	v = cloneRow(v)
	if model == "ir.model.fields" {
		return db.createField(v)
	}
	if err := db.defaults(model, v, kw); err != nil {
		return nil, err
	}
	id, err := db.insert(model, v)
	if err == nil && model == "ir.model.fields.selection" {
		db.addChoice(v)
	}
	return id, err
}

// defaults are what Odoo fills in.
func (db *database) defaults(model string, v row, kw row) error {
	switch model {
	case "sale.order":
		db.orderDefaults(v)
	case "product.product":
		if v["uom_id"] == nil {
			v["uom_id"] = int64(1)
		}
		if v["active"] == nil {
			v["active"] = true
		}
		if v["taxes_id"] == nil {
			v["taxes_id"] = setOf(db.defaultTaxes())
		}
	case "account.move":
		db.moveDefaults(v)
	case "account.move.line":
		if v["product_uom_id"] == nil {
			v["product_uom_id"] = db.row("product.product", v["product_id"])["uom_id"]
		}
	case "ir.ui.view":
		v["arch_db"] = v["arch"]
	case "account.payment.register":
		return db.registerDefaults(v, kw)
	}
	return nil
}

func (db *database) orderDefaults(v row) {
	for _, f := range []string{"partner_invoice_id", "partner_shipping_id"} {
		if v[f] == nil {
			v[f] = v["partner_id"]
		}
	}
	if v["company_id"] == nil {
		v["company_id"] = int64(1)
	}
	v["state"], v["name"] = "draft", fmt.Sprintf("S%05d", db.tables["sale.order"].next+1)
	for _, c := range ids(v["order_line"]) {
		if cmd := ids(c); len(cmd) == 3 {
			line, _ := cmd[2].(row)
			db.lineDefaults(line, v)
		}
	}
}

func (db *database) lineDefaults(line, order row) {
	product := db.row("product.product", line["product_id"])
	if product == nil {
		return
	}
	if line["name"] == nil {
		line["name"] = fmt.Sprintf("[%v] %v", product["default_code"], product["name"])
	}
	if line["product_uom_id"] == nil {
		line["product_uom_id"] = product["uom_id"]
	}
	if line["tax_ids"] == nil {
		line["tax_ids"] = setOf(db.productTaxes(product, order["company_id"], order["fiscal_position_id"]))
	}
}

func setOf(list []any) any { return []any{[]any{int64(6), int64(0), list}} }

func (db *database) write(model string, of []any, values row) (any, error) {
	for _, id := range of {
		n, _ := id.(int64)
		r := db.row(model, id)
		if r == nil {
			return nil, business("Record does not exist or has been deleted.\n(Record: %s(%v,), User: %d)", model, id, db.user)
		}
		if model == "account.move" && r["state"] == "posted" {
			return nil, business("You cannot modify the following readonly fields on a posted move: %v", values)
		}
		if model == "stock.picking" || model == "sale.order" {
			if err := db.guard(model, r, values); err != nil {
				return nil, err
			}
		}
		if err := db.update(model, n, values); err != nil {
			return nil, err
		}
		db.note(model, r, values)
		if model == "ir.model.fields" {
			db.recompute(r)
		}
	}
	return true, nil
}

func (db *database) unlink(model string, of []any) (any, error) {
	for _, id := range of {
		r := db.row(model, id)
		if r == nil {
			return nil, business("Record does not exist or has been deleted.\n(Record: %s(%v,), User: %d)", model, id, db.user)
		}
		if err := db.mayDelete(model, r); err != nil {
			return nil, err
		}
		n, _ := id.(int64)
		delete(db.tables[model].rows, n)
		for key, x := range db.external {
			if x == (external{model, n}) {
				delete(db.external, key)
			}
		}
		for _, key := range db.where("ir.model.data", func(x row) bool { return x["model"] == model && x["res_id"] == id }) {
			delete(db.tables["ir.model.data"].rows, key.(int64))
		}
		db.cascade(model, r)
	}
	return true, nil
}

func (db *database) mayDelete(model string, r row) error {
	switch {
	case model == "account.move" && r["state"] == "posted":
		return business("You can't delete a posted journal item. Don’t play games with your accounting records; reset the journal entry to draft before deleting it.")
	case model == "account.move" && r["posted_before"] == true && !db.isLast(r):
		return business("You cannot delete this entry, as it has already consumed a sequence number and is not the last one in the chain. You should probably revert it instead.")
	case model == "ir.model.fields":
		return db.mayDrop(r)
	}
	return nil
}

// isLast reports whether a number is the newest that was given.
func (db *database) isLast(move row) bool {
	name, _ := move["name"].(string)
	return strings.HasSuffix(name, fmt.Sprintf("/%05d", db.invoices))
}

// cascade takes away what goes with a record.
func (db *database) cascade(model string, r row) {
	switch model {
	case "account.move":
		for _, l := range db.leading("account.move.line", "move_id", r["id"], all) {
			line, _ := l.(int64)
			delete(db.tables["account.move.line"].rows, line)
		}
	case "ir.model.fields.selection":
		db.dropChoice(r)
	case "ir.model.fields":
		of, _ := r["model"].(string)
		name, _ := r["name"].(string)
		delete(db.tables[of].fields, name)
		for _, x := range db.tables[of].rows {
			delete(x, name)
		}
	}
}

// copy duplicates records, but for what Odoo does not copy.
func (db *database) copy(model string, of []any) (any, error) {
	out := []any{}
	for _, id := range of {
		values := row{}
		for name, v := range db.row(model, id) {
			if f := db.tables[model].fields[name]; name != "id" && !f.uncopied && f.many == "" {
				values[name] = v
			}
		}
		if _, has := db.tables[model].fields["state"]; has {
			values["state"] = "draft"
		}
		n, err := db.insert(model, values)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
