package odoo

import (
	"context"
	"fmt"
	"strconv"
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

const (
	timeForm = "2006-01-02 15:04:05"
	dateForm = "2006-01-02"
)

func odooTime(t time.Time) any {
	if t.IsZero() {
		return false
	}
	return t.UTC().Format(timeForm)
}

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
	v, err := c.Call(ctx, model, "web_search_read", []any{[]any{[]any{"id", "=", id}}, map[string]any(s)}, nil)
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

// loaded is the answer of load: the ids, or why there are none.
type loaded struct {
	ids     []int64
	message string
}

// load creates records under external ids, or finds those that exist and writes nothing.
func load(ctx context.Context, c Caller, model string, columns []string, rows [][]any) (loaded, error) {
	v, err := c.Call(ctx, model, "load", []any{columns, rows}, map[string]any{"context": map[string]any{"mode": "update", "noupdate": true, "tracking_disable": true}})
	if err != nil {
		return loaded{}, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return loaded{}, fmt.Errorf("%w: want the answer of load, have %T", errGarbled, v)
	}
	l := loaded{ids: rec(m).ids("ids")}
	for _, msg := range rec(m).list("messages") {
		l.message += msg.str("message") + " "
	}
	if len(l.ids) == 0 && l.message == "" {
		l.message = "load created nothing"
	}
	return l, nil
}
