package script

import (
	"reflect"
	"strings"
	"testing"

	"waybill/activities/odoo/odootest"
)

// show is a playing of one shipment, four crates of 123.45 for ACME, that has been paid: freight is 240 kg at 0.75 less
// 5 %, and 19.2 % fuel.
func show() (*Show, *Plan) {
	p := &Plan{Situation: Shuffled, ID: "demo-7", customer: "ACME", carrier: "FASTFRT", pieces: 4, price: 12_345, order: 17, name: "S00017", paid: true}
	return &Show{tax: odootest.Tax{Percent: 10}, Plans: []*Plan{p}}, p
}

// posting is the right invoice of that shipment, as Odoo answers it.
func posting() map[string]any {
	line := func(product string, quantity, price, net float64, sold ...any) map[string]any {
		return map[string]any{
			"display_type": "product", "product_id": map[string]any{"default_code": product}, "quantity": quantity, "price_unit": price, "discount": 0.0, "price_subtotal": net,
			"tax_ids": []any{map[string]any{"amount": 10.0}}, "sale_line_ids": append([]any{}, sold...),
		}
	}
	return map[string]any{
		"id": int64(3), "name": "INV/1", "move_type": "out_invoice", "invoice_origin": "S00017", "payment_state": "paid", "partner_id": map[string]any{"ref": "ACME"}, "currency_id": map[string]any{"name": "USD"},
		"amount_untaxed": 697.63, "amount_tax": 69.76, "amount_total": 767.39, "amount_residual": 0.0,
		"invoice_line_ids": []any{
			line(goods, 4, 123.45, 493.8, map[string]any{"order_id": int64(17), "is_delivery": false}),
			line(freightOf, 1, 171, 171, map[string]any{"order_id": int64(17), "is_delivery": true}), line(freightOf, 1, 32.83, 32.83),
			map[string]any{"display_type": "line_note"},
		},
	}
}

func TestInvoiceIsRightOnlyInAllThatIsOnIt(t *testing.T) {
	s, p := show()
	if got, why := s.compare([]posted{readPosted(posting(), 17)}, p); got != 69_763 || len(why) > 0 {
		t.Fatalf("the right one: %d, %v", got, why)
	}
	lineOf := func(m map[string]any, i int) map[string]any { return m["invoice_line_ids"].([]any)[i].(map[string]any) }
	for name, c := range map[string]struct {
		change func(m map[string]any)
		says   string
	}{
		"another tax, the same net":        {func(m map[string]any) { m["amount_tax"], m["amount_total"] = 132.55, 830.18 }, "tax"},
		"no tax on a line":                 {func(m map[string]any) { lineOf(m, 1)["tax_ids"] = []any{} }, "lines"},
		"another rate on a line":           {func(m map[string]any) { lineOf(m, 2)["tax_ids"] = []any{map[string]any{"amount": 19.0}} }, "19 % tax"},
		"another currency":                 {func(m map[string]any) { m["currency_id"] = map[string]any{"name": "EUR"} }, "currency"},
		"another customer":                 {func(m map[string]any) { m["partner_id"] = map[string]any{"ref": "BOLT"} }, "customer"},
		"a credit note":                    {func(m map[string]any) { m["move_type"] = "out_refund" }, "kind"},
		"another order's number":           {func(m map[string]any) { m["invoice_origin"] = "S00018" }, "origin"},
		"a cent between freight and fuel":  {func(m map[string]any) { lineOf(m, 1)["price_unit"], lineOf(m, 2)["price_unit"] = 171.01, 32.82 }, "lines"},
		"freight billed as goods":          {func(m map[string]any) { lineOf(m, 2)["product_id"] = map[string]any{"default_code": goods} }, "lines"},
		"goods that no order line knows":   {func(m map[string]any) { lineOf(m, 0)["sale_line_ids"] = []any{} }, "lines"},
		"goods of another order":           {func(m map[string]any) { lineOf(m, 0)["sale_line_ids"] = []any{map[string]any{"order_id": int64(18)}} }, "another order"},
		"freight that leaves a line open":  {func(m map[string]any) { lineOf(m, 1)["sale_line_ids"] = []any{} }, "delivery line"},
		"freight that uses it up twice":    {func(m map[string]any) { lineOf(m, 2)["sale_line_ids"] = lineOf(m, 1)["sale_line_ids"] }, "2 lines bill"},
		"a discount nobody gave":           {func(m map[string]any) { lineOf(m, 0)["discount"] = 3.0 }, "less 3 %"},
		"a part of a cent":                 {func(m map[string]any) { m["amount_untaxed"] = 697.631 }, "697.631"},
		"something open though it is paid": {func(m map[string]any) { m["amount_residual"], m["payment_state"] = 0.01, "partial" }, "0.01 is open"},
	} {
		t.Run(name, func(t *testing.T) {
			m := posting()
			c.change(m)
			if _, why := s.compare([]posted{readPosted(m, 17)}, p); !strings.Contains(strings.Join(why, "; "), c.says) {
				t.Errorf("got %v, want something about %q", why, c.says)
			}
		})
	}
	if _, why := s.compare(nil, p); len(why) != 1 || !strings.Contains(why[0], "0 invoices") {
		t.Errorf("none at all: %v", why)
	}
}

func TestTaxIsRoundedAsTheCompanyDoes(t *testing.T) {
	b := bill{lines: []line{{freightOf, 1, 5, false}, {freightOf, 1, 5, false}, {freightOf, 1, 5, false}}, tax: odootest.Tax{Percent: 10}}
	if b.due() != 2 {
		t.Errorf("once: %d cents of 15, want 2", b.due())
	}
	if b.tax.PerLine = true; b.due() != 3 {
		t.Errorf("by line: %d cents of 5 and 5 and 5, want 3", b.due())
	}
}

// TestRoughTimesBringDisputesAndPaymentsInPartsByTheSeed, and the quiet ones of a demo do not.
func TestRoughTimesBringDisputesAndPaymentsInPartsByTheSeed(t *testing.T) {
	disputes, parts := map[string]int{}, 0
	for seed := range uint64(20) {
		plans, again := deal(seed, 40, Situations(), true), deal(seed, 40, Situations(), true)
		for i, p := range plans {
			if !reflect.DeepEqual(p, again[i]) {
				t.Fatalf("seed %d deals shipment %d in two ways", seed, i)
			}
			if p.Situation != DisputeApproved && p.Situation != DisputeRejected {
				disputes[p.verdict]++
			}
			if p.firstPart > 0 {
				parts++
			}
			if over := p.detention - p.allowed(); p.verdict != "" && (over < 500 || p.detention >= 50_000 || p.allowed() == 0) {
				t.Errorf("%d cents charged where %d are allowed: want more than the tolerance over it, and less than the approver's limit", p.detention, p.allowed())
			}
			if p.Clean() && (p.firstPart > 0 || p.verdict != "") {
				t.Errorf("a clean shipment: %+v", p)
			}
		}
	}
	if disputes["approve"] < 10 || disputes["reject"] < 10 || parts < 100 {
		t.Errorf("of 800 shipments %v beside those of the situation, %d paid in parts", disputes, parts)
	}
	for _, p := range deal(1, 40, Situations(), false) {
		if p.firstPart > 0 || p.verdict != "" && p.Situation != DisputeApproved && p.Situation != DisputeRejected {
			t.Errorf("a shipment of the demo: %+v", p)
		}
	}
}
