package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"waybill/config"
	"waybill/workflows/freight"
)

// write puts a text into a file.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantAll compares what was said with what should be, line for line; $F stands for the file.
func wantAll(t *testing.T, err error, path string, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("nothing was said")
	}
	got := strings.Split(strings.ReplaceAll(err.Error(), path, "$F"), "\n")
	for _, w := range want {
		found := false
		for i, g := range got {
			if !found && strings.Contains(g, w) {
				got, found = append(got[:i:i], got[i+1:]...), true
			}
		}
		if !found {
			t.Errorf("not said: %s\nsaid:\n%v", w, err)
		}
	}
	for _, g := range got {
		t.Errorf("said, and not wanted: %s", g)
	}
}

const goodPolicies = `version: "7"
owner: finance
default:
  contract: ACME-2026
  currency: USD
  scope: goods_and_freight
  pod: document
  need_carrier_invoice: true
  charges_window: 336h
  tolerance_amount: 5.00 USD
  tolerance_percent: "2"
  clocks: {accept: 24h, deliver: 120h, pod: 48h, dispute: 72h, payment: 720h, quiet: 336h, reference: 8h}
`

func TestExamplePoliciesAreGoodAndHaveEveryKey(t *testing.T) {
	const path = "policies/example.yaml"
	if _, err := config.LoadPolicies(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := yaml.Unmarshal(b, &said); err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves(reflect.TypeFor[config.Policies](), "yaml", "") {
		if l.key != "default.customer" && !has(said, strings.Split(l.key, ".")) {
			t.Errorf("%s is not in %s", l.key, path)
		}
	}
}

func TestPoliciesSayAllThatIsWrongAtOnce(t *testing.T) {
	path := write(t, "p.yaml", `version: ""
default:
  customer: ACME
  currency: DOLLAR
  scope: everything
  pod: photo
  need_carrier_invoice: perhaps
  charges_window: 14d
  tolerance_amount: 5.00 EUR
  tolerance_percent: 2%
  grace: 4h
  clocks: {accept: -1h, deliver: 5}
customers:
  - {customer: BOLT, contract: B, currency: USD, scope: freight, pod: status, tolerance_amount: 1 EUR, tolerance_percent: 1e1}
  - {customer: BOLT, contract: "", currency: USD, scope: freight, pod: status, tolerance_percent: "5"}
  - {contract: "", currency: USD, scope: none, pod: status}
`)
	_, err := config.LoadPolicies(path)
	wantAll(t, err, path,
		`$F: line 7: cannot unmarshal !!str`, `$F: line 8: "14d": want a duration of 0s or more, such as 48h`,
		`$F: line 11: grace: there is no such key; config/policies/example.yaml has every key`,
		`$F: line 12: "-1h": want a duration`, `$F: line 12: "5": want a duration`,
		`$F: version: "": want a version`, `$F: owner: "": want who answers`, `$F: default.customer: "ACME": want none`,
		`$F: default.scope: "everything": want goods_and_freight, freight or none`, `$F: default.pod: "photo": want status, signature or document`,
		`$F: default.contract: "": want the contract's id`, `$F: default.currency: "DOLLAR": want an ISO 4217 code`,
		`$F: default.tolerance_amount: "5.00 EUR": want an amount`, `$F: default.tolerance_percent: "2%": want 0 to 100`,
		`$F: customers[0].tolerance_amount: "1 EUR": want an amount of zero or more in USD`, `$F: customers[0].tolerance_percent: "1e1": want 0 to 100`,
		`$F: customers[1].customer: "BOLT": want a customer's reference in Odoo, once`, `$F: customers[1].contract`, `$F: customers[1].tolerance_amount: "": want an amount`,
		`$F: customers[2].customer: ""`)
}

func TestAPolicyFileThatIsEmptyOrMissingSaysWhatItShouldHave(t *testing.T) {
	path := write(t, "p.yaml", "")
	_, err := config.LoadPolicies(path)
	if err == nil || !strings.Contains(err.Error(), path+": version") {
		t.Errorf("%v", err)
	}
	if _, err := config.LoadPolicies(path + "x"); err == nil || !strings.Contains(err.Error(), path+"x") {
		t.Errorf("%v", err)
	}
}

func TestAToleranceIsADecimalAndNothingElse(t *testing.T) {
	for percent, good := range map[string]bool{
		"0": true, "2": true, "2.5": true, "100": true, "100.00": true, "99.9999": true, "0.0001": true,
		"-1": false, "+1": false, "100.01": false, "1e1": false, "0x1p4": false, "Inf": false, "NaN": false, "1_0": false, ".5": false, "5.": false, "2 ": false, "２": false, "2.00001": false, "2,5": false,
	} {
		text := strings.Replace(goodPolicies, `tolerance_percent: "2"`, `tolerance_percent: "`+percent+`"`, 1)
		_, err := config.LoadPolicies(write(t, "p.yaml", text))
		if (err == nil) != good {
			t.Errorf("%q: %v", percent, err)
		}
	}
}

func TestACustomersOwnTermsHoldForItAndNobodyElse(t *testing.T) {
	p, err := config.LoadPolicies(write(t, "p.yaml", goodPolicies+`customers:
  - {customer: Bolt-DE, contract: BOLT-2026, currency: EUR, scope: freight, pod: signature, charges_window: 24h, clocks: {quiet: 1h}}
`))
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.TermsFor("Bolt-DE", "EUR")
	want := freight.Terms{Policy: "Bolt-DE", Version: "7", Contract: "BOLT-2026", Currency: "EUR", Scope: freight.FreightOnly, POD: freight.PODSignature, Charges: freight.ChargesTerms{Window: 24 * time.Hour}, Clocks: freight.Clocks{Quiet: time.Hour}}
	if err != nil || own != want {
		t.Errorf("%+v, %v; want %+v", own, err, want)
	}
	// A reference that differs in case is another customer.
	others, err := p.TermsFor("bolt-de", "USD")
	want = freight.Terms{
		Policy: "default", Version: "7", Contract: "ACME-2026", Currency: "USD", Scope: freight.GoodsAndFreight, POD: freight.PODDocument,
		Charges: freight.ChargesTerms{NeedCarrierInvoice: true, Window: 336 * time.Hour}, Tolerance: freight.Tolerance{Absolute: freight.MustMoney("5.00 USD"), Percent: "2"},
		Clocks: freight.Clocks{Accept: 24 * time.Hour, Deliver: 120 * time.Hour, POD: 48 * time.Hour, Dispute: 72 * time.Hour, Payment: 720 * time.Hour, Quiet: 336 * time.Hour, Reference: 8 * time.Hour},
	}
	if err != nil || others != want {
		t.Errorf("%+v, %v; want %+v", others, err, want)
	}
}

func TestAnOrderInAnotherCurrencyIsNotConverted(t *testing.T) {
	path := write(t, "p.yaml", goodPolicies)
	p, err := config.LoadPolicies(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.TermsFor("ACME", "EUR")
	if err == nil || !strings.Contains(err.Error(), "give the customer a policy in that currency") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestAPromiseIsWatchedByTermsThatHoldTheClockOfItsPlace(t *testing.T) {
	text := goodPolicies + `  delivery: first_parcel
  promise: {at_risk: 12h, margin: 1h, stops_for: [consignee], calendar: berlin, lanes: [{country: DE, postcode: "1", p90: 60h}]}
calendars:
  - {name: berlin, zone: Europe/Berlin, days: [1, 5], opens: "08:30", closes: "24:00", holidays: ["2019-12-25", "` + time.Now().AddDate(0, 0, 9).Format(time.DateOnly) + `"]}
`
	p, err := config.LoadPolicies(write(t, "p.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	terms, err := p.TermsFor("ACME", "USD")
	if err != nil || terms.Delivery != freight.FirstParcel || terms.SLA == nil || terms.SLA.Calendar == nil {
		t.Fatalf("%+v, %v", terms, err)
	}
	s, c := terms.SLA, terms.SLA.Calendar
	if s.Buffer != 12*time.Hour || s.Margin != time.Hour || !slices.Equal(s.Stops, []freight.FaultParty{freight.FaultConsignee}) || len(s.Lanes) != 1 || s.Lanes[0].P90 != 60*time.Hour {
		t.Errorf("%+v", s)
	}
	if c.Opens != 510 || c.Closes != 1440 || len(c.Holidays) != 1 || len(c.Offsets) < 3 || len(c.Offsets) > 4 {
		t.Errorf("%+v: want the holiday to come, and each change of the clock in the year ahead", c)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for day := range 390 { // the snapshot opens when Berlin's clock says so
		at := time.Now().AddDate(0, 0, day).In(berlin)
		opens := time.Date(at.Year(), at.Month(), at.Day(), 8, 30, 0, 0, berlin)
		want := time.Duration(0)
		if (at.Weekday() == time.Monday || at.Weekday() == time.Friday) && !slices.Contains(c.Holidays, at.Format(time.DateOnly)) {
			want = time.Minute
		}
		if got := c.Between(opens.Add(-time.Minute), opens.Add(time.Minute)); got != want {
			t.Fatalf("%s: %s of business around opening, want %s", opens, got, want)
		}
	}
}

func TestAPromiseThatCannotBeWatchedIsSaidToBe(t *testing.T) {
	path := write(t, "p.yaml", goodPolicies+`  delivery: some
  promise: {at_risk: 200h, stops_for: [weather], calendar: paris, lanes: [{country: FR}]}
customers:
  - {customer: BOLT, contract: B, currency: USD, scope: freight, pod: status, promise: {margin: 1h}}
calendars:
  - {name: "", zone: Local, days: [0], opens: "8", closes: "25:00", holidays: ["25.12.2026"]}
  - {name: night, zone: Europe/Atlantis, days: [], opens: "22:00", closes: "06:00"}
`)
	_, err := config.LoadPolicies(path)
	wantAll(t, err, path,
		`default.delivery: "some": want all_parcels`, `default.promise.at_risk: "200h0m0s": want less than clocks.deliver`, `default.promise.stops_for: "weather"`,
		`default.promise.calendar: "paris"`, `default.promise.lanes[0].p90: "0s"`, `customers[0].promise.at_risk: "0s": want how long`,
		`calendars[0].name: "": want a name`, `calendars[0].zone: "Local"`, `calendars[0].days: "0"`, `calendars[0].opens: "8"`, `calendars[0].closes: "25:00"`, `calendars[0].holidays: "25.12.2026"`,
		`calendars[1].zone: "Europe/Atlantis"`, `calendars[1].days: "[]"`, `calendars[1].closes: "06:00"`)
}

func TestExceptionsAreHandledAsTheCustomersPolicyHasThem(t *testing.T) {
	p, err := config.LoadPolicies(write(t, "p.yaml", goodPolicies+`  exceptions: {kinds: [{kind: pod_missing, owner: customer_service, due: 3h}, {kind: late_charge, due: 24h}, {kind: posting_failed, owner: operations}]}
customers:
  - {customer: BOLT, contract: B, currency: USD, scope: freight, pod: status, exceptions: {calendar: office}}
  - {customer: CARL, contract: C, currency: USD, scope: freight, pod: status}
calendars:
  - {name: office, zone: Europe/Berlin, days: [1, 2, 3, 4, 5], opens: "08:00", closes: "17:00", holidays: []}
`))
	if err != nil {
		t.Fatal(err)
	}
	terms := func(c freight.CustomerCode) *freight.ExceptionTerms {
		terms, err := p.TermsFor(c, "USD")
		if err != nil {
			t.Fatal(err)
		}
		return terms.Exceptions
	}
	want := []freight.Handling{{Kind: freight.PODMissing, Owner: freight.CustomerService, Within: 3 * time.Hour}, {Kind: freight.LateCharge, Within: 24 * time.Hour}, {Kind: freight.PostingFailed, Owner: freight.Operations}}
	if own := terms("ACME"); own == nil || own.Calendar != nil || !slices.Equal(own.Kinds, want) {
		t.Errorf("%+v, want %+v", own, want)
	}
	if own := terms("BOLT"); own == nil || own.Calendar == nil || own.Calendar.Zone != "Europe/Berlin" || len(own.Kinds) != 0 {
		t.Errorf("%+v, want the office's hours alone", own)
	}
	if own := terms("CARL"); own != nil {
		t.Errorf("%+v, want none", own)
	}
}

func TestExceptionsThatCannotBeHandledSoAreSaidToBeWithTheirLine(t *testing.T) {
	path := write(t, "p.yaml", goodPolicies+`  exceptions:
    calendar: moon
    kinds:
      - {kind: pod_mising, owner: operations}
      - {kind: pod_missing, owner: warehouse}
      - {kind: pod_missing, due: soon}
      - {kind: pod_short, due: -2h}
      - {kind: late_charge, owner: ""}
      - {due: 2h}
      - {kind: scan_refused, due: 3000h}
      - {kind: partner_failed, due: 2h, whose: finance}
`)
	_, err := config.LoadPolicies(path)
	wantAll(t, err, path,
		`$F: line 16: "pod_mising": want a kind of exception that docs/exceptions.md has`, `$F: line 17: "warehouse": want one of [operations finance customer_service]`,
		`$F: line 18: "soon": want a duration`, `$F: line 19: "-2h": want a duration`, `$F: line 23: whose: there is no such key`,
		`$F: default.exceptions.calendar: "moon": want the name of one of calendars`, `$F: default.exceptions.kinds[2].kind: "pod_missing": want a kind of exception, once`,
		`$F: default.exceptions.kinds[5].kind: ""`, `$F: default.exceptions.kinds[6].due: "3000h0m0s": want a duration from 0s to 2160h0m0s`)
}
