package contracttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"waybill/activities/billing"
	"waybill/activities/finance"
	"waybill/activities/tms"
	"waybill/activities/wms"
	"waybill/internal/partner/contracttest"
)

// TestContractsSayTheSameWhereTheyMeanTheSame: each partner gets one document that stands alone, so what they have in
// common is written four times.
func TestContractsSayTheSameWhereTheyMeanTheSame(t *testing.T) {
	common := map[string]any{} // by place
	shared := 0
	for name, document := range map[string][]byte{"billing": billing.OpenAPI(), "tms": tms.OpenAPI(), "wms": wms.OpenAPI(), "finance": finance.OpenAPI()} {
		var api struct {
			Components map[string]map[string]any
			Servers    any
			Security   any
			Paths      map[string]any
		}
		if err := yaml.Unmarshal(document, &api); err != nil {
			t.Fatal(err)
		}
		parts := map[string]any{"servers": api.Servers, "security": api.Security, "/healthz": api.Paths["/healthz"]}
		for kind, members := range api.Components {
			for member, value := range members {
				parts[kind+"/"+member] = value
			}
		}
		delete(parts, "schemas/ProblemCode") // each has its own
		for place, value := range parts {
			was, known := common[place]
			if known && !reflect.DeepEqual(was, value) {
				t.Errorf("%s says something else of %s than the others", name, place)
			}
			if known {
				shared++
			}
			common[place] = value
		}
	}
	if shared < 50 {
		t.Errorf("only %d parts are shared: nothing was compared", shared)
	}
}

// listener is a test that collects what it is failed for.
type listener struct {
	testing.TB
	errors []string
}

func (l *listener) Errorf(format string, args ...any) {
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

const (
	draft = `{"id":"D000001","status":"draft","external_ref":"r","shipment":"acme-1","customer":"ACME","contract":"C","version":"1","rating_hash":"h",
		"lines":[{"ref":"a","description":"A","quantity":"1","unitPrice":{"number":"1.00","currency":"USD"}}],"net":{"number":"1.00","currency":"USD"}}`
	newDraft = `{"external_ref":"r","shipment":"acme-1","customer":"ACME","contract":"C","version":"1","rating_hash":"h",
		"lines":[{"ref":"a","description":"A","quantity":"1","unitPrice":{"number":"1.00","currency":"USD"}}],"net":{"number":"1.00","currency":"USD"}}`
	down = `{"type":"urn:waybill:problem:unavailable","title":"Maintenance","status":503,"code":"unavailable","retryable":true}`
)

// exchange is a request and the answer to it.
type exchange struct {
	method, path, body string
	header             map[string]string // of the request
	status             int
	answer             string
	answerHeader       map[string]string
}

func sound() exchange {
	return exchange{
		method: "POST", path: "/v1/invoice-drafts", body: newDraft, status: 201, answer: draft,
		header:       map[string]string{"Authorization": "Bearer x", "Content-Type": "application/json", "Idempotency-Key": `"r"`, "X-Waybill-Shipment": "acme-1"},
		answerHeader: map[string]string{"Content-Type": "application/json"},
	}
}

// watched plays an exchange under a watch, and says what the watch found.
func watched(t *testing.T, x exchange) []string {
	t.Helper()
	l := &listener{TB: t}
	stand := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range x.answerHeader {
			w.Header().Set(k, v)
		}
		w.WriteHeader(x.status)
		_, _ = io.WriteString(w, x.answer) // a recorder does not fail
	})
	r := httptest.NewRequest(x.method, x.path, strings.NewReader(x.body))
	for k, v := range x.header {
		r.Header.Set(k, v)
	}
	contracttest.Load(l, billing.OpenAPI()).Ours(stand).ServeHTTP(httptest.NewRecorder(), r)
	return l.errors
}

// TestWatchFindsWhatIsNotInTheContract: without this the contract tests could pass whatever is said.
func TestWatchFindsWhatIsNotInTheContract(t *testing.T) {
	if found := watched(t, sound()); len(found) > 0 {
		t.Fatalf("the sound exchange: %q", found)
	}
	for name, spoil := range map[string]func(*exchange){
		"request without its key":            func(x *exchange) { delete(x.header, "Idempotency-Key") },
		"request with a key without quotes":  func(x *exchange) { x.header["Idempotency-Key"] = "r" },
		"request without a token":            func(x *exchange) { delete(x.header, "Authorization") },
		"request with a header of its own":   func(x *exchange) { x.header["X-Secret"] = "1" },
		"request with a parameter":           func(x *exchange) { x.path += "?dry_run=1" },
		"request that is no JSON":            func(x *exchange) { x.header["Content-Type"] = "text/plain" },
		"request without a member":           func(x *exchange) { x.body = strings.Replace(x.body, `"customer":"ACME",`, "", 1) },
		"request with a member of its own":   func(x *exchange) { x.body = strings.Replace(x.body, "{", `{"note":"",`, 1) },
		"request with a number for decimals": func(x *exchange) { x.body = strings.Replace(x.body, `"quantity":"1"`, `"quantity":1`, 1) },
		"request with a net that is none": func(x *exchange) {
			x.body = strings.Replace(x.body, `"net":{"number":"1.00","currency":"USD"}`, `"net":{"number":"1.00"}`, 1)
		},
		"request whose shipment is none":  func(x *exchange) { x.header["X-Waybill-Shipment"] = "ACME 1" },
		"path":                            func(x *exchange) { x.path = "/v1/invoices" },
		"method":                          func(x *exchange) { x.method = "PATCH" },
		"status":                          func(x *exchange) { x.status = 202 },
		"answer without a member":         func(x *exchange) { x.answer = strings.Replace(x.answer, `"status":"draft",`, "", 1) },
		"answer with a member of its own": func(x *exchange) { x.answer = strings.Replace(x.answer, "{", `{"due":"",`, 1) },
		"answer with one deep inside":     func(x *exchange) { x.answer = strings.Replace(x.answer, `"currency"`, `"scale":2,"currency"`, 1) },
		"answer in another state":         func(x *exchange) { x.answer = strings.Replace(x.answer, `"draft"`, `"open"`, 1) },
		"answer that is no JSON":          func(x *exchange) { x.answerHeader["Content-Type"] = "text/html" },
		"answer with a header of its own": func(x *exchange) { x.answerHeader["X-Batch"] = "7" },
		"answer replayed, but not quite":  func(x *exchange) { x.answerHeader["Idempotency-Replayed"] = "yes" },
		"down without saying until when": func(x *exchange) {
			x.status, x.answer, x.answerHeader["Content-Type"] = 503, down, "application/problem+json"
		},
		"problem with a code of its own": func(x *exchange) {
			x.status, x.answer = 503, strings.Replace(down, `"code":"unavailable"`, `"code":"closed"`, 1)
			x.answerHeader = map[string]string{"Content-Type": "application/problem+json", "Retry-After": "1"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := sound()
			spoil(&x)
			if found := watched(t, x); len(found) == 0 {
				t.Error("it was not found")
			}
		})
	}
}

func TestDocumentThatLeavesAnObjectOpenIsNotUsed(t *testing.T) {
	l := &listener{TB: t}
	contracttest.Load(l, []byte(strings.Replace(string(billing.OpenAPI()), "additionalProperties: false", "minProperties: 0", 1)))
	if len(l.errors) != 1 || !strings.Contains(l.errors[0], "an object without additionalProperties") {
		t.Errorf("got %q", l.errors)
	}
}
