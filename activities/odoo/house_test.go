package odoo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// house is an Odoo with a shop in it: the real one where ODOO_URL names it, else the stand-in. The activities work as
// the two users that the setup makes, with their rights and no others.
type house struct {
	t      *testing.T
	real   bool
	at     place
	admin  *odoo.Client
	shop   *odootest.Shop
	status *odoo.Status
	money  *odoo.Money
	proxy  *odootest.Proxy
}

const freightProduct = "WAYBILL-FREIGHT"

// place is where an Odoo is, and the passwords there.
type place struct{ url, db, admin, password, status, money string }

type papers map[string]string

func (p papers) Document(_ context.Context, hash string) ([]byte, string, string, error) {
	return []byte(p[hash]), "application/pdf", "R. Receiver", nil
}

// prepared sets the real Odoo up once for all tests of the process.
var prepared = sync.OnceValues(func() (place, error) {
	return prepare(place{url: os.Getenv("ODOO_URL"), db: os.Getenv("ODOO_DB"), admin: os.Getenv("ODOO_LOGIN"), password: os.Getenv("ODOO_PASSWORD")})
})

// prepare makes what Waybill needs, and the two users with new passwords.
func prepare(p place) (place, error) {
	ctx := context.Background()
	admin := client(p, p.admin, p.password)
	if _, err := odoo.Setup(ctx, admin, odoo.SetupOptions{FreightProduct: freightProduct}); err != nil {
		return p, err
	}
	if _, err := odoo.SetupUsers(ctx, admin, 1, 2); err != nil {
		return p, err
	}
	for login, password := range map[string]*string{odoo.StatusLogin: &p.status, odoo.MoneyLogin: &p.money} {
		c, err := odoo.NewPassword(ctx, admin, login)
		if err != nil {
			return p, err
		}
		*password = c.Password
	}
	return p, nil
}

func client(p place, login, password string) *odoo.Client {
	return odoo.New(odoo.Options{URL: p.url, DB: p.db, Login: login, Password: func() (string, error) { return password, nil }, MaxConns: 12})
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, real: os.Getenv("ODOO_URL") != ""}
	var err error
	if h.real {
		h.at, err = prepared()
	} else {
		h.at, err = prepare(place{url: odootest.Start(t), db: "demo", admin: "admin", password: "admin"})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.admin = client(h.at, h.at.admin, h.at.password)
	h.shop = odootest.NewShop(h.admin)
	h.proxy = odootest.NewProxy(t, h.at.url)
	through := h.at
	through.url = h.proxy.URL
	h.status = &odoo.Status{Odoo: client(through, odoo.StatusLogin, h.at.status), Documents: papers{podHash: pod}}
	h.money = &odoo.Money{Odoo: client(through, odoo.MoneyLogin, h.at.money), FreightProduct: freightProduct}
	return h
}

const pod = "%PDF-1.4 signed"

var podHash = func() string { s := sha256.Sum256([]byte(pod)); return hex.EncodeToString(s[:]) }()

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// do calls Odoo as the administrator, as a person at the screen would.
func (h *house) do(model, method string, args ...any) any {
	h.t.Helper()
	return h.with(nil, model, method, args...)
}

// with is do with a context of Odoo's. A result that Odoo cannot send means that it is done.
func (h *house) with(about map[string]any, model, method string, args ...any) any {
	h.t.Helper()
	kw := map[string]any{}
	if about != nil {
		kw["context"] = about
	}
	v, err := h.admin.Call(h.t.Context(), model, method, args, kw)
	if err != nil && !strings.Contains(err.Error(), "cannot marshal None") {
		h.t.Fatal(err)
	}
	return v
}

// one reads one record's fields.
func (h *house) one(model string, id int64, fields ...string) map[string]any {
	h.t.Helper()
	rs := h.find(model, []any{[]any{"id", "=", id}}, fields...)
	if len(rs) != 1 {
		h.t.Fatalf("%s %d is not there", model, id)
	}
	return rs[0]
}

func (h *house) find(model string, domain []any, fields ...string) (out []map[string]any) {
	h.t.Helper()
	v := must[any](h.t)(h.admin.Call(h.t.Context(), model, "search_read", []any{domain}, map[string]any{"fields": fields, "order": "id"}))
	for _, r := range v.([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

// create makes a record and returns its id.
func (h *house) create(model string, values map[string]any) int64 {
	h.t.Helper()
	id, ok := h.do(model, "create", values).(int64)
	if !ok {
		h.t.Fatalf("%s was not created", model)
	}
	return id
}

func (h *house) write(model string, id int64, values map[string]any) {
	h.t.Helper()
	h.do(model, "write", []any{id}, values)
}

// sell makes an order of two desks at 250.00 with a delivery method.
func (h *house) sell(lines ...odootest.Line) odootest.Order {
	h.t.Helper()
	return h.sellWith(nil, lines...)
}

// sellWith is sell with further fields of the order.
func (h *house) sellWith(with map[string]any, lines ...odootest.Line) odootest.Order {
	h.t.Helper()
	ctx := h.t.Context()
	customer := must[int64](h.t)(h.shop.Customer(ctx, "ACME", "75001"))
	must[int64](h.t)(h.shop.Product(ctx, "DESK", 60))
	must[int64](h.t)(h.shop.Product(ctx, "LAMP", 2.5))
	carrier, product, err := h.shop.Carrier(ctx, "FASTFRT")
	if err != nil {
		h.t.Fatal(err)
	}
	if len(lines) == 0 {
		lines = []odootest.Line{{Product: "DESK", Quantity: 2, Price: 250}}
	}
	return must[odootest.Order](h.t)(h.shop.SellWith(ctx, with, customer, carrier, product, lines...))
}

func (h *house) claim(o odootest.Order) (freight.Release, freight.ShipmentID) {
	h.t.Helper()
	id := shipmentOf(h.t, o.Pickings[0])
	return must[freight.Release](h.t)(h.status.ClaimDelivery(h.t.Context(), protocol.ClaimRequest{Shipment: id, Picking: o.Pickings[0]})), id
}

func shipmentOf(t *testing.T, picking int64) freight.ShipmentID {
	t.Helper()
	return must[freight.ShipmentID](t)(freight.ShipmentIDOf("test", picking))
}

func (h *house) deliver(picking int64, pieces int) {
	h.t.Helper()
	if err := h.shop.Deliver(h.t.Context(), picking, pieces); err != nil {
		h.t.Fatal(err)
	}
}

// ready sells, claims and delivers: what is left is to bill it.
func (h *house) ready(lines ...odootest.Line) (freight.Release, freight.ShipmentID) {
	h.t.Helper()
	o := h.sell(lines...)
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	return r, id
}

func (h *house) billable(r freight.Release, id freight.ShipmentID) freight.Billable {
	h.t.Helper()
	return must[freight.Billable](h.t)(h.money.ReadBillable(h.t.Context(), protocol.BillableRequest{Shipment: id, Picking: r.Picking, Order: r.Order, Scope: freight.GoodsAndFreight, Key: freight.InvoiceKey(id, 1)}))
}

// plan makes the plan a validated shipment would have: the goods, and 123.45 of freight.
func (h *house) plan(r freight.Release, id freight.ShipmentID) freight.InvoicePlan {
	h.t.Helper()
	b := h.billable(r, id)
	if len(b.Blockers) > 0 {
		h.t.Fatal(b.Blockers)
	}
	return planOf(h.t, r, id, b, freight.GoodsAndFreight)
}

func planOf(t *testing.T, r freight.Release, id freight.ShipmentID, b freight.Billable, scope freight.BillingScope) freight.InvoicePlan {
	t.Helper()
	s := &freight.Shipment{ID: id, Release: r, Billable: &b, Terms: freight.Terms{Scope: scope, Currency: r.Currency},
		Rating: &freight.Rating{Lines: []freight.RatedLine{
			{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell, Amount: freight.Money{Number: "100.00", Currency: r.Currency}},
			{Ref: "fuel", Code: freight.FuelSurcharge, Side: freight.Sell, Amount: freight.Money{Number: "23.45", Currency: r.Currency}}}}}
	p := must[freight.InvoicePlan](t)(freight.PlanOf(s, 1, today()))
	p.Validation = p.LinesHash()
	return p
}

func today() string { return time.Now().UTC().Format("2006-01-02") }

func (h *house) post(p freight.InvoicePlan) freight.Invoice {
	h.t.Helper()
	return must[freight.Invoice](h.t)(h.money.PostInvoice(h.t.Context(), p))
}

// refused posts what must not be posted, and checks the fault, the words and that nothing is posted.
func (h *house) refused(p freight.InvoicePlan, want protocol.Fault, words ...string) {
	h.t.Helper()
	before := len(h.posted(p.Shipment))
	_, err := h.money.PostInvoice(h.t.Context(), p)
	says(h.t, err, want, words...)
	if n := len(h.posted(p.Shipment)); n != before {
		h.t.Errorf("%d were posted all the same", n-before)
	}
}

func says(t *testing.T, err error, want protocol.Fault, words ...string) {
	t.Helper()
	if err == nil || protocol.FaultOf(err) != want {
		t.Fatalf("%v: want %s", err, want)
	}
	for _, w := range words {
		if !strings.Contains(protocol.Words(err), w) {
			t.Errorf("%q does not say %q", protocol.Words(err), w)
		}
	}
}

// blocked checks that one of the blockers says all of that.
func blocked(t *testing.T, b freight.Billable, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(b.Blockers, func(s string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
	}) {
		t.Errorf("none of %q says %q", b.Blockers, words)
	}
}

func (h *house) posted(id freight.ShipmentID) []map[string]any {
	h.t.Helper()
	return h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}, []any{"state", "=", "posted"}}, "name", "amount_untaxed", "invoice_origin")
}

// draft makes the draft of a plan as an attempt does that ends before it posts, and returns its id.
func (h *house) draft(p freight.InvoicePlan) int64 {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.proxy.Watch(odootest.Watch{Before: func(c odootest.Call) bool { return c.Method == "action_post" && c.Shipment == string(p.Shipment) }, After: func(c odootest.Call) bool {
		if c.Method == "load" {
			cancel()
		}
		return false
	}})
	_, err := h.money.PostInvoice(ctx, p)
	h.proxy.Watch(odootest.Watch{})
	if err == nil {
		h.t.Fatal("it was posted")
	}
	ms := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(p.Shipment)}, []any{"state", "=", "draft"}}, "name")
	if len(ms) != 1 {
		h.t.Fatalf("%d drafts", len(ms))
	}
	return ms[0]["id"].(int64)
}

// billByHand makes an invoice of a line of the order, as a person does with Odoo's own button.
func (h *house) billByHand(saleLine int64, quantity any, kind string) int64 {
	h.t.Helper()
	l := h.one("sale.order.line", saleLine, "order_id", "product_id", "name", "price_unit")
	o := h.one("sale.order", l["order_id"].([]any)[0].(int64), "partner_invoice_id")
	return h.create("account.move", map[string]any{"move_type": kind, "partner_id": o["partner_invoice_id"].([]any)[0], "invoice_date": today(), "invoice_line_ids": []any{[]any{0, 0, map[string]any{
		"product_id": l["product_id"].([]any)[0], "name": l["name"], "quantity": quantity, "price_unit": l["price_unit"], "sale_line_ids": []any{[]any{6, 0, []any{saleLine}}}}}}})
}

// lines are an order's lines.
func (h *house) lines(order int64, fields ...string) []map[string]any {
	h.t.Helper()
	return h.find("sale.order.line", []any{[]any{"order_id", "=", order}}, append(fields, "name", "is_delivery")...)
}

func (h *house) lineOf(order int64, delivery bool) int64 {
	h.t.Helper()
	for _, l := range h.lines(order) {
		if l["is_delivery"] == delivery {
			return l["id"].(int64)
		}
	}
	h.t.Fatal("no such line")
	return 0
}

// idOf is the id of a many2one.
func idOf(v any) int64 {
	if pair, ok := v.([]any); ok && len(pair) > 0 {
		v = pair[0]
	}
	n, _ := v.(int64)
	return n
}

func text(v any) string { return fmt.Sprint(v) }
