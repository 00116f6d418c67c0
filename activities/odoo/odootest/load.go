package odootest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
		values[strings.TrimSuffix(strings.TrimSuffix(name, "/.id"), "/id")] = first[i+1]
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
func (s *StandIn) loadMove(args []any, kw row) (any, error) {
	columns, rows := ids(args[0]), ids(args[1])
	first, _ := rows[0].([]any)
	key, _ := first[0].(string)
	if err := s.db.allowed("account.move", "create"); err != nil {
		return loadMessage(err.Error()), nil
	}
	if x, ok := s.db.external[key]; ok {
		return s.db.reload(x.id, kw)
	}
	if s.loading[key] {
		return loadMessage("could not serialize access due to concurrent update\n"), nil
	}
	s.loading[key] = true
	defer delete(s.loading, key)
	user := s.db.user
	s.mu.Unlock()
	time.Sleep(max(s.Latency, time.Millisecond)) // the transaction's time, in which a competitor loses
	s.mu.Lock()
	s.db.user = user
	return s.db.newMove(key, columns, rows, kw)
}

// reload is load of an invoice that is there: asked not to update it, it writes nothing. Otherwise Odoo overwrites it,
// adds its lines a second time, and refuses one that is posted.
func (db *database) reload(id int64, kw row) (any, error) {
	about, _ := kw["context"].(row)
	move := db.row("account.move", id)
	switch {
	case about["mode"] == "update" && about["noupdate"] == true:
	case move["state"] == "posted":
		return loadMessage("You cannot modify the following readonly fields on a posted move: invoice_line_ids"), nil
	default:
		for _, l := range db.rowsOf("account.move", move, "invoice_line_ids") {
			line := cloneRow(l)
			delete(line, "id")
			line["sale_line_ids"], line["tax_ids"] = setOf(ids(l["sale_line_ids"])), setOf(ids(l["tax_ids"]))
			db.mustInsert("account.move.line", line)
		}
	}
	return loadAnswer(id), nil
}

func (db *database) newMove(key string, columns, rows []any, kw row) (any, error) {
	head, lines := row{}, []any{}
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
		line["sale_line_ids"] = setOf(ids(line["sale_line_ids"]))
		lines = append(lines, []any{int64(0), int64(0), line})
	}
	head["invoice_line_ids"] = lines
	if why := db.unloadable(head, kw); why != "" {
		return loadMessage(why), nil
	}
	db.moveDefaults(head)
	id, err := db.insert("account.move", head)
	if err != nil {
		return nil, err
	}
	db.external[key] = external{"account.move", id}
	return loadAnswer(id), nil
}

// unloadable is why load would make nothing.
func (db *database) unloadable(head row, kw row) string {
	about, _ := kw["context"].(row)
	for _, company := range append(ids(about["allowed_company_ids"]), head["company_id"]) {
		if company != nil && !slices.Contains(ids(db.row("res.users", db.user)["company_ids"]), company) {
			return "Access to unauthorized or invalid companies."
		}
	}
	if db.row("res.partner", head["partner_id"]) == nil {
		return fmt.Sprintf("No matching record found for database id '%v' in field 'Partner'", head["partner_id"])
	}
	for _, c := range ids(head["invoice_line_ids"]) {
		line, _ := ids(c)[2].(row)
		if db.row("product.product", line["product_id"]) == nil {
			return fmt.Sprintf("No matching record found for database id '%v' in field 'Product'", line["product_id"])
		}
	}
	return ""
}

// moveDefaults are what Odoo decides where it is not told: company and currency of the user, not of the order.
func (db *database) moveDefaults(head row) {
	if head["company_id"] == nil {
		head["company_id"] = db.row("res.users", db.user)["company_id"]
	}
	company := db.row("res.company", head["company_id"])
	if head["currency_id"] == nil {
		head["currency_id"] = company["currency_id"]
	}
	if head["journal_id"] == nil {
		head["journal_id"] = db.where("account.journal", func(j row) bool { return j["company_id"] == company["id"] && j["type"] == "sale" })[0]
	}
	head["state"], head["name"], head["payment_state"], head["date"] = "draft", false, "not_paid", head["invoice_date"]
	for _, c := range ids(head["invoice_line_ids"]) {
		cmd := ids(c)
		line, _ := cmd[2].(row)
		product := db.row("product.product", line["product_id"])
		if line["product_uom_id"] == nil {
			line["product_uom_id"] = product["uom_id"]
		}
		if line["tax_ids"] == nil {
			line["tax_ids"] = setOf(db.productTaxes(product, company["id"], head["fiscal_position_id"]))
		}
	}
}

// defaultTaxes are the sales taxes of all companies, which a new product gets.
func (db *database) defaultTaxes() (taxes []any) {
	for _, id := range db.where("res.company", func(row) bool { return true }) {
		if t := db.row("res.company", id)["account_sale_tax_id"]; t != nil && t != false {
			taxes = append(taxes, t)
		}
	}
	return taxes
}

// productTaxes are a product's taxes in a company, as a fiscal position makes them; one without taxes takes all away.
func (db *database) productTaxes(product row, company, position any) []any {
	taxes := []any{}
	into := db.where("account.tax", func(t row) bool { return slices.Contains(ids(t["fiscal_position_ids"]), position) })
	p := db.row("account.fiscal.position", position)
	if p != nil && len(into) == 0 {
		return taxes
	}
	for _, id := range ids(product["taxes_id"]) {
		if db.row("account.tax", id)["company_id"] != company {
			continue
		}
		replaced := false
		for _, n := range into {
			if slices.Contains(ids(db.row("account.tax", n)["original_tax_ids"]), id) {
				taxes, replaced = append(taxes, n), true
			}
		}
		if !replaced {
			taxes = append(taxes, id)
		}
	}
	return taxes
}

// cell reads a cell as load does: ids and numbers may come as text, and an empty cell is an explicit "none".
func cell(name string, v any) any {
	s, isText := v.(string)
	switch name {
	case "sale_line_ids":
		if isText && s == "" {
			return []any{}
		}
		return []any{integer(v)}
	case "quantity", "price_unit", "discount":
		return float(v)
	}
	switch {
	case isText && s == "":
		return false
	case isText && strings.HasSuffix(name, "_id"):
		return integer(v)
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
