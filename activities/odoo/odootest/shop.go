// Package odootest is what tests and the demo need of Odoo: a shop that sells through any Odoo, a stand-in that
// speaks its wire protocol, and a proxy that loses replies.
package odootest

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"waybill/activities/odoo"
)

// Shop sells: it makes customers, products, orders and deliveries through an administrator's login, as a sales
// person and a warehouse would.
type Shop struct {
	Odoo     odoo.Caller
	products map[string]int64
	partners map[string]int64
	carriers map[string]int64
}

// NewShop opens a shop in an Odoo that Setup has prepared.
func NewShop(c odoo.Caller) *Shop {
	return &Shop{Odoo: c, products: map[string]int64{}, partners: map[string]int64{}, carriers: map[string]int64{}}
}

// Line is what an order asks for.
type Line struct {
	Product  string // internal reference
	Quantity int
	Price    float64        // as Odoo's API takes prices; the amounts that matter are compared as decimals
	With     map[string]any // further fields of the line, as Odoo names them
}

// Order is a confirmed order.
type Order struct {
	ID       int64
	Name     string
	Pickings []int64 // outgoing, as far as they exist
}

// Tax is the sales tax of the shop's products.
type Tax struct {
	Percent float64 // as Odoo's API has it
	PerLine bool    // rounded on each line of an invoice; otherwise once for the invoice
}

// Tax reads the tax that a new product gets in the administrator's company, the first there is.
func (s *Shop) Tax(ctx context.Context) (t Tax, err error) {
	v, err := s.Odoo.Call(ctx, "res.company", "search_read", []any{[]any{[]any{"id", "=", 1}}}, map[string]any{"fields": []string{"account_sale_tax_id", "tax_calculation_rounding_method"}})
	if err != nil {
		return t, err
	}
	var tax any
	for _, r := range rows(v) {
		t.PerLine = r["tax_calculation_rounding_method"] == "round_per_line"
		if id, _ := r["account_sale_tax_id"].([]any); len(id) > 0 {
			tax = id[0]
		}
	}
	v, err = s.Odoo.Call(ctx, "account.tax", "search_read", []any{[]any{[]any{"id", "=", tax}}}, map[string]any{"fields": []string{"amount"}})
	for _, r := range rows(v) {
		t.Percent, _ = r["amount"].(float64)
		return t, err
	}
	return t, errors.Join(errors.New("the company has no sales tax"), err)
}

// Customer makes a customer with a code, in the United States.
func (s *Shop) Customer(ctx context.Context, code, postcode string) (int64, error) {
	return once(s.partners, code, func() (int64, error) {
		country, err := s.find(ctx, "res.country", "code", "US")
		if err != nil {
			return 0, err
		}
		if id, err := s.find(ctx, "res.partner", "ref", code); err != nil || id != 0 {
			return id, err
		}
		return s.create(ctx, "res.partner", map[string]any{"name": "Customer " + code, "ref": code, "zip": postcode, "country_id": country, "is_company": true})
	})
}

func once(known map[string]int64, key string, make func() (int64, error)) (int64, error) {
	if id, ok := known[key]; ok {
		return id, nil
	}
	id, err := make()
	if err == nil {
		known[key] = id
	}
	return id, err
}

// Product makes a product that is delivered.
func (s *Shop) Product(ctx context.Context, code string, kilos float64) (int64, error) {
	return once(s.products, code, func() (int64, error) {
		if id, err := s.find(ctx, "product.product", "default_code", code); err != nil || id != 0 {
			return id, err
		}
		return s.create(ctx, "product.product", map[string]any{"name": "Product " + code, "default_code": code, "type": "consu", "weight": kilos, "list_price": 1.0, "invoice_policy": "delivery"})
	})
}

// Carrier makes a delivery method whose product's internal reference is the carrier's code.
func (s *Shop) Carrier(ctx context.Context, code string) (carrier, product int64, err error) {
	product, err = once(s.products, code, func() (int64, error) {
		if id, err := s.find(ctx, "product.product", "default_code", code); err != nil || id != 0 {
			return id, err
		}
		return s.create(ctx, "product.product", map[string]any{"name": "Freight by " + code, "default_code": code, "type": "service", "list_price": 0.0, "invoice_policy": "order"})
	})
	if err != nil {
		return 0, 0, err
	}
	carrier, err = once(s.carriers, code, func() (int64, error) {
		if id, err := s.find(ctx, "delivery.carrier", "name", "Freight by "+code); err != nil || id != 0 {
			return id, err
		}
		return s.create(ctx, "delivery.carrier", map[string]any{"name": "Freight by " + code, "product_id": product, "delivery_type": "fixed"})
	})
	return carrier, product, err
}

// Sell makes an order with a delivery method, and confirms it.
func (s *Shop) Sell(ctx context.Context, customer, carrier int64, carrierProduct int64, lines ...Line) (Order, error) {
	return s.SellWith(ctx, nil, customer, carrier, carrierProduct, lines...)
}

// SellWith is Sell with further fields of the order, as Odoo names them.
func (s *Shop) SellWith(ctx context.Context, with map[string]any, customer, carrier int64, carrierProduct int64, lines ...Line) (Order, error) {
	var ls []any
	for _, l := range lines {
		line := map[string]any{"product_id": s.products[l.Product], "product_uom_qty": l.Quantity, "price_unit": l.Price}
		maps.Copy(line, l.With)
		ls = append(ls, []any{0, 0, line})
	}
	values := map[string]any{"partner_id": customer}
	maps.Copy(values, with)
	if carrier != 0 {
		values["carrier_id"] = carrier
		ls = append(ls, []any{0, 0, map[string]any{"product_id": carrierProduct, "product_uom_qty": 1, "price_unit": 0.0, "is_delivery": true}})
	}
	values["order_line"] = ls
	id, err := s.create(ctx, "sale.order", values)
	if err != nil {
		return Order{}, err
	}
	about := map[string]any{}
	if company, ok := with["company_id"]; ok {
		about["context"] = map[string]any{"allowed_company_ids": []any{company}}
	}
	if _, err := s.Odoo.Call(ctx, "sale.order", "action_confirm", []any{[]int64{id}}, about); err != nil {
		return Order{}, err
	}
	return s.Order(ctx, id)
}

// Order reads an order and its outgoing deliveries.
func (s *Shop) Order(ctx context.Context, id int64) (Order, error) {
	o := Order{ID: id}
	v, err := s.Odoo.Call(ctx, "sale.order", "search_read", []any{[]any{[]any{"id", "=", id}}}, map[string]any{"fields": []string{"name"}})
	if err != nil {
		return o, err
	}
	for _, r := range rows(v) {
		o.Name, _ = r["name"].(string)
	}
	v, err = s.Odoo.Call(ctx, "stock.picking", "search_read", []any{[]any{[]any{"sale_id", "=", id}, []any{"picking_type_code", "=", "outgoing"}}}, map[string]any{"fields": []string{"name"}, "order": "id"})
	for _, r := range rows(v) {
		n, _ := r["id"].(int64)
		o.Pickings = append(o.Pickings, n)
	}
	return o, err
}

// Deliver validates a delivery: of each move so many pieces, or all for 0. What is left becomes a backorder.
func (s *Shop) Deliver(ctx context.Context, picking int64, pieces int) error {
	v, err := s.Odoo.Call(ctx, "stock.move", "search_read", []any{[]any{[]any{"picking_id", "=", picking}}}, map[string]any{"fields": []string{"product_uom_qty"}})
	if err != nil {
		return err
	}
	for _, r := range rows(v) {
		var quantity any = r["product_uom_qty"]
		if pieces > 0 {
			quantity = pieces
		}
		id, _ := r["id"].(int64)
		if _, err := s.Odoo.Call(ctx, "stock.move", "write", []any{[]int64{id}, map[string]any{"quantity": quantity, "picked": true}}, nil); err != nil {
			return err
		}
	}
	done, err := s.Odoo.Call(ctx, "stock.picking", "button_validate", []any{[]int64{picking}}, map[string]any{"context": map[string]any{"skip_backorder": true, "skip_sms": true}})
	if err == nil && done != true {
		return fmt.Errorf("delivery %d was not validated: Odoo asks %v", picking, done)
	}
	return err
}

// Cancel cancels an order.
func (s *Shop) Cancel(ctx context.Context, order int64) error {
	_, err := s.Odoo.Call(ctx, "sale.order", "action_cancel", []any{[]int64{order}}, nil)
	return err
}

// Pay registers the payment of what is open of a posted invoice, as the bank's statement would.
func (s *Shop) Pay(ctx context.Context, move int64) error { return s.pay(ctx, move, map[string]any{}) }

// PayPart registers the payment of a part of it, in the invoice's currency.
func (s *Shop) PayPart(ctx context.Context, move int64, amount float64) error {
	return s.pay(ctx, move, map[string]any{"amount": amount})
}

func (s *Shop) pay(ctx context.Context, move int64, with map[string]any) error {
	about := map[string]any{"context": map[string]any{"active_model": "account.move", "active_ids": []any{move}, "dont_redirect_to_payments": true}}
	v, err := s.Odoo.Call(ctx, "account.payment.register", "create", []any{with}, about)
	if err != nil {
		return err
	}
	_, err = s.Odoo.Call(ctx, "account.payment.register", "action_create_payments", []any{[]any{v}}, about)
	return err
}

func (s *Shop) find(ctx context.Context, model, field, value string) (int64, error) {
	v, err := s.Odoo.Call(ctx, model, "search_read", []any{[]any{[]any{field, "=", value}}}, map[string]any{"fields": []string{"id"}, "limit": 1})
	for _, r := range rows(v) {
		id, _ := r["id"].(int64)
		return id, err
	}
	return 0, err
}

func (s *Shop) create(ctx context.Context, model string, values map[string]any) (int64, error) {
	v, err := s.Odoo.Call(ctx, model, "create", []any{values}, nil)
	id, _ := v.(int64)
	return id, err
}

func rows(v any) (rs []map[string]any) {
	vs, _ := v.([]any)
	for _, v := range vs {
		if m, ok := v.(map[string]any); ok {
			rs = append(rs, m)
		}
	}
	return rs
}
