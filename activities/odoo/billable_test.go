package odoo_test

import (
	"slices"
	"testing"

	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func TestBackorderIsADeliveryOfItsOwn(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(o.Pickings[0], 1)
	first := h.plan(r, id)
	if first.Net.Number != "373.45" {
		t.Fatalf("first delivery of one desk: %s, want 250.00 and 123.45", first.Net)
	}
	h.post(first)
	o = must[odootest.Order](t)(h.shop.Order(t.Context(), o.ID))
	if len(o.Pickings) != 2 {
		t.Fatalf("deliveries %v, want a backorder", o.Pickings)
	}
	second := shipmentOf(t, o.Pickings[1])
	r2 := must[freight.Release](t)(h.status.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: second, Picking: o.Pickings[1]}))
	h.deliver(o.Pickings[1], 0)
	p := h.plan(r2, second)
	if p.Net.Number != "373.45" || p.Lines[1].SaleLine != 0 {
		t.Errorf("second delivery: %s, freight on sale line %d; want 373.45, and the delivery line not billed twice", p.Net, p.Lines[1].SaleLine)
	}
	h.post(p)
	for _, l := range h.lines(o.ID, "qty_invoiced", "product_uom_qty") {
		if l["qty_invoiced"] != l["product_uom_qty"] {
			t.Errorf("%v: %v of %v invoiced", l["name"], l["qty_invoiced"], l["product_uom_qty"])
		}
	}
}

// TestWhatIsDeliveredIsWhatIsRated: a part of an order weighs a part of it.
func TestWhatIsDeliveredIsWhatIsRated(t *testing.T) {
	h := newHouse(t)
	o := h.sell(odootest.Line{Product: "DESK", Quantity: 4, Price: 250}, odootest.Line{Product: "LAMP", Quantity: 10, Price: 5})
	r, id := h.claim(o)
	if r.Weight != "265" || r.Pieces != 2 {
		t.Errorf("to be shipped: %s kg in %d pieces", r.Weight, r.Pieces)
	}
	if b := h.billable(r, id); b.Weight != "" || b.Pieces != 0 {
		t.Errorf("before the delivery: %q kg in %d pieces", b.Weight, b.Pieces)
	}
	h.deliver(o.Pickings[0], 3)
	if b := h.billable(r, id); b.Weight != "187.5" || b.Pieces != 2 {
		t.Errorf("3 desks of 60 kg and 3 lamps of 2.5 kg: %s kg in %d pieces", b.Weight, b.Pieces)
	}
}

func TestMoreDeliveredThanOrderedWeighsMore(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(o.Pickings[0], 3)
	b := h.billable(r, id)
	if b.Weight != "180" || len(b.Goods) != 1 || b.Goods[0].Quantity != "3" {
		t.Errorf("3 of 2 desks: %+v", b)
	}
}

func TestPackagesArePieces(t *testing.T) {
	h := newHouse(t)
	o := h.sell(odootest.Line{Product: "DESK", Quantity: 2, Price: 250}, odootest.Line{Product: "LAMP", Quantity: 2, Price: 5})
	r, id := h.claim(o)
	crate := h.create("stock.package", map[string]any{"name": "CRATE-" + randomHex()})
	for _, m := range h.find("stock.move", []any{[]any{"picking_id", "=", r.Picking}}, "move_line_ids") {
		for _, l := range m["move_line_ids"].([]any) {
			h.write("stock.move.line", l.(int64), map[string]any{"result_package_id": crate})
		}
	}
	h.deliver(r.Picking, 0)
	if b := h.billable(r, id); b.Pieces != 1 {
		t.Errorf("all in one crate: %d pieces", b.Pieces)
	}
}

func TestPoundsBecomeKilograms(t *testing.T) {
	h := newHouse(t)
	if h.real {
		h.do("ir.config_parameter", "set_param", "product.weight_in_lbs", "1")
		admin := h.admin
		t.Cleanup(func() {
			_, _ = admin.Call(t.Context(), "ir.config_parameter", "set_param", []any{"product.weight_in_lbs", "0"}, nil)
		})
	} else {
		h.write("res.company", 1, map[string]any{"weight_in_lbs": true})
	}
	r, id := h.ready()
	if b := h.billable(r, id); r.Weight != "54.431" || b.Weight != "54.431" {
		t.Errorf("120 lb: %s kg to ship, %s kg shipped; want 54.431", r.Weight, b.Weight)
	}
	if h.real {
		h.do("ir.config_parameter", "set_param", "product.weight_in_lbs", "0")
	}
}

// TestGoodsSoldInPacksAreBilledInPacks: Odoo moves single units, and the price is that of the pack.
func TestGoodsSoldInPacksAreBilledInPacks(t *testing.T) {
	h := newHouse(t)
	o := h.sell(odootest.Line{Product: "LAMP", Quantity: 2, Price: 60, With: map[string]any{"product_uom_id": 2}})
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	p := h.plan(r, id)
	if p.Lines[0].Quantity != "2" || p.Net.Number != "243.45" {
		t.Fatalf("12 lamps in packs of 6: %+v, net %s", p.Lines[0], p.Net)
	}
	inv := h.post(p)
	l := h.find("account.move.line", []any{[]any{"move_id", "=", inv.Move}, []any{"product_id.default_code", "=", "LAMP"}}, "product_uom_id", "quantity")
	if idOf(l[0]["product_uom_id"]) != 2 || l[0]["quantity"] != 2.0 {
		t.Errorf("invoiced %v", l)
	}
	for _, l := range h.lines(o.ID, "qty_invoiced", "product_uom_qty") {
		if l["qty_invoiced"] != l["product_uom_qty"] {
			t.Errorf("%v: %v of %v invoiced: a person would bill the rest again", l["name"], l["qty_invoiced"], l["product_uom_qty"])
		}
	}
}

func TestPartOfAPackIsNotGuessed(t *testing.T) {
	h := newHouse(t)
	o := h.sell(odootest.Line{Product: "LAMP", Quantity: 2, Price: 60, With: map[string]any{"product_uom_id": 2}})
	r, id := h.claim(o)
	h.deliver(r.Picking, 7)
	blocked(t, h.billable(r, id), "7 Units", "no exact number of Pack of 6", "by hand")
}

func TestOnlyWhatIsDeliveredAndNotInvoicedIsBilled(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 5, Price: 250})
	move := h.billByHand(h.lineOf(r.Order, false), 2, "out_invoice")
	h.do("account.move", "action_post", []any{move})
	b := h.billable(r, id)
	if len(b.Blockers) > 0 || len(b.Goods) != 1 || b.Goods[0].Quantity != "3" {
		t.Errorf("5 delivered, 2 invoiced by hand: %+v", b)
	}
	p := planOf(t, r, id, b, freight.GoodsAndFreight)
	h.post(p)
	if l := h.one("sale.order.line", h.lineOf(r.Order, false), "qty_invoiced"); l["qty_invoiced"] != 5.0 {
		t.Errorf("%v invoiced of 5", l["qty_invoiced"])
	}
}

// TestWhatAPersonIsAboutToBillBlocks and is named: an invoice or a credit note in draft, of the goods or the freight.
func TestWhatAPersonIsAboutToBillBlocks(t *testing.T) {
	for name, tt := range map[string]struct {
		delivery bool
		kind     string
	}{"goods": {false, "out_invoice"}, "goods to be credited": {false, "out_refund"}, "the delivery line": {true, "out_invoice"}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			r, id := h.ready()
			p := h.plan(r, id)
			draft := h.billByHand(h.lineOf(r.Order, tt.delivery), 1, tt.kind)
			blocked(t, h.billable(r, id), "Draft ", "(id "+text(draft)+")", "made by hand", "post it or delete it")
			h.refused(p, protocol.FactsChanged, "(id "+text(draft)+")")
		})
	}
}

// TestFreightBilledByHandIsNotBilledAgain: where a person has billed the quoted freight, ours comes not on top.
func TestFreightBilledByHandIsNotBilledAgain(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	line := h.lineOf(r.Order, true)
	h.write("sale.order.line", line, map[string]any{"price_unit": 80.0})
	p := h.plan(r, id)
	move := h.billByHand(line, 1, "out_invoice")
	h.do("account.move", "action_post", []any{move})
	number := text(h.one("account.move", move, "name")["name"])
	blocked(t, h.billable(r, id), "billed by hand on "+number, "credit that")
	h.refused(p, protocol.FactsChanged, number)
	credit := h.billByHand(line, 1, "out_refund")
	h.do("account.move", "action_post", []any{credit})
	if b := h.billable(r, id); len(b.Blockers) > 0 || b.DeliveryLine != line {
		t.Errorf("after the credit: %+v", b)
	}
}

func TestOrderCancelledAfterAPartialDeliveryIsForAPerson(t *testing.T) {
	h := newHouse(t)
	o := h.sell()
	r, id := h.claim(o)
	h.deliver(r.Picking, 1)
	h.with(map[string]any{"disable_cancel_warning": true}, "sale.order", "action_cancel", []any{o.ID})
	b := h.billable(r, id)
	blocked(t, b, "order "+o.Name+" is cancel", "is done", "by hand")
	p := planOf(t, r, id, b, freight.FreightOnly)
	h.refused(p, protocol.FactsChanged, "is cancel in Odoo")
}

func TestUndeliveredGoodsBlockAndFreightAloneDoesNot(t *testing.T) {
	h := newHouse(t)
	r, id := h.claim(h.sell())
	blocked(t, h.billable(r, id), "is not validated in Odoo (it is assigned)", "validate it")
	b := must[freight.Billable](t)(h.money.ReadBillable(t.Context(), protocol.BillableRequest{Shipment: id, Picking: r.Picking, Order: r.Order, Scope: freight.FreightOnly}))
	if len(b.Blockers) > 0 || len(b.Goods) > 0 || b.DeliveryLine == 0 {
		t.Errorf("freight only: %+v", b)
	}
	if inv := h.post(planOf(t, r, id, b, freight.FreightOnly)); inv.Net.Number != "123.45" || inv.Lines != 2 {
		t.Errorf("%+v", inv)
	}
}

// TestDownPaymentIsNoGoods, and what it has paid must be deducted by who makes the final invoice.
func TestDownPaymentIsNoGoods(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	product := idOf(h.one("sale.order.line", h.lineOf(r.Order, true), "product_id")["product_id"])
	line := h.create("sale.order.line", map[string]any{"order_id": r.Order, "name": "Down payment", "product_id": product, "product_uom_qty": 0, "price_unit": 200.0, "is_downpayment": true})
	if b := h.billable(r, id); len(b.Blockers) > 0 || len(b.Goods) != 1 {
		t.Errorf("before it is invoiced: %+v", b)
	}
	move := h.billByHand(line, 1, "out_invoice")
	h.do("account.move", "action_post", []any{move})
	blocked(t, h.billable(r, id), "has been invoiced and is on no final invoice", "by hand")
	deducted := h.billByHand(line, -1, "out_invoice")
	h.write("account.move", deducted, map[string]any{"invoice_line_ids": []any{[]any{0, 0, map[string]any{"product_id": product, "name": "rest", "quantity": 1, "price_unit": 500.0}}}})
	h.do("account.move", "action_post", []any{deducted})
	if b := h.billable(r, id); len(b.Blockers) > 0 {
		t.Errorf("after it was deducted: %q", b.Blockers)
	}
}

func TestSectionsAndNotesAreNoGoods(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 2, Price: 250})
	for _, kind := range []string{"line_section", "line_note"} {
		h.create("sale.order.line", map[string]any{"order_id": r.Order, "name": kind, "display_type": kind, "product_uom_qty": 0, "price_unit": 0.0})
	}
	b := h.billable(r, id)
	if len(b.Blockers) > 0 || len(b.Goods) != 1 {
		t.Errorf("%+v", b)
	}
	h.post(planOf(t, r, id, b, freight.GoodsAndFreight))
}

// TestServiceIsLeftToOdoo: it is no delivery's.
func TestServiceIsLeftToOdoo(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	service := h.create("product.product", map[string]any{"name": "Assembly", "default_code": "ASSEMBLY-" + randomHex(), "type": "service", "invoice_policy": "order", "list_price": 90.0})
	h.create("sale.order.line", map[string]any{"order_id": r.Order, "name": "Assembly", "product_id": service, "product_uom_qty": 1, "price_unit": 90.0})
	if b := h.billable(r, id); len(b.Blockers) > 0 || len(b.Goods) != 1 {
		t.Errorf("%+v", b)
	}
}

// TestGoodsInvoicedByOrderAreBilledAsDelivered, less what was billed when they were ordered.
func TestGoodsInvoicedByOrderAreBilledAsDelivered(t *testing.T) {
	h := newHouse(t)
	product := h.create("product.product", map[string]any{"name": "Chair", "default_code": "CHAIR-" + randomHex(), "type": "consu", "invoice_policy": "order", "weight": 5.0, "list_price": 10.0})
	o := h.sell(odootest.Line{Product: "DESK", Quantity: 1, Price: 250}, odootest.Line{Quantity: 4, Price: 10, With: map[string]any{"product_id": product}})
	r, id := h.claim(o)
	for _, l := range h.lines(o.ID, "product_id") {
		if idOf(l["product_id"]) == product {
			h.do("account.move", "action_post", []any{h.billByHand(l["id"].(int64), 3, "out_invoice")})
		}
	}
	h.deliver(r.Picking, 0)
	b := h.billable(r, id)
	i := slices.IndexFunc(b.Goods, func(l freight.InvoiceLine) bool { return l.Product == product })
	if len(b.Blockers) > 0 || i < 0 || b.Goods[i].Quantity != "1" {
		t.Errorf("4 delivered, 3 billed when ordered: %+v", b)
	}
}

// TestDiscountOfTheWholeOrderIsForAPerson: it belongs to no delivery, and left out the customer pays too much.
func TestDiscountOfTheWholeOrderIsForAPerson(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready()
	product := idOf(h.one("sale.order.line", h.lineOf(r.Order, true), "product_id")["product_id"])
	line := h.create("sale.order.line", map[string]any{"order_id": r.Order, "name": "Discount", "product_id": product, "product_uom_qty": 1, "price_unit": -50.0})
	blocked(t, h.billable(r, id), "Discount", "takes money off", "by hand")
	h.write("sale.order.line", line, map[string]any{"price_unit": 0.0})
	if b := h.billable(r, id); len(b.Blockers) > 0 {
		t.Errorf("%q", b.Blockers)
	}
}

func TestDiscountOfALineIsKept(t *testing.T) {
	h := newHouse(t)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 3, Price: 33.33, With: map[string]any{"discount": 7.5}})
	p := h.plan(r, id)
	if p.Lines[0].Discount != "7.5" || p.Net.Number != "215.94" {
		t.Fatalf("3 × 33.33 less 7.5 %%, and 123.45: %+v, net %s", p.Lines[0], p.Net)
	}
	if inv := h.post(p); inv.Net.Number != "215.94" {
		t.Errorf("%+v", inv)
	}
}

// TestCentsAreRoundedAsTheCompanyRounds: most companies round the net of the invoice once, not each line of it.
func TestCentsAreRoundedAsTheCompanyRounds(t *testing.T) {
	for method, want := range map[string]string{"round_globally": "143.46", "round_per_line": "143.45"} {
		t.Run(method, func(t *testing.T) {
			h := newHouse(t)
			was := h.one("res.company", 1, "tax_calculation_rounding_method")["tax_calculation_rounding_method"]
			h.write("res.company", 1, map[string]any{"tax_calculation_rounding_method": method})
			off := map[string]any{"discount": 0.05}
			r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 1, Price: 10.01, With: off}, odootest.Line{Product: "LAMP", Quantity: 1, Price: 10.01, With: off})
			p := h.plan(r, id) // each line is 10.004995
			inv := h.post(p)
			h.write("res.company", 1, map[string]any{"tax_calculation_rounding_method": was})
			if p.Net.Number != "143.45" {
				t.Errorf("validated %s", p.Net)
			}
			if inv.Net.Number != want {
				t.Errorf("posted %s, want %s", inv.Net, want)
			}
		})
	}
}

func TestPriceThatIncludesTaxIsForAPerson(t *testing.T) {
	h := newHouse(t)
	values := map[string]any{"name": "Included " + randomHex(), "amount": 10.0, "type_tax_use": "sale"}
	if h.real {
		values["price_include_override"] = "tax_included"
	} else {
		values["price_include"], values["company_id"] = true, 1
	}
	tax := h.create("account.tax", values)
	r, id := h.ready(odootest.Line{Product: "DESK", Quantity: 1, Price: 110, With: map[string]any{"tax_ids": []any{[]any{6, 0, []any{tax}}}}})
	b := h.billable(r, id)
	blocked(t, b, "includes the tax \"Included", "net prices")
	if len(b.Goods) != 0 {
		t.Errorf("%+v", b.Goods)
	}
}

func TestArchivedPartnerAndInactiveCurrencyBlock(t *testing.T) {
	h := newHouse(t)
	h.write("res.currency", h.euro(), map[string]any{"active": true})
	payer := h.create("res.partner", map[string]any{"name": "Payer", "ref": "PAYER-" + randomHex(), "zip": "10001"})
	o := h.sellWith(map[string]any{"partner_invoice_id": payer, "pricelist_id": h.euroPrices()})
	r, id := h.claim(o)
	h.deliver(r.Picking, 0)
	p := h.plan(r, id)
	h.write("res.partner", payer, map[string]any{"active": false})
	blocked(t, h.billable(r, id), "invoice address is archived", "restore it")
	h.refused(p, protocol.FactsChanged, "archived")
	h.write("res.partner", payer, map[string]any{"active": true})
	h.write("res.currency", h.euro(), map[string]any{"active": false})
	blocked(t, h.billable(r, id), "currency EUR is not active", "activate it")
	h.write("res.currency", h.euro(), map[string]any{"active": true})
	if inv := h.post(p); inv.Net != (freight.Money{Number: "623.45", Currency: "EUR"}) {
		t.Errorf("%+v", inv)
	}
}

func (h *house) euro() int64 {
	h.t.Helper()
	return h.find("res.currency", []any{[]any{"name", "=", "EUR"}, []any{"active", "in", []any{true, false}}}, "name")[0]["id"].(int64)
}

// euroPrices is a pricelist in euros, in a company that keeps its books in dollars.
func (h *house) euroPrices() int64 {
	h.t.Helper()
	return h.create("product.pricelist", map[string]any{"name": "Euro " + randomHex(), "currency_id": h.euro()})
}

// TestKitIsForAPerson is where a line is delivered as other products.
func TestKitIsForAPerson(t *testing.T) {
	h := newHouse(t)
	if h.real {
		t.Skip("kits need Odoo's module mrp, which the test's Odoo does not have")
	}
	o := h.sell()
	r, id := h.claim(o)
	lamp := h.find("product.product", []any{[]any{"default_code", "=", "LAMP"}}, "name")[0]["id"]
	for _, m := range h.find("stock.move", []any{[]any{"picking_id", "=", r.Picking}}, "state") {
		h.write("stock.move", m["id"].(int64), map[string]any{"product_id": lamp})
	}
	h.deliver(r.Picking, 0)
	b := h.billable(r, id)
	blocked(t, b, "a kit", "by hand")
	if len(b.Goods) > 0 {
		t.Errorf("%+v", b.Goods)
	}
}
