package unmatched

import (
	"cmp"
	"fmt"
	"strings"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Details is what an operator reads on the page of a source's unmatched scans in the Temporal UI, in Markdown.
func Details(u *freight.Unmatched) string {
	var page protocol.Page
	switch {
	case u.At.IsZero():
		page.Say("### Looks up what waits of source %s\n", u.Source)
	case u.Scans == 0:
		page.Say("### Nothing of source %s waits any more\n", u.Source)
	default:
		writeWaiting(&page, u)
	}
	if n := len(u.Replies); n > 0 && u.Replies[n-1].Refusal != "" {
		page.Say("\nLast refused, %s: %s\n", protocol.Minute(u.Replies[n-1].At), protocol.Line(u.Replies[n-1].Refusal))
	}
	return page.String()
}

func writeWaiting(page *protocol.Page, u *freight.Unmatched) {
	page.Say("### Scans of source %s that no shipment took: %d, since %s\n\n", u.Source, u.Scans, protocol.Minute(u.Since))
	page.Say("They go to their shipment by themselves once it has their reference. Where it never will, say whose it is, or that it is nobody's; the sender's side is %s, %s.\n", cmp.Or(u.Owner, "not configured"), cmp.Or(u.Contact, "no contact configured"))
	page.Say("\n- `waybill exception assign %s REFERENCE SHIPMENT --reason \"...\"`\n- `waybill exception discard %s REFERENCE --reason \"...\"`\n- a message as it came: `waybill-admin inbox list --state unmatched --source %s`\n", u.Source, u.Source, u.Source)
	page.Say("\n| reference | scans | first | read | why | may be of |\n|---|---|---|---|---|---|\n")
	for _, w := range u.Waiting {
		page.Say("| %s | %d | %s %s | %s | %s | %s |\n", cell(named(w)), w.Scans, w.Milestone, protocol.Minute(w.OccurredAt), protocol.Minute(w.Since), cell(w.Why), cell(candidates(w.Candidates)))
	}
	if u.More {
		page.Say("\nOthers wait behind these.\n")
	}
}

// named is a reference with what it is.
func named(w freight.UnmatchedRef) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", w.Reference, w.Kind, w.Carrier))
}

func candidates(cs []freight.Candidate) string {
	var texts []string
	for _, c := range cs {
		texts = append(texts, fmt.Sprintf("%s: %s", c.Shipment, c.Why))
	}
	return cmp.Or(strings.Join(texts, "; "), "nobody knows")
}

// cell is a text that ends no cell of a table.
func cell(text string) string { return strings.ReplaceAll(protocol.Line(text), "|", "/") }
