package bridge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"waybill/starters/bridge"
	"waybill/starters/bridge/bridgetest"
)

// openAPI is the document as the bridge serves it, in the types a JSON parser gives.
func openAPI(t *testing.T, w *world) map[string]any {
	t.Helper()
	a := get(t, w.server.URL+"/openapi.yaml").want(t, http.StatusOK)
	if a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("served as %s", a.header.Get("Content-Type"))
	}
	var doc any
	if err := yaml.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

// at goes down a document.
func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// compiled compiles a schema of the document, with the event schema at the address it is served under.
func compiled(t *testing.T, doc map[string]any, where string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile("schemas/event.json")
	if err != nil {
		t.Fatal(err)
	}
	event, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	delete(event.(map[string]any), "$id") // it is known by its address here
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for address, r := range map[string]any{"http://bridge/openapi.yaml": doc, "http://bridge/v1/schemas/event.json": event} {
		if err := c.AddResource(address, r); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://bridge" + where)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everyAnswer provokes each answer of the two ways in, by path and status.
func everyAnswer(t *testing.T) map[string]map[int]answer {
	t.Helper()
	w := newWorld(t, withToken(hintToken, nil), func(o *bridge.Options) { o.Sources[0].PerSecond, o.Sources[0].Burst = 1, 5 })
	got := map[string]map[int]answer{}
	note := func(path string, as ...answer) {
		for _, a := range as {
			if got[path] == nil {
				got[path] = map[int]answer{}
			}
			got[path][a.status] = a
		}
	}
	const events, hints = "/v1/events/{source}", "/v1/hints/odoo"
	bad := strings.Replace(delivered("acme-1042"), `"delivered"`, `"nope"`, 1)
	note(events, w.send(letter{}), w.send(letter{body: delivered("acme-7")}), w.send(letter{id: "evt-2", body: bad}), w.send(letter{secret: bridgetest.SecretOf("x")}),
		w.send(letter{body: strings.Repeat(" ", bridge.DefaultLimit+1)}), w.send(letter{media: "text/plain"}))
	for i := range 5 {
		note(events, w.send(letter{id: fmt.Sprint("evt-r", i)}))
	}
	note(hints, w.hint(rightToken, order(1, "")), w.hint("", order(1, "")), w.hint(rightToken, "{}"), w.hint(rightToken, order(1, "")+strings.Repeat(" ", 16<<10)))
	for i := range 510 {
		note(hints, w.hint(rightToken, order(i+2, "")))
	}
	w.clock.move(time.Hour)
	note(events, w.broken("/v1/events/carrier")...)
	note(hints, w.broken("/v1/hints/odoo"+rightToken)...)
	if err := w.inbox.Close(); err != nil {
		t.Fatal(err)
	}
	note(events, w.send(letter{id: "evt-3"}))
	note(hints, w.hint(rightToken, order(1, "")))
	w = newWorld(t, withToken(hintToken, nil), func(o *bridge.Options) { o.Inbox = broken{o.Inbox} })
	note(events, w.send(letter{}))
	note(hints, w.hint(rightToken, order(1, "")))
	return got
}

// broken sends a body that breaks off, and one that stops coming.
func (w *world) broken(path string) []answer {
	w.t.Helper()
	s := w.listen(func(s *http.Server) { s.ReadTimeout = 100 * time.Millisecond })
	off, slow := dial(w.t, s.URL), dial(w.t, s.URL)
	head := "POST " + path + " HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
	for _, c := range []interface{ Write([]byte) (int, error) }{off, slow} {
		if _, err := c.Write([]byte(head)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := off.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
	return []answer{answerOn(w.t, off), answerOn(w.t, slow)}
}

func TestOpenAPIHasEveryAnswerAndNoOther(t *testing.T) {
	doc := openAPI(t, newWorld(t))
	for path, answers := range everyAnswer(t) {
		var given, told []string
		for status := range answers {
			given = append(given, fmt.Sprint(status))
		}
		for status := range at(doc, "paths", path, "post", "responses").(map[string]any) {
			told = append(told, status)
		}
		slices.Sort(given)
		slices.Sort(told)
		if !slices.Equal(given, told) {
			t.Errorf("%s answers %v, the document has %v", path, given, told)
		}
	}
}

func TestAnswersAreWhatOpenAPISays(t *testing.T) {
	doc := openAPI(t, newWorld(t))
	receipt, problem := compiled(t, doc, "/openapi.yaml#/components/schemas/Receipt"), compiled(t, doc, "/openapi.yaml#/components/schemas/Problem")
	for path, answers := range everyAnswer(t) {
		for status, a := range answers {
			response := at(doc, "paths", path, "post", "responses", fmt.Sprint(status), "$ref").(string)
			said := at(doc, strings.Split(strings.TrimPrefix(response, "#/"), "/")...)
			for header := range at(said, "headers").(map[string]any) {
				if a.header.Get(header) == "" {
					t.Errorf("%s %d has no %s", path, status, header)
				}
			}
			s, media := problem, "application/problem+json"
			if status < 300 {
				s, media = receipt, "application/json"
			}
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(v); err != nil || a.header.Get("Content-Type") != media {
				t.Errorf("%s %d, %s: %v", path, status, a.header.Get("Content-Type"), err)
			}
		}
	}
}

func TestOpenAPIHasEveryPath(t *testing.T) {
	w := newWorld(t)
	paths := at(openAPI(t, w), "paths").(map[string]any)
	for path, v := range paths {
		for method := range v.(map[string]any) {
			req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), w.server.URL+strings.NewReplacer("{source}", "carrier", "told/{type}", "told/com.waybill.shipment.invoice_paid.v1", "{type}", "com.waybill.shipment.charges.v1").Replace(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := w.do(req); a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
				t.Errorf("%s %s is in the document and answers %d", method, path, a.status)
			}
		}
	}
	want := []string{"/healthz", "/openapi.yaml", "/readyz", "/v1/events/{source}", "/v1/hints/odoo", "/v1/schemas", "/v1/schemas/event.json", "/v1/schemas/told/{type}.json", "/v1/schemas/{type}.json"}
	if got := slices.Sorted(maps.Keys(paths)); !slices.Equal(got, want) {
		t.Errorf("the document has %v, the bridge %v", got, want)
	}
}

func TestExamplesOfOpenAPIAreAcceptedByTheBridge(t *testing.T) {
	w := newWorld(t, withToken(hintToken, nil))
	doc := openAPI(t, w)
	event := compiled(t, doc, "/v1/schemas/event.json")
	content := at(doc, "paths", "/v1/events/{source}", "post", "requestBody", "content", "application/cloudevents+json")
	if got := at(content, "schema", "$ref"); got != "/v1/schemas/event.json" {
		t.Errorf("the schema of an event is %v", got)
	}
	examples := at(content, "examples").(map[string]any)
	if len(examples) < 4 {
		t.Errorf("%d examples", len(examples))
	}
	w.clock.move(24 * time.Hour)
	for name, e := range examples {
		value := at(e, "value")
		if err := event.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		w.send(letter{id: name, body: string(b)}).want(t, http.StatusAccepted)
	}
	hint, err := json.Marshal(at(doc, "paths", "/v1/hints/odoo", "post", "requestBody", "content", "application/json", "examples", "order", "value"))
	if err != nil {
		t.Fatal(err)
	}
	w.hint(rightToken, string(hint)).want(t, http.StatusAccepted)
	for name, schema := range map[string]string{"Accepted": "Receipt", "Unsigned": "Problem", "Unusable": "Problem"} {
		for _, media := range at(doc, "components", "responses", name, "content").(map[string]any) {
			for _, e := range at(media, "examples").(map[string]any) {
				if err := compiled(t, doc, "/openapi.yaml#/components/schemas/"+schema).Validate(at(e, "value")); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}
