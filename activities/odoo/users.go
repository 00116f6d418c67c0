package odoo

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
)

// The logins of the two users that SetupUsers makes.
const (
	StatusLogin = "waybill-status"
	MoneyLogin  = "waybill-money"
)

// statusGroup is the group of the status user: exactly the rights it needs.
const statusGroup = "Waybill: status"

// right is what a user may do with a model's records.
type right struct {
	model string
	mode  string // read, write, create or unlink
}

// statusRights are what the status group has beyond an internal user. An order is written where no delivery stands for
// it; prices and quantities are on its lines, which stay closed.
var statusRights = []right{
	{"sale.order", "read"}, {"sale.order", "write"}, {"sale.order.line", "read"},
	{"stock.picking", "read"}, {"stock.picking", "write"}, {"stock.move", "read"}, {"delivery.carrier", "read"},
}

// Credentials are a user's login and password.
type Credentials struct {
	Login    string
	Password string
}

// SetupUsers makes the two users through an administrator's login: one for status, without any right in accounting, and
// one for money. They see the companies given, the first of which is theirs. It returns the credentials of those it
// made; one that is there keeps its password, and gets back the groups it should have, and no others.
func SetupUsers(ctx context.Context, admin Caller, companies ...int64) (made []Credentials, err error) {
	if len(companies) == 0 {
		return nil, fmt.Errorf("odoo setup: users: no company is given whose deliveries they should see")
	}
	internal, err := keyed(ctx, admin, "base.group_user")
	if err != nil {
		return nil, fmt.Errorf("odoo setup: users: %w", err)
	}
	invoicing, err := keyed(ctx, admin, "account.group_account_invoice")
	if err != nil {
		return nil, fmt.Errorf("odoo setup: users: %w", err)
	}
	status, err := ensureGroup(ctx, admin, internal)
	if err != nil {
		return nil, fmt.Errorf("odoo setup: group %s: %w", statusGroup, err)
	}
	for _, u := range []user{
		{StatusLogin, "Waybill: status", []int64{internal, status}, companies},
		{MoneyLogin, "Waybill: money", []int64{internal, invoicing}, companies},
	} {
		c, err := ensureUser(ctx, admin, u)
		if err != nil {
			return made, fmt.Errorf("odoo setup: user %s: %w", u.login, err)
		}
		if c.Password != "" {
			made = append(made, c)
		}
	}
	return made, nil
}

// NewPassword gives a user of ours a new password, through an administrator's login, and returns it.
func NewPassword(ctx context.Context, admin Caller, login string) (Credentials, error) {
	id, err := exists(ctx, admin, "res.users", []any{[]any{"login", "=", login}})
	if err == nil && id == 0 {
		err = fmt.Errorf("there is none: make it with waybill-admin odoo setup")
	}
	c := Credentials{login, rand.Text()}
	if err == nil {
		_, err = admin.Call(ctx, "res.users", "write", []any{[]int64{id}, map[string]any{"password": c.Password}}, nil)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("odoo: new password of user %s: %w", login, err)
	}
	return c, nil
}

type user struct {
	login, name string
	groups      []int64
	companies   []int64
}

// ensureUser makes a user, or brings the one that is there back to its groups and companies, also from the archive.
func ensureUser(ctx context.Context, c Caller, u user) (Credentials, error) {
	values := map[string]any{"name": u.name, "active": true, "group_ids": []any{[]any{6, 0, u.groups}}, "company_ids": []any{[]any{6, 0, u.companies}}, "company_id": u.companies[0]}
	rs, err := searchRead(ctx, c, "res.users", []any{[]any{"login", "=", u.login}, eitherWay}, []string{"active", "group_ids", "company_ids", "company_id"}, nil)
	if err != nil {
		return Credentials{}, err
	}
	if len(rs) > 0 {
		r := rs[0]
		if r.flag("active") && sameIDs(r.ids("group_ids"), u.groups) && sameIDs(r.ids("company_ids"), u.companies) && r.id("company_id") == u.companies[0] {
			return Credentials{}, nil
		}
		_, err = c.Call(ctx, "res.users", "write", []any{[]int64{r.id("id")}, values}, nil)
		return Credentials{}, err
	}
	made := Credentials{u.login, rand.Text()}
	values["login"], values["password"] = made.Login, made.Password
	_, err = c.Call(ctx, "res.users", "create", []any{values}, map[string]any{"context": map[string]any{"no_reset_password": true}})
	return made, err
}

func sameIDs(a, b []int64) bool {
	return slices.Equal(sorted(slices.Clone(a)), sorted(slices.Clone(b)))
}

func ensureGroup(ctx context.Context, c Caller, internal int64) (int64, error) {
	id, err := exists(ctx, c, "res.groups", []any{[]any{"name", "=", statusGroup}})
	if err == nil && id == 0 {
		var v any
		v, err = c.Call(ctx, "res.groups", "create", []any{map[string]any{
			"name": statusGroup, "comment": "Shows the freight's status on deliveries and orders.", "implied_ids": []any{[]any{6, 0, []int64{internal}}}}}, nil)
		id, _ = v.(int64)
	}
	if err != nil {
		return 0, err
	}
	modes := map[string]map[string]any{}
	var models []string
	for _, r := range statusRights {
		if modes[r.model] == nil {
			modes[r.model] = map[string]any{"perm_read": false, "perm_write": false, "perm_create": false, "perm_unlink": false}
			models = append(models, r.model)
		}
		modes[r.model]["perm_"+r.mode] = true
	}
	for _, model := range models {
		if err := ensureAccess(ctx, c, id, model, modes[model]); err != nil {
			return 0, fmt.Errorf("rights on %s: %w", model, err)
		}
	}
	return id, nil
}

func ensureAccess(ctx context.Context, c Caller, group int64, model string, modes map[string]any) error {
	of, err := exists(ctx, c, "ir.model", []any{[]any{"model", "=", model}})
	if err != nil {
		return err
	}
	rs, err := searchRead(ctx, c, "ir.model.access", []any{[]any{"group_id", "=", group}, []any{"model_id", "=", of}}, slices.Collect(maps.Keys(modes)), nil)
	switch {
	case err != nil:
		return err
	case len(rs) > 0:
		for mode, is := range modes {
			if rs[0].flag(mode) != is {
				_, err = c.Call(ctx, "ir.model.access", "write", []any{[]int64{rs[0].id("id")}, modes}, nil)
				return err
			}
		}
		return nil
	}
	modes["name"], modes["group_id"], modes["model_id"] = statusGroup+" "+model, group, of
	_, err = c.Call(ctx, "ir.model.access", "create", []any{modes}, nil)
	return err
}

// keyed is the id of the record under an external id.
func keyed(ctx context.Context, c Caller, key string) (int64, error) {
	id, found, err := findByKey(ctx, c, key)
	if err == nil && !found {
		err = fmt.Errorf("Odoo has no %s: is the module installed?", key) //nolint:staticcheck // Odoo is a name
	}
	return id, err
}
