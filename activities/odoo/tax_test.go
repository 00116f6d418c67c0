package odoo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// tax makes a sales tax of a company, in a fiscal position and in place of another where these are given.
func (h *house) tax(percent float64, company, position, of int64) int64 {
	h.t.Helper()
	values := map[string]any{"name": fmt.Sprintf("%v %% %s", percent, randomHex()), "amount": percent, "type_tax_use": "sale", "company_id": company}
	if position != 0 {
		values["fiscal_position_ids"] = []any{[]any{6, 0, []any{position}}}
	}
	if of != 0 {
		values["original_tax_ids"] = []any{[]any{6, 0, []any{of}}}
	}
	return h.create("account.tax", values)
}

func (h *house) position(company int64) int64 {
	h.t.Helper()
	return h.create("account.fiscal.position", map[string]any{"name": "Position " + randomHex(), "company_id": company})
}

// taxesOf are the taxes of an invoice's lines: of the goods, and of the freight.
func (h *house) taxesOf(inv freight.Invoice) (goods, freightLines []any) {
	h.t.Helper()
	for _, l := range h.find("account.move.line", []any{[]any{"move_id", "=", inv.Move}, []any{"display_type", "=", "product"}}, "tax_ids", "product_id") {
		product := h.one("product.product", idOf(l["product_id"]), "default_code")
		if product["default_code"] == freightProduct {
			freightLines = append(freightLines, l["tax_ids"])
		} else {
			goods = append(goods, l["tax_ids"])
		}
	}
	return goods, freightLines
}

func (h *house) defaultTax() int64 {
	h.t.Helper()
	return idOf(h.one("res.company", 1, "account_sale_tax_id")["account_sale_tax_id"])
}

// TestFiscalPositionOfTheOrderDecidesTheTax of goods and freight alike.
func TestFiscalPositionOfTheOrderDecidesTheTax(t *testing.T) {
	h := newHouse(t)
	position := h.position(1)
	reduced := h.tax(5, 1, position, h.defaultTax())
	o := h.sellWith(map[string]any{"fiscal_position_id": position})
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	inv := h.post(h.plan(r, id))
	goods, freightLines := h.taxesOf(inv)
	want := []any{reduced}
	if len(goods) != 1 || len(freightLines) != 2 || fmt.Sprint(goods[0]) != fmt.Sprint(want) || fmt.Sprint(freightLines[0]) != fmt.Sprint(want) {
		t.Errorf("goods %v, freight %v, want %v", goods, freightLines, want)
	}
	if inv.Tax.Number != "31.17" { // 5 % of 623.45
		t.Errorf("tax %s", inv.Tax)
	}
}

// TestFiscalPositionThatTakesTheTaxAwayIsADecision, for an export.
func TestFiscalPositionThatTakesTheTaxAwayIsADecision(t *testing.T) {
	h := newHouse(t)
	o := h.sellWith(map[string]any{"fiscal_position_id": h.position(1)})
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	if inv := h.post(h.plan(r, id)); inv.Tax.Sign() != 0 || !inv.Total.Equal(inv.Net) {
		t.Errorf("%+v", inv)
	}
}

// TestGoodsHaveTheTaxesOfTheOrder also where a sales person has changed them there.
func TestGoodsHaveTheTaxesOfTheOrder(t *testing.T) {
	h := newHouse(t)
	special := h.tax(7, 1, 0, 0)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 2, Price: 250, With: map[string]any{"tax_ids": []any{[]any{6, 0, []any{special}}}}}, odootest.Line{Product: "LAMP", Quantity: 1, Price: 10})
	p := h.plan(r, id)
	inv := h.post(p)
	goods, freightLines := h.taxesOf(inv)
	if fmt.Sprint(goods) != fmt.Sprint([]any{[]any{special}, []any{h.defaultTax()}}) || fmt.Sprint(freightLines[0]) != fmt.Sprint([]any{h.defaultTax()}) {
		t.Errorf("goods %v, freight %v", goods, freightLines)
	}
}

func TestGoodsWithoutTaxOnTheOrderAreForAPerson(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 2, Price: 250, With: map[string]any{"tax_ids": []any{[]any{6, 0, []any{}}}}})
	h.refused(h.plan(r, id), protocol.Rejected, "has no tax on the order", "by product and fiscal position", "make them the same")
}

// TestFreightWithoutATaxIsRefused unless someone has decided so, and so is one that differs from what was quoted.
func TestFreightWithoutATaxIsRefused(t *testing.T) {
	h := newHouse(t)
	product := h.find("product.product", []any{[]any{"default_code", "=", freightProduct}}, "taxes_id")[0]
	set := func(taxes []any) {
		h.write("product.product", product["id"].(int64), map[string]any{"taxes_id": []any{[]any{6, 0, taxes}}})
	}
	r, id := h.ready()
	p := h.plan(r, id)
	zero := h.tax(0, 1, 0, 0)
	set([]any{})
	_, none := h.money.PostInvoice(t.Context(), p)
	set([]any{zero})
	_, other := h.money.PostInvoice(t.Context(), p)
	h.write("sale.order.line", h.lineOf(r.Order, true), map[string]any{"tax_ids": []any{[]any{6, 0, []any{zero}}}})
	inv, err := h.money.PostInvoice(t.Context(), p)
	set(product["taxes_id"].([]any))
	says(t, none, protocol.Rejected, freightProduct+" has no tax in company", "0 %")
	says(t, other, protocol.Rejected, "the order's delivery line has", "give product "+freightProduct)
	if err != nil || inv.Net != p.Net {
		t.Errorf("freight that is not taxed by decision: %+v %v", inv, err)
	}
	if n := len(h.posted(id)); n != 1 {
		t.Errorf("%d posted", n)
	}
}

// TestInvoiceTakesFromTheOrderWhatOdoosOwnWould: terms, sales person, the customer's number, its currency.
func TestInvoiceTakesFromTheOrderWhatOdoosOwnWould(t *testing.T) {
	h := newHouse(t)
	with := map[string]any{"client_order_ref": "PO-4711", "reference": "RF18-4711", "user_id": 2}
	if h.real {
		with["payment_term_id"] = h.find("account.payment.term", []any{[]any{"name", "=", "30 Days"}}, "name")[0]["id"]
		with["incoterm"] = h.find("account.incoterms", []any{[]any{"code", "=", "DAP"}}, "name")[0]["id"]
	} else {
		with["payment_term_id"] = 3
		with["incoterm"] = h.create("account.incoterms", map[string]any{"name": "DELIVERED AT PLACE", "code": "DAP"})
	}
	o := h.sellWith(with)
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	inv := h.post(h.plan(r, id))
	m := h.one("account.move", inv.Move, "ref", "invoice_origin", "payment_reference", "invoice_user_id", "invoice_payment_term_id", "invoice_incoterm_id", "delivery_date", "x_waybill_shipment", "partner_shipping_id")
	if m["ref"] != "PO-4711" || m["invoice_origin"] != o.Name || m["payment_reference"] != "RF18-4711" || idOf(m["invoice_user_id"]) != 2 || m["delivery_date"] != today() || m["x_waybill_shipment"] != string(id) {
		t.Errorf("%v", m)
	}
	for field, want := range map[string]any{"invoice_payment_term_id": with["payment_term_id"], "invoice_incoterm_id": with["incoterm"]} {
		if fmt.Sprint(idOf(m[field])) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", field, m[field], want)
		}
	}
	r, id = h.ready()
	if m := h.one("account.move", h.post(h.plan(r, id)).Move, "ref"); m["ref"] != string(id) {
		t.Errorf("without a number of the customer's the invoice refers to %v", m["ref"])
	}
}

// TestForeignCurrencyIsTheOrders, not the company's.
func TestForeignCurrencyIsTheOrders(t *testing.T) {
	h := newHouse(t)
	h.write("res.currency", h.euro(), map[string]any{"active": true})
	o := h.sellWith(map[string]any{"pricelist_id": h.euroPrices()})
	r, id := h.claim(o)
	if r.Currency != "EUR" {
		t.Fatalf("%+v", r)
	}
	h.deliver(r.Picking, 0)
	inv := h.post(h.plan(r, id))
	if inv.Net.String() != "623.45 EUR" || inv.Tax.Currency != "EUR" {
		t.Errorf("%+v", inv)
	}
	if m := h.one("account.move", inv.Move, "currency_id"); idOf(m["currency_id"]) != h.euro() {
		t.Errorf("%v", m)
	}
	if p, ok := h.payment(inv.Move); !ok || p.Residual.Currency != "EUR" || !p.Residual.Equal(inv.Total) {
		t.Errorf("%+v", p)
	}
}

// TestSecondCompanyBillsInItsOwnBooks, though the user's own company is the first.
func TestSecondCompanyBillsInItsOwnBooks(t *testing.T) {
	h := newHouse(t)
	if len(h.find("stock.warehouse", []any{[]any{"company_id", "=", 2}}, "name")) == 0 {
		h.with(map[string]any{"allowed_company_ids": []any{2}}, "stock.warehouse", "create", map[string]any{"name": "Second", "code": "W2", "company_id": 2})
	}
	o := h.sellWith(map[string]any{"company_id": 2})
	r, id := h.claim(o)
	if r.Company != 2 {
		t.Fatalf("%+v", r)
	}
	h.deliver(r.Picking, 0)
	p := h.plan(r, id)
	inv := h.post(p)
	m := h.one("account.move", inv.Move, "company_id", "journal_id")
	journal := h.one("account.journal", idOf(m["journal_id"]), "company_id", "type")
	if idOf(m["company_id"]) != 2 || idOf(journal["company_id"]) != 2 || journal["type"] != "sale" {
		t.Errorf("%v in journal %v", m, journal)
	}
	own := idOf(h.one("res.company", 2, "account_sale_tax_id")["account_sale_tax_id"])
	goods, freightLines := h.taxesOf(inv)
	for _, taxes := range slices.Concat(goods, freightLines) {
		if fmt.Sprint(taxes) != fmt.Sprint([]any{own}) {
			t.Errorf("goods %v, freight %v; the company's tax is %d", goods, freightLines, own)
		}
	}
}

// TestUserOfOneCompanyDoesNotBillForAnother, and says what is missing.
func TestUserOfOneCompanyDoesNotBillForAnother(t *testing.T) {
	h := newHouse(t)
	if len(h.find("stock.warehouse", []any{[]any{"company_id", "=", 2}}, "name")) == 0 {
		h.with(map[string]any{"allowed_company_ids": []any{2}}, "stock.warehouse", "create", map[string]any{"name": "Second", "code": "W2", "company_id": 2})
	}
	o := h.sellWith(map[string]any{"company_id": 2})
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	p := h.plan(r, id)
	user := h.find("res.users", []any{[]any{"login", "=", "waybill-money"}}, "name")[0]["id"].(int64)
	h.write("res.users", user, map[string]any{"company_ids": []any{[]any{6, 0, []any{1}}}})
	_, err := h.money.PostInvoice(t.Context(), p)
	h.write("res.users", user, map[string]any{"company_ids": []any{[]any{6, 0, []any{1, 2}}}})
	if words := protocol.Words(err); protocol.FaultOf(err) == protocol.Poison || !strings.Contains(words, "compan") {
		t.Errorf("%v", err)
	}
	if inv := h.post(p); inv.Net != p.Net {
		t.Errorf("%+v", inv)
	}
}
