package connectors_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

func TestWhatCannotBeReadIsRefusedWithItsPlaceAndWhatToDo(t *testing.T) {
	for _, c := range []struct{ name, partner, body, want string }{
		{"no JSON", "easypost", `<xml/>`, "not JSON"},
		{"a key twice", "easypost", `{"object":"Tracker","tracking_code":"A","tracking_code":"B"}`, "/tracking_code: the key comes twice"},
		{"a key twice, deep inside what nobody reads", "fedex", `{"output":{"x":{"y":[{"z":1,"z":2}]}}}`, "/output/x/y/0/z: the key comes twice"},
		{"something after the end", "shippo", `{"event":"track_updated"} {}`, "after"},
		{"bytes that are no text", "dhl", "{\"shipments\":[{\"id\":\"\xff\"}]}", "not JSON"},
		{"another kind of value", "dhl", `{"shipments":[{"id":"1","events":"none"}]}`, "/shipments/0/events: a text stands where"},
		{"an event about something else", "easypost", `{"object":"Event","result":{"object":"Batch"}}`, `"Batch" tells nothing`},
		{"another event", "shippo", `{"event":"transaction_created","data":{}}`, "track_updated"},
		{"no tracking", "aftership", `{"event":"tracking_update"}`, "/msg"},
		{"another object", "ups", `{"hello":"world"}`, "/trackingNumber"},
		{"a document alone", "fedex", `{"output":{"documents":["JVBERi0="]}}`, "names no shipment"},
		{"what FedEx does not know", "fedex", `{"output":{"completeTrackResults":[{"trackResults":[{"error":{"code":"TRACKING.TRACKINGNUMBER.NOTFOUND"}}]}]}}`, "NOTFOUND"},
		{"a shipment without a number", "dhl", `{"shipments":[{"shipmentTrackingNumber":"1","events":[]}]}`, "/shipments/0/id"},
		{"an event without a type", "dcsa", `{"eventID":"1"}`, "eventType"},
		{"an empty list", "dcsa", `[]`, "no event"},
		{"another webhook", "karrio", `{"event":"shipment_purchased","data":{}}`, "tracker events"},
		{"a time nobody can read", "fedex", `{"output":{"completeTrackResults":[{"trackResults":[{"trackingNumberInfo":{"trackingNumber":"1"},"scanEvents":[{"date":"yesterday","eventType":"PU"}]}]}]}}`, `scanEvents/0: the time "yesterday" is in no form`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if es, err := partner(t, c.partner).Explain(delivery(c.partner, []byte(c.body)), noon); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %d events, %v; want words about %q", len(es), err, c.want)
			}
		})
	}
}

// TestStatementThatNamesNoShipmentIsKeptForPeopleEachDeliverysOwn: two that say the same may be of two shipments.
func TestStatementThatNamesNoShipmentIsKeptForPeopleEachDeliverysOwn(t *testing.T) {
	d := delivery("easypost", []byte(`{"object":"Tracker","status":"delivered","updated_at":"2026-11-24T10:00:00Z"}`))
	seen := map[string]bool{}
	for _, id := range []string{"a", "a", "b"} {
		d.ID = id
		in, err := partner(t, "easypost").Decode(d, noon)
		if err != nil || len(in) != 1 || len(in[0].References) != 0 || in[0].Scan.Milestone != freight.Delivered || !strings.Contains(in[0].Surprise, "names no shipment: ask its sender") {
			t.Fatalf("%+v, %v", in, err)
		}
		seen[in[0].Scan.Key] = true
	}
	if len(seen) != 2 {
		t.Errorf("two deliveries, of which one came twice, have %d keys", len(seen))
	}
}

func TestTestNeverBecomesAScan(t *testing.T) {
	for name, body := range map[string]string{
		"shippo":   strings.Replace(string(writeShippo(at("DELIVERED", 0))), `"test":false`, `"test":true`, 1),
		"easypost": strings.ReplaceAll(string(writeEasyPost(at("delivered", 0))), `"mode":"production"`, `"mode":"test"`),
		"karrio":   strings.Replace(string(writeKarrio(at("delivered", 0))), `"test_mode":false`, `"test_mode":true`, 1),
	} {
		p := partner(t, name)
		if in, err := p.Decode(delivery(name, []byte(body)), noon); err == nil || len(in) > 0 || !strings.Contains(err.Error(), "test") {
			t.Errorf("%s: a test made %d scans, %v", name, len(in), err)
		}
		p.Tests = true
		if in, err := p.Decode(delivery(name, []byte(body)), noon); err != nil || len(in) != 1 {
			t.Errorf("%s: where tests are wanted it made %d scans, %v", name, len(in), err)
		}
	}
}

// fedexScans writes FedEx scans with their times as text.
func fedexScans(times ...string) []byte {
	var scans []any
	for _, s := range times {
		scans = append(scans, object{"date": s, "eventType": "DL", "scanLocation": object{"city": "Albany", "stateOrProvinceCode": "NY", "countryCode": "US"}})
	}
	return text(object{"output": object{"completeTrackResults": []any{object{"trackResults": []any{object{"trackingNumberInfo": object{"trackingNumber": "P1"}, "scanEvents": scans}}}}}})
}

func TestTimeSaysHowItWasFoundAndHowExactItIs(t *testing.T) {
	for _, c := range []struct {
		name, told string
		at         string
		zone       freight.ZoneSource
		precision  connectors.Precision
	}{
		{"with its zone", "2026-11-20T08:00:00-05:00", "2026-11-20T13:00:00Z", freight.ZoneFromPayload, connectors.Instant},
		{"with a zone without its colon", "2026-11-20T08:00:00-0500", "2026-11-20T13:00:00Z", freight.ZoneFromPayload, connectors.Instant},
		{"local, at a place with one clock", "2026-11-20T08:00:00", "2026-11-20T13:00:00Z", freight.ZoneFromLocation, connectors.Local},
		{"local, in its summer", "2026-07-20T08:00:00", "2026-07-20T12:00:00Z", freight.ZoneFromLocation, connectors.Local},
		{"a day alone: its hour is ours", "2026-11-20", "2026-11-20T05:00:00Z", freight.ZoneAssumedUTC, connectors.Day},
	} {
		e := explain(t, "fedex", fedexScans(c.told))[0]
		if stamp(e.Scan.OccurredAt) != c.at || e.Scan.ZoneSource != c.zone || e.Reading.At.Precision != c.precision || e.Scan.OccurredAt.Location() != time.UTC {
			t.Errorf("%s: %s by %s as %s", c.name, e.Scan.OccurredAt, e.Scan.ZoneSource, e.Reading.At.Precision)
		}
	}
	unknown := strings.ReplaceAll(string(fedexScans("2026-11-20T08:00:00")), `"NY"`, `"TN"`) // two clocks in Tennessee
	if s := explain(t, "fedex", []byte(unknown))[0].Scan; s.ZoneSource != freight.ZoneAssumedUTC || stamp(s.OccurredAt) != "2026-11-20T08:00:00Z" {
		t.Errorf("a place with two clocks: %s by %s", s.OccurredAt, s.ZoneSource)
	}
}

func TestZonesMixedInOneHistoryAreEachTakenAsTold(t *testing.T) {
	es := explain(t, "fedex", fedexScans("2026-11-20T23:30:00-05:00", "2026-11-21T13:00:00+09:00", "2026-11-21T05:00:00Z"))
	if !es[0].Scan.OccurredAt.After(es[1].Scan.OccurredAt) || !es[2].Scan.OccurredAt.After(es[0].Scan.OccurredAt) {
		t.Errorf("%s, %s, %s", es[0].Scan.OccurredAt, es[1].Scan.OccurredAt, es[2].Scan.OccurredAt)
	}
}

func TestTimeThatCannotBeMovesNothingAndLosesNoOtherLine(t *testing.T) {
	for name, told := range map[string]string{
		"1970": "1970-01-01T00:00:00Z", "year one": "0001-01-01T00:00:00Z", "next week, as done": "2026-12-01T12:00:00Z", "in fifty years": "2076-11-24T12:00:00Z", "none": "", "no time": "yesterday",
	} {
		es := explain(t, "fedex", fedexScans(told, "2026-11-20T08:00:00-05:00"))
		bad, good := es[0], es[1]
		if bad.Scan.Milestone != freight.Unclassified || bad.Scan.Reason != string(freight.ReasonTimeImplausible) || !bad.Scan.OccurredAt.Equal(noon) || bad.Scan.ZoneSource != freight.ZoneAssumedUTC || bad.Surprise == "" {
			t.Errorf("%s: %+v, %q", name, bad.Scan, bad.Surprise)
		}
		if good.Scan.Milestone != freight.Delivered {
			t.Errorf("%s: the line beside it is %s", name, good.Scan.Milestone)
		}
		d := delivery("fedex", fedexScans(told, "2026-11-20T08:00:00-05:00"))
		d.ReceivedAt = noon.Add(time.Hour)
		again, err := partner(t, "fedex").Explain(d, noon.Add(time.Hour))
		if err != nil || again[0].Scan.Key != bad.Scan.Key {
			t.Errorf("%s: sent again it is another scan: %v", name, err)
		}
	}
	if s := explain(t, "fedex", fedexScans("2026-11-25T11:59:00Z"))[0].Scan; s.Milestone != freight.Delivered {
		t.Errorf("a local time taken for UTC is at most a day ahead, and yet it is %s", s.Milestone)
	}
}

func TestContradictionDeliversNothing(t *testing.T) {
	for name, body := range map[string]string{
		"dhl":       `{"shipments":[{"id":1,"events":[{"timestamp":"2026-11-20T08:00:00","statusCode":"pre-transit","status":"DELIVERED","location":{"address":{"countryCode":"NL"}}}]}]}`,
		"shippo":    `{"event":"track_updated","data":{"carrier":"usps","tracking_number":"P1","tracking_history":[{"status":"DELIVERED","substatus":{"code":"information_received"},"status_date":"2026-11-20T08:00:00Z"}]}}`,
		"aftership": `{"msg":{"tracking_number":"P1","slug":"x","checkpoints":[{"tag":"InTransit","subtag":"Delivered_001","checkpoint_time":"2026-11-20T08:00:00Z"}]}}`,
		"fedex":     `{"output":{"completeTrackResults":[{"trackResults":[{"trackingNumberInfo":{"trackingNumber":"P1"},"scanEvents":[{"date":"2026-11-20T08:00:00Z","eventType":"DL","derivedStatusCode":"IT"}]}]}]}}`,
	} {
		e := explain(t, name, []byte(body))[0]
		if e.Scan.Milestone != freight.Unclassified || e.Scan.Reason != string(freight.ReasonContradictory) || e.Surprise == "" {
			t.Errorf("%s: %s (%s), %q", name, e.Scan.Milestone, e.Scan.Reason, e.Surprise)
		}
	}
}

func TestForecastMovesNothing(t *testing.T) {
	for name, code := range map[string]string{
		"easypost": "est_delivery_date", "shippo": "eta", "aftership": "edd_revise", "ups": "scheduledDeliveryDate", "fedex": "estimatedDeliveryTimeWindow", "dhl": "estimatedTimeOfDelivery", "karrio": "estimated_delivery",
	} {
		var b inbox
		found := false
		for _, e := range explain(t, name, writers[name](at(code, 4000))) {
			if e.Scan.Milestone == freight.ETAUpdated {
				found = true
				b.journey.Apply(e.Scan)
			}
		}
		if !found || b.journey.ETA.IsZero() || len(b.journey.Marks) > 0 {
			t.Errorf("%s: found %v, ETA %s, marks %v", name, found, b.journey.ETA, b.journey.Marks)
		}
	}
	planned := strings.ReplaceAll(string(writeDCSA(at("EQUIPMENT/LOAD", 0))), `"ACT"`, `"EST"`)
	var j freight.Journey
	s := explain(t, "dcsa", []byte(planned))[0].Scan
	if j.Apply(s); len(j.Marks) > 0 || s.Classifier != freight.Estimated {
		t.Errorf("an estimated loading is %s and marks %v", s.Classifier, j.Marks)
	}
	odd := strings.ReplaceAll(string(writeDCSA(at("EQUIPMENT/LOAD", 0))), `"ACT"`, `"REQ"`)
	if s := explain(t, "dcsa", []byte(odd))[0].Scan; s.Classifier != freight.Planned {
		t.Errorf("a classifier nobody knows is %s", s.Classifier)
	}
}

func TestRetractionIsKeptAndMovesNothing(t *testing.T) {
	for name, body := range map[string]string{
		"at the top":      `{"eventID":"2","retractedEventID":"1","eventType":"EQUIPMENT","equipmentEventTypeCode":"LOAD","eventClassifierCode":"ACT","eventDateTime":"2026-11-20T08:00:00Z","equipmentReference":"APZU4812090"}`,
		"in the metadata": `{"events":[{"metadata":{"eventID":"2","retractedEventID":"1"},"payload":{"eventType":"EQUIPMENT","equipmentEventTypeCode":"LOAD","eventClassifierCode":"ACT","eventDateTime":"2026-11-20T08:00:00Z","equipmentReference":"APZU4812090"}}]}`,
	} {
		s := explain(t, "dcsa", []byte(body))[0].Scan
		var j freight.Journey
		j.Apply(s)
		if s.Milestone != freight.Unclassified || s.Reason != string(freight.ReasonRetracted) || s.RawCode != "retracts 1" || j.Moving() {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestRetractionUndoesTheEventOfThatID(t *testing.T) {
	event := func(id, more string) []byte {
		return []byte(`{"eventID":"` + id + `",` + more + `"eventType":"EQUIPMENT","equipmentEventTypeCode":"LOAD","eventClassifierCode":"ACT","eventDateTime":"2026-11-20T08:00:00Z","equipmentReference":"APZU4812090"}`)
	}
	loaded, back := explain(t, "dcsa", event("1", ""))[0].Scan, explain(t, "dcsa", event("2", `"retractedEventID":"1",`))[0].Scan
	for _, order := range [][]freight.Scan{{loaded, back}, {back, loaded}} {
		var j freight.Journey
		for _, s := range order {
			j.Apply(s)
		}
		if j.Moving() || len(j.Retractions) != 1 {
			t.Errorf("%+v", j)
		}
	}
}

func TestReturnDeliveredAtTheShippersIsNoDelivery(t *testing.T) {
	if s := explain(t, "easypost", writeEasyPost(at("return/delivered", 0)))[0].Scan; s.Milestone != freight.Returned {
		t.Errorf("a return that is delivered is %s", s.Milestone)
	}
}

// image is the beginning of a PNG in base64: enough to know it by.
var image = base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\nsignature"))

func upsDelivery(count int, delivered, image string) []byte {
	info := object{"receivedBy": "J DOE", "signature": object{"image": image}, "deliveryPhoto": object{"photo": image}}
	activity := []any{object{"date": "20261120", "time": "080000", "gmtDate": "20261120", "gmtTime": "13:00:00", "status": object{"type": "D", "code": "FS"}}}
	var packages []any
	for i := range count {
		typ := "I"
		if i < len(delivered) && delivered[i] == 'D' {
			typ = "D"
		}
		packages = append(packages, object{"trackingNumber": []string{"P1", "P2", "P3"}[i], "packageCount": count, "currentStatus": object{"type": typ}, "deliveryInformation": info, "activity": activity[:map[string]int{"D": 1, "I": 0}[typ]]})
	}
	return text(object{"trackResponse": object{"shipment": []any{object{"inquiryNumber": "P1", "package": packages}}}})
}

func TestEvidenceIsKeptByItsBytesAndANameIsNoSignature(t *testing.T) {
	body := strings.ReplaceAll(string(upsDelivery(1, "D", image)), `13:00:00`, `130000`)
	e := explain(t, "ups", []byte(body))[0]
	kinds := map[freight.DocumentKind]freight.DocumentRef{}
	for i, d := range e.Scan.Documents {
		kinds[d.Kind] = d
		if e.Documents[i].SHA256 != d.SHA256 || int64(len(e.Documents[i].Body)) != d.Size {
			t.Errorf("document %d is not the one it names", i)
		}
	}
	if kinds[freight.DocumentPhoto].Signed || kinds[freight.DocumentPhoto].MediaType != "image/png" || e.Scan.Milestone != freight.Delivered {
		t.Errorf("the photo is %+v", kinds[freight.DocumentPhoto])
	}
	named := explain(t, "easypost", []byte(strings.Replace(string(writeEasyPost(at("delivered", 0))), `"carrier":"FedEx"`, `"carrier":"FedEx","signed_by":"J DOE"`, 1)))[0]
	if len(named.Documents) != 1 || named.Documents[0].Signer != "J DOE" || named.Scan.Documents[0].Signed || named.Scan.Documents[0].Kind != freight.DocumentSignature {
		t.Errorf("a name alone is %+v", named.Scan.Documents)
	}
	var j freight.Journey
	j.Apply(named.Scan)
	if freight.ProofOf(j, freight.PODSignature) == "" || freight.ProofOf(j, freight.PODDocument) == "" {
		t.Error("a name passes for a signed document")
	}
}

func TestSignatureThatIsOneProvesTheDelivery(t *testing.T) {
	body := `{"trackingNumber":"P1","gmtActivityDate":"20261120","gmtActivityTime":"130000","activityStatus":{"type":"D","code":"FS"},"deliveryPhoto":{"photo":"` + image + `"}}`
	photo := explain(t, "ups", []byte(body))[0]
	if len(photo.Scan.Documents) != 1 || photo.Scan.Documents[0].Kind != freight.DocumentPhoto || photo.Scan.Documents[0].Signed {
		t.Errorf("a photo is %+v", photo.Scan.Documents)
	}
	signed := explain(t, "ups", []byte(strings.ReplaceAll(string(upsDelivery(1, "D", image)), `13:00:00`, `130000`)))[0]
	var j freight.Journey
	j.Apply(signed.Scan)
	if freight.ProofOf(j, freight.PODSignature) != "" {
		t.Error("a signature's image does not prove it")
	}
}

func TestEvidenceThatIsNoneIsToldAndCostsNotTheScan(t *testing.T) {
	for name, content := range map[string]string{"no base64": "encoding Base64", "no image": base64.StdEncoding.EncodeToString([]byte("<script>alert(1)</script>"))} {
		e := explain(t, "ups", []byte(strings.ReplaceAll(string(upsDelivery(1, "D", content)), `13:00:00`, `130000`)))[0]
		if e.Scan.Milestone != freight.Delivered || e.Surprise == "" || len(e.Documents) != 1 || e.Documents[0].MediaType != "text/plain" {
			t.Errorf("%s: %s, %q, %d documents", name, e.Scan.Milestone, e.Surprise, len(e.Documents))
		}
	}
}

func TestProofThatComesLaterIsNewAndTheSameAgainIsNot(t *testing.T) {
	without := writeEasyPost(at("delivered", 0))
	with := []byte(strings.Replace(string(without), `"carrier":"FedEx"`, `"carrier":"FedEx","signed_by":"J DOE"`, 1))
	var b inbox
	p := partner(t, "easypost")
	for i, c := range []struct {
		body []byte
		news int
	}{{without, 1}, {without, 0}, {with, 1}, {with, 0}} {
		in, err := p.Decode(delivery("easypost", c.body), noon)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.take(in); n != c.news {
			t.Errorf("delivery %d brings %d new scans, want %d", i+1, n, c.news)
		}
	}
	if len(b.journey.Documents) != 1 || len(b.journey.Occurrence(freight.Delivered).Proof) != 1 {
		t.Errorf("%+v", b.journey)
	}
}

func TestFirstParcelOfSeveralDeliversNothing(t *testing.T) {
	mend := func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), `13:00:00`, `130000`)) }
	for name, c := range map[string]struct {
		partner string
		body    []byte
		want    freight.Milestone
		pieces  freight.Pieces
		parcel  freight.ParcelID
	}{
		"one of three":           {"ups", mend(upsDelivery(3, "D", "")), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 3}, "P1"},
		"three of three":         {"ups", mend(upsDelivery(3, "DDD", "")), freight.Delivered, freight.Pieces{Delivered: 3, Expected: 3}, ""},
		"FedEx, second of two":   {"fedex", []byte(strings.Replace(string(writeFedEx(at("DL", 0))), `"count":"1","sequenceNumber":"1"`, `"count":"2","sequenceNumber":"2"`, 1)), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 2}, "2"},
		"AfterShip, one of two":  {"aftership", ofTwo("aftership", "P1"), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 2}, "P1"},
		"Karrio, one of two":     {"karrio", ofTwo("karrio", "P1"), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 2}, "P1"},
		"FedEx, uncounted":       {"fedex", ofTwo("fedex", "P1"), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 2}, "P1"},
		"DHL, the shipment":      {"dhl", []byte(strings.Replace(string(writeDHL(at("delivered", 0))), `"details":{`, `"details":{"totalNumberOfPieces":8,`, 1)), freight.Delivered, freight.Pieces{Delivered: 8, Expected: 8}, ""},
		"DHL, two of its pieces": {"dhl", []byte(strings.NewReplacer(`"details":{`, `"details":{"totalNumberOfPieces":8,`, `"statusCode":`, `"pieceIds":["a","b"],"statusCode":`).Replace(string(writeDHL(at("delivered", 0))))), freight.Delivered, freight.Pieces{Delivered: 1, Expected: 8}, "b"},
	} {
		es := explain(t, c.partner, c.body)
		s := es[len(es)-1].Scan
		var j freight.Journey
		j.Apply(s)
		if s.Milestone != c.want || s.Pieces != c.pieces || s.Parcel != c.parcel || j.Complete() == c.pieces.Short() {
			t.Errorf("%s: %s of %q, %+v, complete %v; want %s of %q, %+v", name, s.Milestone, s.Parcel, s.Pieces, j.Complete(), c.want, c.parcel, c.pieces)
		}
	}
}

// ofTwo is the delivery of one of two parcels, which a partner knows by its tracking number alone.
func ofTwo(partner, number string) []byte {
	code := map[string]string{"aftership": "Delivered_001", "karrio": "delivered", "fedex": "DL"}[partner]
	return []byte(strings.NewReplacer(
		`"P1"`, `"`+number+`"`, `~P1~`, `~`+number+`~`, `"shipment_package_count":1`, `"shipment_package_count":2`, `"info":{`, `"info":{"shipment_package_count":2,`, `"count":"1","sequenceNumber":"1"`, `"count":"2"`,
	).Replace(string(writers[partner](at(code, 0)))))
}

func TestSecondOfTwoParcelsThatAreToldByTheirNumbersDeliversTheShipment(t *testing.T) {
	for _, name := range []string{"aftership", "karrio", "fedex"} {
		s := freight.Shipment{Stage: freight.StageTransit, Since: noon}
		told := func(number string, delivered bool, short string) {
			t.Helper()
			for _, e := range explain(t, name, ofTwo(name, number)) {
				if !e.Silent {
					s.Journey.Apply(e.Scan)
				}
			}
			if waits := s.AwaitsRest(); s.Delivered() != delivered || s.Shortage() != short || waits == delivered {
				t.Errorf("%s: after %s delivered is %v, short %q, awaits the rest %v", name, number, s.Delivered(), s.Shortage(), waits)
			}
		}
		told("P1", false, "1 of 2 pieces")
		told("P1", false, "1 of 2 pieces")
		told("P2", true, "")
	}
}

// TestPiecesThatDHLNamesTogetherAreParcelsOfTheirOwn: two are delivered and one is not, then that one; it is delivered when
// each of them is, in whichever order it is told.
func TestPiecesThatDHLNamesTogetherAreParcelsOfTheirOwn(t *testing.T) {
	event := func(code string, minutes int, pieces ...string) object {
		return object{"timestamp": stamp(noon.Add(time.Duration(minutes-600) * time.Minute)), "statusCode": code, "status": strings.ToUpper(code), "pieceIds": pieces, "location": object{"address": object{"countryCode": "NL"}}}
	}
	read := func(events ...any) []connectors.Explained {
		return explain(t, "dhl", text(object{"shipments": []any{object{"id": "70001", "events": events, "details": object{"pieceIds": []any{"J1", "J2", "J3"}}}}}))
	}
	moving, some, failed, rest := event("transit", 0, "J1", "J2", "J3"), event("delivered", 60, "J2", "J1", "J2"), event("failure", 60, "J3"), event("delivered", 120, "J3")
	var j freight.Journey
	for _, e := range read(moving, some, failed) {
		j.Apply(e.Scan)
	}
	if j.Complete() || j.Tally(0) != (freight.Pieces{Delivered: 2, Expected: 3}) || !slices.Equal(j.Parcels, []freight.ParcelID{"J1", "J2", "J3"}) {
		t.Errorf("%+v of parcels %v, complete %t; want 2 of 3", j.Tally(0), j.Parcels, j.Complete())
	}
	es := read(rest, some, moving)
	for _, e := range es {
		j.Apply(e.Scan)
	}
	if !j.Complete() {
		t.Errorf("each was delivered, and it is %+v", j.Tally(0))
	}
	for _, e := range es {
		if piece := e.Scan.Parcel; e.Scan.Milestone == freight.Delivered && !slices.Contains(e.References, freight.Reference{Kind: freight.RefTracking, Carrier: "DHL", Value: string(piece)}) && piece != "J3" {
			t.Errorf("%s is not found by its own number: %v", piece, e.References)
		}
	}
	all := read(event("delivered", 60, "J1", "J2", "J3"))
	if len(all) != 1 || all[0].Scan.Parcel != "" || all[0].Scan.Milestone != freight.Delivered {
		t.Errorf("all pieces are the shipment: %+v", all)
	}
}

func TestParcelAloneSaysNothingOfItsShipmentsPieces(t *testing.T) {
	if s := explain(t, "fedex", writeFedEx(at("DL", 0)))[0].Scan; s.Milestone != freight.Delivered || s.Pieces != (freight.Pieces{}) {
		t.Errorf("%s %+v", s.Milestone, s.Pieces)
	}
}

func TestNumberThatFedExGaveTwiceIsNotGuessedAt(t *testing.T) {
	one := func(unique string) object {
		return object{"trackingNumberInfo": object{"trackingNumber": "776", "trackingNumberUniqueId": unique}, "scanEvents": []any{object{"date": "2026-11-20T08:00:00Z", "eventType": "PU"}}}
	}
	es := explain(t, "fedex", text(object{"completeTrackResults": []any{object{"trackingNumber": "776", "trackResults": []any{one("1~776~FX"), one("2~776~FX")}}}}))
	if len(es) != 2 || es[0].Scan.Key == es[1].Scan.Key {
		t.Fatalf("the same scan of two shipments is one: %+v", es)
	}
	for _, e := range es {
		for _, r := range e.References {
			if r.Value == "776" {
				t.Errorf("%v could match either shipment", e.References)
			}
		}
	}
}

func TestOurOwnIDInAPartnersReferenceNamesTheShipment(t *testing.T) {
	refs := explain(t, "shippo", writeShippo(at("TRANSIT", 0)))[0].References
	want := []freight.Reference{{Kind: freight.RefTracking, Carrier: "USPS", Value: "P1"}, {Kind: freight.RefShipment, Value: "acme-1042"}, {Kind: freight.RefCustomer, Value: "acme-1042"}}
	if len(refs) != len(want) || refs[0] != want[0] || refs[1] != want[1] || refs[2] != want[2] {
		t.Errorf("got %v, want %v", refs, want)
	}
}

func TestReasonSaysWhoAnswers(t *testing.T) {
	s := explain(t, "fedex", writeFedEx(at("DE/08", 0)))[0].Scan
	if s.Milestone != freight.DeliveryAttempted || s.Reason != string(freight.ReasonConsigneeUnavailable) || s.FaultParty != freight.FaultConsignee {
		t.Errorf("%s: %s of %s", s.Milestone, s.Reason, s.FaultParty)
	}
	late := strings.ReplaceAll(string(writeDCSA(at("TRANSPORT/ARRI", 0))), `"eventType"`, `"delayReasonCode":"WEA","eventType"`)
	if s := explain(t, "dcsa", []byte(late))[0].Scan; s.Reason != string(freight.ReasonWeather) || s.FaultParty != freight.FaultForceMajeure {
		t.Errorf("%s of %s", s.Reason, s.FaultParty)
	}
}

func TestTrackAlertTakesGMTBeforeTheLocalTime(t *testing.T) {
	body := `{"trackingNumber":"P1","localActivityDate":"20261120","localActivityTime":"095004","gmtActivityDate":"20261120","gmtActivityTime":"145004","activityLocation":{"city":"CHARLOTTE","stateProvince":"NC","country":"US"},"activityStatus":{"type":"D","code":"FS"},"receivedBy":"J DOE"}`
	s := explain(t, "ups", []byte(body))[0].Scan
	if stamp(s.OccurredAt) != "2026-11-20T14:50:04Z" || s.ZoneSource != freight.ZoneFromPayload {
		t.Errorf("%s by %s", s.OccurredAt, s.ZoneSource)
	}
	local := strings.NewReplacer(`"gmtActivityDate":"20261120","gmtActivityTime":"145004",`, "").Replace(body)
	s = explain(t, "ups", []byte(local))[0].Scan
	if stamp(s.OccurredAt) != "2026-11-20T14:50:04Z" || s.ZoneSource != freight.ZoneFromLocation {
		t.Errorf("without GMT: %s by %s", s.OccurredAt, s.ZoneSource)
	}
}

func TestEasyPostsUTCIsAssumedWhereItKnowsNoPlace(t *testing.T) {
	nowhere := strings.ReplaceAll(string(writeEasyPost(at("delivered", 0))), `{"city":"GENT","country":"BE","zip":"9000"}`, `{}`)
	if got := explain(t, "easypost", []byte(nowhere))[0].Scan.ZoneSource; got != freight.ZoneAssumedUTC {
		t.Errorf("without a place: %s", got)
	}
	if got := explain(t, "easypost", writeEasyPost(at("delivered", 0)))[0].Scan.ZoneSource; got != freight.ZoneFromPayload {
		t.Errorf("with a place: %s", got)
	}
}

func TestDeliveryWithoutOneTimeThatCanBeIsRefusedAndCanBeReadAgain(t *testing.T) {
	for _, told := range []string{"1970-01-01T00:00:00Z", "2026-12-24T12:00:00Z", "yesterday", ""} {
		in, err := partner(t, "fedex").Decode(delivery("fedex", fedexScans(told, told)), noon)
		if err == nil || len(in) > 0 || !strings.Contains(err.Error(), "time") {
			t.Errorf("%q: %d scans, %v", told, len(in), err)
		}
	}
}
