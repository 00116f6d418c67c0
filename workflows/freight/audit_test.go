package freight_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
)

// line is a carrier's line in cents, with what the contract has for it.
type line struct {
	invoice, carrier int
	code             freight.ChargeCode
	cents            int64
	contract         int64 // -1: not in it
	passThrough      bool
}

func lines(t *rapid.T) (ls []line) {
	one := rapid.Custom(func(t *rapid.T) line {
		return line{
			invoice: rapid.IntRange(1, 3).Draw(t, "invoice"), carrier: rapid.IntRange(1, 2).Draw(t, "carrier"),
			code:     rapid.SampledFrom([]freight.ChargeCode{freight.Linehaul, freight.Detention, freight.Liftgate}).Draw(t, "code"),
			cents:    rapid.Int64Range(-200, 2000).Draw(t, "cents"),
			contract: rapid.Int64Range(-1, 2000).Draw(t, "contract"), passThrough: rapid.Bool().Draw(t, "passThrough"),
		}
	})
	return rapid.SliceOfN(one, 1, 8).Draw(t, "lines")
}

func signed(cents int64) freight.Money {
	if cents < 0 {
		m := money(-cents)
		m.Number = "-" + m.Number
		return m
	}
	return money(cents)
}

// factsOf makes invoices and a rating of lines. It returns what each charge reference stands for.
func factsOf(ls []line) (f freight.AuditFacts, byRef map[string]line) {
	f.Terms = freight.Terms{Policy: "default", Charges: freight.ChargesTerms{NeedCarrierInvoice: true}, Tolerance: freight.Tolerance{Absolute: money(500), Percent: "2"}}
	f.Rating, f.Proved = &freight.Rating{Contract: "ACME-2026", Version: "3"}, true
	var j freight.Journey
	bills := map[string]*freight.CarrierInvoice{}
	byRef = map[string]line{}
	for i, l := range ls {
		number := fmt.Sprintf("C%d-%d", l.carrier, l.invoice)
		if bills[number] == nil {
			bills[number] = &freight.CarrierInvoice{Carrier: freight.CarrierCode(fmt.Sprint("CARR", l.carrier)), Number: number, Total: money(0)}
		}
		c := freight.Charge{Ref: fmt.Sprintf("%s/%d", number, i), Code: l.code, Amount: signed(l.cents)}
		byRef[c.Ref] = l
		bills[number].Lines = append(bills[number].Lines, c)
		bills[number].Total, _ = bills[number].Total.Add(c.Amount)
		if l.contract >= 0 {
			f.Rating.Lines = append(f.Rating.Lines, freight.RatedLine{Ref: c.Ref + "/buy", Code: l.code, Side: freight.Buy, Amount: money(l.contract), ChargeRef: c.Ref})
		}
		basis := freight.ByContract
		if l.passThrough {
			basis = freight.PassThrough
		}
		f.Rating.Lines = append(f.Rating.Lines, freight.RatedLine{Ref: c.Ref + "/sell", Code: l.code, Side: freight.Sell, Amount: c.Amount, Basis: basis, ChargeRef: c.Ref})
	}
	for _, b := range bills {
		j.Apply(freight.Scan{Key: b.Number, Milestone: freight.ChargesReceived, Classifier: freight.Actual, OccurredAt: noon, Invoice: b})
	}
	f.Invoices = j.Invoices
	return f, byRef
}

func findings(fs []freight.Finding, rules ...freight.RuleID) (out []freight.Finding) {
	for _, v := range fs {
		if slices.Contains(rules, v.Rule) {
			out = append(out, v)
		}
	}
	return out
}

// verdict is RATE-1 and ACC-1 on paper, in cents: over is held, under is pointed out, both limits must hold.
func (l line) verdict() freight.Verdict {
	expected := max(l.contract, 0)
	delta := l.cents - expected
	share := new(big.Rat).Mul(big.NewRat(expected, 1), big.NewRat(2, 100))
	size := max(delta, -delta)
	switch {
	case delta == 0, l.contract >= 0 && size <= 500 && big.NewRat(size, 1).Cmp(share) <= 0:
		return freight.Pass
	case delta < 0:
		return freight.Warn
	}
	return freight.Hold
}

// TestEachLineIsJudgedByItsContractAndHoldsTheCustomerOnlyWherePassedThrough checks RATE-1, ACC-1 and DUP-2 against
// whole cents on paper.
func TestEachLineIsJudgedByItsContractAndHoldsTheCustomerOnlyWherePassedThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, byRef := factsOf(lines(t))
		fs := findings(freight.Audit(f), freight.RuleRate, freight.RuleAccessorial, freight.RuleTwice)
		if len(fs) != len(byRef) {
			t.Fatalf("%d findings for %d lines", len(fs), len(byRef))
		}
		for _, v := range fs {
			l := byRef[v.ChargeRef]
			want := l.verdict()
			if v.Rule == freight.RuleTwice {
				want = freight.Hold
			} else if (v.Rule == freight.RuleAccessorial) != (l.contract < 0) {
				t.Fatalf("%s for a line with contract %d", v.Rule, l.contract)
			}
			if v.Verdict != want || v.SellHold != l.passThrough || v.Side != freight.Buy || v.Reason == "" {
				t.Fatalf("%+v: %+v, want %s", l, v, want)
			}
			if v.Disputable() != (v.Verdict == freight.Hold) {
				t.Fatalf("%+v can be ruled on: %v", v, v.Disputable())
			}
		}
		for _, h := range freight.SellHolds(fs) {
			if !byRef[h.ChargeRef].passThrough {
				t.Fatalf("%+v holds the customer's invoice", h)
			}
		}
	})
}

// TestChargeIsTwiceOnlyOnAnotherInvoiceOfTheSameCarrier is DUP-2, counted by hand.
func TestChargeIsTwiceOnlyOnAnotherInvoiceOfTheSameCarrier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ls := lines(t)
		f, byRef := factsOf(ls)
		for _, v := range findings(freight.Audit(f), freight.RuleRate, freight.RuleAccessorial, freight.RuleTwice) {
			l := byRef[v.ChargeRef]
			twice := slices.ContainsFunc(ls, func(o line) bool {
				return o.carrier == l.carrier && o.invoice < l.invoice && o.code == l.code && o.cents == l.cents && l.cents > 0
			})
			if twice != (v.Rule == freight.RuleTwice) {
				t.Fatalf("%+v among %+v: twice %v, judged by %s", l, ls, twice, v.Rule)
			}
		}
	})
}

// TestInvoiceIsUsableOnlyWhereItsLinesAddUp is SUM-1 and DUP-1 over invoices with one cent moved, a line repeated, or
// a number held.
func TestInvoiceIsUsableOnlyWhereItsLinesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, _ := factsOf(lines(t))
		flawed := map[string]freight.RuleID{}
		for i := range f.Invoices {
			inv := &f.Invoices[i]
			switch rapid.IntRange(0, 4).Draw(t, "flaw") {
			case 1:
				inv.Total, _ = inv.Total.Add(money(1))
				flawed[inv.Number] = freight.RuleSum
			case 2:
				inv.Lines = append(slices.Clone(inv.Lines), inv.Lines[0])
				inv.Total, _ = inv.Total.Add(inv.Lines[0].Amount)
				flawed[inv.Number] = freight.RuleSum
			case 3:
				inv.DuplicateOf = "acme-6"
				flawed[inv.Number] = freight.RuleDuplicate
			case 4:
				inv.Lines = slices.Clone(inv.Lines)
				inv.Lines[0].Amount.Currency = "EUR"
				flawed[inv.Number] = freight.RuleSum
			}
		}
		f.Terms.Charges.NeedCarrierInvoice = rapid.Bool().Draw(t, "need")
		f.Waived = rapid.Bool().Draw(t, "waived")
		fs := freight.Audit(f)
		holds := f.Terms.Charges.NeedCarrierInvoice && !f.Waived && len(flawed) == len(f.Invoices)
		for _, v := range findings(fs, freight.RuleSum, freight.RuleDuplicate) {
			bad := flawed[v.ChargeRef] == v.Rule
			if bad != (v.Verdict == freight.Block) || v.SellHold != (bad && holds) || v.Reason == "" {
				t.Fatalf("%+v: flawed %v, no other and needed %v", v, bad, holds)
			}
		}
		for _, v := range findings(fs, freight.RuleRate, freight.RuleAccessorial, freight.RuleTwice) {
			number, _, _ := strings.Cut(v.ChargeRef, "/")
			if flawed[number] != "" {
				t.Fatalf("a line of %s was judged, though the invoice cannot be used", number)
			}
		}
	})
}

// TestRulingDecidesOneFindingAndNoOther moves each amount of what was ruled on by a cent.
func TestRulingDecidesOneFindingAndNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contract := rapid.Int64Range(0, 1000).Draw(t, "contract")
		over := rapid.Int64Range(501, 1000).Draw(t, "over")
		ruled := rapid.Int64Range(contract, contract+over).Draw(t, "ruled")
		audit := func(claimed, contract int64) freight.Finding {
			f, _ := factsOf([]line{{1, 1, freight.Detention, claimed, contract, true}})
			f.Disputes = []freight.Proposal{{Dispute: "acme-7/1", Rule: freight.RuleRate, ChargeRef: "C1-1/0", Claimed: money(contract + over), Expected: money(contract)}}
			if claimed != contract+over || contract < 0 {
				f.Disputes[0].Claimed = money(claimed - 1)
			}
			f.Rulings = []freight.Ruling{{Dispute: "acme-7/1", ChargeRef: "C1-1/0", Verdict: freight.Approve, Amount: money(ruled), By: "ann"}}
			return findings(freight.Audit(f), freight.RuleRate)[0]
		}
		if v := audit(contract+over, contract); v.Verdict != freight.Pass || !v.Expected.Equal(money(ruled)) || v.Dispute != "acme-7/1" {
			t.Fatalf("ruled at %d: %+v", ruled, v)
		}
		if v := audit(contract+over+1, contract); v.Verdict != freight.Hold || v.Dispute != "" {
			t.Fatalf("one cent more was decided by the ruling: %+v", v)
		}
	})
}

func TestProofIsWhatThePolicyWantsAndNothingLess(t *testing.T) {
	docs := map[string][]freight.DocumentRef{
		"nothing": nil, "a photo": {{Kind: freight.DocumentPhoto, SHA256: "1"}}, "a POD": {{Kind: freight.DocumentPOD, SHA256: "2"}},
		"a signed POD": {{Kind: freight.DocumentPOD, SHA256: "3", Signed: true}}, "a signature": {{Kind: freight.DocumentSignature, SHA256: "4", Signed: true}},
	}
	for _, tt := range []struct {
		want freight.PODRequirement
		good []string
	}{
		{freight.PODStatus, []string{"nothing", "a photo", "a POD", "a signed POD", "a signature"}},
		{freight.PODSignature, []string{"a signed POD", "a signature"}},
		{freight.PODDocument, []string{"a POD", "a signed POD"}},
		{"", nil}, {"notarised", nil},
	} {
		for name, ds := range docs {
			var j freight.Journey
			j.Apply(freight.Scan{Key: "k", Milestone: freight.Delivered, Classifier: freight.Actual, OccurredAt: noon, Documents: ds})
			if missing := freight.ProofOf(j, tt.want); (missing == "") != slices.Contains(tt.good, name) {
				t.Errorf("policy %q and %s: %q is missing", tt.want, name, missing)
			}
			if freight.ProofOf(freight.Journey{Documents: ds}, tt.want) == "" {
				t.Errorf("policy %q and %s: good without a delivery", tt.want, name)
			}
		}
	}
}

func TestRulingChangesThePriceOfWhatIsPassedThroughOnly(t *testing.T) {
	for _, tt := range []struct {
		basis freight.Basis
		want  string
	}{{freight.PassThrough, "90.00"}, {freight.ByContract, "35.00"}} {
		s := freight.Shipment{
			ID: "acme-7", Terms: freight.Terms{Currency: "USD", Scope: freight.FreightOnly}, Billable: &freight.Billable{},
			Rating:   &freight.Rating{Lines: []freight.RatedLine{{Ref: "C1/2/sell", Code: freight.Liftgate, Side: freight.Sell, Amount: freight.MustMoney("35.00 USD"), Basis: tt.basis, ChargeRef: "C1/2"}}},
			Findings: []freight.Finding{{Rule: freight.RuleRate, Verdict: freight.Pass, ChargeRef: "C1/2", Expected: freight.MustMoney("90.00 USD"), Dispute: "acme-7/1"}},
		}
		p, err := freight.PlanOf(&s, 1, "2026-11-24")
		if err != nil || p.Net.Number != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.basis, p.Net, err, tt.want)
		}
	}
}

// TestRatingThatCannotBeAnInvoiceIsNone: it comes from outside, and must not fail the story.
func TestRatingThatCannotBeAnInvoiceIsNone(t *testing.T) {
	rated := func(lines ...freight.RatedLine) *freight.Shipment {
		return &freight.Shipment{ID: "acme-7", Terms: freight.Terms{Currency: "USD", Scope: freight.FreightOnly}, Billable: &freight.Billable{}, Rating: &freight.Rating{Lines: lines}}
	}
	sell := func(ref string, amount freight.Money) freight.RatedLine {
		return freight.RatedLine{Ref: ref, Side: freight.Sell, Amount: amount}
	}
	usd := freight.MustMoney("1.00 USD")
	if p, err := freight.PlanOf(rated(sell("no code: ä/1", usd)), 1, "2026-11-24"); err != nil || p.Lines[0].Ref != "f_no-code----1" || p.Lines[0].Description == "" {
		t.Errorf("line without a code: %+v, %v", p.Lines, err)
	}
	for name, s := range map[string]*freight.Shipment{
		"two lines that Odoo would take for one": rated(sell("a/1", usd), sell("a.1", usd)),
		"another currency":                       rated(sell("a", freight.MustMoney("1.00 EUR"))),
		"no amount":                              rated(sell("a", freight.Money{Number: "x", Currency: "USD"})),
	} {
		if p, err := freight.PlanOf(s, 1, "2026-11-24"); err == nil {
			t.Errorf("%s: planned %+v", name, p)
		}
	}
}
