package odoo

import (
	"context"
	"errors"
	"fmt"

	"waybill/workflows/protocol"
)

// Check names what is missing for the two users to work, each with what to do; none for nothing. What keeps a user
// out altogether is said once.
func Check(ctx context.Context, status, money Caller, freightProduct string) (missing []string) {
	s := &inspection{ctx: ctx, user: "status", c: status}
	s.reads("stock.picking", fieldShipment, fieldStatus, fieldSince, fieldETA, fieldInvoiceState, fieldException, fieldTracking, fieldRevision, fieldProof, fieldPromise, fieldNext, fieldOwner, fieldDue, fieldNotes, fieldNoted)
	s.reads("sale.order", fieldStatus, fieldInvoiceState, fieldException, fieldProof, fieldPromise, fieldNext, fieldShipment, fieldSince, fieldETA, fieldTracking, fieldRevision, fieldOwner, fieldDue, fieldNotes, fieldNoted)
	s.reads("sale.order", own(fieldStatus), own(fieldInvoiceState), own(fieldException), own(fieldProof), own(fieldPromise), own(fieldNext))
	for _, r := range append([]right{{"ir.attachment", "create"}}, statusRights...) {
		s.may(r)
	}
	for _, r := range rules() {
		s.has(r)
	}
	m := &inspection{ctx: ctx, user: "money", c: money, out: s.unreachable}
	m.reads("account.move", fieldShipment, fieldLinesHash)
	for _, r := range moneyRights {
		m.may(r)
	}
	m.finds(freightProduct)
	return append(s.missing, m.missing...)
}

// moneyRights are what the money user needs: Odoo's own group for invoicing has them.
var moneyRights = []right{
	{"account.move", "read"}, {"account.move", "create"}, {"account.move", "write"}, {"account.move", "unlink"},
	{"sale.order", "read"}, {"sale.order.line", "read"}, {"stock.picking", "read"}, {"stock.move", "read"}, {"product.product", "read"},
}

// What neither user needs, and would be a danger in the hands of who gets hold of a password. The money user may write
// orders and their lines all the same: Odoo's group for invoicing brings that, and one cannot post without it.
var (
	excessOfBoth = []right{
		{"res.users", "write"}, {"res.groups", "write"}, {"ir.model.fields", "create"}, {"ir.actions.server", "write"}, {"res.company", "write"}, {"res.partner", "write"},
		{"product.product", "write"}, {"sale.order", "create"}, {"sale.order.line", "create"}, {"account.journal", "write"}, {"account.tax", "write"}, {"account.lock_exception", "create"},
	}
	excessOfStatus = []right{{"account.move", "read"}, {"account.move", "create"}, {"account.move", "write"}, {"account.payment", "create"}, {"sale.order.line", "write"}, {"stock.move", "write"}}
)

// Excess names the rights the two users have and never need, each with what to do; none for nothing. Nothing stops
// working for them: they are what a stolen password could do.
func Excess(ctx context.Context, status, money Caller) (excess []string) {
	for _, u := range []struct {
		name   string
		c      Caller
		rights []right
	}{{"status", status, append(excessOfStatus[:len(excessOfStatus):len(excessOfStatus)], excessOfBoth...)}, {"money", money, excessOfBoth}} {
		for _, r := range u.rights {
			if has, err := hasRight(ctx, u.c, r); err == nil && has {
				excess = append(excess, fmt.Sprintf("%s user: may %s %s, which it never needs: take it out of the group that allows it", u.name, r.mode, r.model))
			}
		}
	}
	return excess
}

func hasRight(ctx context.Context, c Caller, r right) (bool, error) {
	v, err := c.Call(ctx, r.model, "has_access", []any{[]int64{}, r.mode}, nil)
	has, _ := v.(bool)
	return has, err
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
func (i *inspection) may(r right) {
	if i.out {
		return
	}
	has, err := hasRight(i.ctx, i.c, r)
	if err == nil && !has {
		i.missing = append(i.missing, fmt.Sprintf("%s user: may not %s %s, which a group of the user must allow", i.user, r.mode, r.model))
	}
	i.note(r.mode+" "+r.model, err)
}

// has wants a rule to be there. The user may not look at rules, but may learn that there is one under that name.
func (i *inspection) has(r rule) {
	if i.out {
		return
	}
	_, found, err := findByKey(i.ctx, i.c, r.key)
	if _, closed := faultText(err, codeRights); closed {
		return
	}
	if err == nil && !found {
		i.missing = append(i.missing, fmt.Sprintf("rule %q in Odoo: run waybill-admin odoo setup", r.name))
	}
	i.note("find rule "+r.name, err)
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
