package shipment

import (
	"fmt"
	"strings"

	"waybill/workflows/freight"
)

// Details is what an operator reads on the shipment's page in the Temporal UI, in Markdown: where it stands,
// why it waits, what to do.
func Details(s *freight.Shipment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n", headline(s), waitsFor(s))
	for _, e := range s.Exceptions {
		if e.Open() {
			fmt.Fprintf(&b, "\n**Exception %d, %s** (%s, due %s): %s\n\n> %s\n%s", e.ID, e.Kind, e.Owner,
				e.DueBy.UTC().Format("2006-01-02 15:04"), e.Detail, e.Advice, howTo(s, e))
		}
	}
	b.WriteString("\n| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, value)
		}
	}
	row("order", s.Release.OrderName)
	row("delivery", s.Release.PickingName)
	row("customer", string(s.Release.Customer))
	row("carrier", string(s.Carrier()))
	row("freight", milestoneText(s))
	row("estimate", s.Estimate.String())
	row("invoice", invoiceText(s))
	return b.String()
}

func headline(s *freight.Shipment) string {
	return strings.ToUpper(string(s.Stage[:1])) + string(s.Stage[1:])
}

// waitsFor says in a sentence what the next step needs.
func waitsFor(s *freight.Shipment) string {
	if len(s.Intents) > 0 && !reportsOnly(s) {
		return "Asking: " + asked(s) + "."
	}
	switch s.Stage {
	case freight.StageFulfilment:
		return "Waits for a carrier to accept the tender."
	case freight.StageTransit:
		return "Waits for the delivery."
	case freight.StageProof:
		return "Delivered. Waits for proof: " + freight.ProofOf(s.Journey, s.Terms.POD) + "."
	case freight.StageCharges:
		return "Proved. Waits for the carrier's charges."
	case freight.StageValidation:
		return fmt.Sprintf("Charges are held: %d findings stop the customer's invoice.", len(freight.SellHolds(s.Findings)))
	case freight.StageInvoicing:
		return "The invoice is validated and is being posted."
	case freight.StageSettlement:
		return "Invoiced. Waits for the payment."
	case freight.StageCancelled:
		return "Cancelled."
	}
	return "Done."
}

func reportsOnly(s *freight.Shipment) bool {
	for _, i := range s.Intents {
		if i.Key != statusKey && i.Key != recordKey {
			return false
		}
	}
	return true
}

func asked(s *freight.Shipment) string {
	var as []string
	for _, i := range s.Intents {
		if i.Key != statusKey && i.Key != recordKey {
			as = append(as, fmt.Sprintf("%s since %s", i.Step, i.At.UTC().Format("15:04:05")))
		}
	}
	return strings.Join(as, ", ")
}

func howTo(s *freight.Shipment, e freight.Exception) string {
	if e.Kind == freight.ChargeDisputed {
		return fmt.Sprintf("\n`waybill dispute show %s`\n", e.Ref)
	}
	if len(e.Actions) == 0 {
		return ""
	}
	return fmt.Sprintf("\n`waybill exception resolve %s %d --action %s --reason \"...\"`\n", s.ID, e.ID, e.Actions[0])
}

func milestoneText(s *freight.Shipment) string {
	f := s.Journey.Furthest()
	if f.Milestone == "" {
		return ""
	}
	return fmt.Sprintf("%s at %s", f.Milestone, f.At.UTC().Format("2006-01-02 15:04"))
}

func invoiceText(s *freight.Shipment) string {
	switch {
	case s.Invoice == nil && s.Plan == nil:
		return ""
	case s.Invoice == nil:
		return s.Plan.Net.String() + " net, not posted yet"
	case s.Payment.State != "":
		return fmt.Sprintf("%s over %s, %s", s.Invoice.Number, s.Invoice.Total, s.Payment.State)
	}
	return fmt.Sprintf("%s over %s", s.Invoice.Number, s.Invoice.Total)
}
