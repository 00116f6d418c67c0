package main

import (
	"strings"
	"testing"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

func TestProofThatAPersonHasGoesTheWayOfAnEventWithWhoBroughtItAndWhy(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	s := d.store()
	if _, err := s.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	pod := d.write("pod.pdf", "%PDF-1.4 signed")
	args := []string{"proof", "acme-1", pod, "--signer", "R. Receiver", "--by", "ann", "--reason", "came by mail"}
	d.want(console.Done, "it is with the shipment within seconds: waybill status acme-1", "", args...)
	if again := consoletest.FromJSON[proof](t, d.want(console.Done, "", "", append([]string{"--json"}, args...)...)); !again.Repeat || again.By != "ann" {
		t.Errorf("%+v", again)
	}
	ds, err := s.Deliveries(t.Context(), "", byHand, 10)
	if err != nil || len(ds) != 1 || ds[0].VerifiedBy != "ann" || ds[0].Headers["reason"] != "came by mail" {
		t.Fatalf("%+v, %v", ds, err)
	}
	in, err := connectors.Read(connectors.Canonical{}, ds[0])
	if err != nil || len(in) != 1 {
		t.Fatal(in, err)
	}
	doc := in[0].Scan.Documents[0]
	if in[0].References[0] != (freight.Reference{Kind: freight.RefShipment, Value: "acme-1"}) || doc.Kind != freight.DocumentPOD || !doc.Signed || doc.MediaType != "application/pdf" || string(in[0].Documents[0].Body) != "%PDF-1.4 signed" {
		t.Errorf("%+v", in[0])
	}
}

func TestWhatIsNoProofIsNotBroughtIn(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	s := d.store()
	pod, text := d.write("pod.pdf", "%PDF-1.4"), d.write("pod.txt", strings.Repeat("it was delivered ", 9))
	d.want(console.Failed, "", "there is no shipment acme-7 in the store", "proof", "acme-7", pod, "--by", "ann", "--reason", "r")
	d.want(console.Misused, "", "want PDF, PNG, JPEG, GIF or TIFF", "proof", "acme-7", text, "--by", "ann", "--reason", "r")
	d.want(console.Misused, "", "reason", "proof", "acme-7", pod, "--by", "ann")
	d.want(console.Misused, "", "is no shipment id", "proof", "S0007", pod, "--by", "ann", "--reason", "r")
	d.want(console.Failed, "", "no such file", "proof", "acme-7", pod+"x", "--by", "ann", "--reason", "r")
	if ds, err := s.Deliveries(t.Context(), "", "", 10); err != nil || len(ds) > 0 {
		t.Errorf("%+v, %v", ds, err)
	}
}
