package connectors_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func decode(body string) ([]store.Incoming, error) {
	return connectors.Canonical{}.Decode(store.Delivery{Source: "carrier", ID: "evt-1", Body: []byte(body)}, noon)
}

func event(kind, rest, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"e1","source":"urn:test","type":%q,%s"data":{%s}}`, kind, rest, data)
}

const (
	subject     = `"subject":"shipment/acme-1042",`
	isDelivered = `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z"`
)

func one(t *testing.T, body string) store.Incoming {
	t.Helper()
	in, err := decode(body)
	if err != nil || len(in) != 1 {
		t.Fatalf("%d scans, %v", len(in), err)
	}
	return in[0]
}

func TestMilestoneBecomesAScan(t *testing.T) {
	in := one(t, event(connectors.MilestoneType, subject, `"milestone":"delivered","occurredAt":"2026-11-24T12:30:00+01:00","carrier":"FASTFRT","reason":"weather_delay","faultParty":"carrier","rawCode":"D1","pieces":{"delivered":1,"expected":2},
		"references":[{"kind":"tracking","carrier":"FASTFRT","value":"FF1"}],"documents":[{"kind":"pod","mediaType":"application/pdf","content":"JVBERi0=","signer":"R. Receiver"}]`))
	s := in.Scan
	if s.Source != "carrier" || s.Milestone != freight.Delivered || s.Classifier != freight.Actual || !s.OccurredAt.Equal(noon.Add(-30*time.Minute)) || s.OccurredAt.Location() != time.UTC ||
		s.Carrier != "FASTFRT" || s.Reason != "weather_delay" || s.FaultParty != freight.FaultCarrier || s.RawCode != "D1" || s.Pieces != (freight.Pieces{Delivered: 1, Expected: 2}) {
		t.Errorf("%+v", s)
	}
	want := []freight.Reference{{Kind: freight.RefTracking, Carrier: "FASTFRT", Value: "FF1"}, {Kind: freight.RefShipment, Value: "acme-1042"}}
	if !reflect.DeepEqual(in.References, want) {
		t.Errorf("references %v, want %v", in.References, want)
	}
	if len(in.Documents) != 1 || string(in.Documents[0].Body) != "%PDF-" || in.Documents[0].SHA256 != s.Documents[0].SHA256 || s.Documents[0].Size != 5 || !s.Documents[0].Signed {
		t.Errorf("documents %+v, %+v", in.Documents, s.Documents)
	}
}

func TestChargesBecomeAScanWithTheInvoice(t *testing.T) {
	in := one(t, event(connectors.ChargesType, subject, `"carrier":"FASTFRT","occurredAt":"2026-11-24T11:30:00Z","invoice":{"number":"C-1","total":{"number":"120.00","currency":"USD"},"lines":[
		{"line":"1","code":"linehaul","rawCode":"400","amount":{"number":"100.00","currency":"USD"}},{"line":"2","code":"detention","amount":{"number":"20.00","currency":"USD"},"quantity":"2","unit":"h"}]}`))
	inv := in.Scan.Invoice
	if in.Scan.Milestone != freight.ChargesReceived || inv == nil || inv.Carrier != "FASTFRT" || inv.Number != "C-1" || inv.Total != freight.MustMoney("120.00 USD") || len(inv.Lines) != 2 {
		t.Fatalf("%+v", in.Scan)
	}
	if want := (freight.Charge{Ref: "C-1/2", Code: freight.Detention, Amount: freight.MustMoney("20.00 USD"), Quantity: "2", Unit: "h"}); inv.Lines[1] != want {
		t.Errorf("%+v, want %+v", inv.Lines[1], want)
	}
}

func TestSameStatementHasTheSameKeyWhateverEnvelopeItComesIn(t *testing.T) {
	want := one(t, event(connectors.MilestoneType, subject, isDelivered)).Scan.Key
	for name, body := range map[string]string{
		"under another id":       strings.Replace(event(connectors.MilestoneType, subject, isDelivered), `"e1"`, `"e2"`, 1),
		"sent at another time":   event(connectors.MilestoneType, subject+`"time":"2026-11-25T00:00:00Z",`, isDelivered),
		"told in another zone":   event(connectors.MilestoneType, subject, `"milestone":"delivered","occurredAt":"2026-11-24T06:30:00-05:00"`),
		"with what is assumed":   event(connectors.MilestoneType, subject, isDelivered+`,"classifier":"actual"`),
		"written in another way": " " + event(connectors.MilestoneType, subject, `"occurredAt" : "2026-11-24T11:30:00Z", "milestone" : "delivered"`),
	} {
		if got := one(t, body).Scan.Key; got != want {
			t.Errorf("%s it has another key", name)
		}
	}
	for name, body := range map[string]string{
		"another time":     event(connectors.MilestoneType, subject, `"milestone":"delivered","occurredAt":"2026-11-24T11:30:01Z"`),
		"another shipment": event(connectors.MilestoneType, `"subject":"shipment/acme-1043",`, isDelivered),
		"a document more":  event(connectors.MilestoneType, subject, isDelivered+`,"documents":[{"kind":"pod","mediaType":"application/pdf","content":"JVBERi0="}]`),
		"a piece less":     event(connectors.MilestoneType, subject, isDelivered+`,"pieces":{"delivered":1,"expected":2}`),
		"another carrier":  event(connectors.MilestoneType, subject, isDelivered+`,"carrier":"FASTFRT"`),
	} {
		if got := one(t, body).Scan.Key; got == want {
			t.Errorf("%s has the same key", name)
		}
	}
}

// The relay reads what the bridge let through, and files from elsewhere too: the connector does not rely on the schema.
func TestWhatTheSchemaWouldStopIsRefusedByTheConnectorToo(t *testing.T) {
	amount := func(number string) string {
		return event(connectors.ChargesType, subject, `"carrier":"F","occurredAt":"2026-11-24T11:30:00Z","invoice":{"number":"C","total":{"number":"`+number+`","currency":"USD"},"lines":[]}`)
	}
	for body, says := range map[string]string{
		"{": "no JSON event",
		event("com.waybill.other.v1", subject, ""):            "/type",
		event(connectors.MilestoneType, subject, `"a":1`):     "/data/milestone",
		event(connectors.MilestoneType, "", isDelivered):      "/subject",
		event(connectors.MilestoneType, subject, `"eta":"x"`): "/data",
		amount("1e999999999"):                                 "/data/invoice/total/number",
		amount("NaN"):                                         "/data/invoice/total/number",
		amount("Infinity"):                                    "/data/invoice/total/number",
		amount("0x10"):                                        "/data/invoice/total/number",
		amount(""):                                            "/data/invoice/total/number",
		amount(strings.Repeat("9", 40)):                       "/data/invoice/total/number",
		event(connectors.MilestoneType, subject, `"milestone":"delivered","occurredAt":"9999-12-31T23:59:59-12:00"`):                                                    "/data/occurredAt",
		event(connectors.MilestoneType, subject, `"milestone":"eta_updated","occurredAt":"2026-11-24T11:30:00Z","eta":"9999-12-31T23:59:59-12:00"`):                     "/data/eta",
		event(connectors.MilestoneType, subject, isDelivered+`,"documents":[{"kind":"pod","mediaType":"application/pdf","content":"JVBERi0"}]`):                         "/data/documents/0/content",
		event(connectors.MilestoneType, subject, `"milestone":"delivered","classifier":"actual","occurredAt":"2026-11-25T12:00:01Z"`):                                   "is to come",
		event(connectors.MilestoneType, subject, `"milestone":"delivered","classifier":"estimated","occurredAt":"2027-11-25T12:00:01Z"`):                                "a year ahead",
		event(connectors.MilestoneType, subject, `"milestone":"eta_updated","classifier":"estimated","occurredAt":"2026-11-24T11:30:00Z","eta":"1999-12-31T23:59:59Z"`): "/data/eta",
	} {
		if in, err := decode(body); err == nil || in != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", body[:min(len(body), 200)], err, says)
		}
	}
}

func TestEveryMilestoneOfOursIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := connectors.Milestone{
			Milestone:  rapid.SampledFrom([]freight.Milestone{freight.Delivered, freight.PickedUp, freight.ETAUpdated, freight.Unclassified, freight.Damaged}).Draw(t, "milestone"),
			Classifier: rapid.SampledFrom([]freight.Classifier{freight.Actual, freight.Estimated, freight.Planned}).Draw(t, "classifier"),
			OccurredAt: noon.Add(-time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "ago"))).In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)),
			RawCode:    rapid.String().Draw(t, "code"), Carrier: freight.CarrierCode(rapid.String().Draw(t, "carrier")),
			References: []freight.Reference{{Kind: freight.RefTracking, Value: rapid.String().Draw(t, "number")}},
		}
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(connectors.Event{SpecVersion: "1.0", ID: "e", Source: "s", Type: connectors.MilestoneType, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		in, err := decode(string(body))
		if err != nil || len(in) != 1 || in[0].Scan.Milestone != m.Milestone || !in[0].Scan.OccurredAt.Equal(m.OccurredAt) {
			t.Fatalf("%v %v", in, err)
		}
	})
}

// again writes an event as our own types have it.
func again(t *testing.T, body []byte) []byte {
	t.Helper()
	var e connectors.Event
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("what was decoded is no event: %v", err)
	}
	var data any = &connectors.Milestone{}
	if e.Type == connectors.ChargesType {
		data = &connectors.Charges{}
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		t.Fatalf("what was decoded has no data: %v", err)
	}
	var err error
	if e.Data, err = json.Marshal(data); err != nil {
		t.Fatalf("its data cannot be written: %v", err)
	}
	e.Time = time.Time{} // when it was sent is no part of what it says
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("it cannot be written: %v", err)
	}
	return b
}

// composed is an event with texts in the places where their form matters.
func composed(t *testing.T, charges bool, when, eta, number, code string, pieces int) []byte {
	t.Helper()
	text := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if charges {
		amount := fmt.Sprintf(`{"number":%s,"currency":%s}`, text(number), text(code))
		return []byte(event(connectors.ChargesType, subject, fmt.Sprintf(`"carrier":"F","occurredAt":%s,"invoice":{"number":%s,"total":%s,"lines":[{"line":%s,"code":"linehaul","amount":%s}]}`, text(when), text(eta), amount, text(code), amount)))
	}
	return []byte(event(connectors.MilestoneType, subject, fmt.Sprintf(`"milestone":"delivered","occurredAt":%s,"eta":%s,"pieces":{"delivered":%d,"expected":2},"documents":[{"kind":"pod","mediaType":"application/pdf","content":%s,"signer":%s}]`,
		text(when), text(eta), pieces, text(number), text(code))))
}

// FuzzDecode holds that nothing makes the connector panic or hang, and that what it reads says the same when it is
// written in our own types and read again. A body is given, or is composed of the texts.
func FuzzDecode(f *testing.F) {
	add := func(body string) { f.Add([]byte(body), false, "", "", "", "", 0) }
	add(event(connectors.MilestoneType, subject, isDelivered))
	add(event(connectors.MilestoneType, subject+`"time":"2026-11-24T11:30:00Z",`, `"milestone":"eta_updated","classifier":"estimated","occurredAt":"2026-11-24T11:30:00.123456789+05:45","eta":"2026-11-25T00:00:00Z","references":[{"kind":"pro","carrier":"X","value":"1"}]`))
	add(event(connectors.ChargesType, subject, `"carrier":"F","occurredAt":"2026-11-24T11:30:00Z","invoice":{"number":"C","total":{"number":"10.00","currency":"USD"},"lines":[{"line":"1","code":"linehaul","amount":{"number":"-1.5","currency":"USD"},"quantity":"1","unit":"h"}]}`))
	f.Add([]byte{}, false, "2026-11-24T11:30:00.5+05:45", "2026-11-25T00:00:00Z", "JVBERi0=", "R. Receiver", 2)
	f.Add([]byte{}, false, "2026-11-24T11:30:00Z", "9999-12-31T23:59:59-12:00", "", "", 0)
	f.Add([]byte{}, true, "2026-11-24T11:30:00Z", "C-1", "-100.50", "USD", 0)
	f.Add([]byte{}, true, "0000-01-01T00:00:00+23:59", "C-1", "1e9", "JPY", 0)
	f.Fuzz(func(t *testing.T, body []byte, charges bool, when, eta, number, code string, pieces int) {
		if len(body) == 0 {
			body = composed(t, charges, when, eta, number, code, pieces)
		}
		first, err := decode(string(body))
		if err != nil {
			return
		}
		if len(first) != 1 || first[0].Scan.Key == "" || len(first[0].References) == 0 {
			t.Fatalf("%+v", first)
		}
		second, err := decode(string(again(t, body)))
		if err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("written again it says something else:\n%+v\n%+v", first, second)
		}
	})
}

func TestEventSaysWhichParcelWhereHowExactlyAndHowMuch(t *testing.T) {
	s := one(t, event(connectors.MilestoneType, subject, isDelivered+`,"precision":"day","zoneSource":"carrier_default","parcel":"1Z-2","leg":{"id":"L2","n":2,"of":2},"stop":{"n":1,"of":3},"statement":"st-1",
		"place":{"city":"Gent","country":"BE","code":"BEGNE"},"quantities":[{"kind":"weight","number":"12.5","unit":"KGM"}],"pieces":{"delivered":1,"expected":2,"unit":"pallets"}`)).Scan
	want := freight.Scan{
		Key: s.Key, Source: "carrier", Milestone: freight.Delivered, Classifier: freight.Actual, OccurredAt: noon.Add(-30 * time.Minute), ZoneSource: freight.ZoneFromCarrier, Pieces: freight.Pieces{Delivered: 1, Expected: 2, Unit: "pallets"},
		Precision: freight.ToTheDay, Place: freight.Location{City: "Gent", Country: "BE", Code: "BEGNE"}, Parcel: "1Z-2", Leg: freight.Position{ID: "L2", N: 2, Of: 2}, Stop: freight.Position{N: 1, Of: 3},
		Quantities: []freight.Quantity{{Kind: "weight", Number: "12.5", Unit: "KGM"}}, Statement: "st-1",
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant\n%+v", s, want)
	}
	if other := one(t, event(connectors.MilestoneType, subject, isDelivered+`,"parcel":"1Z-3"`)).Scan; other.Key == s.Key {
		t.Error("two parcels of one moment are one statement")
	}
}

func TestEventTakesBackAStatementOrAMilestone(t *testing.T) {
	for data, want := range map[string]freight.Retracts{
		`{"statement":"st-1"}`:      {Statement: "st-1"},
		`{"milestone":"delivered"}`: {Milestone: freight.Delivered},
		`{"milestone":"delivered","occurredAt":"2026-11-24T12:30:00+01:00"}`: {Milestone: freight.Delivered, At: noon.Add(-30 * time.Minute)},
	} {
		s := one(t, event(connectors.MilestoneType, subject, `"milestone":"unclassified","occurredAt":"2026-11-24T11:50:00Z","retracts":`+data)).Scan
		if s.Retracts == nil || *s.Retracts != want {
			t.Errorf("%s: %+v", data, s.Retracts)
		}
		var j freight.Journey
		delivered := one(t, event(connectors.MilestoneType, subject, isDelivered+`,"statement":"st-1"`)).Scan
		j.Apply(s)
		if j.Apply(delivered); j.Has(freight.Delivered) {
			t.Errorf("%s takes nothing back", data)
		}
	}
	for _, bad := range []string{`{"milestone":"teleported"}`, `{"milestone":"charges_received"}`, `{}`} {
		if _, err := decode(event(connectors.MilestoneType, subject, `"milestone":"unclassified","occurredAt":"2026-11-24T11:50:00Z","retracts":`+bad)); err == nil || !strings.Contains(err.Error(), "/data/retracts") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := decode(event(connectors.MilestoneType, subject, isDelivered+`,"stop":{"n":3,"of":2}`)); err == nil || !strings.Contains(err.Error(), "/data/stop") {
		t.Errorf("the third of two stops: %v", err)
	}
}
