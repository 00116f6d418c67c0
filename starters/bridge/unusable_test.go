package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/internal/store"
)

// unusable are authentic deliveries that cannot be used: where the fault is, and what the sender is told of it.
var unusable = []struct{ name, body, pointer, says string }{
	{"nothing", " ", "", "not JSON"},
	{"half a body", delivered("acme-1042")[:80], "/type", "not JSON"},
	{"something after the end", delivered("acme-1042") + "{}", "", "after its end"},
	{"no UTF-8", strings.Replace(delivered("acme-1042"), "FASTFRT", "FAST\xff", 1), "", "UTF-8"},
	{"a zero character", strings.Replace(delivered("acme-1042"), "FASTFRT", `FAST\u0000`, 1), "/data/carrier", "zero character"},
	{"not a number", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","pieces":{"delivered":NaN,"expected":1}`), "/data/pieces/delivered", "not JSON"},
	{"a number without end", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","pieces":{"delivered":1e999999999,"expected":1}`), "/data/pieces/delivered", "out of range"},
	{"a number without end below", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","pieces":{"delivered":1e-1000000,"expected":1}`), "/data/pieces/delivered", "out of range"},
	{"a number of a hundred digits", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","pieces":{"delivered":`+strings.Repeat("9", 100)+`,"expected":1}`), "/data/pieces/delivered", "out of range"},
	{"a key twice", milestone("acme-1042", `"milestone":"delivered","milestone":"picked_up","occurredAt":"2026-11-24T11:30:00Z"`), "/data/milestone", "twice"},
	{"a key twice in two cases", milestone("acme-1042", `"milestone":"delivered","Milestone":"picked_up","occurredAt":"2026-11-24T11:30:00Z"`), "/data/Milestone", "twice"},
	{"data beside the data that the schema sees", strings.Replace(delivered("acme-1042"), `"data"`, `"Data":{"milestone":"lost"},"data"`, 1), "/data", "twice"},
	{"nesting", milestone("acme-1042", `"milestone":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), "/data/milestone/0/0", "deep"},
	{"a list", "[" + delivered("acme-1042") + "]", "", "object"},
	{"another version of CloudEvents", strings.Replace(delivered("acme-1042"), `"1.0"`, `"0.3"`, 1), "/specversion", "1.0"},
	{"no version", strings.Replace(delivered("acme-1042"), `"specversion":"1.0",`, "", 1), "", "specversion"},
	{"no id", strings.Replace(delivered("acme-1042"), `"id":"e1",`, "", 1), "", "id"},
	{"no source", strings.Replace(delivered("acme-1042"), `"source":"urn:test:carrier",`, "", 1), "", "source"},
	{"a source that is no URI", strings.Replace(delivered("acme-1042"), `urn:test:carrier`, "http://[", 1), "/source", "uri-reference"},
	{"no data", `{"specversion":"1.0","id":"e1","source":"s","type":"com.waybill.shipment.milestone.v1","subject":"shipment/acme-1"}`, "", "data"},
	{"data in base64", strings.Replace(delivered("acme-1042"), `"data"`, `"data_base64":"e30=","data"`, 1), "", "data_base64"},
	{"data of another kind", strings.Replace(delivered("acme-1042"), `"data"`, `"datacontenttype":"application/xml","data"`, 1), "/datacontenttype", "application/xml"},
	{"an extension that is no attribute", strings.Replace(delivered("acme-1042"), `"data"`, `"extra":{"a":1},"data"`, 1), "/extra", "object"},
	{"another type", strings.Replace(delivered("acme-1042"), "milestone.v1", "milestone.v2", 1), "/type", "com.waybill.shipment.milestone.v1"},
	{"an unknown milestone", strings.Replace(delivered("acme-1042"), `"delivered"`, `"arrived_somehow"`, 1), "/data/milestone", "out_for_delivery"},
	{"a field that is not ours", strings.Replace(delivered("acme-1042"), `"carrier"`, `"carier"`, 1), "/data", "carier"},
	{"a subject that is no shipment", strings.Replace(delivered("acme-1042"), "shipment/acme-1042", "order/7", 1), "/subject", "order/7"},
	{"no reference", strings.Replace(delivered("acme-1042"), `"subject":"shipment/acme-1042",`, "", 1), "/subject", "data.references"},
	{"no time", milestone("acme-1042", `"milestone":"delivered"`), "/data", "occurredAt"},
	{"a time without a zone", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00"`), "/data/occurredAt", "date-time"},
	{"a time in 1970", milestone("acme-1042", `"milestone":"delivered","occurredAt":"1970-01-01T00:00:00Z"`), "/data/occurredAt", "with its zone"},
	{"a time in two years", milestone("acme-1042", `"milestone":"delivered","classifier":"planned","occurredAt":"2028-11-24T11:30:00Z"`), "/data/occurredAt", "a year ahead"},
	{"a fact that is to come", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-26T11:30:00Z"`), "/data/occurredAt", "estimated or planned"},
	{"an ETA beyond the calendar", milestone("acme-1042", `"milestone":"eta_updated","occurredAt":"2026-11-24T11:30:00Z","eta":"9999-12-31T23:59:59-12:00"`), "/data/eta", "cannot be"},
	{"a document that is not base64", strings.Replace(proof(30), `"content":"`, `"content":"*`, 1), "/data/documents/0/content", "base64"},
	{"an amount as a number", invoice(`{"number":100.00,"currency":"USD"}`, line("1", "100.00", "USD")), "/data/invoice/total/number", "string"},
	{"an amount with an exponent", invoice(money("1e9", "USD"), line("1", "100.00", "USD")), "/data/invoice/total/number", "pattern"},
	{"an absurd amount", invoice(money("1000000.00", "USD"), line("1", "1000000.00", "USD")), "/data/invoice/total", "too large"},
	{"an absurd line", invoice(money("100.00", "USD"), line("1", "9999999.00", "USD")), "/data/invoice/lines/0/amount", "too large"},
	{"half a cent", invoice(money("100.005", "USD"), line("1", "100.00", "USD")), "/data/invoice/total", "decimals"},
	{"a currency that is none", invoice(money("100.00", "ZZZ"), line("1", "100.00", "ZZZ")), "/data/invoice/total", "ZZZ"},
	{"a line in another currency", invoice(money("100.00", "USD"), line("1", "50.00", "USD"), line("2", "50.00", "EUR")), "/data/invoice/lines/1/amount/currency", "one currency"},
	{"a line twice", invoice(money("100.00", "USD"), line("1", "50.00", "USD"), line("1", "50.00", "USD")), "/data/invoice/lines/1/line", "twice"},
	{"no lines", invoice(money("100.00", "USD")), "/data/invoice/lines", "minItems"},
	{"201 lines", invoice(money("100.00", "USD"), strings.Split(strings.Repeat(line("1", "1.00", "USD")+"|", 201), "|")[:201]...), "/data/invoice/lines", "maxItems"},
	{"21 references", milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","references":[`+strings.TrimSuffix(strings.Repeat(`{"kind":"order","value":"S1"},`, 21), ",")+"]"), "/data/references", "maxItems"},
}

func TestAuthenticDeliveryThatCannotBeUsedIsKeptAndToldWhere(t *testing.T) {
	w := newWorld(t)
	for i, c := range unusable {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprint("evt-", i)
			a := w.send(letter{id: id, body: c.body}).want(t, http.StatusUnprocessableEntity)
			if len(a.problem.Errors) == 0 || !strings.HasPrefix(a.problem.Errors[0].Pointer, c.pointer) || c.pointer == "" && a.problem.Errors[0].Pointer != "" || !strings.Contains(a.problem.Errors[0].Detail, c.says) {
				t.Errorf("want %q at %q, told %v", c.says, c.pointer, a.problem.Errors)
			}
			if !strings.HasPrefix(a.problem.Detail, a.problem.Errors[0].Pointer) || !strings.Contains(a.problem.Detail, "send it again") {
				t.Errorf("the detail does not say where, and what to do: %s", a.problem.Detail)
			}
			dead := w.kept(store.Dead)
			last := dead[len(dead)-1]
			if last.Headers["webhook-id"] != id || string(last.Body) != c.body || !strings.Contains(last.Reason, c.says) {
				t.Errorf("kept for %q as %s", last.Reason, last.ID)
			}
		})
	}
	if n := len(w.kept(store.Pending)); n != 0 {
		t.Errorf("%d unusable deliveries wait to be read", n)
	}
}

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	a := w.send(letter{body: milestone("acme-1042", `"milestone":"nope","occurredAt":"yesterday","pieces":{"delivered":-1,"expected":1},"a/b~c":1`)}).want(t, http.StatusUnprocessableEntity)
	for _, want := range []string{"/data/milestone", "/data/occurredAt", "/data/pieces/delivered", "/data"} {
		found := false
		for _, e := range a.problem.Errors {
			found = found || e.Pointer == want
		}
		if !found {
			t.Errorf("%s is not told: %v", want, a.problem.Errors)
		}
	}
}

func TestNoMoreFaultsAreToldThanAPersonMends(t *testing.T) {
	w := newWorld(t)
	lines := strings.Split(strings.Repeat(`{"line":"?"}|`, 50), "|")[:50]
	if a := w.send(letter{body: invoice(money("1.00", "USD"), lines...)}).want(t, http.StatusUnprocessableEntity); len(a.problem.Errors) != 10 {
		t.Errorf("%d are told", len(a.problem.Errors))
	}
}

func TestPlaceOfAFaultIsAJSONPointer(t *testing.T) {
	w := newWorld(t)
	a := w.send(letter{body: `{"a/b~c":{"x":"` + `\u0000"}}`}).want(t, http.StatusUnprocessableEntity)
	if got := a.problem.Errors[0].Pointer; got != "/a~1b~0c/x" {
		t.Errorf("the pointer is %q", got)
	}
}

func TestProblemsDoNotRepeatABodyAtLength(t *testing.T) {
	w := newWorld(t)
	for i, body := range []string{
		strings.Replace(delivered("acme-1042"), "acme-1042", strings.Repeat("x", 100_000), 1),
		strings.Replace(delivered("acme-1042"), `"data"`, `"`+strings.Repeat("y", 100_000)+`":{},"data"`, 1),
		`{"` + strings.Repeat("ä", 50_000) + `":{"a":1,"a":2}}`,
	} {
		if a := w.send(letter{id: fmt.Sprint("evt-", i), body: body}).want(t, http.StatusUnprocessableEntity); len(a.body) > 8_000 {
			t.Errorf("the answer has %d bytes", len(a.body))
		}
	}
}

func TestUnusableDeliveryIsAnsweredTheSameAgain(t *testing.T) {
	w := newWorld(t)
	bad := letter{body: strings.Replace(delivered("acme-1042"), `"delivered"`, `"nope"`, 1)}
	for range 3 {
		w.send(bad).want(t, http.StatusUnprocessableEntity)
	}
	if n := len(w.kept("")); n != 1 {
		t.Errorf("%d are kept, want 1", n)
	}
}

func TestCorrectedDeliveryIsTakenUnderTheSameID(t *testing.T) {
	w := newWorld(t)
	w.send(letter{body: strings.Replace(delivered("acme-1042"), `"delivered"`, `"nope"`, 1)}).want(t, http.StatusUnprocessableEntity)
	if a := w.send(letter{}).want(t, http.StatusAccepted); a.receipt.ID != "evt-1" || a.receipt.Repeat {
		t.Errorf("the corrected one is answered %s", a.body)
	}
	w.send(letter{}).want(t, http.StatusAccepted)
	w.send(letter{body: delivered("acme-7")}).want(t, http.StatusConflict) // now the id is spent
	if live, dead := w.kept(store.Pending), w.kept(store.Dead); len(live) != 1 || len(dead) != 1 || live[0].ID != "evt-1" {
		t.Errorf("%d live, %d dead", len(live), len(dead))
	}
}

// A sender repeats for days what was not taken. When a time that lay too far ahead has come near, the same delivery
// is in order; were its id spent, it would be answered as a repeat and never be read.
func TestFactThatWasToComeIsTakenWhenItHasCome(t *testing.T) {
	w := newWorld(t)
	ahead := letter{body: milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-25T18:00:00Z"`)}
	w.send(ahead).want(t, http.StatusUnprocessableEntity)
	w.clock.move(7 * time.Hour)
	if a := w.send(ahead).want(t, http.StatusAccepted); a.receipt.Repeat {
		t.Error("what was refused is answered as a repeat")
	}
	if n := len(w.kept(store.Pending)); n != 1 {
		t.Errorf("%d wait to be read, want 1", n)
	}
}

func TestWhatIsAtTheEdgeOfUsableIsTaken(t *testing.T) {
	w := newWorld(t)
	for i, body := range []string{
		milestone("acme-1042", `"milestone":"delivered","occurredAt":"2026-11-25T12:00:00Z"`),
		milestone("acme-1042", `"milestone":"delivered","occurredAt":"2000-01-01T00:00:00Z"`),
		milestone("acme-1042", `"milestone":"delivery_appointment_set","classifier":"planned","occurredAt":"2027-11-25T12:00:00Z"`),
		invoice(money("999999.99", "USD"), line("1", "999999.99", "USD")),
		invoice(money("-50.00", "USD"), line("1", "-50.00", "USD")),
		invoice(money("1000", "JPY"), line("1", "1000", "JPY")),
		strings.Replace(delivered("acme-1042"), `"subject":"shipment/acme-1042",`, `"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","sequence":7,`, 1),
	} {
		body = strings.Replace(body, `"data":{`, `"datacontenttype":"application/json; charset=utf-8","data":{"references":[{"kind":"tracking","carrier":"FASTFRT","value":"FF1"}],`, 1)
		w.send(letter{id: fmt.Sprint("evt-", i), body: body}).want(t, http.StatusAccepted)
	}
}
