package billing_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"waybill/activities/billing"
	"waybill/activities/billing/billingtest"
	"waybill/internal/partner/contracttest"
)

// draftBody is an invoice of 100.00 USD under ACME's contract.
const draftBody = `{"external_ref":"waybill.inv_acme-1_1","shipment":"acme-1","customer":"ACME","contract":"ACME-2026","version":"3","rating_hash":"abc",
	"lines":[{"ref":"linehaul","code":"linehaul","saleLine":7,"product":3,"description":"Freight","quantity":"1","unitPrice":{"number":"105.00","currency":"USD"},"taxes":[4]},
		{"ref":"g_8","description":"Crate","quantity":"-0.5","unitPrice":{"number":"10.00","currency":"USD"},"discount":"0"}],
	"net":{"number":"100.00","currency":"USD"}}`

const ratingBody = `{"shipment":"acme-1","contract":"ACME-2026","carrier":"FASTFRT","shipDate":"2026-10-05T14:00:00Z","currency":"USD","shipTo":{"ref":9,"country":"US","postcode":"75001"},"weight":"120.5","pieces":2,
	"charges":[{"ref":"INV-1/1","code":"linehaul","raw":"400","amount":{"number":"66.28","currency":"USD"}},
		{"ref":"INV-1/2","code":"detention","amount":{"number":"180.00","currency":"USD"},"quantity":"3.5","unit":"h"}]}`

const contractBody = `{"id":"NEW-2026","version":"1","carrier":"NEWFRT","from":"2026-01-01","to":"2026-12-31","time_zone":"America/Chicago","currency":"USD",
	"zones":[{"name":"all","country":"US","prefixes":["7"],"breaks":[{"from_kg":"0","per_kg":"1"},{"from_kg":"100","per_kg":"0.8"}]}],"deficit":true,"discount":"10","minimum":"40",
	"fuel":[{"from":"2026-01-01","percent":"18"}],"accessorials":{"detention":{"per_started":"12.50","interval":"0.25","free":"2","unit":"h"},"lumper":{"pass_through":true}}}`

func engine(t *testing.T) *billingtest.Engine {
	t.Helper()
	e, err := billingtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEngineKeepsItsContract has the engine give every answer the document promises, and refuse all it forbids.
func TestEngineKeepsItsContract(t *testing.T) {
	e := engine(t)
	c := contracttest.Load(t, billing.OpenAPI()).Caller(t, e, &e.Server)
	create := contracttest.Request{Method: "POST", Path: "/v1/invoice-drafts", Key: "waybill.inv_acme-1_1", Body: draftBody}
	commit := contracttest.Request{Method: "POST", Path: "/v1/invoice-drafts/D000001/commit", Key: "waybill.inv_acme-1_1/commit"}
	void := contracttest.Request{Method: "POST", Path: "/v1/invoice-drafts/D000001/void", Key: "void-1", Body: `{"reason":"wrong customer"}`}
	read := contracttest.Request{Method: "GET", Path: "/v1/invoice-drafts/D000001"}
	find := contracttest.Request{Method: "GET", Path: "/v1/invoice-drafts?external_ref=waybill.inv_acme-1_1"}
	rate := contracttest.Request{Method: "POST", Path: "/v1/ratings", Body: ratingBody}
	enter := contracttest.Request{Method: "PUT", Path: "/v1/contracts/NEW-2026/versions/1", Body: contractBody}
	version := contracttest.Request{Method: "GET", Path: enter.Path}

	c.Want(read, http.StatusNotFound, "unknown")
	c.Want(commit, http.StatusNotFound, "unknown")
	c.Want(void, http.StatusNotFound, "unknown")
	c.Want(version, http.StatusNotFound, "unknown")
	c.Want(enter, http.StatusOK, "")
	for _, q := range []contracttest.Request{rate, create, commit, void, enter, version, find, read} {
		c.Refusals(q)
	}
	c.Want(enter, http.StatusOK, "")
	c.Want(version, http.StatusOK, "")
	c.Want(rate, http.StatusOK, "")
	c.Want(find, http.StatusOK, "")
	c.Want(read, http.StatusOK, "")
	c.Want(contracttest.Request{Method: "GET", Path: "/v1/invoice-drafts"}, http.StatusBadRequest, "parameter_required")
	c.Want(edited(t, rate, "contract", "NOBODY-2026"), http.StatusNotFound, "no_contract")
	c.Want(edited(t, enter, "minimum", "41"), http.StatusConflict, "version_exists")
	e.Forget()
	c.Want(commit, http.StatusConflict, "void")
	c.Complete()
}

// edited is a request with one member of its body set.
func edited(t *testing.T, q contracttest.Request, member string, value any) contracttest.Request {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(q.Body), &body); err != nil {
		t.Fatal(err)
	}
	body[member] = value
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	q.Body = string(b)
	return q
}
