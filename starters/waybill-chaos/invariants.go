package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"go.temporal.io/api/workflowservice/v1"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

// What is checked, and where. The store is read with SQL of its own, Odoo through its own API as its administrator:
// no code that could be wrong is asked whether it was right. What must be is in the plans and the oracle; a story is asked
// for its journey, and that is compared with the plan.
//
//	I1  every delivery the bridge took is in the inbox once, and read or kept with a reason
//	I2  no event was taken for two: each shipment's scans are numbered without gaps or repeats
//	I3  each billable shipment has one posted invoice in Odoo, and all of it is right: customer, currency, order, each line
//	    with its product, quantity, price, tax and the line of the order it bills, net, tax and total to the cent; and it is paid
//	I4  nothing was posted without a validation that is older and names the hash of its lines. The hash on the invoice is
//	    the product's own word: that the lines under it are the right ones, I3 says, which reads them
//	I5  no draft or posted invoice in Odoo is nobody's, whether it says that it is a shipment's or not
//	I6  a delivery that must be refused is nowhere in the inbox, and one that was not answered is there at most once
//	I7  every audit trail verifies, and who ruled on a dispute is an approver
//	I8  everything came to rest: nothing waits, no workflow has failed
//	I9  a shipment's journey is what its partners said, in whatever order they said it, and its delivery in Odoo shows the
//	    status and the state of the invoice that the plan ends in

func (w *world) sqlite() bool { return !strings.HasPrefix(w.o.store, "postgres") }

// database opens the store past our own code.
func (w *world) database() (*sql.DB, error) {
	if w.sqlite() {
		return sql.Open("sqlite", "file:"+w.storeFile()+"?_pragma=busy_timeout(10000)")
	}
	return sql.Open("pgx", w.o.store)
}

// drain waits until nothing is on its way any more.
func (w *world) drain(ctx context.Context) error {
	db, err := w.database()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var waiting [2]int
	err = w.h.Await(ctx, "the backlog drains", 2*time.Minute, func() (bool, error) {
		for i, q := range []string{`SELECT count(*) FROM inbox WHERE state = 'pending'`, `SELECT count(*) FROM scans WHERE state = 'matched'`} {
			if err := db.QueryRowContext(ctx, q).Scan(&waiting[i]); err != nil {
				return false, nil
			}
		}
		return waiting == [2]int{}, ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%w: %d deliveries unread, %d scans unsent", err, waiting[0], waiting[1])
	}
	return nil
}

// check checks every invariant.
func (w *world) check(ctx context.Context) {
	db, err := w.database()
	if err != nil {
		w.violated("check", err.Error())
		return
	}
	defer func() { _ = db.Close() }()
	for _, c := range []struct {
		name string
		do   func(context.Context, *sql.DB) (checked int, err error)
	}{
		{"I1 I6 deliveries", w.checkInbox}, {"I2 scans", w.checkScans}, {"I3 invoices", w.checkLedger}, {"I4 I5 postings", w.checkPostings},
		{"I7 audit", w.checkAudit}, {"I8 convergence", w.checkWorkflows}, {"I9 journeys", w.checkJourneys},
	} {
		n, err := c.do(ctx, db)
		w.verdict.Checked[c.name] = n
		if err != nil {
			w.violated(c.name, "cannot be checked: "+err.Error())
		}
	}
}

// rows runs a query and reads every row into a T.
func rows[T any](ctx context.Context, db *sql.DB, query string, scan func(*sql.Rows, *T) error) (out []T, err error) {
	rs, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rs.Close() }()
	for rs.Next() {
		var t T
		if err := scan(rs, &t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rs.Err()
}

type inboxRow struct {
	source, id, state, reason string
}

func (w *world) checkInbox(ctx context.Context, db *sql.DB) (int, error) {
	have, err := rows(ctx, db, `SELECT source, delivery_id, state, reason FROM inbox`, func(r *sql.Rows, t *inboxRow) error { return r.Scan(&t.source, &t.id, &t.state, &t.reason) })
	if err != nil {
		return 0, err
	}
	count, state := map[string]int{}, map[string]inboxRow{}
	for _, r := range have {
		key := r.source + "/" + r.id
		count[key]++
		state[key] = r
	}
	for _, d := range w.deliveries {
		key := d.Source + "/" + d.ID
		switch r := state[key]; {
		case d.Refuse && count[key] > 0:
			w.violated("I6", fmt.Sprintf("delivery %s had to be refused, was answered %d, and is in the inbox", key, d.Code))
		case d.Accepted && count[key] != 1:
			w.violated("I1", fmt.Sprintf("delivery %s was taken, and is in the inbox %d times", key, count[key]))
		case count[key] > 1:
			w.violated("I6", fmt.Sprintf("delivery %s is in the inbox %d times", key, count[key]))
		case d.Accepted && r.state != "done" && (r.state != "dead" || r.reason == ""):
			w.violated("I1", fmt.Sprintf("delivery %s was taken, and is %s", key, r.state))
		}
	}
	return len(w.deliveries), nil
}

type scanRow struct {
	shipment, state string
	number          int64
}

func (w *world) checkScans(ctx context.Context, db *sql.DB) (int, error) {
	scans, err := rows(ctx, db, `SELECT shipment, state, number FROM scans WHERE shipment <> '' ORDER BY shipment, number`, func(r *sql.Rows, t *scanRow) error { return r.Scan(&t.shipment, &t.state, &t.number) })
	if err != nil {
		return 0, err
	}
	last, count := map[string]int64{}, map[string]int{}
	for _, c := range scans {
		gap := c.number != last[c.shipment]+1 && !w.restored // what a restored store learned again has no number
		if gap || c.number > 0 && c.number == last[c.shipment] {
			w.violated("I2", fmt.Sprintf("scan %d of %s follows %d", c.number, c.shipment, last[c.shipment]))
		}
		last[c.shipment] = c.number
		count[c.shipment]++
		if c.state != "sent" && c.state != "late" {
			w.violated("I1", fmt.Sprintf("scan %d of %s is %s", c.number, c.shipment, c.state))
		}
	}
	for _, p := range w.s.Plans {
		if p.ID == "" {
			w.violated("I8", "a shipment was never sold")
			continue
		}
		if n := count[string(p.ID)]; n != p.Distinct() {
			w.violated("I2", fmt.Sprintf("%s has %d scans, its partners said %d different things", p.ID, n, p.Distinct()))
		}
	}
	return len(scans), nil
}

func (w *world) checkLedger(ctx context.Context, _ *sql.DB) (int, error) {
	l, err := w.s.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	w.verdict.Ledger = l
	for _, m := range l.Mismatches {
		w.violated("I3", m)
	}
	if l.Lost > 0 {
		w.violated("I1", fmt.Sprintf("%d events lost", l.Lost))
	}
	if l.Doubled > 0 {
		w.violated("I2", fmt.Sprintf("%d events taken for two", l.Doubled))
	}
	return l.InvoicesPosted, nil
}

// trail is a shipment's audit trail as the database has it.
type trailRow struct {
	shipment, entry, hash string
	n                     int64
}

func (w *world) trails(ctx context.Context, db *sql.DB) (map[string][]trailRow, error) {
	all, err := rows(ctx, db, `SELECT shipment, n, entry, hash FROM audit ORDER BY shipment, n`, func(r *sql.Rows, t *trailRow) error { return r.Scan(&t.shipment, &t.n, &t.entry, &t.hash) })
	trails := map[string][]trailRow{}
	for _, r := range all {
		trails[r.shipment] = append(trails[r.shipment], r)
	}
	return trails, err
}

// move is an invoice or a credit note in Odoo.
type move struct {
	id                                  int64
	name, state, shipment, origin, hash string
}

// moves finds all that could be money of this run: in a stand-in whatever there is, in an Odoo that lasts what says that
// it is a shipment's, and what bills one of the run's orders without saying so.
func (w *world) moves(ctx context.Context) (ms []move, err error) {
	domain := []any{[]any{"move_type", "in", []any{"out_invoice", "out_refund"}}}
	if w.h.Real {
		var orders []any
		for _, p := range w.s.Plans {
			orders = append(orders, p.Order())
		}
		domain = append(domain, "|", []any{"x_waybill_shipment", "!=", false}, []any{"invoice_origin", "in", orders})
	}
	v, err := w.h.Odoo.Call(ctx, "account.move", "search_read", []any{domain}, map[string]any{"fields": []string{"x_waybill_shipment", "x_waybill_lines_hash", "state", "name", "invoice_origin"}})
	found, _ := v.([]any)
	for _, f := range found {
		r, _ := f.(map[string]any)
		text := func(field string) string { s, _ := r[field].(string); return s }
		id, _ := r["id"].(int64)
		ms = append(ms, move{id, text("name"), text("state"), text("x_waybill_shipment"), text("invoice_origin"), text("x_waybill_lines_hash")})
	}
	return ms, err
}

// checkPostings compares what Odoo has with the validations in the audit trails.
func (w *world) checkPostings(ctx context.Context, db *sql.DB) (int, error) {
	moves, err := w.moves(ctx)
	if err != nil {
		return 0, err
	}
	trails, err := w.trails(ctx, db)
	if err != nil {
		return 0, err
	}
	orders := map[string]string{}
	for _, p := range w.s.Plans {
		orders[string(p.ID)] = p.Order()
	}
	for _, m := range moves {
		if why := m.nobodys(orders, w.h.Real); why != "" {
			w.violated("I5", why)
		} else if orders[m.shipment] != "" && m.state == "posted" && !validatedBefore(trails[m.shipment], m.hash) && !w.validationLost(ctx, trails[m.shipment], m.shipment, m.hash) {
			w.violated("I4", fmt.Sprintf("%s of %s was posted without an earlier validation of its lines %.8s", m.name, m.shipment, m.hash))
		}
	}
	return len(moves), nil
}

// nobodys says why an invoice is nobody's, by the run's orders of each shipment: none of its shipments has posted it, or
// it is a draft that was left. "" for one that is somebody's, or an earlier run's in an Odoo that lasts.
func (m move) nobodys(orders map[string]string, lasts bool) string {
	_, ours := orders[m.shipment]
	ours = ours && m.shipment != ""
	ordered := m.origin != "" && slices.Contains(slices.Collect(maps.Values(orders)), m.origin)
	switch {
	case m.state == "cancel", !ours && !ordered && lasts:
		return ""
	case m.shipment == "":
		return fmt.Sprintf("invoice %s (id %d, %s) bills order %q, and says of no shipment", m.name, m.id, m.state, m.origin)
	case !ours:
		return fmt.Sprintf("invoice %s (id %d, %s) is of shipment %s, which nobody sent", m.name, m.id, m.state, m.shipment)
	case m.state == "draft":
		return fmt.Sprintf("a draft (id %d) of %s is left", m.id, m.shipment)
	}
	return ""
}

// validationLost reports whether the entry of a posting's validation went with a lost store, while the story itself
// still has it.
func (w *world) validationLost(ctx context.Context, trail []trailRow, id, hash string) bool {
	lost := slices.ContainsFunc(trail, func(r trailRow) bool {
		return strings.Contains(r.entry, fmt.Sprintf("%q:%q", "kind", freight.AuditLost))
	})
	if !w.restored || !lost {
		return false
	}
	st, err := w.s.State(ctx, freight.ShipmentID(id))
	return err == nil && st.Validation != nil && st.Validation.LinesHash == hash
}

// validatedBefore reports whether the trail has a validation of these lines, and then the posting.
func validatedBefore(trail []trailRow, hash string) bool {
	validated := false
	for _, r := range trail {
		var e freight.AuditEntry
		if json.Unmarshal([]byte(r.entry), &e) != nil {
			return false
		}
		switch e.Kind {
		case freight.AuditValidated:
			validated = hash != "" && strings.Contains(e.Detail, hash)
		case freight.AuditPosted:
			return validated
		}
	}
	return false
}

// chained is the hash of an entry that follows another; a chain begins with its shipment's id.
func chained(previous, entry string) string {
	sum := sha256.Sum256([]byte(previous + "\n" + entry))
	return hex.EncodeToString(sum[:])
}

// checkAudit follows every chain by itself.
func (w *world) checkAudit(ctx context.Context, db *sql.DB) (n int, err error) {
	trails, err := w.trails(ctx, db)
	for id, trail := range trails {
		hash := chained("", id)
		for i, r := range trail {
			hash = chained(hash, r.entry)
			if r.n != int64(i+1) || r.hash != hash {
				w.violated("I7", fmt.Sprintf("the audit trail of %s is broken at entry %d", id, i+1))
				break
			}
			var e freight.AuditEntry
			if json.Unmarshal([]byte(r.entry), &e) == nil && e.Kind == freight.AuditRuled && e.Actor != "ann" {
				w.violated("I7", fmt.Sprintf("a dispute of %s was ruled on by %q", id, e.Actor))
			}
			n++
		}
	}
	for _, p := range w.s.Plans {
		if len(trails[string(p.ID)]) == 0 {
			w.violated("I7", fmt.Sprintf("%s has no audit trail", p.ID))
		}
	}
	return n, err
}

func (w *world) checkWorkflows(ctx context.Context, _ *sql.DB) (int, error) {
	for _, q := range []string{"ExecutionStatus = 'Failed'", "ExecutionStatus = 'TimedOut'", "ExecutionStatus = 'Terminated'", "ExecutionStatus = 'Running'"} {
		var n int64
		err := w.h.Await(ctx, q, 20*time.Second, func() (bool, error) { // the list lags
			c, err := w.h.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: q + " AND WorkflowType IN ('Shipment', 'Dispute') AND StartTime > '" + w.s.Began().UTC().Format(time.RFC3339) + "'"})
			n = c.GetCount()
			return err == nil && n == 0, nil
		})
		if err != nil {
			w.violated("I8", fmt.Sprintf("%d workflows with %s", n, q))
		}
	}
	return len(w.s.Plans), nil
}

// checkJourneys compares each shipment's marks with what its partners said, in order of occurrence, and what customer
// service reads on its delivery with what the plan ends in.
func (w *world) checkJourneys(ctx context.Context, _ *sql.DB) (n int, err error) {
	for _, p := range w.s.Plans {
		if p.ID == "" {
			continue
		}
		if p.Situation != script.Cancelled {
			if err := w.checkMarks(ctx, p); err != nil {
				return n, err
			}
		}
		if err := w.checkShown(ctx, p); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (w *world) checkMarks(ctx context.Context, p *script.Plan) error {
	st, err := w.s.State(ctx, p.ID)
	if err != nil {
		return err
	}
	var have []string
	for _, m := range st.Journey.Marks {
		have = append(have, fmt.Sprintf("%s %s", m.Milestone, m.At.UTC().Format(time.RFC3339)))
	}
	want := p.Marks()
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		w.violated("I9", fmt.Sprintf("%s has %v, its partners said %v", p.ID, have, want))
	}
	return nil
}

func (w *world) checkShown(ctx context.Context, p *script.Plan) error {
	v, err := w.h.Odoo.Call(ctx, "stock.picking", "search_read", []any{[]any{[]any{"id", "=", p.Delivery()}}}, map[string]any{"fields": []string{"x_waybill_status", "x_waybill_invoice_state", "x_waybill_revision"}})
	if err != nil {
		return err
	}
	found, _ := v.([]any)
	if len(found) != 1 {
		return fmt.Errorf("delivery %d is not in Odoo", p.Delivery())
	}
	shown, _ := found[0].(map[string]any)
	if status, invoice := p.Shown(); shown["x_waybill_status"] != string(status) || shown["x_waybill_invoice_state"] != string(invoice) {
		w.violated("I9", fmt.Sprintf("Odoo shows %s as %v, %v (revision %v); it ended in %s, %s", p.ID, shown["x_waybill_status"], shown["x_waybill_invoice_state"], shown["x_waybill_revision"], status, invoice))
	}
	return nil
}
