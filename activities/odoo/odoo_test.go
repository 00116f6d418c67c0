package odoo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// house is an Odoo with a shop in it: the real one where ODOO_URL names it, else the stand-in.
type house struct {
	t      *testing.T
	admin  *odoo.Client
	shop   *odootest.Shop
	status *odoo.Status
	money  *odoo.Money
	proxy  *odootest.Proxy
	real   bool
}

const freightProduct = "WAYBILL-FREIGHT"

type papers map[string]string

func (p papers) Document(_ context.Context, hash string) ([]byte, string, string, error) {
	return []byte(p[hash]), "application/pdf", "R. Receiver", nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t}
	url, db, login, password := os.Getenv("ODOO_URL"), os.Getenv("ODOO_DB"), os.Getenv("ODOO_LOGIN"), os.Getenv("ODOO_PASSWORD")
	h.real = url != ""
	if !h.real {
		url, db, login, password = odootest.Start(t), "demo", "admin", "admin"
	}
	h.proxy = odootest.NewProxy(t, url)
	connect := func() *odoo.Client {
		return odoo.New(odoo.Options{URL: h.proxy.URL, DB: db, Login: login, Password: func() (string, error) { return password, nil }, MaxConns: 12})
	}
	h.admin = connect()
	if _, err := odoo.Setup(t.Context(), h.admin, odoo.SetupOptions{FreightProduct: freightProduct}); err != nil {
		t.Fatal(err)
	}
	h.shop = odootest.NewShop(h.admin)
	first := func(context.Context) int32 { return 1 }
	h.status = &odoo.Status{Odoo: connect(), Documents: papers{podHash: pod}, Attempt: first}
	h.money = &odoo.Money{Odoo: connect(), FreightProduct: freightProduct}
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

// sell makes an order of two desks at 250.00 with a delivery method.
func (h *house) sell() odootest.Order {
	h.t.Helper()
	ctx := h.t.Context()
	customer := must[int64](h.t)(h.shop.Customer(ctx, "ACME", "75001"))
	must[int64](h.t)(h.shop.Product(ctx, "DESK", 60))
	carrier, product, err := h.shop.Carrier(ctx, "FASTFRT")
	if err != nil {
		h.t.Fatal(err)
	}
	return must[odootest.Order](h.t)(h.shop.Sell(ctx, customer, carrier, product, odootest.Line{Product: "DESK", Quantity: 2, Price: 250}))
}

func (h *house) claim(o odootest.Order) (freight.Release, freight.ShipmentID) {
	h.t.Helper()
	id, err := freight.ShipmentIDOf("test", o.Pickings[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return must[freight.Release](h.t)(h.status.ClaimDelivery(h.t.Context(), protocol.ClaimRequest{Shipment: id, Picking: o.Pickings[0]})), id
}

// plan makes the plan a validated shipment would have: the goods, and 123.45 of freight.
func (h *house) plan(r freight.Release, id freight.ShipmentID) freight.InvoicePlan {
	h.t.Helper()
	b := must[freight.Billable](h.t)(h.money.ReadBillable(h.t.Context(), protocol.BillableRequest{Shipment: id, Picking: r.Picking, Order: r.Order, Scope: freight.GoodsAndFreight, Key: freight.InvoiceKey(id, 1)}))
	if len(b.Blockers) > 0 {
		h.t.Fatal(b.Blockers)
	}
	s := &freight.Shipment{ID: id, Release: r, Billable: &b, Terms: freight.Terms{Scope: freight.GoodsAndFreight, Currency: r.Currency},
		Rating: &freight.Rating{Lines: []freight.RatedLine{
			{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell, Amount: freight.Money{Number: "100.00", Currency: r.Currency}},
			{Ref: "fuel", Code: freight.FuelSurcharge, Side: freight.Sell, Amount: freight.Money{Number: "23.45", Currency: r.Currency}}}}}
	p := must[freight.InvoicePlan](h.t)(freight.PlanOf(s, 1, time.Now().UTC().Format("2006-01-02")))
	p.Validation = p.LinesHash()
	return p
}

func (h *house) posted(id freight.ShipmentID) []map[string]any {
	h.t.Helper()
	v := must[any](h.t)(h.admin.Call(h.t.Context(), "account.move", "search_read", []any{[]any{[]any{"x_waybill_shipment", "=", string(id)}, []any{"state", "=", "posted"}}}, map[string]any{"fields": []string{"name", "amount_untaxed", "invoice_origin"}}))
	var out []map[string]any
	for _, r := range v.([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

func TestDeliveryBecomesOneInvoiceToTheCent(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if r.Customer != "ACME" || r.OrderName != o.Name || r.Carrier != "FASTFRT" || r.ShipTo.Postcode != "75001" || r.Weight != "120" {
		t.Errorf("released %+v", r)
	}
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 0); err != nil {
		t.Fatal(err)
	}
	p := h.plan(r, id)
	if p.Net.Number != "623.45" || p.Lines[1].SaleLine == 0 {
		t.Fatalf("planned %+v", p)
	}
	inv := must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), p))
	if inv.Adopted || inv.Net != p.Net || inv.Number == "" || inv.Date != p.Date {
		t.Errorf("posted %+v", inv)
	}
	again := must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), p))
	if !again.Adopted || again.Move != inv.Move || len(h.posted(id)) != 1 {
		t.Errorf("again: %+v, %d posted", again, len(h.posted(id)))
	}
	b := must[freight.Billable](t)(h.money.ReadBillable(t.Context(), protocol.BillableRequest{Shipment: "test-999", Picking: r.Picking, Order: r.Order, Scope: freight.GoodsAndFreight}))
	if len(b.Goods) != 0 || b.DeliveryLine != 0 {
		t.Errorf("another shipment could bill it again: %+v", b)
	}
}

func TestCleanShipmentNeedsFourteenCalls(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 0); err != nil {
		t.Fatal(err)
	}
	for i, s := range []freight.Status{freight.StatusInTransit, freight.StatusOutForDelivery, freight.StatusDelivered} {
		u := protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: int64(i + 1), Report: freight.StatusReport{Status: s, InvoiceState: freight.InvoiceNone}}
		if s == freight.StatusDelivered {
			u.Proof = &protocol.ProofRequest{Shipment: id, Picking: r.Picking, Delivered: time.Now(), Documents: []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: podHash, MediaType: "application/pdf"}}}
		}
		must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), u))
	}
	must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), h.plan(r, id)))
	// Two more status writes follow when it is posted and paid: 14 in all.
	if n := h.proxy.Calls(string(id)); n > 12 {
		t.Errorf("%d calls, want 12", n)
	}
}

func TestFiftyCallersAndLostRepliesPostOneInvoice(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 0); err != nil {
		t.Fatal(err)
	}
	p := h.plan(r, id)
	h.proxy.LoseEvery(3, "account.move")
	var wg sync.WaitGroup
	answers := make([]freight.Invoice, 50)
	for i := range answers {
		wg.Go(func() {
			for answers[i].Move == 0 {
				inv, err := h.money.PostInvoice(t.Context(), p)
				var app *temporal.ApplicationError
				if err != nil && (!errors.As(err, &app) || app.NonRetryable()) {
					t.Error(err)
					return
				}
				answers[i] = inv
			}
		})
	}
	wg.Wait()
	h.proxy.Lose(nil)
	for _, a := range answers {
		if a.Move != answers[0].Move || a.Net != p.Net {
			t.Fatalf("callers were told of %+v and %+v", answers[0], a)
		}
	}
	if ms := h.posted(id); len(ms) != 1 || fmt.Sprint(ms[0]["amount_untaxed"]) != "623.45" || h.proxy.Lost() == 0 {
		t.Errorf("posted %v with %d replies lost", ms, h.proxy.Lost())
	}
}

func TestChangedFactsAreNotPosted(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 0); err != nil {
		t.Fatal(err)
	}
	good := h.plan(r, id)
	for name, tt := range map[string]struct {
		change func(*freight.InvoicePlan)
		want   protocol.Fault
	}{
		"other price":    {func(p *freight.InvoicePlan) { p.Lines[0].UnitPrice.Number = "251" }, protocol.FactsChanged},
		"other quantity": {func(p *freight.InvoicePlan) { p.Lines[0].Quantity = "3" }, protocol.FactsChanged},
		"goods left out": {func(p *freight.InvoicePlan) { p.Lines = p.Lines[1:]; p.Lines[0].Code = "" }, protocol.FactsChanged},
		"other net":      {func(p *freight.InvoicePlan) { p.Net.Number = "623.44" }, protocol.Rejected},
		"other taxes":    {func(p *freight.InvoicePlan) { p.Lines[0].Taxes = []int64{99999} }, protocol.Rejected},
	} {
		p := good
		p.Lines = append([]freight.InvoiceLine(nil), good.Lines...)
		tt.change(&p)
		if _, err := h.money.PostInvoice(t.Context(), p); err == nil || protocol.FaultOf(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if n := len(h.posted(id)); n != 0 {
		t.Fatalf("%d posted", n)
	}
	if inv, err := h.money.PostInvoice(t.Context(), good); err != nil || inv.Net != good.Net {
		t.Errorf("the good plan after the bad ones: %+v %v", inv, err)
	}
}

func TestOlderStatusNeverOverwritesANewerOne(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	write := func(revision int64, s freight.Status, sure bool) protocol.StatusWritten {
		return must[protocol.StatusWritten](t)(h.status.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: id, Picking: r.Picking, Order: r.Order, Revision: revision, Sure: sure,
			Report: freight.StatusReport{Status: s, InvoiceState: freight.InvoiceNone}}))
	}
	write(2, freight.StatusDelivered, false)
	if out := write(1, freight.StatusInTransit, true); !out.Superseded {
		t.Error("the older one did not notice")
	}
	v := must[any](t)(h.admin.Call(t.Context(), "sale.order", "search_read", []any{[]any{[]any{"id", "=", r.Order}}}, map[string]any{"fields": []string{"x_waybill_status"}}))
	if got := v.([]any)[0].(map[string]any)["x_waybill_status"]; got != "delivered" {
		t.Errorf("the order shows %v", got)
	}
}

func TestClaimOfAnotherShipmentIsNotOurs(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	_, id := h.claim(o)
	if again, same := h.claim(o); same != id || again.OrderName != o.Name {
		t.Error("the same shipment cannot claim again")
	}
	_, err := h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "other-1", Picking: o.Pickings[0]})
	if protocol.FaultOf(err) != protocol.NotOurs {
		t.Errorf("another shipment: %v", err)
	}
}

func TestScansFindReleasedCancelledAndPaid(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	since := time.Now().Add(-time.Hour)
	found := func() bool {
		for _, r := range must[[]odoo.Released](t)(h.status.Released(t.Context(), since, 500)) {
			if r.Picking == o.Pickings[0] {
				return r.Customer == "ACME" && r.OrderName == o.Name
			}
		}
		return false
	}
	if !found() {
		t.Fatal("a confirmed order was not found")
	}
	r, id := h.claim(o)
	if found() {
		t.Error("a claimed delivery was found again")
	}
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 0); err != nil {
		t.Fatal(err)
	}
	inv := must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), h.plan(r, id)))
	if p := must[[]freight.Payment](t)(h.money.Payments(t.Context(), []int64{inv.Move})); len(p) != 1 || p[0].State != freight.InvoicePosted || !p[0].Residual.Equal(inv.Total) {
		t.Errorf("before payment: %+v, total %s", p, inv.Total)
	}
	if err := h.shop.Pay(t.Context(), inv.Move); err != nil {
		t.Fatal(err)
	}
	if p := must[[]freight.Payment](t)(h.money.Payments(t.Context(), []int64{inv.Move})); p[0].State != freight.InvoicePaid || p[0].Residual.Sign() != 0 {
		t.Errorf("after payment: %+v", p)
	}
	other := h.sell()
	_, otherID := h.claim(other)
	if err := h.shop.Cancel(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	ok := false
	for _, c := range must[[]odoo.Cancelled](t)(h.status.Cancelled(t.Context(), 500)) {
		ok = ok || c.Shipment == otherID
	}
	if !ok {
		t.Error("the cancelled order was not found")
	}
}

func TestBackorderIsADeliveryOfItsOwn(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	if err := h.shop.Deliver(t.Context(), o.Pickings[0], 1); err != nil {
		t.Fatal(err)
	}
	first := h.plan(r, id)
	if first.Net.Number != "373.45" {
		t.Fatalf("first delivery of one desk: %s, want 250.00 and 123.45", first.Net)
	}
	must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), first))
	o = must[odootest.Order](t)(h.shop.Order(t.Context(), o.ID))
	if len(o.Pickings) != 2 {
		t.Fatalf("deliveries %v, want a backorder", o.Pickings)
	}
	second, err := freight.ShipmentIDOf("test", o.Pickings[1])
	if err != nil {
		t.Fatal(err)
	}
	r2 := must[freight.Release](t)(h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: second, Picking: o.Pickings[1]}))
	if err := h.shop.Deliver(t.Context(), o.Pickings[1], 0); err != nil {
		t.Fatal(err)
	}
	p := h.plan(r2, second)
	if p.Net.Number != "373.45" || p.Lines[1].SaleLine != 0 {
		t.Errorf("second delivery: %s, freight on sale line %d; want 373.45, and the delivery line not billed twice", p.Net, p.Lines[1].SaleLine)
	}
	must[freight.Invoice](t)(h.money.PostInvoice(t.Context(), p))
}

func TestWrongPasswordIsAConfigurationFaultThatNamesTheCheck(t *testing.T) {
	h := newHouse(t)
	wrong := odoo.New(odoo.Options{URL: h.proxy.URL, DB: orElse(os.Getenv("ODOO_DB"), "demo"), Login: "admin", Password: func() (string, error) { return "hunter2", nil }})
	s := &odoo.Status{Odoo: wrong, Attempt: func(context.Context) int32 { return 1 }}
	_, err := s.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: 1})
	var app *temporal.ApplicationError
	if protocol.FaultOf(err) != protocol.Configuration || !errors.As(err, &app) || app.NonRetryable() || app.NextRetryDelay() < time.Minute {
		t.Errorf("%v: want a configuration fault that is tried again in a minute", err)
	}
	if words := protocol.Words(err); !strings.Contains(words, "odoo check") || strings.Contains(words, "hunter2") {
		t.Errorf("the message %q must name the check and no password", words)
	}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
