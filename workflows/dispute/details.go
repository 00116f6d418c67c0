package dispute

import (
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// evidenceShown bounds the evidence on the page; the command line shows all.
const evidenceShown = 20

// Details is what an approver reads on the dispute's page in the Temporal UI, in Markdown.
func Details(d *freight.Dispute) string {
	var page protocol.Page
	p := d.Proposal
	switch {
	case d.Ruling != nil:
		page.Say("### %s at %s by %s\n\n%s\n", d.Ruling.Verdict, d.Ruling.Amount, d.Ruling.By, protocol.Line(d.Ruling.Reason))
	case d.Withdrawn:
		page.Say("### Withdrawn\n\nThere is nothing left to decide; see the shipment.\n")
	default:
		page.Say("### Waits for a decision by finance since %s%s\n\n%s\n", protocol.Minute(d.OpenedAt), due(d), protocol.Line(p.Reason))
	}
	page.Say("\n| claimed | by contract | rule | charge |\n|---|---|---|---|\n| %s | %s | %s | %s %s |\n\n", p.Claimed, p.Expected, p.Rule, p.Code, protocol.Line(p.ChargeRef))
	for i, e := range p.Evidence {
		if i == evidenceShown {
			page.Say("- and more\n")
			break
		}
		page.Say("- %s\n", protocol.Line(e))
	}
	if d.Ruling == nil && !d.Withdrawn {
		page.Say("\nAll of it: `waybill dispute show %s`. The charge stands: `waybill dispute approve %s --reason \"...\"`, for less with `--amount`. The contract stands: `waybill dispute reject %s --reason \"...\"`\n", p.Dispute, p.Dispute, p.Dispute)
	}
	if n := len(d.Answers); n > 0 && d.Answers[n-1].Refusal != "" {
		page.Say("\nLast refused, %s: %s\n", protocol.Minute(d.Answers[n-1].At), protocol.Line(d.Answers[n-1].Refusal))
	}
	return page.String()
}

func due(d *freight.Dispute) string {
	switch {
	case d.RespondBy.IsZero():
		return ""
	case d.Overdue:
		return ", overdue since " + protocol.Minute(d.RespondBy)
	}
	return ", due " + protocol.Minute(d.RespondBy)
}
