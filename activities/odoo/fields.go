package odoo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"waybill/workflows/freight"
)

// field is a field that Setup makes. None is copied with its record: a duplicate is carried by nobody.
type field struct {
	model, name, label, kind string
	relation                 string   // model a many2many leads to
	choices                  []string // of a selection
	compute                  string   // how Odoo derives an order's value from its deliveries; "" for what we write
	depends                  string
	unstored                 bool // derived each time it is read
	index                    bool
}

// orderText derives an order's value from its deliveries; several are each named.
func orderText(name string) string {
	return fmt.Sprintf(`
for order in self:
    own = order.picking_ids.filtered(lambda p: p.x_waybill_shipment and p.%[1]s)
    if len(own) > 1:
        order['%[1]s'] = ', '.join('%%s: %%s' %% (p.name, p.%[1]s) for p in own)
    else:
        order['%[1]s'] = own.%[1]s or order.%[2]s or ''
`, name, own(name))
}

// orderProof gathers the proof of all deliveries of an order.
const orderProof = `
for order in self:
    order['x_waybill_proof'] = order.picking_ids.x_waybill_proof | order.x_waybill_own_proof
`

func ourFields() []field {
	f := []field{
		{model: "stock.picking", name: fieldShipment, label: "Shipment", kind: "char", index: true},
		{model: "stock.picking", name: fieldStatus, label: "Freight Status", kind: "selection", choices: texts(freight.Statuses())},
		{model: "stock.picking", name: fieldSince, label: "Freight Status Since", kind: "datetime"},
		{model: "stock.picking", name: fieldETA, label: "Freight ETA", kind: "datetime"},
		{model: "stock.picking", name: fieldInvoiceState, label: "Freight Invoice State", kind: "selection", choices: texts(freight.InvoiceStates())},
		{model: "stock.picking", name: fieldException, label: "Freight Exception", kind: "char"},
		{model: "stock.picking", name: fieldNext, label: "Freight Next Step", kind: "char"},
		{model: "stock.picking", name: fieldOwner, label: "Freight Next Step Owner", kind: "selection", choices: texts(freight.Owners())},
		{model: "stock.picking", name: fieldDue, label: "Freight Next Step Due", kind: "datetime"},
		{model: "stock.picking", name: fieldPromise, label: "Freight Promise", kind: "selection", choices: texts(freight.SLAStates())},
		{model: "stock.picking", name: fieldTracking, label: "Carrier's Number", kind: "char"},
		{model: "stock.picking", name: fieldRevision, label: "Freight Status Revision", kind: "integer"},
		{model: "stock.picking", name: fieldNotes, label: "Freight Notes", kind: "text"},
		{model: "stock.picking", name: fieldNoted, label: "Freight Notes Written", kind: "char"},
		{model: "stock.picking", name: fieldProof, label: "Proof of Delivery", kind: "many2many", relation: "ir.attachment"},
		{model: "sale.order", name: fieldShipment, label: "Shipment Without Delivery", kind: "char", index: true},
		{model: "sale.order", name: fieldOwnStatus, label: "Own Freight Status", kind: "char"},
		{model: "sale.order", name: fieldOwnInvoiceState, label: "Own Freight Invoice State", kind: "char"},
		{model: "sale.order", name: fieldOwnException, label: "Own Freight Exception", kind: "char"},
		{model: "sale.order", name: fieldOwnPromise, label: "Own Freight Promise", kind: "char"},
		{model: "sale.order", name: fieldOwnNext, label: "Own Freight Next Step", kind: "char"},
		{model: "sale.order", name: fieldOwner, label: "Freight Next Step Owner", kind: "selection", choices: texts(freight.Owners())},
		{model: "sale.order", name: fieldDue, label: "Freight Next Step Due", kind: "datetime"},
		{model: "sale.order", name: fieldSince, label: "Freight Status Since", kind: "datetime"},
		{model: "sale.order", name: fieldETA, label: "Freight ETA", kind: "datetime"},
		{model: "sale.order", name: fieldTracking, label: "Carrier's Number", kind: "char"},
		{model: "sale.order", name: fieldRevision, label: "Freight Status Revision", kind: "integer"},
		{model: "sale.order", name: fieldNotes, label: "Freight Notes", kind: "text"},
		{model: "sale.order", name: fieldNoted, label: "Freight Notes Written", kind: "char"},
		{model: "sale.order", name: fieldOwnProof, label: "Own Proof of Delivery", kind: "many2many", relation: "ir.attachment"},
		{model: "account.move", name: fieldShipment, label: "Shipment", kind: "char", index: true},
		{model: "account.move", name: fieldLinesHash, label: "Validated Lines", kind: "char", index: true},
		{model: "sale.order", name: fieldProof, label: "Proof of Delivery", kind: "many2many", relation: "ir.attachment", compute: orderProof, depends: "picking_ids.x_waybill_proof,x_waybill_own_proof", unstored: true},
	}
	for _, t := range [][2]string{{fieldStatus, "Freight Status"}, {fieldInvoiceState, "Freight Invoice State"}, {fieldException, "Freight Exception"}, {fieldNext, "Freight Next Step"}, {fieldPromise, "Freight Promise"}} {
		f = append(f, field{model: "sale.order", name: t[0], label: t[1], kind: "char", compute: orderText(t[0]), depends: "picking_ids." + t[0] + ",picking_ids.x_waybill_shipment," + own(t[0])})
	}
	return f
}

func texts[T ~string](ts []T) (ss []string) {
	for _, t := range ts {
		ss = append(ss, string(t))
	}
	return ss
}

func ensureField(ctx context.Context, c Caller, f field) (change, error) {
	rs, err := searchRead(ctx, c, "ir.model.fields", []any{[]any{"model", "=", f.model}, []any{"name", "=", f.name}}, []string{"compute", "depends"}, nil)
	if err != nil {
		return asItWas, err
	}
	if len(rs) > 0 {
		return updateField(ctx, c, f, rs[0])
	}
	model, err := exists(ctx, c, "ir.model", []any{[]any{"model", "=", f.model}})
	if err != nil {
		return asItWas, err
	}
	values := map[string]any{"model_id": model, "name": f.name, "ttype": f.kind, "field_description": f.label, "copied": false, "index": f.index}
	if f.relation != "" {
		values["relation"] = f.relation
	}
	if len(f.choices) > 0 {
		values["selection_ids"] = choiceCommands(f.choices)
	}
	if f.compute != "" {
		values["compute"], values["depends"], values["store"], values["readonly"] = f.compute, f.depends, !f.unstored, true
	}
	_, err = c.Call(ctx, "ir.model.fields", "create", []any{values}, nil)
	return created, err
}

func choiceCommands(choices []string) (commands []any) {
	for i, w := range choices {
		commands = append(commands, []any{0, 0, choice(w, i)})
	}
	return commands
}

func choice(word string, place int) map[string]any {
	return map[string]any{"value": word, "name": spoken(word), "sequence": place}
}

// spoken is a wire word as a person reads it: "in_transit" -> "In transit".
func spoken(w string) string {
	return strings.ToUpper(w[:1]) + strings.ReplaceAll(w[1:], "_", " ")
}

// updateField brings a field of an older Waybill up to date.
func updateField(ctx context.Context, c Caller, f field, there rec) (change, error) {
	if f.compute != "" && (there.str("compute") != f.compute || there.str("depends") != f.depends) {
		_, err := c.Call(ctx, "ir.model.fields", "write", []any{[]int64{there.id("id")}, map[string]any{"compute": f.compute, "depends": f.depends}}, nil)
		return updated, err
	}
	if len(f.choices) == 0 {
		return asItWas, nil
	}
	rs, err := searchRead(ctx, c, "ir.model.fields.selection", []any{[]any{"field_id", "=", there.id("id")}}, []string{"value"}, nil)
	if err != nil {
		return asItWas, err
	}
	done := asItWas
	for i, w := range f.choices {
		if slices.ContainsFunc(rs, func(r rec) bool { return r.str("value") == w }) {
			continue
		}
		values := choice(w, i)
		values["field_id"] = there.id("id")
		if _, err := c.Call(ctx, "ir.model.fields.selection", "create", []any{values}, nil); err != nil {
			return done, err
		}
		done = updated
	}
	return done, nil
}
