package odoo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// rec is one record as Odoo sends it. Odoo sends false for whatever is empty; so do the getters' zero values.
type rec map[string]any

func (r rec) str(f string) string { s, _ := r[f].(string); return s }

func (r rec) flag(f string) bool { b, _ := r[f].(bool); return b }

// id is an integer, or the id of a many2one however it was asked for.
func (r rec) id(f string) int64 {
	switch v := r[f].(type) {
	case int64:
		return v
	case map[string]any:
		return rec(v).id("id")
	case []any:
		if len(v) > 0 {
			n, _ := v[0].(int64)
			return n
		}
	}
	return 0
}

// sub is a many2one asked for with fields.
func (r rec) sub(f string) rec { m, _ := r[f].(map[string]any); return rec(m) }

// list is a one2many or many2many asked for with fields.
func (r rec) list(f string) (rs []rec) {
	vs, _ := r[f].([]any)
	for _, v := range vs {
		if m, ok := v.(map[string]any); ok {
			rs = append(rs, rec(m))
		}
	}
	return rs
}

// ids is a one2many or many2many asked for without fields, or with.
func (r rec) ids(f string) (ns []int64) {
	vs, _ := r[f].([]any)
	for _, v := range vs {
		switch v := v.(type) {
		case int64:
			ns = append(ns, v)
		case map[string]any:
			ns = append(ns, rec(v).id("id"))
		}
	}
	return ns
}

// dec is a number as the decimal text Odoo sent: the shortest that is the same double.
func (r rec) dec(f string) string {
	switch v := r[f].(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return "0"
}

// money is a monetary field, rounded to the currency's decimals.
func (r rec) money(f, currency string) freight.Money {
	return freight.Money{Number: r.dec(f), Currency: currency}.Rounded()
}

// label is the name beside a many2one's id.
func label(v any) string {
	if vs, ok := v.([]any); ok && len(vs) > 1 {
		s, _ := vs[1].(string)
		return s
	}
	return ""
}

const (
	timeForm = "2006-01-02 15:04:05"
	dateForm = "2006-01-02"
)

// odooTime is a time as Odoo keeps it, or what clears the field.
func odooTime(t time.Time) any {
	if t.IsZero() {
		return false
	}
	return t.UTC().Format(timeForm)
}

// text is a text, or what clears the field.
func text(s string) any {
	if s == "" {
		return false
	}
	return s
}

// records reads a list of records out of an answer.
func records(v any) ([]rec, error) {
	vs, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: want records, have %T", errGarbled, v)
	}
	rs := make([]rec, len(vs))
	for i := range vs {
		m, ok := vs[i].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%w: want a record, have %T", errGarbled, vs[i])
		}
		rs[i] = m
	}
	return rs, nil
}

// spec is a nested specification: which fields of which relations one call brings.
type spec = map[string]any

// fields asks for plain fields; nested relations are added by name.
func fields(names ...string) spec {
	s := spec{}
	for _, n := range names {
		s[n] = map[string]any{}
	}
	return s
}

// with adds a relation and what is wanted of it.
func with(s spec, relation string, of spec) spec {
	s[relation] = map[string]any{"fields": map[string]any(of)}
	return s
}

// readOne brings one record with its relations in one call; ok is false where there is none.
func readOne(ctx context.Context, c Caller, model string, id int64, s spec) (r rec, ok bool, err error) {
	return readFirst(ctx, c, model, []any{[]any{"id", "=", id}}, s)
}

// readFirst reads the first record of a domain.
func readFirst(ctx context.Context, c Caller, model string, domain []any, s spec) (r rec, ok bool, err error) {
	v, err := c.Call(ctx, model, "web_search_read", []any{domain, map[string]any(s)}, map[string]any{"limit": 1})
	if err != nil {
		return nil, false, err
	}
	m, _ := v.(map[string]any)
	rs, err := records(m["records"])
	if err != nil || len(rs) == 0 {
		return nil, false, err
	}
	return rs[0], true, nil
}

func searchRead(ctx context.Context, c Caller, model string, domain []any, names []string, kw map[string]any) ([]rec, error) {
	if kw == nil {
		kw = map[string]any{}
	}
	kw["fields"] = names
	v, err := c.Call(ctx, model, "search_read", []any{domain}, kw)
	if err != nil {
		return nil, err
	}
	return records(v)
}

// sheet is what load takes: a row of the record, and a row for each further line of it.
type sheet struct {
	columns []string
	rows    [][]any
}

// put adds a column to the record. Odoo takes an empty cell for an explicit "none", so what Odoo is to decide must
// have no column at all.
func (s *sheet) put(column string, value any) {
	if len(s.rows) == 0 {
		s.rows = [][]any{nil}
	}
	s.columns = append(s.columns, column)
	s.rows[0] = append(s.rows[0], value)
}

// putID adds a many2one by its database id, and nothing for 0.
func (s *sheet) putID(column string, id int64) {
	if id != 0 {
		s.put(column+"/.id", id)
	}
}

// putText adds a text, and nothing for an empty one.
func (s *sheet) putText(column, text string) {
	if text != "" {
		s.put(column, text)
	}
}

// lines adds the columns and rows of a one2many.
func (s *sheet) lines(relation string, columns []string, rows [][]any) {
	head := len(s.columns)
	for _, c := range columns {
		s.columns = append(s.columns, relation+"/"+c)
	}
	for i, r := range rows {
		if i == len(s.rows) {
			s.rows = append(s.rows, slices.Repeat([]any{""}, head))
		}
		s.rows[i] = append(s.rows[i], r...)
	}
}

// load creates a record under the external id in the sheet's first column, or finds the one that is there and writes
// nothing. The id is unique in Odoo's own database, so of any number of callers one creates it. What it says
// instead is a *loadError.
func load(ctx context.Context, c Caller, model, what string, s sheet, about map[string]any) (int64, error) {
	about = maps.Clone(about)
	if about == nil {
		about = map[string]any{}
	}
	about["mode"], about["noupdate"], about["tracking_disable"] = "update", true, true
	v, err := c.Call(ctx, model, "load", []any{s.columns, s.rows}, map[string]any{"context": about})
	if err != nil {
		return 0, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return 0, fmt.Errorf("%w: want the answer of load, have %T", errGarbled, v)
	}
	if ids := rec(m).ids("ids"); len(ids) > 0 {
		return ids[0], nil
	}
	why := "nothing was created"
	if ms := rec(m).list("messages"); len(ms) > 0 {
		why = strings.TrimSpace(ms[0].str("message")) // the others repeat it, or follow from it
	}
	return 0, &loadError{what, why}
}
