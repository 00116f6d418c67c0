package odootest

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// row is one record. Relations hold ids: a many2one int64, the others []any of int64.
type row = map[string]any

type fault struct {
	code int
	text string
}

func (f fault) Error() string { return f.text }

func business(format string, args ...any) fault { return fault{2, fmt.Sprintf(format, args...)} }

func traceback(format string, args ...any) fault {
	return fault{1, "Traceback (most recent call last):\n  ...\n" + fmt.Sprintf(format, args...)}
}

// kinds of a field: a plain type, or a relation with the model it leads to.
type kind struct {
	plain    string // char, int, float, bool, date
	one      string // many2one to this model
	many     string // one2many or many2many to this model
	inverse  string // one2many: the many2one that leads back
	computed func(db *database, r row) any
	choices  []string
	uncopied bool
	digits   int32 // of a float, after which Odoo rounds; 0: all are kept
}

type table struct {
	fields map[string]kind
	rows   map[int64]row
	next   int64
	led    map[string]map[any][]int64 // by relation and the record it leads to: the rows that have ever led there
}

// lead notes that a relation of a row leads to records.
func (t *table) lead(relation string, id int64, to ...any) {
	if t.led == nil {
		t.led = map[string]map[any][]int64{}
	}
	if t.led[relation] == nil {
		t.led[relation] = map[any][]int64{}
	}
	for _, of := range to {
		t.led[relation][of] = append(t.led[relation][of], id)
	}
}

// leading lists the ids of the rows whose relation leads to a record, and that keep, in order.
func (db *database) leading(model, relation string, to any, keep func(row) bool) (out []any) {
	out = []any{}
	t := db.tables[model]
	for _, id := range slices.Compact(slices.Sorted(slices.Values(t.led[relation][to]))) {
		r, there := t.rows[id]
		if there && (r[relation] == to || slices.Contains(ids(r[relation]), to)) && keep(r) {
			out = append(out, id)
		}
	}
	return out
}

func all(row) bool { return true }

type database struct {
	tables   map[string]*table
	external map[string]external // external ids
	invoices int
	user     int64 // whose call is under way
}

type external struct {
	model string
	id    int64
}

func plain(names ...string) map[string]kind {
	fs := map[string]kind{
		"id": {plain: "int"}, "create_date": {plain: "char", uncopied: true}, "write_date": {plain: "char", uncopied: true}, "name": {plain: "char"},
		"create_uid": {one: "res.users", uncopied: true}, "write_uid": {one: "res.users", uncopied: true},
	}
	for _, n := range names {
		name, typ, _ := strings.Cut(n, ":")
		fs[name] = kind{plain: typ}
	}
	return fs
}

func (db *database) add(model string, fs map[string]kind) *table {
	t := &table{fields: fs, rows: map[int64]row{}}
	db.tables[model] = t
	return t
}

func (db *database) table(model string) (*table, error) {
	t, ok := db.tables[model]
	if !ok {
		return nil, business("Object %s doesn't exist", model)
	}
	return t, nil
}

// insert makes a record, and those its one2many commands ask for.
func (db *database) insert(model string, values row) (int64, error) {
	t, err := db.table(model)
	if err != nil {
		return 0, err
	}
	t.next++
	id := t.next
	t.rows[id] = row{"id": id, "create_date": now(), "write_date": now(), "create_uid": db.user}
	if err := db.update(model, id, values); err != nil {
		delete(t.rows, id)
		return 0, err
	}
	return id, nil
}

func (db *database) update(model string, id int64, values row) error {
	t := db.tables[model]
	r, ok := t.rows[id]
	if !ok {
		return business("Record does not exist or has been deleted.\n(Record: %s(%d,), User: 2)", model, id)
	}
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f, ok := t.fields[n]
		if !ok {
			return traceback("ValueError: Invalid field '%s' in '%s'", n, model)
		}
		if len(f.choices) > 0 && values[n] != false && !slices.Contains(f.choices, fmt.Sprint(values[n])) {
			return traceback("ValueError: Wrong value for %s.%s: '%v'", model, n, values[n])
		}
		if f.many == "" {
			r[n] = f.stored(values[n])
			if f.one != "" {
				t.lead(n, id, r[n])
			}
			continue
		}
		if err := db.command(id, n, f, r, values[n]); err != nil {
			return err
		}
		t.lead(n, id, ids(r[n])...)
	}
	r["write_date"], r["write_uid"] = now(), db.user
	return nil
}

// stored is a value as a column keeps it.
func (f kind) stored(v any) any {
	if n, isInt := v.(int64); isInt && f.plain == "float" {
		v = float64(n)
	}
	return rounded(v, f.digits)
}

// rounded is a float as a column with so many decimals keeps it.
func rounded(v any, digits int32) any {
	if _, isFloat := v.(float64); !isFloat || digits == 0 {
		return v
	}
	d := decimal(v)
	_, _ = arithmetic.Quantize(d, d, -digits)
	f, _ := d.Float64()
	return f
}

// command applies one2many and many2many commands.
func (db *database) command(id int64, name string, f kind, r row, v any) error {
	list, _ := v.([]any)
	for _, c := range list {
		cmd, ok := c.([]any)
		if ok && len(cmd) > 1 && cmd[0] == int64(4) {
			if !slices.Contains(ids(r[name]), cmd[1]) {
				r[name] = append(ids(r[name]), cmd[1])
			}
			continue
		}
		if !ok || len(cmd) < 2 || len(cmd) < 3 && cmd[0] != int64(2) {
			return traceback("ValueError: Wrong value for %s: %v", name, c)
		}
		switch cmd[0] {
		case int64(0):
			values, _ := cmd[2].(row)
			values = cloneRow(values)
			if f.inverse != "" {
				values[f.inverse] = id
			}
			child, err := db.insert(f.many, values)
			if err != nil {
				return err
			}
			if f.inverse == "" {
				r[name] = append(ids(r[name]), child)
			}
		case int64(1):
			values, _ := cmd[2].(row)
			child, _ := cmd[1].(int64)
			if err := db.update(f.many, child, values); err != nil {
				return err
			}
		case int64(2):
			child, _ := cmd[1].(int64)
			delete(db.tables[f.many].rows, child)
		case int64(6):
			r[name] = cmd[2]
		default:
			return traceback("ValueError: unsupported command %v", cmd[0])
		}
	}
	return nil
}

func cloneRow(r row) row {
	c := row{}
	for k, v := range r {
		c[k] = v
	}
	return c
}

func ids(v any) []any { l, _ := v.([]any); return l }

// get is a field's value: stored, related back, or computed.
func (db *database) get(model string, r row, name string) (any, error) {
	t := db.tables[model]
	f, ok := t.fields[name]
	switch {
	case name == "display_name":
		return db.label(model, r), nil
	case !ok:
		return nil, traceback("ValueError: Invalid field '%s' on model '%s'", name, model)
	case f.computed != nil:
		return f.computed(db, r), nil
	case f.inverse != "":
		return db.leading(f.many, f.inverse, r["id"], all), nil
	}
	if v, ok := r[name]; ok {
		return v, nil
	}
	switch {
	case f.many != "":
		return []any{}, nil
	case f.plain == "float":
		return 0.0, nil
	case f.plain == "int":
		return int64(0), nil
	}
	return false, nil
}

// where lists the ids of the rows that keep, in order.
func (db *database) where(model string, keep func(row) bool) (out []any) {
	out = []any{}
	t := db.tables[model]
	for id := int64(1); id <= t.next; id++ {
		if r, ok := t.rows[id]; ok && keep(r) {
			out = append(out, id)
		}
	}
	return out
}

func (db *database) row(model string, id any) row {
	n, _ := id.(int64)
	return db.tables[model].rows[n]
}

// rowsOf are the rows a relation leads to.
func (db *database) rowsOf(model string, r row, name string) (rs []row) {
	v, err := db.get(model, r, name)
	if err != nil {
		return nil
	}
	for _, id := range ids(v) {
		if c := db.row(db.tables[model].fields[name].many, id); c != nil {
			rs = append(rs, c)
		}
	}
	return rs
}

// search evaluates a domain: terms that must all hold, each a leaf or "|" before two.
func (db *database) search(model string, domain []any) ([]any, error) {
	t, err := db.table(model)
	if err != nil {
		return nil, err
	}
	_, archives := t.fields["active"]
	archives = archives && !mentions(domain, "active")
	var bad error
	keep := func(r row) bool {
		if archives && r["active"] == false {
			return false
		}
		for rest := domain; len(rest) > 0; {
			var ok bool
			var err error
			if ok, rest, err = db.first(model, r, rest); err != nil {
				bad = err
			}
			if !ok {
				return false
			}
		}
		return true
	}
	if id, one := named(domain); one { // without a look at thousands of others
		out := []any{}
		if r, there := t.rows[id]; there && keep(r) {
			out = append(out, id)
		}
		return out, bad
	}
	out := db.where(model, keep)
	return out, bad
}

// named is the id that a domain of one leaf asks for.
func named(domain []any) (id int64, ok bool) {
	if len(domain) != 1 {
		return 0, false
	}
	leaf := ids(domain[0])
	if len(leaf) != 3 || leaf[0] != "id" || leaf[1] != "=" {
		return 0, false
	}
	id, ok = leaf[2].(int64)
	return id, ok
}

// first evaluates the first term of a domain in Polish notation, and returns what follows it.
func (db *database) first(model string, r row, domain []any) (ok bool, rest []any, err error) {
	if len(domain) == 0 {
		return false, nil, traceback("ValueError: Invalid domain")
	}
	both, or := domain[0] == "&", domain[0] == "|"
	if !both && !or {
		ok, err = db.holds(model, r, domain[0])
		return ok, domain[1:], err
	}
	left, rest, err := db.first(model, r, domain[1:])
	if err != nil {
		return false, nil, err
	}
	right, rest, err := db.first(model, r, rest)
	return both && left && right || or && (left || right), rest, err
}

// mentions reports whether a domain asks for a field itself; archived records are found only so.
func mentions(domain []any, field string) bool {
	return slices.ContainsFunc(domain, func(term any) bool { t := ids(term); return len(t) == 3 && t[0] == field })
}

func (db *database) holds(model string, r row, term any) (bool, error) {
	t, ok := term.([]any)
	if !ok || len(t) != 3 {
		return false, traceback("ValueError: Invalid leaf %v", term)
	}
	path, _ := t[0].(string)
	name, rest, on := strings.Cut(path, ".")
	v, err := db.get(model, r, name)
	if err != nil {
		return false, err
	}
	if !on {
		return compare(v, t[1], t[2])
	}
	f, to := db.tables[model].fields[name], ids(v)
	if f.one != "" {
		to = []any{v}
	}
	for _, id := range to { // of several records one is enough
		led := db.row(f.one+f.many, id) // one of the two is ""
		if led == nil {
			continue
		}
		if ok, err := db.holds(f.one+f.many, led, []any{rest, t[1], t[2]}); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func compare(v, op, want any) (bool, error) {
	if list, many := v.([]any); many && want == false {
		v = len(list) > 0 // no records are false
	}
	switch op {
	case "=":
		return equal(v, want), nil
	case "!=":
		return !equal(v, want), nil
	case "in", "not in":
		found := slices.ContainsFunc(ids(want), func(w any) bool { return equal(v, w) })
		return found == (op == "in"), nil
	case ">=", ">", "<":
		c := order(v, want)
		return c > 0 && op != "<" || c == 0 && op == ">=" || c < 0 && op == "<", nil
	case "=like":
		prefix, _ := want.(string)
		s, _ := v.(string)
		return strings.HasPrefix(s, strings.TrimSuffix(prefix, "%")), nil
	}
	return false, traceback("ValueError: Invalid operator %v", op)
}

// order compares two numbers, or two dates as they are written.
func order(a, b any) int {
	n, isNumber := a.(int64)
	m, isToo := b.(int64)
	if isNumber && isToo {
		return cmp.Compare(n, m)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func equal(a, b any) bool {
	if b == false {
		return a == false || a == "" || a == nil || a == int64(0)
	}
	return a == b
}

// flat is a record as read and search_read answer it.
func (db *database) flat(model string, r row, names []any) (row, error) {
	out := row{"id": r["id"]}
	for _, n := range names {
		name, _ := n.(string)
		v, err := db.get(model, r, name)
		if err != nil {
			return nil, err
		}
		if to := db.tables[model].fields[name].one; to != "" {
			if c := db.row(to, v); c != nil {
				v = []any{c["id"], db.label(to, c)}
			} else {
				v = false
			}
		}
		out[name] = v
	}
	return out, nil
}

// label is what a record is called where another leads to it.
func (db *database) label(model string, r row) string {
	s, _ := r["name"].(string)
	if model == "account.move" && s == "" {
		return fmt.Sprintf("Draft Invoice (* %v)", r["id"])
	}
	return s
}

// nested is a record as web_search_read answers it, by a specification.
func (db *database) nested(model string, r row, specification row) (row, error) {
	if err := db.allowed(model, "read"); err != nil {
		return nil, err
	}
	out := row{"id": r["id"]}
	for name, s := range specification {
		v, err := db.get(model, r, name)
		if err != nil {
			return nil, err
		}
		wanted, _ := s.(row)
		sub, deep := wanted["fields"].(row)
		f := db.tables[model].fields[name]
		switch {
		case f.one != "" && deep:
			v, err = db.nestedOne(f.one, v, sub)
		case f.many != "" && deep:
			v, err = db.nestedMany(f.many, ids(v), sub)
		case f.one != "" && v == nil:
			v = false
		}
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (db *database) nestedOne(model string, id any, specification row) (any, error) {
	c := db.row(model, id)
	if c == nil {
		return false, nil
	}
	return db.nested(model, c, specification)
}

func (db *database) nestedMany(model string, of []any, specification row) (any, error) {
	out := []any{}
	for _, id := range of {
		r := db.row(model, id)
		if r == nil {
			continue
		}
		c, err := db.nested(model, r, specification)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
