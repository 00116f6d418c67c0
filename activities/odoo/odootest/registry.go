package odootest

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

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
	f := kind{plain: map[string]string{"integer": "int", "selection": "char", "datetime": "char"}[fmt.Sprint(values["ttype"])], uncopied: values["copied"] == false}
	if values["ttype"] == "many2many" {
		f.many, _ = values["relation"].(string)
	}
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

// addChoice adds a value to a selection field.
func (db *database) addChoice(values row) {
	db.choices(values, func(cs []string) []string { return append(cs, fmt.Sprint(values["value"])) })
}

// dropChoice takes a value from one.
func (db *database) dropChoice(values row) {
	db.choices(values, func(cs []string) []string {
		return slices.DeleteFunc(slices.Clone(cs), func(c string) bool { return c == values["value"] })
	})
}

func (db *database) choices(values row, change func([]string) []string) {
	f := db.row("ir.model.fields", values["field_id"])
	model, _ := f["model"].(string)
	name, _ := f["name"].(string)
	t := db.tables[model]
	k := t.fields[name]
	k.choices = change(k.choices)
	t.fields[name] = k
}

// recompute takes over what a computed field was changed to. Only what Waybill's setup writes can be computed here, so
// anything else gives what it says: its code.
func (db *database) recompute(f row) {
	code, computed := f["compute"].(string)
	model, _ := f["model"].(string)
	name, _ := f["name"].(string)
	t := db.tables[model]
	if !computed || t == nil {
		return
	}
	k := t.fields[name]
	k.computed = func(db *database, r row) any { return code }
	if strings.Contains(code, "picking_ids") {
		k.computed = func(db *database, r row) any { return fromDeliveries(db, r, name) }
	}
	t.fields[name] = k
}

// fromDeliveries is what the setup's computed fields of an order give: what its one carried delivery shows, or each by
// its name.
func fromDeliveries(db *database, order row, name string) any {
	if db.tables["sale.order"].fields[name].many != "" {
		all := []any{}
		for _, p := range db.rowsOf("sale.order", order, "picking_ids") {
			all = append(all, ids(p[name])...)
		}
		return append(all, ids(order[ownName(name)])...)
	}
	var said, named []string
	for _, p := range db.rowsOf("sale.order", order, "picking_ids") {
		carried, _ := p["x_waybill_shipment"].(string)
		if s, _ := p[name].(string); s != "" && carried != "" {
			said = append(said, s)
			named = append(named, fmt.Sprintf("%v: %s", p["name"], s))
		}
	}
	switch len(said) {
	case 0:
		if own, _ := order[ownName(name)].(string); own != "" {
			return own
		}
		return false
	case 1:
		return said[0]
	}
	return strings.Join(named, ", ")
}

// ownName is the field an order shows itself where no delivery shows anything.
func ownName(name string) string { return strings.Replace(name, "x_waybill_", "x_waybill_own_", 1) }

// mayDrop refuses to drop a field that a view shows, or another is computed from.
func (db *database) mayDrop(f row) error {
	name, _ := f["name"].(string)
	for _, v := range db.where("ir.ui.view", func(v row) bool {
		return strings.Contains(fmt.Sprint(arch(v)), `name="`+name+`"`) && v["model"] == f["model"]
	}) {
		return business("Cannot rename/delete fields that are still present in views:\nFields: %s.%s\nView: %v", f["model"], name, db.row("ir.ui.view", v)["name"])
	}
	if f["model"] != "stock.picking" {
		return nil
	}
	for _, o := range db.where("ir.model.fields", func(o row) bool {
		return o["model"] == "sale.order" && strings.Contains(fmt.Sprint(o["depends"]), "picking_ids."+name)
	}) {
		return business("The field 'stock.picking.%s' cannot be removed because the field 'sale.order.%v' depends on it.", name, db.row("ir.model.fields", o)["name"])
	}
	return nil
}

func arch(view row) any {
	if v, ok := view["arch_db"]; ok {
		return v
	}
	return view["arch"]
}

// getViews answers with each view and what extends it.
func (db *database) getViews(args []any) (any, error) {
	views := row{}
	for _, want := range ids(args[0]) {
		pair := ids(want)
		v := db.row("ir.ui.view", pair[0])
		if v == nil {
			return nil, business("Record does not exist or has been deleted.\n(Record: ir.ui.view(%v,), User: %d)", pair[0], db.user)
		}
		text := fmt.Sprint(arch(v))
		for _, x := range db.where("ir.ui.view", func(x row) bool { return x["inherit_id"] == v["id"] }) {
			text += fmt.Sprint(arch(db.row("ir.ui.view", x)))
		}
		kind, _ := pair[1].(string)
		views[kind] = row{"arch": text, "id": v["id"]}
	}
	return row{"views": views}, nil
}

// reference answers who asks for a record by its external id; only that it is there, where he may not read it.
func (db *database) reference(args []any) (any, error) {
	module, _ := args[0].(string)
	name, _ := args[1].(string)
	x, ok := db.external[module+"."+name]
	if !ok {
		for _, id := range db.where("ir.model.data", func(r row) bool { return r["module"] == module && r["name"] == name }) {
			r := db.row("ir.model.data", id)
			x.model, _ = r["model"].(string)
			x.id, ok = r["res_id"].(int64)
		}
	}
	if !ok {
		return nil, traceback("ValueError: External ID not found in the system: %s.%s", module, name)
	}
	if err := db.allowed(x.model, "read"); err != nil {
		return nil, err
	}
	return []any{x.model, x.id}, nil
}

// guard is the rule that Waybill's setup makes, where it was made: a claim is not overwritten, and no newer revision.
func (db *database) guard(model string, record, values row) error {
	what := map[string]string{"stock.picking": "delivery", "sale.order": "order"}[model]
	holder, _ := record["x_waybill_shipment"].(string)
	if holder == "" || !db.ruled(model, "raise UserError") {
		return nil
	}
	if next, ok := values["x_waybill_shipment"].(string); ok && next != holder {
		return business("%s %v is carried by shipment %s", what, record["name"], holder)
	}
	was, _ := record["x_waybill_revision"].(int64)
	if next, ok := values["x_waybill_revision"].(int64); ok && next < was {
		return business("%s %v shows a newer revision, %d", what, record["name"], was)
	}
	return nil
}

// ruled reports whether a rule of a model's writes is there whose code does something.
func (db *database) ruled(model, does string) bool {
	return len(db.where("base.automation", func(a row) bool {
		m := db.row("ir.model", a["model_id"])
		on := a["trigger"] == "on_write" && a["active"] != false && m != nil && m["model"] == model
		return on && slices.ContainsFunc(db.rowsOf("base.automation", a, "action_server_ids"), func(s row) bool { return strings.Contains(fmt.Sprint(s["code"]), does) })
	})) > 0
}

// note is the rule that Waybill's setup makes, where it was made: each line of notes is in the order's chatter once for
// its number.
func (db *database) note(model string, record, values row) {
	notes, _ := values["x_waybill_notes"].(string)
	if notes == "" || !db.ruled(model, "_message_log") {
		return
	}
	var last int64
	noted := strings.Fields(fmt.Sprint(record["x_waybill_noted"]))
	if len(noted) == 2 && noted[0] == record["x_waybill_shipment"] {
		last = integer(noted[1])
	}
	for _, line := range strings.Split(notes, "\n") {
		n, text, _ := strings.Cut(line, " ")
		if integer(n) <= last {
			continue
		}
		last = integer(n)
		order := record["id"]
		if model == "stock.picking" {
			order, text = record["sale_id"], fmt.Sprintf("%v: %s", record["name"], text)
		}
		db.mustInsert("mail.message", row{"model": "sale.order", "res_id": order, "message_type": "notification", "body": "<p>" + html.EscapeString(text) + "</p>"})
	}
	record["x_waybill_noted"] = fmt.Sprintf("%v %d", record["x_waybill_shipment"], last)
}

// admin is the administrator's user id, as in a fresh Odoo.
const admin = 2

// The groups there are from the start.
const (
	groupUser = int64(iota + 1)
	groupInvoicing
	groupSystem
)

// allowed says whether the user of the call may do something with a model's records.
func (db *database) allowed(model, mode string) error {
	groups := db.groupsOf(db.user)
	if slices.Contains(groups, any(groupSystem)) {
		return nil
	}
	granted := db.where("ir.model.access", func(a row) bool {
		m := db.row("ir.model", a["model_id"])
		return a["perm_"+mode] == true && m != nil && m["model"] == model && slices.Contains(groups, a["group_id"])
	})
	if len(granted) > 0 {
		return nil
	}
	verb := map[string]string{"read": "access", "write": "modify", "create": "create", "unlink": "delete"}[mode]
	return fault{4, fmt.Sprintf("You are not allowed to %s '%s' (%s) records.\n\nContact your administrator to request access if necessary.", verb, model, model)}
}

// groupsOf are a user's groups, and those they imply.
func (db *database) groupsOf(user int64) (groups []any) {
	u := db.row("res.users", user)
	for _, g := range ids(u["group_ids"]) {
		groups = append(groups, g)
		if r := db.row("res.groups", g); r != nil {
			groups = append(groups, ids(r["implied_ids"])...)
		}
	}
	return groups
}

// fill makes what is in a fresh Odoo.
func (db *database) fill() {
	db.mustInsert("res.currency", row{"name": "USD", "active": true})
	db.mustInsert("res.currency", row{"name": "EUR", "active": false})
	db.mustInsert("res.country", row{"name": "United States", "code": "US"})
	db.mustInsert("uom.uom", row{"name": "Units", "factor": 1.0})
	db.mustInsert("uom.uom", row{"name": "Pack of 6", "factor": 6.0})
	for id, name := range []string{"Company", "Second Company"} {
		company := int64(id + 1)
		db.mustInsert("res.company", row{"name": name, "currency_id": int64(1), "account_sale_tax_id": company, "tax_calculation_rounding_method": "round_globally"})
		db.mustInsert("account.tax", row{"name": "10%", "amount": 10.0, "company_id": company, "type_tax_use": "sale"})
		db.mustInsert("account.journal", row{"name": "Sales", "type": "sale", "company_id": company})
	}
	db.mustInsert("stock.warehouse", row{"name": "Warehouse", "code": "WH", "company_id": int64(1)})
	for _, key := range []string{"sale.view_order_form", "sale.sale_order_tree", "stock.view_picking_form"} {
		db.keep(key, "ir.ui.view", row{"name": key, "arch_db": "<view/>"})
	}
	db.keep("base.group_user", "res.groups", row{"name": "User"})
	db.keep("account.group_account_invoice", "res.groups", row{"name": "Invoicing", "implied_ids": setOf([]any{groupUser})})
	db.keep("base.group_system", "res.groups", row{"name": "Administrator"})
	db.mustInsert("res.users", row{"name": "OdooBot", "login": "__system__", "active": false})
	db.mustInsert("res.users", row{"name": "Mitchell Admin", "login": "admin", "password": "admin", "active": true, "company_id": int64(1),
		"group_ids": setOf([]any{groupSystem, groupInvoicing}), "company_ids": setOf([]any{int64(1), int64(2)})})
}

// keep inserts a record under an external id.
func (db *database) keep(key, model string, values row) {
	db.mustInsert(model, values)
	db.external[key] = external{model, db.tables[model].next}
}

// fillRights gives Odoo's own groups the rights they have there, for the models that matter here.
func (db *database) fillRights() {
	for group, rights := range map[int64]map[string]string{
		groupUser: {
			"res.partner": "r", "product.product": "r", "res.currency": "r", "res.country": "r", "uom.uom": "r", "res.company": "r", "res.users": "r", "ir.attachment": "rwcu",
			"mail.message": "rwcu", "stock.move.line": "rwcu", "stock.package": "r", "ir.ui.view": "", "ir.model.data": "",
		},
		groupInvoicing: {
			"account.move": "rwcu", "account.move.line": "rwcu", "account.payment": "rwcu", "account.payment.register": "rwcu", "account.move.reversal": "rwcu", "account.tax": "r",
			"account.fiscal.position": "r", "account.journal": "r", "account.incoterms": "r", "account.lock_exception": "r", "sale.order": "rw", "sale.order.line": "rw",
			"stock.picking": "rwc", "stock.move": "rwc", "product.pricelist": "r",
		},
	} {
		for model, letters := range rights {
			m := db.where("ir.model", func(r row) bool { return r["model"] == model })
			db.mustInsert("ir.model.access", row{
				"name": model, "group_id": group, "model_id": m[0], "perm_read": strings.Contains(letters, "r"), "perm_write": strings.Contains(letters, "w"),
				"perm_create": strings.Contains(letters, "c"), "perm_unlink": strings.Contains(letters, "u"),
			})
		}
	}
}

func (db *database) mustInsert(model string, values row) {
	if _, err := db.insert(model, values); err != nil {
		panic(err)
	}
}
