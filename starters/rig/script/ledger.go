package script

import (
	"context"
	"fmt"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// Ledger is how a playing came out, as Odoo itself and the partners have it.
type Ledger struct {
	Seed             uint64            `json:"seed"`
	Shipments        int               `json:"shipments"`
	InvoicesPosted   int               `json:"invoices_posted"`
	Mismatches       []string          `json:"mismatches"`
	InvoicedTotal    map[string]string `json:"invoiced_total"` // by currency, without tax
	ExpectedTotal    map[string]string `json:"expected_total"` // the oracle's
	Lost             int               `json:"lost"`           // events taken by the bridge that no story has
	Duplicates       int               `json:"duplicates_dropped"`
	Doubled          int               `json:"doubled"` // events that a story took for two
	Disputes         Disputes          `json:"disputes"`
	Exceptions       Exceptions        `json:"exceptions"`
	Temporal         TemporalFigures   `json:"temporal"`
	OdooCallsBurst   int               `json:"odoo_calls_clean_burst"`
	OdooRepliesLost  int               `json:"odoo_replies_lost"`
	StatusWhileDown  int               `json:"status_shown_while_billing_down"`
	Breakdown        map[string]Figure `json:"breakdown_clean_spread"` // by stage
	BreakdownOfBurst map[string]Figure `json:"breakdown_clean_burst"`
	Seconds          float64           `json:"seconds"`
	Odoo             string            `json:"odoo"` // "real" or "stand-in"

	Rows []Row `json:"ledger"`
}

// Row is one shipment in the ledger.
type Row struct {
	Shipment  freight.ShipmentID `json:"shipment"`
	Situation Situation          `json:"situation"`
	Stage     freight.Stage      `json:"stage"`
	Invoice   string             `json:"invoice"` // Odoo's number; "" for none
	Net       string             `json:"net"`
	Tax       string             `json:"tax"`
	Total     string             `json:"total"`
	Expected  string             `json:"expected"` // net
	Verdict   string             `json:"verdict"`  // "ok", or what is wrong
}

// Disputes counts disputes.
type Disputes struct {
	Opened   int `json:"opened"`
	Approved int `json:"approved"`
	Rejected int `json:"rejected"`
}

// Exceptions counts exceptions.
type Exceptions struct {
	Opened   int `json:"opened"`
	Resolved int `json:"resolved"`
}

// TemporalFigures are what one clean shipment costs in Temporal.
type TemporalFigures struct {
	ActionsSpread int `json:"actions_clean_spread"`
	ActionsBurst  int `json:"actions_clean_burst"`
	EventsSpread  int `json:"events_clean_spread"`
	BytesSpread   int `json:"history_bytes_clean_spread"`
}

// Ledger reads every shipment's outcome in Odoo itself and compares it with the oracle.
func (s *Show) Ledger(ctx context.Context) (*Ledger, error) {
	l := &Ledger{Seed: s.o.Seed, Shipments: len(s.Plans), Mismatches: []string{}, Odoo: map[bool]string{true: "real", false: "stand-in"}[s.Real]}
	var invoiced, expected int64
	for _, p := range s.Plans {
		st, err := s.State(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		l.tally(st, p)
		posted, err := s.postedInOdoo(ctx, p)
		if err != nil {
			return nil, err
		}
		want := p.bill(s.tax).net()
		got, why := s.compare(posted, p)
		expected, invoiced = expected+want, invoiced+got
		l.InvoicesPosted += len(posted)
		if st.Stage != freight.StageClosed && p.Situation != Cancelled {
			why = append(why, "it is still in "+string(st.Stage))
		}
		l.row(p, st, posted, got, want, why)
	}
	l.InvoicedTotal, l.ExpectedTotal = map[string]string{billed: dollars(invoiced)}, map[string]string{billed: dollars(expected)}
	s.partnersAgree(l)
	l.OdooRepliesLost = s.Proxy.Lost()
	l.Seconds = time.Since(s.began).Seconds()
	return l, s.measure(ctx, l)
}

func (l *Ledger) tally(st freight.Shipment, p *Plan) {
	l.Disputes.Opened += len(st.Disputes)
	for _, g := range st.Rulings {
		switch g.Verdict {
		case freight.Approve:
			l.Disputes.Approved++
		case freight.Reject:
			l.Disputes.Rejected++
		}
	}
	for _, e := range st.Exceptions {
		l.Exceptions.Opened++
		if !e.Open() {
			l.Exceptions.Resolved++
		}
	}
	if p.Situation != Cancelled {
		l.Lost += max(p.distinct-int(st.HighWater), 0)
		l.Duplicates += p.delivered - int(st.HighWater)
		l.Doubled += max(int(st.HighWater)-p.distinct, 0)
	}
	if p.statusOK {
		l.StatusWhileDown++
	}
}

// partnersAgree sees that billing engine and finance platform have each posted invoice once.
func (s *Show) partnersAgree(l *Ledger) {
	if n := len(s.Billing.Committed()); n != l.InvoicesPosted {
		l.Mismatches = append(l.Mismatches, fmt.Sprintf("the billing engine has %d invoices, Odoo %d", n, l.InvoicesPosted))
	}
	if n := len(s.Finance.Postings()); n != l.InvoicesPosted {
		l.Mismatches = append(l.Mismatches, fmt.Sprintf("the finance platform has %d invoices, Odoo %d", n, l.InvoicesPosted))
	}
}

func (l *Ledger) row(p *Plan, st freight.Shipment, ps []posted, got, want int64, why []string) {
	r := Row{Shipment: p.ID, Situation: p.Situation, Stage: st.Stage, Net: dollars(got), Expected: dollars(want), Verdict: "ok"}
	if len(ps) > 0 {
		r.Invoice, r.Tax, r.Total = ps[0].name, ps[0].tax, ps[0].total
	}
	if len(why) > 0 {
		r.Verdict = strings.Join(why, "; ")
		l.Mismatches = append(l.Mismatches, string(p.ID)+": "+r.Verdict)
	}
	l.Rows = append(l.Rows, r)
}

// measure counts what the first clean shipment of either kind cost in Temporal and Odoo.
func (s *Show) measure(ctx context.Context, l *Ledger) error {
	for _, p := range s.Plans {
		spread, burst := p.Situation == CleanSpread && l.Breakdown == nil, p.Situation == CleanBurst && l.BreakdownOfBurst == nil
		if !spread && !burst {
			continue
		}
		f, err := s.Cost(ctx, p)
		if err != nil {
			return err
		}
		if spread {
			l.Temporal.ActionsSpread, l.Temporal.EventsSpread, l.Temporal.BytesSpread, l.Breakdown = f.Total.Actions, f.Total.Events, f.Total.Bytes, f.ByStage
			continue
		}
		l.Temporal.ActionsBurst, l.BreakdownOfBurst = f.Total.Actions, f.ByStage
		l.OdooCallsBurst = s.Proxy.Calls(string(p.ID))
	}
	return nil
}
