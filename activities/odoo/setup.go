package odoo

import (
	"context"
	"fmt"
	"strings"
)

// view is a view that Setup extends.
type view struct{ name, model, inherit, arch string }

var ourViews = []view{
	{"waybill.sale_order_form", "sale.order", "sale.view_order_form", `<xpath expr="//sheet//notebook" position="before"><group string="Shipment" name="waybill" invisible="not x_waybill_status"><group><field name="x_waybill_status" readonly="1"/><field name="x_waybill_invoice_state" readonly="1"/></group><group><field name="x_waybill_exception" readonly="1"/><field name="x_waybill_next_step" readonly="1" invisible="not x_waybill_next_step"/><field name="x_waybill_promise" readonly="1" invisible="not x_waybill_promise"/><field name="x_waybill_proof" readonly="1" widget="many2many_binary"/></group></group></xpath>`},
	{"waybill.sale_order_list", "sale.order", "sale.sale_order_tree", `<xpath expr="//field[@name='invoice_status']" position="before"><field name="x_waybill_status" optional="show"/><field name="x_waybill_exception" optional="show"/><field name="x_waybill_promise" optional="hide"/></xpath>`},
	{"waybill.stock_picking_form", "stock.picking", "stock.view_picking_form", `<xpath expr="//notebook" position="before"><group string="Shipment" name="waybill" invisible="not x_waybill_shipment"><group><field name="x_waybill_shipment" readonly="1"/><field name="x_waybill_status" readonly="1"/><field name="x_waybill_since" readonly="1"/><field name="x_waybill_eta" readonly="1"/></group><group><field name="x_waybill_tracking" readonly="1"/><field name="x_waybill_invoice_state" readonly="1"/><field name="x_waybill_exception" readonly="1"/><field name="x_waybill_next_step" readonly="1" invisible="not x_waybill_next_step"/><field name="x_waybill_next_step_owner" readonly="1" invisible="not x_waybill_next_step"/><field name="x_waybill_next_step_due" readonly="1" invisible="not x_waybill_next_step"/><field name="x_waybill_promise" readonly="1" invisible="not x_waybill_promise"/><field name="x_waybill_proof" readonly="1" widget="many2many_binary"/></group></group></xpath>`},
}

// SetupOptions say what Setup makes beside the fields, the views and the rules of deliveries and orders.
type SetupOptions struct {
	FreightProduct string // internal reference of the product for freight lines
	HintURL        string // of the bridge, with its token; "" for no webhook
}

// change is what a step of Setup did.
type change int

const (
	asItWas change = iota
	created
	updated
)

// Setup makes in Odoo what Waybill needs, through an administrator's login: fields, views, the rules that let one
// shipment carry a delivery, no late write overwrite a newer one, and the order's chatter say what has happened, and the
// product of freight lines. It may be run
// again, also after an upgrade: what is as it should be stays, what an older Waybill made is brought up to date. It
// returns what it made or changed. Odoo needs its module base_automation.
func Setup(ctx context.Context, admin Caller, o SetupOptions) (made []string, err error) {
	var all steps
	for _, f := range ourFields() {
		all.add("field "+f.model+"."+f.name, func() (change, error) { return ensureField(ctx, admin, f) })
	}
	for _, v := range ourViews {
		all.add("view "+v.name, func() (change, error) { return ensureView(ctx, admin, v) })
	}
	for _, r := range rules() {
		all.add("rule "+r.name, func() (change, error) { return ensureRule(ctx, admin, r) })
	}
	all.add("product "+o.FreightProduct, func() (change, error) { return ensureProduct(ctx, admin, o.FreightProduct) })
	if o.HintURL != "" {
		all.add("webhook on confirmed orders", func() (change, error) { return ensureRule(ctx, admin, hint(o.HintURL)) })
	}
	return all.run("odoo setup")
}

// steps are what is done in order, each named for whoever reads about it.
type steps []struct {
	what string
	do   func() (change, error)
}

func (s *steps) add(what string, do func() (change, error)) {
	*s = append(*s, struct {
		what string
		do   func() (change, error)
	}{what, do})
}

func (s *steps) run(errand string) (made []string, err error) {
	for _, step := range *s {
		switch c, err := step.do(); {
		case err != nil:
			return made, fmt.Errorf("%s: %s: %w", errand, step.what, err)
		case c == created:
			made = append(made, step.what)
		case c == updated:
			made = append(made, step.what+", brought up to date")
		}
	}
	return made, nil
}

// exists is the id of the first record a domain finds; 0 for none.
func exists(ctx context.Context, c Caller, model string, domain []any) (int64, error) {
	rs, err := searchRead(ctx, c, model, domain, []string{"id"}, map[string]any{"limit": 1})
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].id("id"), nil
}

func ensureView(ctx context.Context, c Caller, v view) (change, error) {
	rs, err := searchRead(ctx, c, "ir.ui.view", []any{[]any{"name", "=", v.name}}, []string{"arch_db"}, nil)
	switch {
	case err != nil:
		return asItWas, err
	case len(rs) > 0 && rs[0].str("arch_db") == v.arch:
		return asItWas, nil
	case len(rs) > 0:
		_, err = c.Call(ctx, "ir.ui.view", "write", []any{[]int64{rs[0].id("id")}, map[string]any{"arch_db": v.arch}}, nil)
		return updated, err
	}
	parent, err := keyed(ctx, c, v.inherit)
	if err != nil {
		return asItWas, err
	}
	_, err = c.Call(ctx, "ir.ui.view", "create", []any{map[string]any{"name": v.name, "model": v.model, "inherit_id": parent, "mode": "extension", "priority": 99, "arch": v.arch}}, nil)
	return created, err
}

func ensureProduct(ctx context.Context, c Caller, code string) (change, error) {
	rs, err := searchRead(ctx, c, "product.product", []any{[]any{"default_code", "=", code}, eitherWay}, []string{"active"}, nil)
	switch {
	case err != nil:
		return asItWas, err
	case len(rs) == 0:
		_, err = c.Call(ctx, "product.product", "create", []any{map[string]any{"name": "Freight", "default_code": code, "type": "service", "invoice_policy": "order", "sale_ok": false}}, nil)
		return created, err
	case !rs[0].flag("active"):
		_, err = c.Call(ctx, "product.product", "write", []any{[]int64{rs[0].id("id")}, map[string]any{"active": true}}, nil)
		return updated, err
	}
	return asItWas, nil
}

// eitherWay finds archived records too.
var eitherWay = []any{"active", "in", []any{true, false}}

// rule is an automation rule of Odoo's with one action.
type rule struct {
	name    string
	key     string // external id, by which a user without further rights can see that it is there
	model   string
	trigger map[string]any
	state   string   // on_state_set: the value
	watched []string // on_write: the fields
	action  map[string]any
	read    string // the field of the action that an upgrade may change
}

// rules are those of a delivery, and of an order that no delivery stands for.
func rules() []rule {
	return []rule{
		guard("stock.picking", "delivery", "waybill.guard", "Waybill: one shipment carries a delivery"),
		guard("sale.order", "order", "waybill.order_guard", "Waybill: one shipment carries an order without delivery"),
		noter("stock.picking", "waybill.noter", "Waybill: notes of a delivery in the chatter of its order", "delivery.sale_id or delivery", "'%s: %s' % (delivery.name, text)"),
		noter("sale.order", "waybill.order_noter", "Waybill: notes of an order without delivery in its chatter", "delivery", "text"),
	}
}

// guard lets one shipment carry a delivery or order, and no write that arrives late overwrite a newer one. It runs in the
// transaction of the write: of two at once, one fails to serialize, is tried again by Odoo, and then refused.
func guard(model, what, key, name string) rule {
	code := fmt.Sprintf(`
before = env.context.get('old_values') or {}
for delivery in records:
    was = before.get(delivery.id, {})
    holder, revision = was.get('x_waybill_shipment'), was.get('x_waybill_revision') or 0
    if holder and holder != delivery.x_waybill_shipment:
        raise UserError('%s %%s %s %%s' %% (delivery.name, holder))
    if delivery.x_waybill_revision < revision:
        raise UserError('%[1]s %%s %[3]s, %%s' %% (delivery.name, revision))
`, what, carriedBy, showsNewer)
	return rule{
		name: name, key: key, model: model, watched: []string{fieldShipment, fieldRevision},
		trigger: map[string]any{"trigger": "on_write", "filter_pre_domain": "[('x_waybill_shipment','!=',False)]", "filter_domain": "[('x_waybill_shipment','!=',False)]"},
		action:  map[string]any{"state": "code", "code": code}, read: "code",
	}
}

// noter writes what comes with a status into the order's chatter, each note once for its number: a later note has a higher
// one. The last number is kept with the shipment it is of. It runs in the transaction of the write, as a guard does: a
// write that is sent again, or is refused, notes nothing. Nobody is notified.
func noter(model, key, name, chatter, said string) rule {
	code := fmt.Sprintf(`
for delivery in records:
    holder, last = delivery.x_waybill_shipment or '', 0
    noted = (delivery.x_waybill_noted or '').split(' ')
    if len(noted) == 2 and noted[0] == holder:
        last = int(noted[1])
    for line in delivery.x_waybill_notes.split('\n'):
        n, text = (line + ' ').split(' ', 1)
        if n.isdigit() and int(n) > last:
            last = int(n)
            (%s)._message_log(body=(%s).strip())
    delivery.write({'x_waybill_noted': '%%s %%s' %% (holder, last)})
`, chatter, said)
	return rule{
		name: name, key: key, model: model, watched: []string{fieldNotes},
		trigger: map[string]any{"trigger": "on_write", "filter_domain": "[('x_waybill_notes','!=',False)]"},
		action:  map[string]any{"state": "code", "code": code}, read: "code",
	}
}

// hint lets Odoo call the bridge for each order that is confirmed. Odoo neither signs nor repeats the call, so it only
// says where to look sooner.
func hint(url string) rule {
	return rule{
		name: "Waybill: order confirmed", key: "waybill.hint", model: "sale.order", state: "sale",
		trigger: map[string]any{"trigger": "on_state_set", "filter_pre_domain": "[('state','!=','sale')]", "filter_domain": "[('state','=','sale')]"},
		action:  map[string]any{"state": "webhook", "webhook_url": url}, read: "webhook_url",
	}
}

func ensureRule(ctx context.Context, c Caller, r rule) (change, error) {
	rs, err := searchRead(ctx, c, "base.automation", []any{[]any{"name", "=", r.name}}, []string{"action_server_ids"}, nil)
	if err != nil {
		return asItWas, err
	}
	if len(rs) == 0 {
		return created, createRule(ctx, c, r)
	}
	actions, err := searchRead(ctx, c, "ir.actions.server", []any{[]any{"id", "in", rs[0].ids("action_server_ids")}}, []string{r.read}, nil)
	if err != nil {
		return asItWas, err
	}
	for _, a := range actions {
		if want := r.action[r.read]; a.str(r.read) != want {
			_, err := c.Call(ctx, "ir.actions.server", "write", []any{[]int64{a.id("id")}, map[string]any{r.read: want}}, nil)
			return updated, err
		}
	}
	return asItWas, ensureKey(ctx, c, r.key, "base.automation", rs[0].id("id"))
}

func createRule(ctx context.Context, c Caller, r rule) error {
	model, err := exists(ctx, c, "ir.model", []any{[]any{"model", "=", r.model}})
	if err != nil {
		return err
	}
	values := map[string]any{"name": r.name, "model_id": model}
	for k, v := range r.trigger {
		values[k] = v
	}
	if err := triggers(ctx, c, r, values); err != nil {
		return err
	}
	action := map[string]any{"name": r.name, "model_id": model, "usage": "base_automation"}
	for k, v := range r.action {
		action[k] = v
	}
	if r.state != "" {
		field, err := exists(ctx, c, "ir.model.fields", []any{[]any{"model", "=", r.model}, []any{"name", "=", "write_date"}})
		if err != nil {
			return err
		}
		action["webhook_field_ids"] = []any{[]any{6, 0, []any{field}}}
	}
	values["action_server_ids"] = []any{[]any{0, 0, action}}
	v, err := c.Call(ctx, "base.automation", "create", []any{values}, nil)
	if err != nil {
		return err
	}
	id, _ := v.(int64)
	return ensureKey(ctx, c, r.key, "base.automation", id)
}

// triggers adds what sets the rule off: a state, or changed fields.
func triggers(ctx context.Context, c Caller, r rule, values map[string]any) error {
	if r.state != "" {
		state, err := exists(ctx, c, "ir.model.fields.selection", []any{[]any{"field_id.model", "=", r.model}, []any{"field_id.name", "=", "state"}, []any{"value", "=", r.state}})
		values["trg_selection_field_id"] = state
		return err
	}
	rs, err := searchRead(ctx, c, "ir.model.fields", []any{[]any{"model", "=", r.model}, []any{"name", "in", r.watched}}, []string{"id"}, nil)
	var fields []int64
	for _, f := range rs {
		fields = append(fields, f.id("id"))
	}
	values["trigger_field_ids"] = []any{[]any{6, 0, fields}}
	return err
}

// ensureKey gives a record an external id.
func ensureKey(ctx context.Context, c Caller, key, model string, id int64) error {
	module, name, _ := strings.Cut(key, ".")
	rs, err := searchRead(ctx, c, "ir.model.data", []any{[]any{"module", "=", module}, []any{"name", "=", name}}, []string{"model", "res_id"}, nil)
	switch {
	case err != nil:
		return err
	case len(rs) == 0:
		_, err = c.Call(ctx, "ir.model.data", "create", []any{map[string]any{"module": module, "name": name, "model": model, "res_id": id, "noupdate": true}}, nil)
	case rs[0].str("model") != model || rs[0].id("res_id") != id:
		_, err = c.Call(ctx, "ir.model.data", "write", []any{[]int64{rs[0].id("id")}, map[string]any{"model": model, "res_id": id}}, nil)
	}
	return err
}
