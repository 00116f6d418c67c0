package bridge_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"waybill/starters/bridge"
	"waybill/starters/bridge/connectors"
)

func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	es, err := bridge.EventSchemas()
	if err != nil {
		t.Fatal(err)
	}
	compiled := map[string]*jsonschema.Schema{}
	for _, e := range es {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Schema))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(e.ID, doc); err != nil {
			t.Fatal(err)
		}
		if compiled[e.Name], err = c.Compile(e.ID); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if _, err := c.Compile(e.ID + "#data"); err != nil {
			t.Errorf("%s: its data has no schema of its own: %v", e.Name, err)
		}
		if e.Version != 1 || !strings.HasSuffix(e.Type, ".v1") {
			t.Errorf("%s is version %d", e.Name, e.Version)
		}
	}
	return compiled
}

func TestEveryTypeWeReadHasASchemaThatTakesItsEventsAndNoOthers(t *testing.T) {
	compiled := schemas(t)
	if len(compiled) != 8 {
		t.Fatalf("%d schemas, want those of milestones, charges and releases, and five of what subscribers are told", len(compiled))
	}
	milestone := `{"specversion":"1.0","id":"1","source":"urn:x","type":"` + connectors.MilestoneType + `","subject":"shipment/acme-1","data":{"milestone":"picked_up","occurredAt":"2026-11-24T12:00:00Z"}}`
	charges := `{"specversion":"1.0","id":"2","source":"urn:x","type":"` + connectors.ChargesType + `","subject":"shipment/acme-1","data":{"carrier":"FAST","occurredAt":"2026-11-24T12:00:00Z","invoice":{"number":"C1","total":{"number":"10.00","currency":"USD"},"lines":[{"line":"1","code":"linehaul","amount":{"number":"10.00","currency":"USD"}}]}}}`
	told := `{"specversion":"1.0","id":"evt_0123456789abcdef0123456789abcdef","source":"urn:waybill:acme","type":"` + connectors.MilestoneType + `","subject":"shipment/acme-1","data":{"customer":"GLOBEX","order":"S00042","milestone":"picked_up","classifier":"actual","occurredAt":"2026-11-24T12:00:00Z"}}`
	release := `{"specversion":"1.0","id":"3","source":"urn:x","type":"` + connectors.ReleaseType + `","data":{"id":"L-1","orderName":"S00042","weight":"12.5","parcels":[{"tracking":"T1"}],"stops":[{"kind":"pickup","country":"US"}],"shipTo":{"country":"CA"}}}`
	for _, c := range []struct {
		name, schema, event string
		ok                  bool
	}{
		{"a milestone by its own", connectors.MilestoneType, milestone, true},
		{"charges by their own", connectors.ChargesType, charges, true},
		{"a release by its own", connectors.ReleaseType, release, true},
		{"a release without an order", connectors.ReleaseType, strings.Replace(release, "orderName", "order", 1), false},
		{"a milestone by that of charges", connectors.ChargesType, milestone, false},
		{"a milestone as subscribers are told", "told/" + connectors.MilestoneType, told, true},
		{"a milestone as subscribers are told by that of partners", connectors.MilestoneType, told, false},
		{"a milestone nobody knows", connectors.MilestoneType, strings.Replace(milestone, "picked_up", "teleported", 1), false},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.event), &v); err != nil {
			t.Fatal(err)
		}
		if err := compiled[c.schema].Validate(v); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestEachTypeIsServedWithItsSchema(t *testing.T) {
	w := newWorld(t)
	var index []struct{ Name, ID, Schema string }
	if err := json.Unmarshal([]byte(get(t, w.server.URL+"/v1/schemas").want(t, http.StatusOK).body), &index); err != nil || len(index) != 8 {
		t.Fatal(index, err)
	}
	for _, e := range index {
		var schema struct {
			ID string `json:"$id"`
		}
		a := get(t, w.server.URL+e.Schema).want(t, http.StatusOK)
		if err := json.Unmarshal([]byte(a.body), &schema); err != nil || schema.ID != e.ID || a.header.Get("Content-Type") != "application/schema+json" {
			t.Errorf("%s: %q, %v", e.Name, schema.ID, err)
		}
	}
}

func TestSchemaTakesPartsAndRetractionsAndNothingLikeThem(t *testing.T) {
	schema := schemas(t)[connectors.MilestoneType]
	for more, ok := range map[string]bool{
		``: true,
		`,"parcel":"1Z-2","leg":{"id":"L2","n":2,"of":2},"stop":{"n":1},"precision":"minute","zoneSource":"assumed_utc","statement":"st-1"`: true,
		`,"place":{"city":"Gent","country":"BE","code":"BEGNE"},"quantities":[{"kind":"weight","number":"12.5","unit":"KGM"}]`:              true,
		`,"pieces":{"delivered":1,"expected":2,"unit":"pallets"}`:                                                                           true,
		`,"retracts":{"statement":"st-1"}`: true, `,"retracts":{"milestone":"delivered","occurredAt":"2026-11-24T11:00:00Z"}`: true,
		`,"retracts":{}`: false, `,"retracts":{"occurredAt":"2026-11-24T11:00:00Z"}`: false, `,"retracts":"st-1"`: false,
		`,"precision":"week"`: false, `,"zoneSource":"guess"`: false, `,"parcel":""`: false, `,"leg":{}`: false, `,"stop":{"n":0}`: false, `,"stop":2`: false,
		`,"place":{"street":"Veldstraat 1"}`: false, `,"place":{"country":"Belgium"}`: false,
		`,"quantities":[{"kind":"weight","number":12.5,"unit":"KGM"}]`: false, `,"quantities":[{"kind":"weight","number":"12,5","unit":"KGM"}]`: false,
	} {
		var v any
		text := `{"specversion":"1.0","id":"1","source":"urn:x","type":"` + connectors.MilestoneType + `","subject":"shipment/acme-1","data":{"milestone":"unclassified","occurredAt":"2026-11-24T12:00:00Z"` + more + `}}`
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != ok {
			t.Errorf("%s: %v", more, err)
		}
	}
}
