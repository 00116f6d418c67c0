package shipment_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sdkpb "go.temporal.io/api/sdk/v1"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
	"waybill/workflows/shipment"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// known is a shipment of which everything is known.
func known(stage freight.Stage) *freight.Shipment {
	s := &freight.Shipment{
		ID: shipmentID, Stage: stage, Entered: noon, Terms: *terms(), Tenders: 1, Booking: freight.Booking{Ref: "T1", Carrier: "FASTFRT", PRO: "PRO1"},
		Release:  freight.Release{Order: 70, OrderName: "S00070", PickingName: "WH/OUT/7", Customer: "ACME", Missing: []string{"the delivery address has no postcode"}},
		Estimate: usd("100.00"),
	}
	for _, e := range carried(noon, "90.00") {
		s.Journey.Apply(e)
	}
	return s
}

func TestPageSaysWhereItStandsSinceWhenAndWhyItWaits(t *testing.T) {
	for stage, want := range map[freight.Stage]string{
		freight.StageFulfilment: "Waits for a carrier to accept tender 1 (TMS T1)", freight.StageTransit: "Waits for the delivery of all pieces", freight.StageProof: "Waits for proof",
		freight.StageCharges: "Waits for the carrier's invoice", freight.StageValidation: "rated and audited", freight.StageInvoicing: "being posted",
		freight.StageSettlement: "Nothing is billed by us", freight.StageClosed: "Done", freight.StageCancelled: "Cancelled",
	} {
		page := shipment.Details(known(stage))
		for _, w := range []string{want, "since 2026-11-24 12:00 UTC", "S00070", "WH/OUT/7", "ACME", "FASTFRT", "PRO1", "delivered at", "100.00 USD", "no postcode", "waybill status acme-7"} {
			if !strings.Contains(page, w) {
				t.Errorf("%s: the page does not say %q:\n%s", stage, w, page)
			}
		}
	}
	if page := shipment.Details(&freight.Shipment{}); page == "" {
		t.Error("a shipment that has only begun has no page")
	}
}

// TestPageNamesTheCommandForEveryExceptionThatIsOpen, and for each thing that may be done about it.
func TestPageNamesTheCommandForEveryExceptionThatIsOpen(t *testing.T) {
	for _, kind := range freight.ExceptionKinds() {
		s := known(freight.StageTransit)
		s.Exceptions.Raise(kind, "acme-7/1", s.Stage, "what happened", noon)
		e := s.Exceptions[0]
		page := shipment.Details(s)
		want := []string{string(kind), "for " + string(e.Owner), "due " + e.DueBy.Format("2006-01-02 15:04 UTC"), "what happened", e.Advice}
		for _, a := range e.Actions {
			want = append(want, fmt.Sprintf("`waybill exception resolve acme-7 1 --action %s --reason \"...\"`", a))
		}
		if kind == freight.ChargeDisputed {
			want = append(want, "`waybill dispute show acme-7/1`")
		}
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s: the page does not say %q:\n%s", kind, w, page)
			}
		}
		s.Exceptions[0].Resolution = &freight.Resolution{Action: freight.Dismiss, By: "ann"}
		if strings.Contains(shipment.Details(s), string(kind)) {
			t.Errorf("%s is on the page though it is resolved", kind)
		}
	}
}

func TestPageOfACallThatIsNotAnsweredSaysSinceWhen(t *testing.T) {
	s := known(freight.StageInvoicing)
	s.Intend("rating", "RateShipment", noon.Add(-time.Hour))
	s.Intend("status", "UpdateStatus", noon)
	page := shipment.Details(s)
	if !strings.Contains(page, "Asked since 2026-11-24 11:00 UTC and not answered: RateShipment") || strings.Contains(page, "UpdateStatus") {
		t.Error(page)
	}
}

func TestPageHasNoEndButTheServersAndNoLineOfAPartnersMaking(t *testing.T) {
	s := known(freight.StageValidation)
	for i := range 19 {
		s.Exceptions.Raise(freight.ScanRefused, fmt.Sprint("source ", i), s.Stage, strings.Repeat("# | `\n", 300), noon)
		s.Findings = append(s.Findings, freight.Finding{Rule: freight.RuleRate, Verdict: freight.Hold, SellHold: true, Reason: strings.Repeat("<b>\n", 500)})
	}
	for i := range int64(200) {
		s.Take(2 * (i + 1))
	}
	s.Release.OrderName = "S1 | S2\n\n# hello"
	page := shipment.Details(s)
	if len(page) > 20_000 || !strings.Contains(page, "waybill exception show acme-7") || strings.Contains(page, "\n# ") {
		t.Errorf("%d bytes:\n%s", len(page), page)
	}
}

// TestTemporalShowsThePageTheSignalsAndWhatIsAsked reads what the UI reads, from the server.
func TestTemporalShowsThePageTheSignalsAndWhatIsAsked(t *testing.T) {
	l := newServer(t, nil)
	l.begin()
	l.send(carried(time.Now(), "90.00")...)
	l.until(func(s *freight.Shipment) bool { return len(s.OpenDisputes()) == 1 && len(s.Intents) == 0 })
	v, err := l.c.QueryWorkflow(t.Context(), id, "", "__temporal_workflow_metadata")
	if err != nil {
		t.Fatal(err)
	}
	var shown sdkpb.WorkflowMetadata
	if err := v.Get(&shown); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(shown.GetCurrentDetails(), "waybill dispute show acme-7/1") {
		t.Errorf("the page is %q", shown.GetCurrentDetails())
	}
	signals := shown.GetDefinition().GetSignalDefinitions()
	if len(signals) != 7 {
		t.Errorf("%d signals are offered", len(signals))
	}
	for _, d := range append(signals, shown.GetDefinition().GetQueryDefinitions()...) {
		if d.GetDescription() == "" && !strings.HasPrefix(d.GetName(), "__") {
			t.Errorf("%s has no description", d.GetName())
		}
	}
	for _, e := range historytest.History(t, l.c, id, "").GetEvents() {
		a := e.GetActivityTaskScheduledEventAttributes()
		if said := e.GetUserMetadata().GetSummary().GetData(); a != nil && (len(said) < 5 || len(said) > 400) {
			t.Errorf("%s is summed up as %q", a.GetActivityType().GetName(), said)
		}
	}
}
