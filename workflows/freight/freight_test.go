package freight_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func scans(t *rapid.T) []freight.Scan {
	kinds := []freight.Milestone{
		freight.TenderAccepted, freight.PickedUp, freight.DepartedFacility, freight.ArrivedAtFacility, freight.OutForDelivery,
		freight.Delivered, freight.DocumentReceived, freight.ETAUpdated, freight.Delayed, freight.ChargesReceived,
	}
	one := rapid.Custom(func(t *rapid.T) freight.Scan {
		m := rapid.SampledFrom(kinds).Draw(t, "milestone")
		minute := rapid.IntRange(0, 5).Draw(t, "minute")
		s := freight.Scan{
			Key: fmt.Sprintf("%s-%d", m, minute), Milestone: m, Classifier: freight.Actual, OccurredAt: noon.Add(time.Duration(minute) * time.Minute),
			Carrier: rapid.SampledFrom([]freight.CarrierCode{"", "FASTFRT"}).Draw(t, "carrier"),
		}
		s.Key += string(s.Carrier)
		switch m {
		case freight.DocumentReceived:
			s.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: fmt.Sprint(minute % 2), Signed: minute > 3}}
		case freight.ETAUpdated:
			s.Classifier, s.ETA = freight.Estimated, noon.Add(time.Duration(minute)*time.Hour)
		case freight.ChargesReceived:
			s.Invoice = &freight.CarrierInvoice{Carrier: "FASTFRT", Number: fmt.Sprint("C", minute%2), Total: freight.MustMoney("10.00 USD")}
		}
		return s
	})
	return rapid.SliceOfN(one, 1, 14).Draw(t, "scans")
}

func TestEveryOrderOfTheSameScansMakesTheSameJourney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := scans(t)
		var a, b freight.Journey
		for _, s := range in {
			a.Apply(s)
		}
		for _, i := range rapid.Permutation(indexes(len(in))).Draw(t, "order") {
			b.Apply(in[i])
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("two orders, two journeys:\n%+v\n%+v", a, b)
		}
	})
}

func indexes(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

func TestScanAgainIsNoNews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j freight.Journey
		in := scans(t)
		for _, s := range in {
			j.Apply(s)
		}
		before, _ := json.Marshal(j)
		for _, s := range in {
			if j.Apply(s) {
				t.Fatalf("%s was news twice", s.Key)
			}
		}
		if after, _ := json.Marshal(j); string(before) != string(after) {
			t.Fatal("repeats changed the journey")
		}
	})
}

func TestStatusNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j freight.Journey
		rank := 0
		for _, s := range scans(t) {
			j.Apply(s)
			if now := j.Furthest().Milestone.Rank(); now < rank {
				t.Fatalf("%s took the journey from rank %d to %d", s.Milestone, rank, now)
			} else {
				rank = now
			}
		}
	})
}

func TestOnlyAnActualScanMovesTheFreight(t *testing.T) {
	for _, c := range []freight.Classifier{freight.Estimated, freight.Planned} {
		var j freight.Journey
		j.Apply(freight.Scan{Milestone: freight.Delivered, Classifier: c, OccurredAt: noon, ETA: noon})
		if j.Has(freight.Delivered) {
			t.Errorf("a delivery that is %s counts as delivered", c)
		}
	}
}

// TestToleranceAgreesWithExactArithmetic checks both limits against rational numbers, which share no code
// with the decimals of the rule.
func TestToleranceAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := func(name string) int64 { return rapid.Int64Range(0, 2000).Draw(t, name) }
		expected, delta, limit, percent := cents("expected"), cents("delta"), cents("limit"), rapid.Int64Range(0, 20).Draw(t, "percent")
		tol := freight.Tolerance{Absolute: money(limit), Percent: fmt.Sprint(percent)}
		share := new(big.Rat).Mul(big.NewRat(expected, 1), big.NewRat(percent, 100))
		want := delta == 0 || delta <= limit && big.NewRat(delta, 1).Cmp(share) <= 0
		if got := tol.Covers(money(expected), money(delta)); got != want {
			t.Fatalf("expected %d, over by %d, limits %d and %d%%: covered %v, want %v", expected, delta, limit, percent, got, want)
		}
	})
}

func money(cents int64) freight.Money {
	return freight.MustMoney(fmt.Sprintf("%d.%02d USD", cents/100, cents%100))
}

func TestLineNetIsRoundedOnceHalfUp(t *testing.T) {
	for _, tt := range []struct{ quantity, price, discount, want string }{
		{"3", "0.335", "", "1.01"},       // 1.005 -> 1.01
		{"2.5", "9.99", "", "24.98"},     // 24.975 -> 24.98
		{"7", "19.99", "12.5", "122.44"}, // 139.93 less 17.49125 = 122.43875
		{"1", "100", "100", "0.00"},
	} {
		l := freight.InvoiceLine{Quantity: tt.quantity, UnitPrice: freight.Money{Number: tt.price, Currency: "USD"}, Discount: tt.discount}
		got, err := l.Net()
		if err != nil || got.Number != tt.want {
			t.Errorf("%s x %s less %s%% = %s (%v), want %s", tt.quantity, tt.price, tt.discount, got, err, tt.want)
		}
	}
}

func facts(lines ...freight.Charge) freight.AuditFacts {
	total := freight.MustMoney("0.00 USD")
	for _, l := range lines {
		total, _ = total.Add(l.Amount)
	}
	return freight.AuditFacts{
		Terms:    freight.Terms{Policy: "default", Charges: freight.ChargesTerms{NeedCarrierInvoice: true}, Tolerance: freight.Tolerance{Absolute: freight.MustMoney("5.00 USD"), Percent: "2"}},
		Invoices: []freight.CarrierInvoice{{Carrier: "FASTFRT", Number: "C1", Total: total, Lines: lines}},
		Rating: &freight.Rating{Contract: "ACME-2026", Version: "1", Total: freight.MustMoney("100.00 USD"), Lines: []freight.RatedLine{
			{Ref: "b1", Side: freight.Buy, ChargeRef: "C1/1", Amount: freight.MustMoney("80.00 USD")},
		}},
		Proved: true,
	}
}

func charge(ref string, code freight.ChargeCode, amount string) freight.Charge {
	return freight.Charge{Ref: ref, Code: code, Amount: freight.MustMoney(amount + " USD")}
}

func TestAuditRulesSayWhatAFreightAuditorWouldSay(t *testing.T) {
	duplicate := facts(charge("C1/1", freight.Linehaul, "80.00"))
	duplicate.Invoices[0].DuplicateOf = "acme-6"
	wrongSum := facts(charge("C1/1", freight.Linehaul, "80.00"))
	wrongSum.Invoices[0].Total = freight.MustMoney("81.00 USD")
	noContract := facts(charge("C1/1", freight.Linehaul, "80.00"))
	noContract.Rating = nil
	unproved := facts(charge("C1/1", freight.Linehaul, "80.00"))
	unproved.Proved = false
	for _, tt := range []struct {
		name    string
		facts   freight.AuditFacts
		rule    freight.RuleID
		verdict freight.Verdict
		holds   int
	}{
		{"a charge at the contract passes", facts(charge("C1/1", freight.Linehaul, "80.00")), freight.RuleRate, freight.Pass, 0},
		{"a charge within both limits passes", facts(charge("C1/1", freight.Linehaul, "81.60")), freight.RuleRate, freight.Pass, 0},
		{"a charge over one limit is held on the buy side only", facts(charge("C1/1", freight.Linehaul, "81.61")), freight.RuleRate, freight.Hold, 0},
		{"an undercharge is pointed out", facts(charge("C1/1", freight.Linehaul, "60.00")), freight.RuleRate, freight.Warn, 0},
		{"an accessorial outside the contract is held", facts(charge("C1/9", freight.Storage, "10.00")), freight.RuleAccessorial, freight.Hold, 0},
		{"a duplicate is blocked and holds the customer's invoice", duplicate, freight.RuleDuplicate, freight.Block, 1},
		{"lines that do not add up are blocked", wrongSum, freight.RuleSum, freight.Block, 1},
		{"a missing contract never passes", noContract, freight.RuleContract, freight.Hold, 1},
		{"a missing proof never passes", unproved, freight.RulePOD, freight.Hold, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := freight.Audit(tt.facts)
			found := false
			for _, f := range fs {
				found = found || f.Rule == tt.rule && f.Verdict == tt.verdict && f.Reason != ""
			}
			if !found || len(freight.SellHolds(fs)) != tt.holds {
				t.Errorf("want %s %s and %d holds on the sell side, have %+v", tt.rule, tt.verdict, tt.holds, fs)
			}
		})
	}
}

func TestDecisionDecidesOnlyTheProposalItSigned(t *testing.T) {
	p := freight.Proposal{Dispute: "acme-7/1", Shipment: "acme-7", Claimed: freight.MustMoney("90.00 USD"), Expected: freight.MustMoney("50.00 USD"), Reason: "over"}
	good := freight.Decision{Dispute: p.Dispute, Shipment: p.Shipment, ProposalHash: p.Hash(), Verdict: freight.Approve, Amount: p.Claimed, Reason: "agreed", ExpiresAt: noon.Add(time.Minute)}
	if err := good.CheckAgainst(p, noon); err != nil {
		t.Fatal(err)
	}
	changed := p
	changed.Claimed = freight.MustMoney("90.01 USD")
	for name, tt := range map[string]struct {
		change func(*freight.Decision)
		p      freight.Proposal
	}{
		"one cent changed since":          {func(*freight.Decision) {}, changed},
		"another dispute":                 {func(d *freight.Decision) { d.Dispute = "acme-7/2" }, p},
		"expired":                         {func(d *freight.Decision) { d.ExpiresAt = noon.Add(-time.Second) }, p},
		"no reason":                       {func(d *freight.Decision) { d.Reason = "" }, p},
		"more than was claimed":           {func(d *freight.Decision) { d.Amount = freight.MustMoney("90.01 USD") }, p},
		"another currency":                {func(d *freight.Decision) { d.Amount = freight.MustMoney("60.00 EUR") }, p},
		"rejection not at contract price": {func(d *freight.Decision) { d.Verdict = freight.Reject }, p},
		"no verdict":                      {func(d *freight.Decision) { d.Verdict = "" }, p},
	} {
		d := good
		tt.change(&d)
		if d.CheckAgainst(tt.p, noon) == nil {
			t.Errorf("%s: it was let through", name)
		}
	}
}

func TestShipmentIDsAndTheirInverse(t *testing.T) {
	id, err := freight.ShipmentIDOf("acme", 1042)
	if err != nil || id != "acme-1042" || !id.Valid() {
		t.Fatal(id, err)
	}
	if tenant, picking, ok := id.Parts(); tenant != "acme" || picking != 1042 || !ok {
		t.Error(tenant, picking, ok)
	}
	for _, bad := range []struct {
		tenant  freight.TenantCode
		picking int64
	}{{"", 1}, {"Acme", 1}, {"a-b", 1}, {"acme", 0}, {"acme", -1}} {
		if id, err := freight.ShipmentIDOf(bad.tenant, bad.picking); err == nil {
			t.Errorf("%q %d made %q", bad.tenant, bad.picking, id)
		}
	}
}

func TestAmountFromOutsideIsDigitsAndNothingElse(t *testing.T) {
	for number, good := range map[string]bool{"1": true, "-1.50": true, "0.0001": true, "": false, "NaN": false, "Infinity": false, "1e9": false, "1,5": false, " 1": false, "+1": false, "1234567890123456": false} {
		if err := (freight.Money{Number: number, Currency: "USD"}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", number, err)
		}
	}
	if _, err := freight.MustMoney("1.00 USD").Add(freight.Money{Number: "NaN", Currency: "USD"}); err == nil {
		t.Error("something was added to no number")
	}
}

func TestMoneyReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := money(rapid.Int64Range(0, 1e9).Draw(t, "cents"))
		b, _ := json.Marshal(m)
		var back freight.Money
		if err := json.Unmarshal(b, &back); err != nil || back != m {
			t.Fatalf("%s -> %s -> %s (%v)", m, b, back, err)
		}
		var text freight.Money
		if err := text.UnmarshalText([]byte(m.String())); err != nil || text != m {
			t.Fatalf("%s as text: %s (%v)", m, text, err)
		}
	})
}
