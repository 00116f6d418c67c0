package connectors_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/freight"
)

// TestEachPartnersShipmentOfSixEventsHasItsMilestones says in our words what each partner says in its own.
func TestEachPartnersShipmentOfSixEventsHasItsMilestones(t *testing.T) {
	want := map[string]string{
		"easypost":  "label_created picked_up departed_facility arrived_at_facility out_for_delivery delivered",
		"shippo":    "label_created picked_up departed_facility arrived_at_facility out_for_delivery delivered",
		"aftership": "label_created picked_up departed_facility arrived_at_facility out_for_delivery delivered",
		"ups":       "label_created picked_up departed_facility arrived_at_facility out_for_delivery delivered",
		"fedex":     "label_created picked_up departed_facility arrived_at_facility out_for_delivery delivered",
		"dhl":       "label_created in_transit in_transit delivery_attempted unclassified delivered",
		"dcsa":      "booked picked_up picked_up departed_facility arrived_at_facility available_for_pickup",
		"karrio":    "label_created picked_up in_transit held out_for_delivery delivered",
	}
	for name := range partners(t) {
		var said []string
		for i, code := range six[name] {
			said = append(said, string(explain(t, name, writers[name](at(code, 60*i)))[0].Scan.Milestone))
		}
		if got := strings.Join(said, " "); got != want[name] {
			t.Errorf("%s says %s, want %s", name, got, want[name])
		}
	}
}

func TestSamplesThatComeWithWaybillHaveTheirMilestones(t *testing.T) {
	seen, dir := map[string]bool{}, "declared/shipped"
	want := map[string]string{
		"dpd.samples/shop.xml":           "available_for_pickup 1, picked_up 1",
		"gls.samples/delivered.json":     "delivered 1, label_created 1, out_for_delivery 1, picked_up 1",
		"landmark.samples/delivered.xml": "delivered 1, label_created 1, out_for_delivery 1",
		"landmark.samples/test.xml":      refusedSample,
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.samples", "*[a-z].[jx]*[nl]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		connector, _, _ := strings.Cut(name, ".")
		seen[name] = true
		if got := sampled(t, connector, file, false); got != want[name] {
			t.Errorf("%s says %q, want %q", name, got, want[name])
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s is not there", name)
		}
	}
}

// refusedSample stands for what a sample says that is refused, in words.
const refusedSample = "refused"

// sampled is what a connector makes of the payload in a file: each milestone and how often, in order; those that come of
// nothing new are left out.
func sampled(t testing.TB, connector, file string, tests bool) string {
	t.Helper()
	catalog, err := declared.NewCatalog(tests)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Find(connector)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.Decode(store.Delivery{Source: connector, ID: "d", Body: body, ReceivedAt: noon}, noon)
	if err != nil {
		if err.Error() == "" {
			t.Errorf("%s is refused without a word", file)
		}
		return refusedSample
	}
	many := map[freight.Milestone]int{}
	for _, i := range in {
		many[i.Scan.Milestone]++
	}
	var said []string
	for _, m := range slices.Sorted(maps.Keys(many)) {
		said = append(said, fmt.Sprint(m, " ", many[m]))
	}
	return strings.Join(said, ", ")
}

// payloads are the files of a folder of partners' payloads that are not ours to publish, and what each of them says where
// tests are taken for true.
var payloads = map[string]string{
	"aftership/tracking-delivered.json":          "arrived_at_facility 2, delivered 1, departed_facility 4, in_transit 4, label_created 1, out_for_delivery 1, picked_up 1",
	"aftership/tracking-pending.json":            "label_created 1",
	"dcsa/tnt-220-response-wrong-event-ids.json": refusedSample, // an id that is a number
	"dcsa/tnt-220-response.json":                 "arrived_at_facility 2",
	"dcsa/tnt-300-request-transport.json":        "arrived_at_facility 1",
	"dhl/mydhl-epod.json":                        refusedSample, // another of DHL's APIs
	"dhl/mydhl-track-response.json":              refusedSample,
	"dhl/universal-track-response.json":          "eta_updated 1, unclassified 1", // announced, and yet delivered
	"easypost/cassette-tracker-create.json":      "eta_updated 1, label_created 2",
	"easypost/event-body.signed-bytes.json":      "arrived_at_facility 2, departed_facility 1, eta_updated 1, in_transit 2, label_created 1, picked_up 1",
	"easypost/trackers-create.json":              "eta_updated 1, label_created 2",
	"fedex/proof-of-delivery-document.json":      refusedSample, // it names no shipment
	"fedex/track-duplicate-tracking-number.json": "arrived_at_facility 4, available_for_pickup 1, delayed 1, delivered 1, delivery_attempted 1, departed_facility 2, label_created 1, out_for_delivery 2, picked_up 2, reconsigned 1",
	"fedex/track-response.json":                  "eta_updated 1, picked_up 1",
	"karrio/teleship-carrier-webhook-event.json": refusedSample,    // what a carrier sends to Karrio
	"karrio/tracking_info.json":                  refusedSample,    // a part of a tracker
	"shippo/webhook-track-updated.json":          "unclassified 1", // delivered, and yet only announced
	"ups/track-alert-webhook-delivered.json":     "delivered 1",
	"ups/track-response.json":                    "customs_released 1",

	"other/dpd-trackingresponse.xml":                           "arrived_at_facility 2, available_for_pickup 4, delivery_attempted 2, in_transit 2, out_for_delivery 4, picked_up 1",
	"other/gls-track-response.json":                            "label_created 1, picked_up 1",
	"other/landmark-delivered-tracking-response-xml.xml":       "customs_released 1, delivered 1, in_transit 1, label_created 1, out_for_delivery 1",
	"other/landmark-delivery-failed-tracking-response-xml.xml": "arrived_at_facility 1, delivery_attempted 2, in_transit 1, label_created 1",
}

// others name the connector for what stands in the folder of the others; "" where there is none.
var others = map[string]string{
	"dpd-trackingresponse.xml": "dpd", "gls-track-response.json": "gls", "landmark-delivered-tracking-response-xml.xml": "landmark",
	"landmark-delivery-failed-tracking-response-xml.xml": "landmark", "usps-trackingresponse.json": "",
}

// marked are those of the payloads that their partner marks as a test.
var marked = []string{
	"easypost/cassette-tracker-create.json", "easypost/trackers-create.json", "shippo/webhook-track-updated.json",
	"other/landmark-delivered-tracking-response-xml.xml", "other/landmark-delivery-failed-tracking-response-xml.xml",
}

// TestPayloadsInAFolderHaveTheirMilestones runs each connector over payloads that are not ours to publish: a folder of them
// is named by WAYBILL_PAYLOADS, with one folder inside for each partner, and one for all others.
func TestPayloadsInAFolderHaveTheirMilestones(t *testing.T) {
	dir := os.Getenv("WAYBILL_PAYLOADS")
	if dir == "" {
		t.Skip("WAYBILL_PAYLOADS names no folder of partners' payloads")
	}
	seen := map[string]bool{}
	for _, of := range append(slices.Sorted(maps.Keys(partners(t))), "other") {
		files, err := filepath.Glob(filepath.Join(dir, of, "*.[jx]*[nl]"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, connector := of+"/"+filepath.Base(file), of
			if of == "other" {
				connector = others[filepath.Base(file)]
			}
			if _, listed := others[filepath.Base(file)]; connector == "" && listed {
				t.Logf("%s: no connector of ours is for it", name)
				continue
			}
			seen[name] = true
			judged(t, name, connector, file)
		}
	}
	for name := range payloads {
		if !seen[name] {
			t.Errorf("%s is not there", name)
		}
	}
	t.Logf("%d payloads", len(seen))
}

func judged(t *testing.T, name, connector, file string) {
	t.Helper()
	want, listed := payloads[name]
	if connector == "" || !listed {
		t.Errorf("%s is not in the table: say what it means (%q)", name, connector)
	}
	if connector == "" {
		return
	}
	if got := sampled(t, connector, file, true); got != want {
		t.Errorf("%s says %q, want %q", name, got, want)
	}
	if slices.Contains(marked, name) {
		want = refusedSample
	}
	if got := sampled(t, connector, file, false); got != want {
		t.Errorf("%s says %q where tests are none, want %q", name, got, want)
	}
	t.Logf("%s: %s", name, want)
}
