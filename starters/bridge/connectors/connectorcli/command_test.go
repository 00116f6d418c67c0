package connectorcli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/connectorcli"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// waybill runs a command line as the waybill command does.
func waybill(t *testing.T, in string, args ...string) (out, words string, err error) {
	t.Helper()
	var o, w bytes.Buffer
	on := &console.Console{In: strings.NewReader(in), Out: &o, Words: &w}
	if code := on.Run(t.Context(), root(on, func() time.Time { return noon }), append([]string{"connector"}, args...)); code != console.Done {
		err = fmt.Errorf("exit code %d: %s", code, w.String())
	}
	return o.String(), w.String(), err
}

// root is the command that has ours under it.
func root(on *console.Console, now func() time.Time) *cobra.Command {
	c := console.Group("waybill", "", connectorcli.Command(on, now))
	on.JSONFlag(c)
	return c
}

func file(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// deliver is an event as the bridge has it.
func deliver(event string) store.Delivery {
	return store.Delivery{Source: "someone", Body: []byte(event), ReceivedAt: noon}
}

const (
	delivered = `{"shipments":[{"id":7777770001,"events":[{"timestamp":"2026-11-20T08:00:00","statusCode":"transit","location":{"address":{"countryCode":"NL","addressLocality":"Utrecht"}}},
 {"timestamp":"2026-11-21T10:30:00+01:00","statusCode":"delivered","status":"delivered"}],"details":{"proofOfDelivery":{"signed":{"name":"J DOE"}}}}]}`
	strange = `{"shipments":[{"id":7777770001,"events":[{"timestamp":"2026-11-20T08:00:00Z","statusCode":"teleported"},{"timestamp":"2026-11-20T08:00:00Z","statusCode":"transit"}]}]}`
)

func TestRunPrintsEventsThatTheSchemaTakes(t *testing.T) {
	path := file(t, t.TempDir(), "push.json", delivered)
	out, words, err := waybill(t, "", "run", "dhl", path)
	if err != nil || words != "" {
		t.Fatalf("%v, %q", err, words)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	schema := milestoneSchema(t)
	for _, line := range lines {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if _, err := (connectors.Canonical{}).Decode(deliver(line), noon); err != nil {
			t.Errorf("the bridge would not take %s: %v", line, err)
		}
	}
	if !strings.Contains(lines[0], `"zonesource":"location"`) || !strings.Contains(lines[1], `"signer":"J DOE"`) || strings.Contains(out, "explain") {
		t.Errorf("got\n%s", out)
	}
}

func milestoneSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	es, err := bridge.EventSchemas()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(es, func(e bridge.EventSchema) bool { return e.Type == connectors.MilestoneType })
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(es[i].Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(es[i].ID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(es[i].ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExplainSaysWhichRuleAndWhere(t *testing.T) {
	out, _, err := waybill(t, delivered, "run", "dhl", "-", "--explain", "--source", "dhl-eu")
	if err != nil || !strings.Contains(out, `"mapping":"dhl@1","pointer":"/shipments/0/events/0","code":"transit"`) || !strings.Contains(out, `urn:waybill:source:dhl-eu`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSurpriseIsToldWithItsPlaceAndFails(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ body, want string }{
		"a code without a meaning": {strange, `/shipments/0/events/0: code "teleported" is not in mapping dhl@1`},
		"no JSON":                  {"{", "not JSON"},
		"a key twice":              {`{"shipments":[{"id":1,"id":2}]}`, "/shipments/0/id: the key comes twice"},
	} {
		path := file(t, dir, "push.json", c.body)
		_, words, err := waybill(t, "", "run", "dhl", path)
		if err == nil || !strings.Contains(words, path+": ") || !strings.Contains(words, c.want) {
			t.Errorf("%s: %v, %q", name, err, words)
		}
	}
	out, _, err := waybill(t, strange, "run", "dhl", "-")
	if err == nil || strings.Count(out, "\n") != 2 {
		t.Errorf("what could be read is not printed: %v\n%s", err, out)
	}
}

func TestTestsAreRefusedUnlessAskedFor(t *testing.T) {
	body := `{"event":"track_updated","test":true,"data":{"carrier":"usps","tracking_number":"P1","tracking_history":[{"status":"TRANSIT","status_date":"2026-11-20T08:00:00Z"}]}}`
	if out, words, err := waybill(t, body, "run", "shippo", "-"); err == nil || out != "" || !strings.Contains(words, "test") {
		t.Errorf("%v, %q, %q", err, out, words)
	}
	if out, _, err := waybill(t, body, "run", "shippo", "-", "--tests"); err != nil || out == "" {
		t.Errorf("asked for, and yet %v", err)
	}
}

func TestConnectorAndFileThatAreNotThereAreNamed(t *testing.T) {
	if _, _, err := waybill(t, "{}", "run", "nobody", "-"); err == nil || !strings.Contains(err.Error(), "there is no connector nobody") {
		t.Error(err)
	}
	if _, _, err := waybill(t, "", "run", "dhl", "nowhere.json"); err == nil || !strings.Contains(err.Error(), "nowhere.json") {
		t.Error(err)
	}
	if _, _, err := waybill(t, "", "list", "--dir", "nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere is no folder") {
		t.Error(err)
	}
	if _, _, err := waybill(t, "", "test", t.TempDir()); err == nil || !strings.Contains(err.Error(), "waybill connector new") {
		t.Error(err)
	}
}

func TestNewConnectorWorksAndGoesThroughListTestAndRun(t *testing.T) {
	for _, content := range []string{"json", "xml"} {
		dir := t.TempDir()
		out, words, err := waybill(t, "", "new", "acme", "--dir", dir, "--content", content)
		if err != nil {
			t.Fatalf("%v, %s", err, words)
		}
		sample := filepath.Join(dir, "acme.samples", "example."+content)
		if !strings.Contains(out, sample) {
			t.Errorf("it does not say what it made: %s", out)
		}
		if out, _, err := waybill(t, "", "test", dir); err != nil || !strings.Contains(out, "ok   acme@1") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, _, err := waybill(t, "", "list", "--dir", dir); err != nil || !strings.Contains(out, "acme@1") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, _, err := waybill(t, "", "run", "acme@1", sample, "--dir", dir); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"milestone":"delivered"`) {
			t.Errorf("%v\n%s", err, out)
		}
		if _, _, err := waybill(t, "", "new", "acme", "--dir", dir); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("it was made again over the first: %v", err)
		}
	}
	for _, args := range [][]string{{"new", "No Name"}, {"new", "acme", "--content", "csv"}} {
		if _, _, err := waybill(t, "", append(args, "--dir", t.TempDir())...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestSampleThatNoLongerGivesWhatIsExpectedFailsUntilItIsAccepted(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := waybill(t, "", "new", "acme", "--dir", dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "acme.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file(t, dir, "acme.yaml", strings.Replace(string(text), "DONE: delivered", "DONE: returned", 1))
	_, words, err := waybill(t, "", "test", dir)
	if err == nil || !strings.Contains(words, "event 2 is") || !strings.Contains(words, "returned") || !strings.Contains(words, "delivered") {
		t.Errorf("%v, %q", err, words)
	}
	if _, _, err := waybill(t, "", "list", "--dir", dir); err == nil {
		t.Error("the list does not fail")
	}
	if _, _, err := waybill(t, "", "test", dir, "--accept"); err != nil {
		t.Error(err)
	}
	if _, _, err := waybill(t, "", "test", dir); err != nil {
		t.Error(err)
	}
	file(t, dir, "acme.yaml", "name: [")
	if _, words, err := waybill(t, "", "test", dir); err == nil || !strings.Contains(words, "FAIL acme.yaml") {
		t.Errorf("%v, %q", err, words)
	}
}

func TestListNamesWhoAnswersForEachConnector(t *testing.T) {
	out, _, err := waybill(t, "", "list", "--json")
	var rows []struct {
		Name, Kind, Owner, Contact, Auth string
		Codes, Version                   int
	}
	if err != nil || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 13 {
		t.Fatalf("%d rows, %v\n%s", len(rows), err, out)
	}
	for _, r := range rows {
		if r.Name == "" || r.Owner == "" || r.Contact == "" || r.Auth == "" || r.Codes == 0 || r.Version != 1 && r.Version != 2 || r.Kind != "go" && r.Kind != "file" {
			t.Errorf("%+v", r)
		}
	}
}

func TestEventsPrintsTheSchemaOfAType(t *testing.T) {
	out, _, err := waybill(t, "", "events")
	if err != nil || !strings.Contains(out, connectors.MilestoneType+"\tversion 1\tpartners tell us") || !strings.Contains(out, connectors.ChargesType) || !strings.Contains(out, "told/com.waybill.shipment.invoice_paid.v1\tversion 1\twe tell subscribers") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = waybill(t, "", "events", connectors.ChargesType)
	var schema map[string]any
	if err != nil || json.Unmarshal([]byte(out), &schema) != nil || schema["$id"] != "urn:waybill:schema:"+connectors.ChargesType {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = waybill(t, "", "events", "told/"+connectors.MilestoneType)
	if err != nil || json.Unmarshal([]byte(out), &schema) != nil || schema["$id"] != "urn:waybill:schema:told/"+connectors.MilestoneType {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := waybill(t, "", "events", "com.waybill.nothing.v9"); err == nil || !strings.Contains(err.Error(), "com.waybill.nothing.v9") {
		t.Error(err)
	}
}

func TestMisuseIsToldFromFailure(t *testing.T) {
	for _, args := range [][]string{{}, {"run"}, {"run", "dhl"}, {"bogus"}, {"test"}, {"new"}, {"list", "--bogus"}, {"events", "a", "b"}} {
		if _, _, err := waybill(t, "", args...); err == nil || !strings.HasPrefix(err.Error(), "exit code 2") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, _, err := waybill(t, "{", "run", "dhl", "-"); err == nil || !strings.HasPrefix(err.Error(), "exit code 1") {
		t.Errorf("a payload that is no good: %v", err)
	}
}
