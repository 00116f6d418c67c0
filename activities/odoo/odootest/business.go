package odootest

import (
	"fmt"
	"strings"
	"time"
)

// business runs the methods that change more than a record.
func (db *database) business(model, method string, args []any, kw row) (any, error) {
	of := ids(args[0])
	do := map[string]func(row) error{
		"sale.order.action_confirm":     db.confirm,
		"sale.order.action_cancel":      db.cancel,
		"account.move.action_post":      db.post,
		"stock.picking.button_validate": db.validate,
	}[model+"."+method]
	switch {
	case do != nil:
	case method == "action_create_payments":
		do = db.pay
	default:
		return nil, traceback("AttributeError: The method '%s.%s' does not exist", model, method)
	}
	for _, id := range of {
		r := db.row(model, id)
		if r == nil {
			return nil, business("Record does not exist or has been deleted.\n(Record: %s(%v,), User: 2)", model, id)
		}
		if err := do(r); err != nil {
			return nil, err
		}
	}
	return method != "action_post", nil
}

func (db *database) confirm(o row) error {
	if o["state"] != "draft" {
		return business("Some orders are not in a state requiring confirmation.")
	}
	o["state"] = "sale"
	var goods []row
	for _, l := range db.rowsOf("sale.order", o, "order_line") {
		if l["is_delivery"] != true {
			goods = append(goods, l)
		}
	}
	if len(goods) == 0 {
		return nil
	}
	picking := db.newPicking(o["id"], false)
	for _, l := range goods {
		db.mustInsert("stock.move", row{"picking_id": picking, "sale_line_id": l["id"], "product_id": l["product_id"], "product_uom_qty": l["product_uom_qty"], "quantity": l["product_uom_qty"], "state": "assigned"})
	}
	return nil
}

func (db *database) newPicking(order any, backorder any) int64 {
	o := db.row("sale.order", order)
	id, err := db.insert("stock.picking", row{
		"name": fmt.Sprintf("WH/OUT/%05d", db.tables["stock.picking"].next+1), "state": "assigned", "picking_type_code": "outgoing", "sale_id": order,
		"partner_id": o["partner_shipping_id"], "carrier_id": o["carrier_id"], "company_id": int64(1), "backorder_id": backorder,
	})
	if err != nil {
		panic(err)
	}
	return id
}

func (db *database) cancel(o row) error {
	o["state"] = "cancel"
	for _, p := range db.rowsOf("sale.order", o, "picking_ids") {
		if p["state"] == "done" {
			continue
		}
		p["state"] = "cancel"
		for _, m := range db.rowsOf("stock.picking", p, "move_ids") {
			m["state"] = "cancel"
		}
	}
	return nil
}

// validate completes a delivery; what was not picked becomes a backorder.
func (db *database) validate(p row) error {
	if p["state"] == "cancel" {
		return business("Trouble alert! The transfer is cancelled.")
	}
	if p["state"] == "done" {
		return nil
	}
	rest := map[any]float64{}
	moves := db.rowsOf("stock.picking", p, "move_ids")
	for _, m := range moves {
		done, asked := float(m["quantity"]), float(m["product_uom_qty"])
		m["state"] = "done"
		if done < asked {
			rest[m["id"]] = asked - done
			m["product_uom_qty"] = done
		}
	}
	p["state"] = "done"
	if len(rest) == 0 {
		return nil
	}
	picking := db.newPicking(p["sale_id"], p["id"])
	for _, m := range moves {
		if left := rest[m["id"]]; left > 0 {
			db.mustInsert("stock.move", row{"picking_id": picking, "sale_line_id": m["sale_line_id"], "product_id": m["product_id"], "product_uom_qty": left, "quantity": left, "state": "assigned"})
		}
	}
	return nil
}

func (db *database) post(m row) error {
	if m["state"] != "draft" {
		return business("The entry %v (id %v) must be in draft.", m["name"], m["id"])
	}
	if len(db.rowsOf("account.move", m, "invoice_line_ids")) == 0 {
		return business("Even magicians can't post nothing!")
	}
	if net, _ := totals(db, m); net.Negative {
		return business("You cannot validate an invoice with a negative total amount. You should create a credit note instead.")
	}
	db.invoices++
	m["name"] = fmt.Sprintf("INV/%d/%05d", time.Now().UTC().Year(), db.invoices)
	m["state"], m["payment_state"], m["date"] = "posted", "not_paid", m["invoice_date"]
	return nil
}

func (db *database) pay(register row) error {
	m := db.row("account.move", register["move"])
	if m == nil || m["state"] != "posted" {
		return business("You can only register payment for posted journal entries.")
	}
	m["payment_state"] = "paid"
	return nil
}

func loadAnswer(id int64) any {
	return row{"ids": []any{id}, "messages": []any{}, "nextrow": int64(0)}
}

func loadMessage(text string) any {
	return row{"ids": false, "messages": []any{row{"type": "error", "message": text}}, "nextrow": int64(0)}
}

// load makes one record under an external id, or answers the one that is there.
func (db *database) load(model string, args []any) (any, error) {
	columns, rows := ids(args[0]), ids(args[1])
	first, _ := rows[0].([]any)
	key, _ := first[0].(string)
	if x, ok := db.external[key]; ok {
		return loadAnswer(x.id), nil
	}
	values := row{}
	for i, c := range columns[1:] {
		name, _ := c.(string)
		values[strings.TrimSuffix(name, "/.id")] = first[i+1]
	}
	id, err := db.insert(model, values)
	if err != nil {
		return nil, err
	}
	db.external[key] = external{model, id}
	return loadAnswer(id), nil
}

// loadMove makes a draft invoice under an external id. As in Odoo, the loser of two transactions that make the
// same one is told so in a message.
func (s *StandIn) loadMove(args []any) (any, error) {
	columns, rows := ids(args[0]), ids(args[1])
	first, _ := rows[0].([]any)
	key, _ := first[0].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.db.external[key]; ok {
		return loadAnswer(x.id), nil
	}
	if s.loading[key] {
		return loadMessage("could not serialize access due to concurrent update\n"), nil
	}
	s.loading[key] = true
	defer delete(s.loading, key)
	s.mu.Unlock()
	time.Sleep(max(s.Latency, time.Millisecond)) // the transaction's time, in which a competitor loses
	s.mu.Lock()
	return s.db.newMove(key, columns, rows)
}

func (db *database) newMove(key string, columns, rows []any) (any, error) {
	head, lines := row{"state": "draft", "name": false, "payment_state": "not_paid"}, []any{}
	for i, r := range rows {
		cells, _ := r.([]any)
		line := row{}
		for j, c := range columns {
			name, _ := c.(string)
			name, inLine := strings.CutPrefix(name, "invoice_line_ids/")
			name = strings.TrimSuffix(name, "/.id")
			switch {
			case inLine:
				line[name] = cell(name, cells[j])
			case i == 0 && name != "id":
				head[name] = cell(name, cells[j])
			}
		}
		line["sale_line_ids"] = manyCommand(line["sale_line_ids"])
		if db.row("product.product", line["product_id"]) == nil {
			return loadMessage(fmt.Sprintf("No matching record found for database id '%v' in field 'Product'", line["product_id"])), nil
		}
		lines = append(lines, []any{int64(0), int64(0), line})
	}
	if db.row("res.partner", head["partner_id"]) == nil {
		return loadMessage(fmt.Sprintf("No matching record found for database id '%v' in field 'Partner'", head["partner_id"])), nil
	}
	head["invoice_line_ids"] = lines
	id, err := db.insert("account.move", head)
	if err != nil {
		return nil, err
	}
	db.external[key] = external{"account.move", id}
	return loadAnswer(id), nil
}

// cell reads a cell as load does: ids and numbers may come as text.
func cell(name string, v any) any {
	s, isText := v.(string)
	switch name {
	case "sale_line_ids":
		if isText && s == "" {
			return []any{}
		}
		return []any{integer(v)}
	case "partner_id", "partner_shipping_id", "product_id":
		return integer(v)
	case "quantity", "price_unit", "discount":
		return float(v)
	}
	if isText && s == "" {
		return false
	}
	return v
}

func integer(v any) int64 {
	if n, ok := v.(int64); ok {
		return n
	}
	var n int64
	_, _ = fmt.Sscan(fmt.Sprint(v), &n)
	return n
}

func manyCommand(v any) any { return []any{[]any{int64(6), int64(0), v}} }
