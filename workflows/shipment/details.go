package shipment

import (
	"fmt"
	"strings"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// shown bounds the exceptions, and the findings, on the page; the command line shows all.
const shown = 8

// Details is what an operator reads on the shipment's page in the Temporal UI, in Markdown: where it stands and since
// when, why it waits, what to do. It holds codes and numbers; who they stand for is in Odoo.
func Details(s *freight.Shipment) string {
	var page protocol.Page
	page.Say("### %s since %s\n\n%s\n", headline(s), protocol.Minute(s.Entered), waitsFor(s))
	writeCalls(&page, s)
	writeExceptions(&page, s)
	writeFindings(&page, s)
	page.Say("\n| | |\n|---|---|\n")
	for _, row := range rows(s) {
		if row[1] != "" {
			page.Say("| %s | %s |\n", row[0], strings.ReplaceAll(protocol.Line(row[1]), "|", "/"))
		}
	}
	page.Say("\nAll of it: `waybill status %s`\n", s.ID)
	return page.String()
}

func headline(s *freight.Shipment) string {
	if s.Stage == "" {
		return "Begins"
	}
	return strings.ToUpper(string(s.Stage[:1])) + string(s.Stage[1:])
}

// waitsFor says in a sentence what the next step needs.
func waitsFor(s *freight.Shipment) string {
	switch s.Stage {
	case freight.StageTransit:
		return "Waits for the delivery of all pieces."
	case freight.StageProof:
		return "Delivered. Waits for proof: " + s.PODWanted() + "."
	case freight.StageCharges:
		return "Proved. Waits for the carrier's invoice, as the customer's policy wants it."
	case freight.StageValidation:
		return validationWaits(s)
	case freight.StageInvoicing:
		if s.Invoice == nil {
			return "The invoice is validated and is being posted."
		}
		return "The invoice is posted. The billing engine and the finance platform are being told."
	case freight.StageSettlement:
		return settlementWaits(s)
	case freight.StageClosed:
		return "Done."
	case freight.StageCancelled:
		return "Cancelled."
	}
	return fulfilmentWaits(s)
}

func fulfilmentWaits(s *freight.Shipment) string {
	switch {
	case s.Release.Order == 0:
		return "Claims the delivery in Odoo."
	case s.Booking.Ref == "":
		return "Asks the TMS to move it."
	case s.ShipOrder.Tender > 0 && s.ShipOrder.Ref == "":
		return "A carrier has accepted. Asks the warehouse to pack the goods and to hand them over."
	}
	return fmt.Sprintf("Waits for a carrier to accept tender %d (TMS %s).", s.Tenders, s.Booking.Ref)
}

func validationWaits(s *freight.Shipment) string {
	if n := len(freight.SellHolds(s.Findings)); n > 0 {
		return fmt.Sprintf("Charges are held: findings that stop the customer's invoice: %d.", n)
	}
	return "Charges are rated and audited."
}

func settlementWaits(s *freight.Shipment) string {
	switch {
	case s.Invoice == nil:
		return "Nothing is billed by us."
	case len(s.OpenDisputes()) > 0:
		return fmt.Sprintf("Invoiced. Waits for decisions on the carrier's charges: %d.", len(s.OpenDisputes()))
	case s.Paid():
		return "Paid. Closes when it has been quiet, and nothing is left for finance to decide."
	}
	return "Invoiced. Waits for the payment."
}

// writeCalls lists what was asked of whom and is not answered.
func writeCalls(page *protocol.Page, s *freight.Shipment) {
	for _, i := range s.Intents {
		if i.Key != statusKey && i.Key != recordKey {
			page.Say("\nAsked since %s and not answered: %s (see Pending Activities for its last failure).\n", protocol.Minute(i.At), i.Step)
		}
	}
	if n := len(s.Missing); n > 0 {
		page.Say("\nScans %d to %d never came: look for them with `waybill-admin inbox`. Gaps like this: %d.\n", s.Missing[n-1].From, s.Missing[n-1].To, n)
	}
}

// writeExceptions says what needs a person, whose it is, until when, and the commands that resolve it.
func writeExceptions(page *protocol.Page, s *freight.Shipment) {
	n := 0
	for _, e := range s.Exceptions {
		if !e.Open() {
			continue
		}
		if n++; n > shown {
			page.Say("\n**And more**: `waybill exception show %s`\n", s.ID)
			return
		}
		times := ""
		if e.Times > 1 {
			times = fmt.Sprintf(", %d times", e.Times)
		}
		page.Say("\n**Exception %d, %s** for %s, since %s%s, due %s\n\nWhat happened: %s\n\n> %s\n", e.ID, e.Kind, e.Owner, protocol.Minute(e.OpenedAt), times, protocol.Minute(e.DueBy), protocol.Line(e.Detail), e.Advice)
		for _, command := range commands(s, e) {
			page.Say("\n`%s`\n", command)
		}
	}
}

// commands are what a person types about an exception.
func commands(s *freight.Shipment, e freight.Exception) (cs []string) {
	if e.Kind == freight.ChargeDisputed {
		return []string{"waybill dispute show " + e.Ref}
	}
	for _, a := range e.Actions {
		cs = append(cs, fmt.Sprintf(`waybill exception resolve %s %d --action %s --reason "..."`, s.ID, e.ID, a))
	}
	return cs
}

// writeFindings lists what the audit holds, while it matters.
func writeFindings(page *protocol.Page, s *freight.Shipment) {
	if s.Stage != freight.StageValidation && s.Stage != freight.StageSettlement {
		return
	}
	n := 0
	for _, v := range s.Findings {
		if v.Verdict == freight.Pass || v.Verdict == freight.Warn {
			continue
		}
		if n++; n > shown {
			return
		}
		stops := "the carrier's payment"
		if v.SellHold {
			stops = "the customer's invoice"
		}
		page.Say("\n- %s %s, stops %s: %s\n", v.Rule, v.Verdict, stops, protocol.Line(v.Reason))
	}
}

func rows(s *freight.Shipment) [][2]string {
	return [][2]string{
		{"order", s.Release.OrderName},
		{"delivery", s.Release.PickingName},
		{"customer", protocol.Code(s.Release.Customer)},
		{"carrier", protocol.Code(s.Carrier())},
		{"TMS", strings.TrimSpace(s.Booking.Ref + " " + s.Booking.PRO)},
		{"warehouse", strings.TrimSpace(s.Release.Route.WMS + " " + s.ShipOrder.Ref)},
		{"freight", milestoneText(s)},
		{"promise", promiseText(s)},
		{"policy", policyText(s.Terms)},
		{"missing in Odoo", strings.Join(s.Release.Missing, "; ")},
		{"estimate", s.Estimate.String() + s.NoEstimate},
		{"invoice", invoiceText(s)},
	}
}

func policyText(t freight.Terms) string {
	if t.Policy == "" {
		return ""
	}
	return fmt.Sprintf("%s version %s, contract %s", t.Policy, t.Version, t.Contract)
}

func milestoneText(s *freight.Shipment) string {
	f := s.Journey.Furthest()
	if f.Milestone == "" {
		return ""
	}
	text := fmt.Sprintf("%s at %s", f.Milestone, protocol.Minute(f.At))
	if short := s.Shortage(); short != "" {
		text += ", " + short
	}
	if eta, _ := s.Journey.Expected(); !eta.IsZero() && !s.Delivered() {
		text += ", ETA " + protocol.Minute(eta)
	}
	if n := len(s.Journey.Retractions); n > 0 {
		text += fmt.Sprintf(", statements taken back: %d", n)
	}
	return text
}

// promiseText says how the promise to the customer stands, and why.
func promiseText(s *freight.Shipment) string {
	switch {
	case s.SLA == nil || s.SLA.State == "":
		return ""
	case s.SLA.Due.IsZero():
		return s.SLA.Reason
	}
	text := strings.ReplaceAll(string(s.SLA.State), "_", " ") + ", due " + protocol.Minute(s.SLA.Due)
	if s.SLA.Reason != "" {
		text += ": " + s.SLA.Reason
	}
	return text
}

func invoiceText(s *freight.Shipment) string {
	switch {
	case s.Invoice == nil && s.Plan == nil:
		return ""
	case s.Invoice == nil:
		return s.Plan.Net.String() + " net, not posted yet"
	case s.Payment.State != "":
		return fmt.Sprintf("%s over %s, %s, %s open", s.Invoice.Number, s.Invoice.Total, s.Payment.State, s.Payment.Residual)
	}
	return fmt.Sprintf("%s over %s", s.Invoice.Number, s.Invoice.Total)
}
