package odoo

import (
	"context"
	"fmt"
)

// Teardown takes out of Odoo what Setup and SetupUsers made, through an administrator's login, and returns what it took
// out: rules, then views, then fields, since Odoo refuses to drop a field that a view shows. The two users are
// archived, and so is the freight product, for invoices name it. The fields go with all that is in them, the claims
// among it: no shipment may be under way. What is not there is passed over, so it may be run again.
func Teardown(ctx context.Context, admin Caller, o SetupOptions) (removed []string, err error) {
	var all steps
	for _, r := range append(rules(), hint("")) {
		all.add("rule "+r.name, func() (change, error) { return removeRule(ctx, admin, r.name) })
	}
	for _, v := range ourViews {
		all.add("view "+v.name, func() (change, error) { return remove(ctx, admin, "ir.ui.view", []any{[]any{"name", "=", v.name}}) })
	}
	for _, f := range dependentsFirst(ourFields()) {
		all.add("field "+f.model+"."+f.name, func() (change, error) {
			return remove(ctx, admin, "ir.model.fields", []any{[]any{"model", "=", f.model}, []any{"name", "=", f.name}})
		})
	}
	for _, login := range []string{StatusLogin, MoneyLogin} {
		all.add("user "+login, func() (change, error) { return archive(ctx, admin, "res.users", []any{[]any{"login", "=", login}}) })
	}
	all.add("group "+statusGroup, func() (change, error) { return removeGroup(ctx, admin) })
	all.add("product "+o.FreightProduct, func() (change, error) {
		return archive(ctx, admin, "product.product", []any{[]any{"default_code", "=", o.FreightProduct}})
	})
	return all.run("odoo teardown")
}

// dependentsFirst puts what is computed from other fields before those.
func dependentsFirst(fs []field) (out []field) {
	for _, computed := range []bool{true, false} {
		for _, f := range fs {
			if (f.compute != "") == computed {
				out = append(out, f)
			}
		}
	}
	return out
}

func remove(ctx context.Context, c Caller, model string, domain []any) (change, error) {
	rs, err := searchRead(ctx, c, model, domain, []string{"id"}, nil)
	if err != nil || len(rs) == 0 {
		return asItWas, err
	}
	_, err = c.Call(ctx, model, "unlink", []any{idsOf(rs)}, nil)
	return created, ignoreCommitted(err)
}

func archive(ctx context.Context, c Caller, model string, domain []any) (change, error) {
	rs, err := searchRead(ctx, c, model, domain, []string{"id"}, nil)
	if err != nil || len(rs) == 0 {
		return asItWas, err
	}
	_, err = c.Call(ctx, model, "write", []any{idsOf(rs), map[string]any{"active": false}}, nil)
	return created, err
}

// removeRule removes a rule with its action: Odoo leaves the action behind.
func removeRule(ctx context.Context, c Caller, name string) (change, error) {
	done, err := remove(ctx, c, "base.automation", []any{[]any{"name", "=", name}})
	if err != nil {
		return done, err
	}
	if _, err := remove(ctx, c, "ir.actions.server", []any{[]any{"name", "=", name}}); err != nil {
		return done, fmt.Errorf("its action: %w", err)
	}
	return done, nil
}

func removeGroup(ctx context.Context, c Caller) (change, error) {
	if _, err := remove(ctx, c, "ir.model.access", []any{[]any{"group_id.name", "=", statusGroup}}); err != nil {
		return asItWas, err
	}
	return remove(ctx, c, "res.groups", []any{[]any{"name", "=", statusGroup}})
}

func idsOf(rs []rec) (ns []int64) {
	for _, r := range rs {
		ns = append(ns, r.id("id"))
	}
	return ns
}
