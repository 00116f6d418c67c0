package freight

import "fmt"

// ChargeCode is a charge in the canonical vocabulary; carriers' own codes are mapped to it and kept beside it.
type ChargeCode string

// The charge codes, with their X12 element 150 codes.
const (
	Linehaul      ChargeCode = "linehaul"       // 400, LHS
	FuelSurcharge ChargeCode = "fuel_surcharge" // 405, FUE
	Detention     ChargeCode = "detention"      // DET, DTU
	Liftgate      ChargeCode = "liftgate"       // LFT
	Residential   ChargeCode = "residential"    // RES
	Redelivery    ChargeCode = "redelivery"     // RCL
	Lumper        ChargeCode = "lumper"         // UNL
	Storage       ChargeCode = "storage"        // SRG
)

// Side tells what we pay from what we are paid. A hold on one never stops the other, except for a line
// that is passed through.
type Side string

// The two ledgers.
const (
	Buy  Side = "buy"  // the carrier's charges to us
	Sell Side = "sell" // our charges to the customer
)

// Charge is one line a carrier charges.
type Charge struct {
	Ref      string     `json:"ref"` // unique in the shipment: carrier invoice number and line
	Code     ChargeCode `json:"code"`
	RawCode  string     `json:"raw,omitzero"`
	Amount   Money      `json:"amount"`
	Quantity string     `json:"quantity,omitzero"` // decimal, in Unit
	Unit     string     `json:"unit,omitzero"`     // "h", "kg", "each"
}

// CarrierInvoice is a carrier's bill for one shipment.
type CarrierInvoice struct {
	Carrier     CarrierCode `json:"carrier"`
	Number      string      `json:"number"`
	Total       Money       `json:"total"` // as the carrier states it; SUM-1 checks it against the lines
	Lines       []Charge    `json:"lines"`
	DuplicateOf string      `json:"duplicateOf,omitzero"` // who holds this number already, as the store knows it
}

// flaws says of each invoice why it cannot be audited line by line; "" where it can. A line's reference is taken by
// the first invoice that has it: findings, disputes and rulings name lines by it.
func flaws(invs []CarrierInvoice) []string {
	out := make([]string, len(invs))
	taken := map[string]bool{}
	for i, inv := range invs {
		out[i] = inv.flaw(taken)
		for _, c := range inv.Lines {
			taken[c.Ref] = taken[c.Ref] || out[i] == ""
		}
	}
	return out
}

func (inv CarrierInvoice) flaw(taken map[string]bool) string {
	if inv.DuplicateOf != "" {
		return fmt.Sprintf("invoice %s of %s is already held by %s: ask the carrier to withdraw it, or to send it under a number of its own", inv.Number, inv.Carrier, inv.DuplicateOf)
	}
	own := map[string]bool{}
	for _, c := range inv.Lines {
		if own[c.Ref] || taken[c.Ref] {
			return fmt.Sprintf("line %s of invoice %s of %s is there twice: ask for a corrected invoice under a new number", c.Ref, inv.Number, inv.Carrier)
		}
		own[c.Ref] = true
	}
	switch total, err := inv.sum(); {
	case err != nil:
		return fmt.Sprintf("lines of %s are not in its currency %s: ask for a corrected invoice under a new number", inv.Number, inv.Total.Currency)
	case !total.Equal(inv.Total):
		return fmt.Sprintf("lines of %s add up to %s, its total says %s: ask for a corrected invoice under a new number", inv.Number, total, inv.Total)
	}
	return ""
}

func (inv CarrierInvoice) sum() (Money, error) {
	var ms []Money
	for _, l := range inv.Lines {
		ms = append(ms, l.Amount)
	}
	return SumMoney(inv.Total.Currency, ms...)
}

// usable are the invoices that may be audited line by line, in their order.
func usable(invs []CarrierInvoice) (us []CarrierInvoice) {
	for i, flaw := range flaws(invs) {
		if flaw == "" {
			us = append(us, invs[i])
		}
	}
	return us
}

// Usable are the carriers' invoices that may be audited line by line: no duplicates, and their lines add up.
func (j Journey) Usable() []CarrierInvoice { return usable(j.Invoices) }

// Flaw says why the carrier's invoice of a number cannot be used; "" if it can, or is not there.
func (j Journey) Flaw(number string) string {
	for i, flaw := range flaws(j.Invoices) {
		if flaw != "" && j.Invoices[i].Number == number {
			return flaw
		}
	}
	return ""
}

// Charges are the lines of the usable invoices.
func (j Journey) Charges() (cs []Charge) {
	for _, inv := range j.Usable() {
		cs = append(cs, inv.Lines...)
	}
	return cs
}

// Charge finds one of the carrier's lines.
func (j Journey) Charge(ref string) (Charge, bool) {
	for _, c := range j.Charges() {
		if c.Ref == ref {
			return c, true
		}
	}
	return Charge{}, false
}

// Basis says where a rated amount comes from.
type Basis string

// The bases.
const (
	ByContract  Basis = "contract"
	PassThrough Basis = "pass_through" // the customer pays what the carrier charged
)

// RatedLine is one line as the contracts have it.
type RatedLine struct {
	Ref       string     `json:"ref"`
	Code      ChargeCode `json:"code"`
	Side      Side       `json:"side"`
	Amount    Money      `json:"amount"`
	Basis     Basis      `json:"basis"`
	ChargeRef string     `json:"chargeRef,omitzero"` // the carrier's line this one answers
	Trace     []string   `json:"trace,omitempty"`    // how the amount was reached, a step a line
}

// Rating is the billing engine's answer: sell lines for the customer, and for each charge of the carrier
// that a contract knows, a buy line with the amount it should be.
type Rating struct {
	Contract string      `json:"contract"`
	Version  string      `json:"version"`
	Lines    []RatedLine `json:"lines"`
	Total    Money       `json:"total"` // of the sell lines, without tax
	Hash     string      `json:"hash"`  // the engine's own, over inputs and lines
}

// Sell returns the lines the customer would be billed.
func (r Rating) Sell() []RatedLine { return r.side(Sell) }

func (r Rating) side(s Side) (ls []RatedLine) {
	for _, l := range r.Lines {
		if l.Side == s {
			ls = append(ls, l)
		}
	}
	return ls
}

// BuyFor returns the amount the contract has for one of the carrier's charges.
func (r Rating) BuyFor(chargeRef string) (RatedLine, bool) {
	for _, l := range r.Lines {
		if l.Side == Buy && l.ChargeRef == chargeRef {
			return l, true
		}
	}
	return RatedLine{}, false
}

// PassedThrough reports whether the customer is billed what the carrier charged on that line.
func (r Rating) PassedThrough(chargeRef string) bool {
	for _, l := range r.Lines {
		if l.Side == Sell && l.Basis == PassThrough && l.ChargeRef == chargeRef {
			return true
		}
	}
	return false
}
