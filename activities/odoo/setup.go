package odoo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// field is a field that Setup makes.
type field struct {
	model, name, label, kind string
	choices                  []string // of a selection
	compute                  string   // how Odoo derives an order's value from its deliveries; "" for what we write
	depends                  string
	index                    bool
}

// orderStatus derives an order's status from its deliveries: the least advanced one decides, and several are
// each named.
const orderStatus = `
for order in self:
    own = order.picking_ids.filtered(lambda p: p.x_waybill_shipment)
    if len(own) > 1:
        order['x_waybill_status'] = ', '.join('%s: %s' % (p.name, p.x_waybill_status or '') for p in own)
    else:
        order['x_waybill_status'] = own.x_waybill_status or ''
`

func orderText(name string) string {
	return fmt.Sprintf(`
for order in self:
    own = order.picking_ids.filtered(lambda p: p.x_waybill_shipment and p.%[1]s)
    if len(own) > 1:
        order['%[1]s'] = ', '.join('%%s: %%s' %% (p.name, p.%[1]s) for p in own)
    else:
        order['%[1]s'] = own.%[1]s or ''
`, name)
}

func ourFields() []field {
	f := []field{
		{model: "stock.picking", name: fieldShipment, label: "Shipment", kind: "char", index: true},
		{model: "stock.picking", name: fieldStatus, label: "Freight Status", kind: "selection", choices: texts(freight.Statuses())},
		{model: "stock.picking", name: fieldSince, label: "Freight Status Since", kind: "datetime"},
		{model: "stock.picking", name: fieldETA, label: "Freight ETA", kind: "datetime"},
		{model: "stock.picking", name: fieldInvoiceState, label: "Freight Invoice State", kind: "selection", choices: texts(freight.InvoiceStates())},
		{model: "stock.picking", name: fieldException, label: "Freight Exception", kind: "char"},
		{model: "stock.picking", name: fieldTracking, label: "Carrier's Number", kind: "char"},
		{model: "stock.picking", name: fieldRevision, label: "Freight Status Revision", kind: "integer"},
		{model: "account.move", name: fieldShipment, label: "Shipment", kind: "char", index: true},
		{model: "account.move", name: fieldLinesHash, label: "Validated Lines", kind: "char", index: true},
		{model: "sale.order", name: fieldStatus, label: "Freight Status", kind: "char", compute: orderStatus, depends: "picking_ids.x_waybill_status,picking_ids.x_waybill_shipment"},
	}
	for name, label := range map[string]string{fieldInvoiceState: "Freight Invoice State", fieldException: "Freight Exception"} {
		f = append(f, field{model: "sale.order", name: name, label: label, kind: "char", compute: orderText(name), depends: "picking_ids." + name + ",picking_ids.x_waybill_shipment"})
	}
	return f
}

func texts[T ~string](ts []T) (ss []string) {
	for _, t := range ts {
		ss = append(ss, string(t))
	}
	return ss
}

// view is a view that Setup extends.
type view struct{ name, model, inherit, arch string }

var ourViews = []view{
	{"waybill.sale_order_form", "sale.order", "sale.view_order_form", `<xpath expr="//sheet//notebook" position="before"><group string="Shipment" name="waybill" invisible="not x_waybill_status"><group><field name="x_waybill_status" readonly="1"/><field name="x_waybill_invoice_state" readonly="1"/></group><group><field name="x_waybill_exception" readonly="1"/></group></group></xpath>`},
	{"waybill.sale_order_list", "sale.order", "sale.sale_order_tree", `<xpath expr="//field[@name='invoice_status']" position="before"><field name="x_waybill_status" optional="show"/><field name="x_waybill_exception" optional="show"/></xpath>`},
	{"waybill.stock_picking_form", "stock.picking", "stock.view_picking_form", `<xpath expr="//notebook" position="before"><group string="Shipment" name="waybill" invisible="not x_waybill_shipment"><group><field name="x_waybill_shipment" readonly="1"/><field name="x_waybill_status" readonly="1"/><field name="x_waybill_since" readonly="1"/><field name="x_waybill_eta" readonly="1"/></group><group><field name="x_waybill_tracking" readonly="1"/><field name="x_waybill_invoice_state" readonly="1"/><field name="x_waybill_exception" readonly="1"/></group></group></xpath>`},
}

// SetupOptions say what Setup makes beside the fields and views.
type SetupOptions struct {
	FreightProduct string // internal reference of the product for freight lines
	HintURL        string // of the bridge, with its token; "" for no webhook
}

// Setup makes in Odoo what Waybill needs, through an administrator's login. It may be run again: what is there
// stays. It returns what it made.
func Setup(ctx context.Context, admin Caller, o SetupOptions) (made []string, err error) {
	for _, f := range ourFields() {
		if made, err = ensure(made, "field "+f.model+"."+f.name, func() (bool, error) { return ensureField(ctx, admin, f) }); err != nil {
			return made, err
		}
	}
	for _, v := range ourViews {
		if made, err = ensure(made, "view "+v.name, func() (bool, error) { return ensureView(ctx, admin, v) }); err != nil {
			return made, err
		}
	}
	if made, err = ensure(made, "product "+o.FreightProduct, func() (bool, error) { return ensureProduct(ctx, admin, o.FreightProduct) }); err != nil {
		return made, err
	}
	if o.HintURL == "" {
		return made, nil
	}
	return ensure(made, "webhook on confirmed orders", func() (bool, error) { return ensureHint(ctx, admin, o.HintURL) })
}

func ensure(made []string, what string, f func() (bool, error)) ([]string, error) {
	is, err := f()
	if err != nil {
		return made, fmt.Errorf("odoo setup: %s: %w", what, err)
	}
	if is {
		made = append(made, what)
	}
	return made, nil
}

func exists(ctx context.Context, c Caller, model string, domain []any) (int64, error) {
	rs, err := searchRead(ctx, c, model, domain, []string{"id"}, map[string]any{"limit": 1})
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].id("id"), nil
}

func ensureField(ctx context.Context, c Caller, f field) (bool, error) {
	id, err := exists(ctx, c, "ir.model.fields", []any{[]any{"model", "=", f.model}, []any{"name", "=", f.name}})
	if err != nil || id != 0 {
		return false, err
	}
	model, err := exists(ctx, c, "ir.model", []any{[]any{"model", "=", f.model}})
	if err != nil {
		return false, err
	}
	values := map[string]any{"model_id": model, "name": f.name, "ttype": f.kind, "field_description": f.label, "copied": false, "index": f.index}
	var choices []any
	for i, w := range f.choices {
		choices = append(choices, []any{0, 0, map[string]any{"value": w, "name": label2(w), "sequence": i}})
	}
	if len(choices) > 0 {
		values["selection_ids"] = choices
	}
	if f.compute != "" {
		values["compute"], values["depends"], values["store"], values["readonly"] = f.compute, f.depends, true, true
	}
	_, err = c.Call(ctx, "ir.model.fields", "create", []any{values}, nil)
	return err == nil, err
}

// label2 is a wire word as a person reads it: "in_transit" -> "In transit".
func label2(w string) string {
	return strings.ToUpper(w[:1]) + strings.ReplaceAll(w[1:], "_", " ")
}

func ensureView(ctx context.Context, c Caller, v view) (bool, error) {
	id, err := exists(ctx, c, "ir.ui.view", []any{[]any{"name", "=", v.name}})
	if err != nil || id != 0 {
		return false, err
	}
	module, name, _ := strings.Cut(v.inherit, ".")
	ref, err := c.Call(ctx, "ir.model.data", "check_object_reference", []any{module, name}, nil)
	if err != nil {
		return false, err
	}
	parent, _ := ref.([]any)
	if len(parent) != 2 {
		return false, fmt.Errorf("%w: view %s", errGarbled, v.inherit)
	}
	_, err = c.Call(ctx, "ir.ui.view", "create", []any{map[string]any{"name": v.name, "model": v.model, "inherit_id": parent[1], "mode": "extension", "priority": 99, "arch": v.arch}}, nil)
	return err == nil, err
}

func ensureProduct(ctx context.Context, c Caller, code string) (bool, error) {
	id, err := exists(ctx, c, "product.product", []any{[]any{"default_code", "=", code}})
	if err != nil || id != 0 {
		return false, err
	}
	_, err = c.Call(ctx, "product.product", "create", []any{map[string]any{"name": "Freight", "default_code": code, "type": "service", "invoice_policy": "order", "sale_ok": false}}, nil)
	return err == nil, err
}

// ensureHint lets Odoo call the bridge for each order that is confirmed. Odoo neither signs nor repeats the
// call, so it only says where to look sooner.
func ensureHint(ctx context.Context, c Caller, url string) (bool, error) {
	id, err := exists(ctx, c, "base.automation", []any{[]any{"name", "=", "Waybill: order confirmed"}})
	if err != nil || id != 0 {
		return false, err
	}
	model, err := exists(ctx, c, "ir.model", []any{[]any{"model", "=", "sale.order"}})
	if err != nil {
		return false, err
	}
	state, err := exists(ctx, c, "ir.model.fields.selection", []any{[]any{"field_id.model", "=", "sale.order"}, []any{"field_id.name", "=", "state"}, []any{"value", "=", "sale"}})
	if err != nil {
		return false, err
	}
	field, err := exists(ctx, c, "ir.model.fields", []any{[]any{"model", "=", "sale.order"}, []any{"name", "=", "write_date"}})
	if err != nil {
		return false, err
	}
	action := map[string]any{"name": "Waybill: order confirmed", "model_id": model, "state": "webhook", "webhook_url": url, "webhook_field_ids": []any{[]any{6, 0, []any{field}}}, "usage": "base_automation"}
	_, err = c.Call(ctx, "base.automation", "create", []any{map[string]any{
		"name": "Waybill: order confirmed", "model_id": model, "trigger": "on_state_set", "trg_selection_field_id": state,
		"filter_pre_domain": "[('state','!=','sale')]", "filter_domain": "[('state','=','sale')]", "action_server_ids": []any{[]any{0, 0, action}},
	}}, nil)
	return err == nil, err
}

// Check names what is missing for the two users to work, each with what to do; none for nothing. What keeps a user
// out altogether is said once.
func Check(ctx context.Context, status, money Caller, freightProduct string) (missing []string) {
	s := &inspection{ctx: ctx, user: "status", c: status}
	s.reads("stock.picking", fieldShipment, fieldStatus, fieldSince, fieldETA, fieldInvoiceState, fieldException, fieldTracking, fieldRevision)
	s.reads("sale.order", fieldStatus, fieldInvoiceState, fieldException)
	s.may("write", "stock.picking")
	s.may("create", "ir.attachment")
	m := &inspection{ctx: ctx, user: "money", c: money, out: s.unreachable}
	m.reads("account.move", fieldShipment, fieldLinesHash)
	m.may("create", "account.move")
	m.may("read", "sale.order")
	m.finds(freightProduct)
	return append(s.missing, m.missing...)
}

// inspection looks at what one of the two users can do.
type inspection struct {
	ctx         context.Context
	user        string // as the configuration names it
	c           Caller
	missing     []string
	out         bool // nothing more can be asked
	unreachable bool // of anyone
}

func (i *inspection) note(what string, err error) {
	switch {
	case err == nil:
		return
	case errors.Is(err, errLogin):
		i.out = true
		if inner := errors.Unwrap(err); errors.Is(inner, errLogin) {
			err = inner // whatever was to be called matters no more
		}
		i.missing = append(i.missing, fmt.Sprintf("%s user: %v: set odoo.%[1]s.login and odoo.%[1]s.password", i.user, err))
	case answered(err):
		i.missing = append(i.missing, fmt.Sprintf("%s user: %s: Odoo says: %s", i.user, what, words(err)))
	default:
		i.out, i.unreachable = true, true
		i.missing = append(i.missing, fmt.Sprintf("an answer from Odoo: %v: is it up, and are odoo.url and odoo.db right?", err))
	}
}

// answered reports whether Odoo itself answered, and would again.
func answered(err error) bool {
	f := Classify(err)
	return f == protocol.Rejected || f == protocol.Poison || f == protocol.Configuration
}

// reads wants the user to read our fields of a model.
func (i *inspection) reads(model string, fields ...string) {
	if i.out {
		return
	}
	_, err := searchRead(i.ctx, i.c, model, []any{}, fields, map[string]any{"limit": 1})
	i.note("read "+model+" with our fields, which waybill-admin odoo setup makes", err)
}

// may wants the user to have a right on a model.
func (i *inspection) may(mode, model string) {
	if i.out {
		return
	}
	_, err := i.c.Call(i.ctx, model, "check_access_rights", []any{mode}, map[string]any{"raise_exception": true})
	i.note(mode+" "+model+", which a group of the user must allow", err)
}

// finds wants the user to see the product of freight lines.
func (i *inspection) finds(product string) {
	if i.out {
		return
	}
	id, err := exists(i.ctx, i.c, "product.product", []any{[]any{"default_code", "=", product}})
	i.note("find the freight product", err)
	if err == nil && id == 0 {
		i.missing = append(i.missing, fmt.Sprintf("product %q for freight lines: run waybill-admin odoo setup", product))
	}
}
