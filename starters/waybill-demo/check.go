package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"waybill/workflows/freight"
)

// result is what the demo writes as JSON.
type result struct {
	Seed             uint64            `json:"seed"`
	Shipments        int               `json:"shipments"`
	InvoicesPosted   int               `json:"invoices_posted"`
	Mismatches       []string          `json:"mismatches"`
	InvoicedTotal    map[string]string `json:"invoiced_total"` // by currency, without tax
	ExpectedTotal    map[string]string `json:"expected_total"`
	Lost             int               `json:"lost"`
	Duplicates       int               `json:"duplicates_dropped"`
	Disputes         disputes          `json:"disputes"`
	Exceptions       exceptions        `json:"exceptions"`
	Temporal         temporalFigures   `json:"temporal"`
	OdooCallsBurst   int               `json:"odoo_calls_clean_burst"`
	OdooRepliesLost  int               `json:"odoo_replies_lost"`
	StatusWhileDown  int               `json:"status_shown_while_billing_down"`
	Breakdown        map[string]figure `json:"breakdown_clean_spread"`
	BreakdownOfBurst map[string]figure `json:"breakdown_clean_burst"`
	Seconds          float64           `json:"seconds"`
	Odoo             string            `json:"odoo"`

	rows []table.Row
}

type disputes struct {
	Opened   int `json:"opened"`
	Approved int `json:"approved"`
	Rejected int `json:"rejected"`
}

type exceptions struct {
	Opened   int `json:"opened"`
	Resolved int `json:"resolved"`
}

type temporalFigures struct {
	ActionsSpread int `json:"actions_clean_spread"`
	ActionsBurst  int `json:"actions_clean_burst"`
	EventsSpread  int `json:"events_clean_spread"`
	BytesSpread   int `json:"history_bytes_clean_spread"`
}

// check reads every shipment's outcome in Odoo itself and compares it with the oracle.
func (h *house) check(ctx context.Context) (*result, error) {
	r := &result{Seed: h.o.seed, Shipments: len(h.plans), Mismatches: []string{}, Odoo: map[bool]string{true: "real", false: "stand-in"}[h.real]}
	var invoiced, expected int64
	for _, s := range h.plans {
		st, err := h.state(ctx, s)
		if err != nil {
			return nil, err
		}
		r.tally(st, s)
		posted, err := h.postedInOdoo(ctx, s)
		if err != nil {
			return nil, err
		}
		want := s.expected()
		expected += want
		got, why := compare(posted, want)
		invoiced += got
		r.InvoicesPosted += len(posted)
		if st.Stage != freight.StageClosed && s.situation != cancelled {
			why = append(why, "it is still in "+string(st.Stage))
		}
		r.row(h, s, st, posted, got, want, why)
	}
	r.InvoicedTotal, r.ExpectedTotal = map[string]string{"USD": dollars(invoiced)}, map[string]string{"USD": dollars(expected)}
	if err := h.partnersAgree(r); err != nil {
		return nil, err
	}
	r.OdooRepliesLost = h.proxy.Lost()
	r.Seconds = time.Since(h.began).Seconds()
	return r, h.measure(ctx, r)
}

func (r *result) tally(st freight.Shipment, s *shipmentPlan) {
	r.Disputes.Opened += len(st.Disputes)
	for _, g := range st.Rulings {
		switch g.Verdict {
		case freight.Approve:
			r.Disputes.Approved++
		case freight.Reject:
			r.Disputes.Rejected++
		}
	}
	for _, e := range st.Exceptions {
		r.Exceptions.Opened++
		if !e.Open() {
			r.Exceptions.Resolved++
		}
	}
	if s.situation != cancelled {
		r.Lost += s.sent - int(st.HighWater)
	}
	r.Duplicates += s.repeats
	if s.statusOK {
		r.StatusWhileDown++
	}
}

// posted is one posted invoice as Odoo has it.
type posted struct {
	name string
	net  string
}

func (h *house) postedInOdoo(ctx context.Context, s *shipmentPlan) (ps []posted, err error) {
	domain := []any{[]any{"x_waybill_shipment", "=", string(s.id)}, []any{"state", "=", "posted"}}
	v, err := h.odoo.Call(ctx, "account.move", "search_read", []any{domain}, map[string]any{"fields": []string{"name", "amount_untaxed"}})
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	for _, m := range list {
		if move, ok := m.(map[string]any); ok {
			net, _ := move["amount_untaxed"].(float64)
			name, _ := move["name"].(string)
			ps = append(ps, posted{name, fmt.Sprintf("%.2f", net)})
		}
	}
	return ps, nil
}

// compare says how what is posted is not what was expected. Nothing expected wants no invoice.
func compare(ps []posted, want int64) (got int64, why []string) {
	for _, p := range ps {
		var whole, cents int64
		if _, err := fmt.Sscanf(p.net, "%d.%02d", &whole, &cents); err != nil {
			why = append(why, "amount "+p.net)
		}
		got += whole*100 + cents
	}
	wanted := 1
	if want == 0 {
		wanted = 0
	}
	if len(ps) != wanted {
		why = append(why, fmt.Sprintf("%d invoices, want %d", len(ps), wanted))
	}
	if got != want {
		why = append(why, fmt.Sprintf("%s, want %s", dollars(got), dollars(want)))
	}
	return got, why
}

// partnersAgree sees that billing engine and finance platform have each posted invoice once.
func (h *house) partnersAgree(r *result) error {
	if n := len(h.billing.Committed()); n != r.InvoicesPosted {
		r.Mismatches = append(r.Mismatches, fmt.Sprintf("the billing engine has %d invoices, Odoo %d", n, r.InvoicesPosted))
	}
	if n := len(h.finance.Postings()); n != r.InvoicesPosted {
		r.Mismatches = append(r.Mismatches, fmt.Sprintf("the finance platform has %d invoices, Odoo %d", n, r.InvoicesPosted))
	}
	return nil
}

func (r *result) row(h *house, s *shipmentPlan, st freight.Shipment, ps []posted, got, want int64, why []string) {
	number := ""
	if len(ps) > 0 {
		number = ps[0].name
	}
	verdict := "ok"
	if len(why) > 0 {
		verdict = strings.Join(why, "; ")
		r.Mismatches = append(r.Mismatches, string(s.id)+": "+verdict)
	}
	r.rows = append(r.rows, table.Row{s.id, s.situation, st.Stage, number, dollars(got), dollars(want), verdict})
	_ = h
}

// measure counts what the clean shipments cost in Temporal and Odoo.
func (h *house) measure(ctx context.Context, r *result) error {
	for _, s := range h.plans {
		switch s.situation {
		case cleanSpread, cleanBurst:
		default:
			continue
		}
		f, err := h.cost(ctx, s)
		if err != nil {
			return err
		}
		if s.situation == cleanSpread && r.Temporal.ActionsSpread == 0 {
			r.Temporal.ActionsSpread, r.Temporal.EventsSpread, r.Temporal.BytesSpread, r.Breakdown = f.total.Actions, f.total.Events, f.bytes, f.byStage
		}
		if s.situation == cleanBurst && r.Temporal.ActionsBurst == 0 {
			r.Temporal.ActionsBurst, r.BreakdownOfBurst = f.total.Actions, f.byStage
			r.OdooCallsBurst = h.proxy.Calls(string(s.id))
		}
	}
	return nil
}

// report prints the ledger, and writes the JSON.
func (r *result) report(h *house, o options) error {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header, t.Style().Format.Footer = text.FormatDefault, text.FormatDefault
	t.AppendHeader(table.Row{"shipment", "situation", "stage", "invoice", "net USD", "expected", "verdict"})
	t.AppendRows(r.rows)
	t.AppendFooter(table.Row{len(r.rows), "", "", r.InvoicesPosted, r.InvoicedTotal["USD"], r.ExpectedTotal["USD"], fmt.Sprintf("%d mismatches", len(r.Mismatches))})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight}})
	t.Render()
	r.printCosts()
	for _, m := range r.Mismatches {
		say("mismatch: %s", m)
	}
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o600)
}

func (r *result) printCosts() {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header, t.Style().Format.Footer = text.FormatDefault, text.FormatDefault
	t.SetTitle("One clean shipment, by stage")
	t.AppendHeader(table.Row{"stage", "actions, events apart", "history events", "actions, 3 bursts"})
	for _, s := range freight.Stages() {
		a, b := r.Breakdown[string(s)], r.BreakdownOfBurst[string(s)]
		if a.Events+b.Events > 0 {
			t.AppendRow(table.Row{s, a.Actions, a.Events, b.Actions})
		}
	}
	t.AppendFooter(table.Row{"all", r.Temporal.ActionsSpread, r.Temporal.EventsSpread, r.Temporal.ActionsBurst})
	t.Render()
	say("Odoo calls of a clean shipment in bursts: %d; duplicates dropped: %d; lost: %d; %.0f s", r.OdooCallsBurst, r.Duplicates, r.Lost, r.Seconds)
}

// invite says what to look at next.
func (h *house) invite() {
	var disputed, held *shipmentPlan
	for _, s := range h.plans {
		switch s.situation {
		case disputeApproved:
			disputed = s
		case noContract:
			held = s
		}
	}
	if disputed == nil {
		disputed = h.plans[0]
	}
	if held == nil {
		held = h.plans[0]
	}
	address := os.Getenv("TEMPORAL_ADDRESS")
	fmt.Printf(`
Look at it:
  %s/namespaces/default/workflows
  TEMPORAL_ADDRESS=%s %s/bin/waybill list --all
  TEMPORAL_ADDRESS=%s %s/bin/waybill status %s
  TEMPORAL_ADDRESS=%s %s/bin/waybill dispute show %s/1
Ctrl-C stops everything.
`, h.ui, address, h.o.dir, address, h.o.dir, held.id, address, h.o.dir, disputed.id)
}

// tick prints where the shipments stand, every few seconds, until it is stopped.
func (h *house) tick(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for t := time.NewTicker(3 * time.Second); ; {
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
				h.progress(ctx)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// progress is the table of stages as a line: how many shipments stand in each.
func (h *house) progress(ctx context.Context) {
	counts := map[freight.Stage]int{}
	h.mu.Lock()
	plans := slices.Clone(h.plans)
	h.mu.Unlock()
	for _, s := range plans {
		if s.id == "" {
			continue
		}
		if st, err := h.state(ctx, s); err == nil {
			counts[st.Stage]++
		}
	}
	var parts []string
	for _, s := range freight.Stages() {
		parts = append(parts, fmt.Sprintf("%s %d", s, counts[s]))
	}
	say("%3.0f s  %s", time.Since(h.began).Seconds(), strings.Join(parts, " | "))
}
