package freight

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
