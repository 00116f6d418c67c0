package shipment_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// happened is all that happens to one shipment, with a document twice, a forecast and a scan from a second source.
func happened(now time.Time) []freight.Scan {
	again := pod(now.Add(8 * time.Minute))
	again.Key, again.Documents[0].Signed = "signed copy", true
	forecast := milestone(freight.ETAUpdated, now)
	forecast.Classifier, forecast.ETA = freight.Estimated, now.Add(time.Hour)
	other := milestone(freight.Delivered, now.Add(4*time.Minute+30*time.Second))
	other.Key, other.Source, other.Pieces = "the consignee's", "consignee", freight.Pieces{Delivered: 1, Expected: 1}
	return append(carried(now, "50.00"), again, forecast, other)
}

// arrival is one way for scans to arrive: in any order, in batches, each of which may come again or late.
func arrival(t *rapid.T, scans []freight.Scan) (batches [][]freight.Scan) {
	scans = numbered(rapid.Permutation(scans).Draw(t, "order"))
	for len(scans) > 0 {
		n := rapid.IntRange(1, len(scans)).Draw(t, "batch")
		batches = append(batches, scans[:n])
		scans = scans[n:]
	}
	for range rapid.IntRange(0, 3).Draw(t, "repeats") {
		batches = append(batches, rapid.SampledFrom(batches).Draw(t, "repeat"))
	}
	if rapid.Bool().Draw(t, "late") {
		batches = rapid.Permutation(batches).Draw(t, "batches")
	}
	return batches
}

// TestWhateverArrivesHoweverItEndsInTheSameInvoiceStageAndJourney is the promise to partners: no order of theirs, no
// repeat and no delay of ours changes what a customer is billed.
func TestWhateverArrivesHoweverItEndsInTheSameInvoiceStageAndJourney(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var want *freight.Shipment
	law := func(rt *rapid.T) {
		batches := arrival(rt, happened(now))
		s := newStory(t)
		s.SetStartTime(now)
		for i, b := range batches {
			s.at(time.Hour+time.Duration(i)*time.Minute, func() { s.SignalWorkflow(protocol.Scans.Name, protocol.ScanBatch{Scans: b}) })
		}
		s.at(24*time.Hour, s.paid)
		s.run()
		got := s.finished(freight.StageClosed)
		if want == nil {
			want = got
		}
		if len(s.plans) != 1 || len(got.Missing) != 0 || len(got.Exceptions) != 0 {
			rt.Fatalf("%d postings, missing %v, exceptions %+v", len(s.plans), got.Missing, got.Exceptions)
		}
		if !reflect.DeepEqual(want.Plan.Lines, got.Plan.Lines) || !reflect.DeepEqual(want.Journey, got.Journey) {
			rt.Fatalf("another invoice or journey:\n%+v\n%+v\n%+v\n%+v", want.Plan.Lines, got.Plan.Lines, want.Journey, got.Journey)
		}
	}
	for range 3 { // a few hundred arrivals
		rapid.Check(t, law)
	}
}
