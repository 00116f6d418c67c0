package billing_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/activities/billing"
	"waybill/activities/billing/billingtest"
	"waybill/internal/partner/contracttest"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// watched is our client of an engine, with both sides held to the document.
func watched(t *testing.T) (*billing.Engine, *billingtest.Engine) {
	t.Helper()
	e := engine(t)
	return client(t, e), e
}

func client(t *testing.T, handler http.Handler) *billing.Engine {
	t.Helper()
	return &billing.Engine{Client: contracttest.Load(t, billing.OpenAPI()).Client(t, handler)}
}

func rating() protocol.RatingRequest {
	return protocol.RatingRequest{
		Shipment: "acme-1", Contract: "ACME-2026", Carrier: "FASTFRT", ShipDate: time.Date(2026, 10, 5, 14, 0, 0, 0, time.UTC), Currency: "USD",
		ShipTo: freight.Place{Ref: 9, Country: "US", Postcode: "75001"}, Weight: "120", Pieces: 2,
		Charges: []freight.Charge{
			{Ref: "INV-1/1", Code: freight.Linehaul, Amount: freight.MustMoney("66.00 USD")},
			{Ref: "INV-1/2", Code: freight.Detention, RawCode: "DET", Amount: freight.MustMoney("180.00 USD"), Quantity: "3.5", Unit: "h"},
		},
	}
}

// validated is an invoice of 101.75 USD: freight and a crate.
func validated() protocol.DraftRequest {
	return protocol.DraftRequest{
		Customer: "ACME", RatingHash: "abc", Contract: "ACME-2026", Version: "3",
		Plan: freight.InvoicePlan{Shipment: "acme-1", N: 1, Key: "waybill.inv_acme-1_1", Partner: 5, Currency: "USD", Net: freight.MustMoney("101.75 USD"), Lines: []freight.InvoiceLine{
			{Ref: "linehaul", Code: freight.Linehaul, SaleLine: 7, Description: "Freight <acme-1>", Quantity: "1", UnitPrice: freight.MustMoney("85.50 USD"), Taxes: []int64{4}},
			{Ref: "fuel_surcharge", Code: freight.FuelSurcharge, Description: "Fuel", Quantity: "1", UnitPrice: freight.MustMoney("6.25 USD"), Taxes: []int64{}},
			{Ref: "g_8", SaleLine: 8, Product: 3, Description: "Crate", Quantity: "2", UnitPrice: freight.MustMoney("10.00 USD"), Discount: "50"},
		}},
	}
}

func TestRatingHasALineForTheCustomerAndOneForEachChargeInTheCarriersContract(t *testing.T) {
	e, _ := watched(t)
	r, err := e.RateShipment(t.Context(), rating())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, l := range r.Lines {
		got[l.Ref] = string(l.Side) + " " + l.Amount.String() + " " + string(l.Basis)
	}
	want := map[string]string{
		"linehaul":       "sell 85.50 USD contract", // 120 kg at 0.75, less 5 %
		"fuel_surcharge": "sell 15.82 USD contract", // 18.5 % of 85.50 is 15.8175
		"sell-INV-1/2":   "sell 180.00 USD pass_through",
		"buy-INV-1/1":    "buy 66.00 USD contract",  // 120 kg at 0.55
		"buy-INV-1/2":    "buy 100.00 USD contract", // 3.5 h less 2 h free: two started hours
	}
	if len(got) != len(want) || r.Total.String() != "281.32 USD" {
		t.Errorf("got %v, total %s", got, r.Total)
	}
	for ref, w := range want {
		if got[ref] != w {
			t.Errorf("%s: got %q, want %q", ref, got[ref], w)
		}
	}
}

func TestWithoutAContractTheShipmentIsHeldWithTheEnginesReason(t *testing.T) {
	e, _ := watched(t)
	for name, c := range map[string]struct {
		change func(*protocol.RatingRequest)
		words  string
	}{
		"no such contract":   {func(q *protocol.RatingRequest) { q.Contract = "NOBODY-2026" }, "there is no contract NOBODY-2026 in USD: enter one"},
		"another currency":   {func(q *protocol.RatingRequest) { q.Currency = "EUR" }, "there is no contract ACME-2026 in EUR: enter one"},
		"carrier without":    {func(q *protocol.RatingRequest) { q.Carrier = "NOCON" }, "there is no contract with carrier NOCON in USD: enter one"},
		"charges by nobody":  {func(q *protocol.RatingRequest) { q.Carrier = "" }, "there is no contract with carrier  in USD: enter one"},
		"a zone it has not":  {func(q *protocol.RatingRequest) { q.ShipTo.Country = "CA" }, "contract ACME-2026 version 3 has no zone for CA 75001: enter a version that has"},
		"a carrier's is not": {func(q *protocol.RatingRequest) { q.Contract = "FASTFRT-2026" }, "there is no contract FASTFRT-2026 in USD: enter one"},
		"it is over": {func(q *protocol.RatingRequest) { q.ShipDate = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC) },
			"ACME-2026 version 3 holds from 2026-01-01 to 2027-12-31, the shipment left on 2028-01-01: enter a version for that date"},
	} {
		t.Run(name, func(t *testing.T) {
			q := rating()
			c.change(&q)
			_, err := e.RateShipment(t.Context(), q)
			if got := contracttest.Refused(t, err, protocol.NoContract); got != c.words {
				t.Errorf("got %q, want %q", got, c.words)
			}
		})
	}
}

// TestWhatCannotBeRatedIsRefusedInWords: the engine guesses no quantity and converts no currency.
func TestWhatCannotBeRatedIsRefusedInWords(t *testing.T) {
	e, _ := watched(t)
	for name, c := range map[string]struct {
		change func(*protocol.RatingRequest)
		words  string
	}{
		"passed through in another currency": {func(q *protocol.RatingRequest) { q.Charges[1].Amount.Currency = "EUR" },
			"charge INV-1/2 is in EUR, contract ACME-2026 version 3 passes detention through in USD"},
		"hours counted in minutes": {func(q *protocol.RatingRequest) { q.Charges[1].Unit = "min" }, `charge INV-1/2 is for "3.5" "min", contract FASTFRT-2026 version 2 prices detention by "h"`},
		"no quantity":              {func(q *protocol.RatingRequest) { q.Charges[1].Quantity = "" }, "ask the carrier for the quantity"},
		"one charge twice":         {func(q *protocol.RatingRequest) { q.Charges[1].Ref = "INV-1/1" }, "two charges have one ref: /charges/1/ref INV-1/1"},
		"an amount in no currency": {func(q *protocol.RatingRequest) { q.Charges[0].Amount.Currency = "QQQ" }, "/charges/0/amount"},
	} {
		t.Run(name, func(t *testing.T) {
			q := rating()
			c.change(&q)
			_, err := e.RateShipment(t.Context(), q)
			if got := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(got, c.words) {
				t.Errorf("got %q, want %q", got, c.words)
			}
		})
	}
}

// rates answers every rating with r, as an engine with a fault would.
func rates(r freight.Rating) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { partnertest.Answer(w, http.StatusOK, r) })
}

func TestRatingThatCouldNotBeBilledIsPoison(t *testing.T) {
	sound := func() freight.Rating {
		return freight.Rating{Contract: "ACME-2026", Version: "3", Hash: "h", Total: freight.MustMoney("12.00 USD"), Lines: []freight.RatedLine{
			{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell, Amount: freight.MustMoney("10.00 USD"), Basis: freight.ByContract, Trace: []string{"flat"}},
			{Ref: "fuel_surcharge", Code: freight.FuelSurcharge, Side: freight.Sell, Amount: freight.MustMoney("2.00 USD"), Basis: freight.ByContract, Trace: []string{"20%"}},
			{Ref: "buy-1", Code: freight.Linehaul, Side: freight.Buy, Amount: freight.MustMoney("9.00 CAD"), Basis: freight.ByContract, Trace: []string{"flat"}},
		}}
	}
	if _, err := client(t, rates(sound())).RateShipment(t.Context(), rating()); err != nil {
		t.Fatalf("the sound one: %v", err)
	}
	for name, spoil := range map[string]func(*freight.Rating){
		"total is not the sum":       func(r *freight.Rating) { r.Total = freight.MustMoney("12.01 USD") },
		"buy line counted in":        func(r *freight.Rating) { r.Total = freight.MustMoney("21.00 USD") },
		"sell line in another money": func(r *freight.Rating) { r.Lines[0].Amount.Currency = "CAD" },
		"fraction of a cent":         func(r *freight.Rating) { r.Lines[0].Amount.Number, r.Total.Number = "10.005", "12.005" },
		"one ref twice":              func(r *freight.Rating) { r.Lines[1].Ref = "linehaul" },
		"another contract":           func(r *freight.Rating) { r.Contract = "BOLT-2026" },
		"buy line of no currency":    func(r *freight.Rating) { r.Lines[2].Amount.Currency = "QQQ" },
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			spoil(&r)
			_, err := client(t, rates(r)).RateShipment(t.Context(), rating())
			contracttest.Refused(t, err, protocol.Poison)
		})
	}
}

func TestDraftIsMadeAndCommittedAndARepeatFindsIt(t *testing.T) {
	e, stand := watched(t)
	for _, forget := range []bool{false, true} {
		if forget {
			stand.Forget()
		}
		d, err := e.CommitDraft(t.Context(), validated())
		if err != nil || d.ID != "D000001" {
			t.Fatalf("keys forgotten %t: got %q, %v", forget, d.ID, err)
		}
	}
	if got := stand.Committed(); len(got) != 1 || got[0].Net != validated().Plan.Net || got[0].RatingHash != "abc" {
		t.Errorf("the engine has %+v, want the one invoice", got)
	}
}

// TestKeysAreMadeOfTheInvoiceOnly so that a second attempt, by whatever process, has the first one's.
func TestKeysAreMadeOfTheInvoiceOnly(t *testing.T) {
	e, stand := watched(t)
	keys := contracttest.Keys(&stand.Server)
	for range 2 {
		if _, err := e.CommitDraft(t.Context(), validated()); err != nil {
			t.Fatal(err)
		}
	}
	const create, commit = "waybill.inv_acme-1_1", "waybill.inv_acme-1_1/commit"
	if want := []string{create, commit, create, commit}; !slices.Equal(*keys, want) {
		t.Errorf("got %q, want %q", *keys, want)
	}
}

func TestFiftyCallersCommitOneDraft(t *testing.T) {
	for name, storm := range contracttest.Storms() {
		t.Run(name, func(t *testing.T) {
			e, stand := watched(t)
			stand.Fail(storm(&stand.Server))
			d := contracttest.Crowd(t, e.CommitDraft, validated())
			if all, done := stand.Drafts(), stand.Committed(); len(all) != 1 || len(done) != 1 || done[0].ID != d.ID {
				t.Errorf("the engine has %d drafts, %d committed; the callers were told %s", len(all), len(done), d.ID)
			}
			if seen, lost := stand.Counts(); lost == 0 {
				t.Errorf("no reply of %d was lost: the storm did not blow", seen)
			}
		})
	}
}

// changed are invoices that an engine must not pass off as the one that was validated.
func changed() map[string]func(*protocol.DraftRequest) {
	return map[string]func(*protocol.DraftRequest){
		"lines": func(q *protocol.DraftRequest) { // as many, and the same net
			q.Plan.Lines[0].UnitPrice, q.Plan.Lines[1].UnitPrice = freight.MustMoney("86.50 USD"), freight.MustMoney("5.25 USD")
		},
		"lines, net": func(q *protocol.DraftRequest) {
			q.Plan.Lines[0].UnitPrice, q.Plan.Net = freight.MustMoney("86.50 USD"), freight.MustMoney("102.75 USD")
		},
		"customer": func(q *protocol.DraftRequest) { q.Customer = "BOLT" },
		"rating":   func(q *protocol.DraftRequest) { q.RatingHash = "another" },
		"contract": func(q *protocol.DraftRequest) { q.Contract, q.Version = "BOLT-2026", "1" },
	}
}

// TestAnotherInvoiceUnderTheKeyIsRefusedInWordsAndVoidingItHelps also where the engine has forgotten the key.
func TestAnotherInvoiceUnderTheKeyIsRefusedInWordsAndVoidingItHelps(t *testing.T) {
	for name, change := range changed() {
		for _, forget := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				e, stand := watched(t)
				if _, err := e.CommitDraft(t.Context(), validated()); err != nil {
					t.Fatal(err)
				}
				if forget {
					stand.Forget()
				}
				q := validated()
				change(&q)
				_, err := e.CommitDraft(t.Context(), q)
				words := contracttest.Refused(t, err, protocol.Rejected)
				if !strings.Contains(words, "D000001 under waybill.inv_acme-1_1 and its "+name+" differ from what was validated") || !strings.HasSuffix(words, "void D000001 there, then resolve with retry") {
					t.Errorf("got %q", words)
				}
				if got := stand.Drafts(); len(got) != 1 || got[0].Customer != "ACME" {
					t.Fatalf("the engine has %+v, want the first invoice only", got)
				}
				stand.Void("D000001")
				d, err := e.CommitDraft(t.Context(), q)
				if done := stand.Committed(); err != nil || len(done) != 1 || done[0].ID != d.ID || d.ID == "D000001" {
					t.Errorf("after voiding it: %q, %v; committed %+v", d.ID, err, done)
				}
			})
		}
	}
}

// spoils lets an engine change what it says of one path.
func spoils(e http.Handler, path string, spoil func(*billing.Draft)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		e.ServeHTTP(rec, r)
		var d billing.Draft
		if strings.HasSuffix(r.URL.Path, path) && json.Unmarshal(rec.body, &d) == nil {
			spoil(&d)
			rec.body, _ = json.Marshal(d) // a plain struct
		}
		_, _ = w.Write(rec.body) // the caller has gone if this fails
	})
}

type recorder struct {
	http.ResponseWriter
	body []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

func TestEngineThatChangesAnInvoiceIsNotBelieved(t *testing.T) {
	for path, spoil := range map[string]func(*billing.Draft){
		"/invoice-drafts": func(d *billing.Draft) {
			d.Lines[0].UnitPrice, d.Lines[1].UnitPrice = d.Lines[1].UnitPrice, d.Lines[0].UnitPrice
		},
		"/commit": func(d *billing.Draft) { d.Lines = d.Lines[:2] },
	} {
		e := client(t, spoils(engine(t), path, spoil))
		_, err := e.CommitDraft(t.Context(), validated())
		if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "its lines differ") {
			t.Errorf("%s: got %q", path, words)
		}
	}
	e := client(t, spoils(engine(t), "/commit", func(d *billing.Draft) { d.ID = "D000002" }))
	_, err := e.CommitDraft(t.Context(), validated())
	contracttest.Refused(t, err, protocol.Poison)
	e = client(t, spoils(engine(t), "/commit", func(d *billing.Draft) { d.Status = billing.StatusVoid }))
	_, err = e.CommitDraft(t.Context(), validated())
	if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, `D000001 as "void"`) {
		t.Errorf("got %q", words)
	}
}

// TestDraftVoidedBeforeItWasCommittedIsRefused and the next attempt makes a new one.
func TestDraftVoidedBeforeItWasCommittedIsRefused(t *testing.T) {
	e, stand := watched(t)
	stand.Fail(func(r *http.Request) partnertest.Trouble {
		if strings.HasSuffix(r.URL.Path, "/commit") {
			stand.Void("D000001")
		}
		return partnertest.Trouble{}
	})
	_, err := e.CommitDraft(t.Context(), validated())
	if words := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(words, "D000001 is void: a new one can be made") {
		t.Errorf("got %q", words)
	}
	stand.Fail(nil)
	if d, err := e.CommitDraft(t.Context(), validated()); err != nil || d.ID != "D000002" {
		t.Errorf("got %q, %v", d.ID, err)
	}
}

// TestCallerWhoGaveUpWaitingFindsTheDraft: the engine finishes what its caller no longer waits for.
func TestCallerWhoGaveUpWaitingFindsTheDraft(t *testing.T) {
	e, stand := watched(t)
	ctx, leave := context.WithCancel(t.Context())
	stand.Fail(func(*http.Request) partnertest.Trouble { leave(); return partnertest.Trouble{Slow: time.Hour} })
	_, err := e.CommitDraft(ctx, validated())
	contracttest.Refused(t, err, protocol.Ambiguous)
	stand.Fail(nil)
	d, err := contracttest.Insist(t.Context(), e.CommitDraft, validated())
	if all := stand.Drafts(); err != nil || len(all) != 1 || all[0].ID != d.ID {
		t.Errorf("got %q, %v; the engine has %+v", d.ID, err, all)
	}
}

func TestCheckProvesTheToken(t *testing.T) {
	e, stand := watched(t)
	if err := e.Check(t.Context()); err != nil {
		t.Error(err)
	}
	stand.Fail(func(*http.Request) partnertest.Trouble {
		return partnertest.Trouble{Status: http.StatusServiceUnavailable, RetryAfter: "1"}
	})
	contracttest.Refused(t, e.Check(t.Context()), protocol.Throttled)
}
