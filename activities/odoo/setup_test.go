package odoo_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (h *house) setup() []string {
	h.t.Helper()
	return must[[]string](h.t)(odoo.Setup(h.t.Context(), h.admin, odoo.SetupOptions{FreightProduct: freightProduct}))
}

func TestSetupAgainChangesNothing(t *testing.T) {
	h := newHouse(t)
	before := len(h.find("ir.model.fields", []any{[]any{"name", "=like", "x_waybill_%"}}, "name"))
	if made := h.setup(); len(made) != 0 {
		t.Errorf("made again: %v", made)
	}
	if n := len(h.find("ir.model.fields", []any{[]any{"name", "=like", "x_waybill_%"}}, "name")); n != before || n < 15 {
		t.Errorf("%d fields, there were %d", n, before)
	}
}

// TestSetupBringsAnOlderOneUpToDate: a choice that is new, how an order is derived, a view, the rule, the webhook's URL.
func TestSetupBringsAnOlderOneUpToDate(t *testing.T) {
	h := newHouse(t)
	lost := h.find("ir.model.fields.selection", []any{[]any{"field_id.model", "=", "stock.picking"}, []any{"field_id.name", "=", "x_waybill_status"}, []any{"value", "=", "lost"}}, "value")
	h.do("ir.model.fields.selection", "unlink", []any{lost[0]["id"]})
	computed := h.find("ir.model.fields", []any{[]any{"model", "=", "sale.order"}, []any{"name", "=", "x_waybill_status"}}, "compute")
	h.write("ir.model.fields", computed[0]["id"].(int64), map[string]any{"compute": "for order in self:\n    order['x_waybill_status'] = 'old'\n"})
	view := h.find("ir.ui.view", []any{[]any{"name", "=", "waybill.sale_order_list"}}, "name")
	h.write("ir.ui.view", view[0]["id"].(int64), map[string]any{"arch_db": `<xpath expr="//field[@name='invoice_status']" position="before"><field name="x_waybill_status" optional="hide"/></xpath>`})
	rule := h.find("ir.actions.server", []any{[]any{"name", "=", "Waybill: one shipment carries a delivery"}, []any{"usage", "=", "base_automation"}}, "code")
	h.write("ir.actions.server", rule[0]["id"].(int64), map[string]any{"code": "pass"})
	want := []string{
		"field stock.picking.x_waybill_status, brought up to date", "field sale.order.x_waybill_status, brought up to date", "view waybill.sale_order_list, brought up to date",
		"rule Waybill: one shipment carries a delivery, brought up to date",
	}
	if made := h.setup(); !slices.Equal(made, want) {
		t.Errorf("made %q, want %q", made, want)
	}
	r, id := h.claim(h.sell())
	h.show(r, id, 1, freight.StatusReport{Status: freight.StatusLost})
	if got := h.one("sale.order", r.Order, "x_waybill_status")["x_waybill_status"]; got != "lost" {
		t.Errorf("the order shows %v", got)
	}
	_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Picking: r.Picking})
	says(t, err, protocol.NotOurs)
	if made := h.setup(); len(made) != 0 {
		t.Errorf("made again: %v", made)
	}
}

func TestDuplicatesAreNobodysShipment(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	p := h.plan(r, id)
	must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), proof(r, id, 1)))
	inv := h.post(p)
	for model, of := range map[string]int64{"stock.picking": r.Picking, "sale.order": r.Order, "account.move": inv.Move} {
		var fields []string
		for _, f := range h.find("ir.model.fields", []any{[]any{"model", "=", model}, []any{"name", "=like", "x_waybill_%"}}, "name") {
			fields = append(fields, f["name"].(string))
		}
		copied := h.do(model, "copy", []any{of}).([]any)
		for name, v := range h.one(model, copied[0].(int64), fields...) {
			if list, isList := v.([]any); name != "id" && v != nil && v != false && v != int64(0) && (!isList || len(list) > 0) {
				t.Errorf("the duplicate of %s has %s %v", model, name, v)
			}
		}
	}
}

func TestFieldsAreOnTheScreensOfOrderAndDelivery(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct {
		model, view, kind string
		fields            []string
	}{
		{"sale.order", "sale.view_order_form", "form", []string{"x_waybill_status", "x_waybill_invoice_state", "x_waybill_exception", "x_waybill_next_step", "x_waybill_promise", "x_waybill_proof"}},
		{"sale.order", "sale.sale_order_tree", "list", []string{"x_waybill_status", "x_waybill_exception", "x_waybill_promise"}},
		{"stock.picking", "stock.view_picking_form", "form", []string{"x_waybill_shipment", "x_waybill_status", "x_waybill_since", "x_waybill_eta", "x_waybill_tracking", "x_waybill_invoice_state", "x_waybill_exception", "x_waybill_next_step", "x_waybill_next_step_owner", "x_waybill_next_step_due", "x_waybill_promise", "x_waybill_proof"}},
	} {
		module, name, _ := strings.Cut(tt.view, ".")
		ref := h.do("ir.model.data", "check_object_reference", module, name).([]any)
		views := h.do(tt.model, "get_views", []any{[]any{ref[1], tt.kind}}).(map[string]any)["views"].(map[string]any)
		arch := text(views[tt.kind].(map[string]any)["arch"])
		for _, f := range tt.fields {
			if !strings.Contains(arch, `name="`+f+`"`) {
				t.Errorf("%s does not show %s", tt.view, f)
			}
		}
	}
}

func TestEachUserHasItsRightsAndNoOthers(t *testing.T) {
	h := newHouse(t)
	status, money := client(h.at, odoo.StatusLogin, h.at.status), client(h.at, odoo.MoneyLogin, h.at.money)
	if missing := odoo.Check(t.Context(), status, money, freightProduct); len(missing) > 0 {
		t.Errorf("missing %q", missing)
	}
	if excess := odoo.Excess(t.Context(), status, money); len(excess) > 0 {
		t.Errorf("excess %q", excess)
	}
	excess := strings.Join(odoo.Excess(t.Context(), h.admin, h.admin), "\n")
	for _, want := range []string{"status user: may create account.move", "status user: may write sale.order.line", "money user: may write res.users", "money user: may create ir.model.fields"} {
		if !strings.Contains(excess, want) {
			t.Errorf("an administrator in their place: %q is not in\n%s", want, excess)
		}
	}
	missing := strings.Join(odoo.Check(t.Context(), money, status, "NO-SUCH-PRODUCT"), "\n")
	for _, want := range []string{"money user: may not create account.move", `product "NO-SUCH-PRODUCT"`, "odoo setup"} {
		if !strings.Contains(missing, want) {
			t.Errorf("users exchanged: %q is not in\n%s", want, missing)
		}
	}
}

// TestStolenStatusPasswordTouchesNoMoney: neither invoices nor prices nor what is delivered.
func TestStolenStatusPasswordTouchesNoMoney(t *testing.T) {
	h := newHouse(t)
	r, _ := h.claim(h.sell())
	thief := client(h.at, odoo.StatusLogin, h.at.status)
	line := h.lineOf(r.Order, false)
	for name, call := range map[string]struct {
		model, method string
		args          []any
	}{
		"read invoices":           {"account.move", "search_read", []any{[]any{}}},
		"make an invoice":         {"account.move", "create", []any{map[string]any{"move_type": "out_invoice"}}},
		"change a price":          {"sale.order.line", "write", []any{[]int64{line}, map[string]any{"price_unit": 1.0}}},
		"change what is moved":    {"stock.move", "write", []any{h.movesOf(r.Picking), map[string]any{"quantity": 1.0}}},
		"validate a delivery":     {"stock.picking", "button_validate", []any{[]int64{r.Picking}}},
		"change a partner":        {"res.partner", "write", []any{[]int64{r.Partner}, map[string]any{"ref": "X"}}},
		"make himself a new user": {"res.users", "create", []any{map[string]any{"login": "thief", "name": "Thief"}}},
		"undo the rule":           {"base.automation", "search_read", []any{[]any{}}},
	} {
		_, err := thief.Call(t.Context(), call.model, call.method, call.args, nil)
		if err == nil || odoo.Classify(err) != protocol.Configuration {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := h.one("sale.order.line", line, "price_unit")["price_unit"]; got != 250.0 {
		t.Errorf("the price is %v", got)
	}
}

func (h *house) movesOf(picking int64) (moves []any) {
	h.t.Helper()
	for _, m := range h.find("stock.move", []any{[]any{"picking_id", "=", picking}}, "state") {
		moves = append(moves, m["id"])
	}
	return moves
}

func TestUsersKeepTheirPasswordsUntilTheyGetNewOnes(t *testing.T) {
	h := newHouse(t)
	if made := must[[]odoo.Credentials](t)(odoo.SetupUsers(t.Context(), h.admin, 1, 2)); len(made) > 0 {
		t.Errorf("made again: %d users", len(made))
	}
	look := func(c *odoo.Client) error {
		_, err := c.Call(t.Context(), "res.partner", "search_read", []any{[]any{}}, map[string]any{"fields": []string{"name"}, "limit": 1})
		return err
	}
	if err := look(client(h.at, odoo.StatusLogin, h.at.status)); err != nil {
		t.Error(err)
	}
	// the group of the user is put back where someone took it away, or gave it more
	id := h.find("res.users", []any{[]any{"login", "=", odoo.StatusLogin}}, "name")[0]["id"].(int64)
	more := idOf(h.do("ir.model.data", "check_object_reference", "account", "group_account_invoice").([]any)[1:])
	h.write("res.users", id, map[string]any{"group_ids": []any{[]any{4, more}}})
	status, money := client(h.at, odoo.StatusLogin, h.at.status), client(h.at, odoo.MoneyLogin, h.at.money)
	if excess := odoo.Excess(t.Context(), status, money); !slices.ContainsFunc(excess, func(s string) bool { return strings.Contains(s, "status user: may create account.move") }) {
		t.Errorf("with the group for invoicing: %q", excess)
	}
	must[[]odoo.Credentials](t)(odoo.SetupUsers(t.Context(), h.admin, 1, 2))
	if excess := odoo.Excess(t.Context(), status, money); len(excess) > 0 {
		t.Errorf("set up again: %q", excess)
	}
	_, err := odoo.NewPassword(t.Context(), h.admin, "nobody")
	if err == nil || !strings.Contains(err.Error(), "odoo setup") {
		t.Errorf("%v", err)
	}
	if _, err := odoo.SetupUsers(t.Context(), h.admin); err == nil || !strings.Contains(err.Error(), "company") {
		t.Errorf("%v", err)
	}
}

// TestPersonMayFreeADelivery so that another shipment carries it; nobody may take one.
func TestPersonMayFreeADelivery(t *testing.T) {
	h := newHouse(t)
	r, _ := h.claim(h.sell())
	_, err := h.admin.Call(t.Context(), "stock.picking", "write", []any{[]int64{r.Picking}, map[string]any{"x_waybill_shipment": "other-1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "is carried by shipment") {
		t.Errorf("an administrator overwrote the claim: %v", err)
	}
	h.write("stock.picking", r.Picking, map[string]any{"x_waybill_shipment": false})
	if _, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Picking: r.Picking}); err != nil {
		t.Error(err)
	}
}

// TestTeardownTakesAllOutInOrder, and setup puts it back.
func TestTeardownTakesAllOutInOrder(t *testing.T) {
	h := newHouse(t)
	options := odoo.SetupOptions{FreightProduct: freightProduct}
	t.Cleanup(func() { // for the tests that come after
		if _, err := odoo.Setup(context.Background(), h.admin, options); err != nil {
			t.Error(err)
		}
		if _, err := odoo.SetupUsers(context.Background(), h.admin, 1, 2); err != nil {
			t.Error(err)
		}
	})
	removed := must[[]string](t)(odoo.Teardown(t.Context(), h.admin, options))
	order := func(word string) int {
		return slices.IndexFunc(removed, func(s string) bool { return strings.HasPrefix(s, word) })
	}
	if order("rule") != 0 || order("view") < order("rule") || order("field") < order("view") || order("user") < order("field") {
		t.Errorf("removed in the order %q", removed)
	}
	for model, domain := range map[string][]any{
		"ir.model.fields": {[]any{"name", "=like", "x_waybill_%"}}, "ir.ui.view": {[]any{"name", "=like", "waybill.%"}}, "base.automation": {[]any{"name", "=like", "Waybill:%"}},
		"ir.actions.server": {[]any{"name", "=like", "Waybill:%"}}, "res.groups": {[]any{"name", "=like", "Waybill:%"}}, "res.users": {[]any{"login", "=like", "waybill-%"}},
		"product.product": {[]any{"default_code", "=", freightProduct}},
	} {
		if left := h.find(model, domain, "name"); len(left) > 0 {
			t.Errorf("%s: left %v", model, left)
		}
	}
	if again := must[[]string](t)(odoo.Teardown(t.Context(), h.admin, options)); len(again) > 0 {
		t.Errorf("removed again: %q", again)
	}
	missing := odoo.Check(t.Context(), h.admin, h.admin, freightProduct)
	for _, want := range []string{"x_waybill_shipment", "rule", freightProduct} {
		if !slices.ContainsFunc(missing, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%q is not among what is missing: %q", want, missing)
		}
	}
	h.setup()
	must[[]odoo.Credentials](t)(odoo.SetupUsers(t.Context(), h.admin, 1, 2))
	r, id := h.ready()
	if inv := h.post(h.plan(r, id)); inv.Net.Number != "623.45" {
		t.Errorf("%+v", inv)
	}
}

// TestConfirmedOrderIsHintedAt to the URL that was set up last.
func TestConfirmedOrderIsHintedAt(t *testing.T) {
	h := newHouse(t)
	hints := make(chan string, 10)
	bridge := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		hints <- r.URL.String() + " " + string(b)
	}))
	t.Cleanup(bridge.Close)
	set := func(url string) []string {
		return must[[]string](t)(odoo.Setup(t.Context(), h.admin, odoo.SetupOptions{FreightProduct: freightProduct, HintURL: url}))
	}
	t.Cleanup(func() {
		for _, a := range []string{"base.automation", "ir.actions.server"} {
			v, err := h.admin.Call(context.Background(), a, "search_read", []any{[]any{[]any{"name", "=", "Waybill: order confirmed"}}}, map[string]any{"fields": []string{"name"}})
			if err != nil {
				t.Error(err)
			}
			for _, r := range v.([]any) {
				_, _ = h.admin.Call(context.Background(), a, "unlink", []any{[]any{r.(map[string]any)["id"]}}, nil)
			}
		}
	})
	if made := set(bridge.URL + "/old"); !slices.Equal(made, []string{"webhook on confirmed orders"}) {
		t.Errorf("made %q", made)
	}
	if made := set(bridge.URL + "/v1/hints/odoo?token=new"); !slices.Equal(made, []string{"webhook on confirmed orders, brought up to date"}) {
		t.Errorf("made %q", made)
	}
	if made := set(bridge.URL + "/v1/hints/odoo?token=new"); len(made) > 0 {
		t.Errorf("made %q", made)
	}
	if !h.real {
		return // the stand-in calls nobody
	}
	o := h.sell()
	select {
	case got := <-hints:
		if !strings.HasPrefix(got, "/v1/hints/odoo?token=new ") || !strings.Contains(got, text(o.ID)) {
			t.Errorf("hinted %q", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("no hint came")
	}
}
