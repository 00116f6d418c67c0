package freight_test

import (
	"fmt"
	"strings"
	"testing"

	"waybill/workflows/freight"
)

func TestOrderIsToldInWords(t *testing.T) {
	s := &freight.Shipment{Stage: freight.StageTransit}
	ended := func(e freight.Exception, action freight.Action, by, reason string) freight.Exception {
		e.Resolution = &freight.Resolution{Action: action, By: by, Reason: reason, At: noon}
		return e
	}
	missing, _ := s.Raise(freight.PODMissing, "", "delivered,\nbut no proof came", noon)
	refused, _ := s.Raise(freight.ReportRefused, "status", "Odoo refused the status", noon)
	disputed, _ := s.Raise(freight.ChargeDisputed, "acme-7/1", "detention: 90.00 USD claimed, 50.00 USD by contract", noon)
	s.Rulings = []freight.Ruling{{Dispute: "acme-7/1", Verdict: freight.Reject, Amount: freight.MustMoney("50.00 USD"), By: "ann", Reason: "the driver came late"}}
	second, _ := s.Raise(freight.PODMissing, "parcel 2", "no proof of parcel 2 came", noon)
	for _, say := range []func(){
		func() { s.SayOpened(missing) }, func() { s.SayOpened(refused) }, func() { s.SayEnded(ended(missing, freight.Dismiss, "ben", "the customer has it")) },
		func() {
			s.SayEnded(ended(missing, freight.Dismiss, "waybill", "proof came"), ended(second, freight.Dismiss, "waybill", "proof came"))
		},
		func() { s.SayEnded(ended(refused, freight.Dismiss, "waybill", "Odoo took it")) }, func() { s.SayEnded(ended(disputed, freight.Dismiss, "waybill", "reject by ann")) },
		func() {
			s.SayPosted(freight.Invoice{Number: "INV/1", Net: freight.MustMoney("600.00 USD"), Total: freight.MustMoney("660.00 USD")})
		}, func() { s.SayCancelled(freight.CancelRequest{By: "odoo", Reason: "withdrawn"}) },
	} {
		s.Note(noon, freight.AuditStage, "waybill", "")
		say()
	}
	want := []string{
		"1 Exception 1, pod missing, for operations by 2026-11-25 12:00 UTC: delivered, but no proof came",
		"3 Exception 1, pod missing, was resolved by ben with dismiss: the customer has it",
		"4 Exception 1, 4, pod missing, is over: proof came",
		"6 Dispute acme-7/1 was decided by ann: rejected, 50.00 USD stands: the driver came late",
		"7 Invoice INV/1 is posted: 600.00 USD net, 660.00 USD in total",
		"8 The shipment is cancelled, as odoo wants it: withdrawn",
	}
	var got []string
	for _, n := range s.Chatter.Unsaid {
		got = append(got, fmt.Sprintf("%d %s", n.N, n.Text))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNotesThatOdooDoesNotTakeStayFew(t *testing.T) {
	s := &freight.Shipment{}
	for range 500 {
		e, _ := s.Raise(freight.ScanRefused, "", strings.Repeat("ü ", 1000), noon)
		s.Note(noon, freight.AuditException, "waybill", "", e)
		s.SayOpened(e)
	}
	c := &s.Chatter
	if len(c.Unsaid) != 30 || c.Unsaid[29].N != 500 || len(c.Unsaid[0].Text) > 500 {
		t.Errorf("%d notes of %d bytes, the last for entry %d", len(c.Unsaid), len(c.Unsaid[0].Text), c.Unsaid[29].N)
	}
	c.Refused()
	if c.Waits() || len(c.Unsaid) != 30 {
		t.Error("notes that were refused are tried on their own, or are lost")
	}
	s.Note(noon, freight.AuditStage, "waybill", "")
	s.SayPosted(freight.Invoice{Number: "INV/1"})
	if !c.Waits() {
		t.Error("a new note does not wait")
	}
	c.Said(c.Unsaid[:29])
	if len(c.Unsaid) != 1 || c.Unsaid[0].N != 501 {
		t.Errorf("left are %+v", c.Unsaid)
	}
}
