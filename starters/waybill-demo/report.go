package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
)

func newTable(out io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header, t.Style().Format.Footer = text.FormatDefault, text.FormatDefault
	t.AppendHeader(table.Row(header))
	return t
}

// report prints the ledger, and writes the JSON.
func report(l *script.Ledger, file string) error {
	t := newTable(os.Stdout, "shipment", "situation", "stage", "invoice", "net USD", "expected", "verdict")
	for _, r := range l.Rows {
		t.AppendRow(table.Row{r.Shipment, r.Situation, r.Stage, r.Invoice, r.Net, r.Expected, r.Verdict})
	}
	t.AppendFooter(table.Row{len(l.Rows), "", "", l.InvoicesPosted, l.InvoicedTotal["USD"], l.ExpectedTotal["USD"], fmt.Sprintf("%d mismatches", len(l.Mismatches))})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight}})
	t.Render()
	costs(l)
	for _, m := range l.Mismatches {
		say("mismatch: %s", m)
	}
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o600)
}

func costs(l *script.Ledger) {
	t := newTable(os.Stdout, "stage", "actions, events apart", "history events", "actions, 3 bursts")
	t.SetTitle("One clean shipment, by stage")
	for _, s := range freight.Stages() {
		a, b := l.Breakdown[string(s)], l.BreakdownOfBurst[string(s)]
		if a.Events+b.Events > 0 {
			t.AppendRow(table.Row{s, a.Actions, a.Events, b.Actions})
		}
	}
	t.AppendFooter(table.Row{"all", l.Temporal.ActionsSpread, l.Temporal.EventsSpread, l.Temporal.ActionsBurst})
	t.Render()
	say("Odoo calls of a clean shipment in bursts: %d; duplicates dropped: %d; lost: %d; %.0f s", l.OdooCallsBurst, l.Duplicates, l.Lost, l.Seconds)
}

// invite says what to look at next.
func invite(h *rig.House, l *script.Ledger) {
	look := func(want script.Situation) freight.ShipmentID {
		for _, r := range l.Rows {
			if r.Situation == want {
				return r.Shipment
			}
		}
		return l.Rows[0].Shipment
	}
	address := os.Getenv("TEMPORAL_ADDRESS")
	fmt.Printf(`
Look at it:
  %s/namespaces/default/workflows
  TEMPORAL_ADDRESS=%[2]s %[3]s/waybill list --all
  TEMPORAL_ADDRESS=%[2]s %[3]s/waybill status %[4]s
  TEMPORAL_ADDRESS=%[2]s %[3]s/waybill dispute show %[5]s/1
Ctrl-C stops everything.
`, h.UI, address, h.Bin, look(script.NoContract), look(script.DisputeApproved))
}

// watch shows where the shipments stand until it is stopped: a table that stays in place on a terminal, else a
// line every few seconds.
func watch(ctx context.Context, s *script.Show) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	live := isatty.IsTerminal(os.Stderr.Fd())
	every := 3 * time.Second
	if live {
		every = time.Second
	}
	go func() {
		defer close(done)
		drawn := 0
		for t := time.NewTicker(every); ; {
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
				drawn = draw(s, s.Stages(ctx), live, drawn)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// draw shows the counts; on a terminal over the lines drawn before.
func draw(s *script.Show, counts map[freight.Stage]int, live bool, drawn int) int {
	if !live {
		line := ""
		for _, stage := range freight.Stages() {
			line += fmt.Sprintf("  %s %d", stage, counts[stage])
		}
		say("%3.0f s%s", time.Since(s.Began()).Seconds(), line)
		return 0
	}
	if drawn > 0 {
		fmt.Fprintf(os.Stderr, "\033[%dA", drawn)
	}
	t := newTable(os.Stderr, "stage", "shipments", "")
	for _, stage := range freight.Stages() {
		t.AppendRow(table.Row{stage, counts[stage], bar(counts[stage], len(s.Plans))})
	}
	t.AppendFooter(table.Row{fmt.Sprintf("%.0f s", time.Since(s.Began()).Seconds()), len(s.Plans)})
	t.Render()
	return len(freight.Stages()) + 6 // borders, header and footer
}

// barWidth is how many characters all shipments are.
const barWidth = 40

func bar(n, of int) string {
	filled := n * barWidth / max(of, 1)
	out := make([]rune, barWidth)
	for i := range out {
		out[i] = ' '
		if i < filled {
			out[i] = '▇'
		}
	}
	return string(out)
}
