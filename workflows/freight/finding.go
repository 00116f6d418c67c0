package freight

// RuleID names an audit rule.
type RuleID string

// The rules that run on every shipment.
const (
	RuleDuplicate   RuleID = "DUP-1"  // carrier invoice number seen before
	RuleTwice       RuleID = "DUP-2"  // the same charge is on another invoice of the carrier
	RuleRate        RuleID = "RATE-1" // charged within tolerance of the contract
	RuleContract    RuleID = "RATE-3" // a contract exists
	RuleAccessorial RuleID = "ACC-1"  // the accessorial is in the contract
	RulePOD         RuleID = "POD-1"  // proof of delivery is there
	RuleSum         RuleID = "SUM-1"  // lines add up to the invoice
	RuleStatus      RuleID = "STA-1"  // no two statements about the freight exclude each other
)

// Verdict is what a rule says. The worst of all rules decides.
type Verdict string

// The verdicts, from best to worst.
const (
	Pass  Verdict = "pass"
	Warn  Verdict = "warn"
	Hold  Verdict = "hold"  // a person decides
	Block Verdict = "block" // cannot be billed as it is
)

var gravity = map[Verdict]int{Pass: 0, Warn: 1, Hold: 2, Block: 3}

// Finding is one rule's answer about one charge, or about the shipment.
type Finding struct {
	Rule      RuleID   `json:"rule"`
	Version   int      `json:"version"` // of the rule; a change of meaning is a new version
	Verdict   Verdict  `json:"verdict"`
	Side      Side     `json:"side"`
	ChargeRef string   `json:"chargeRef,omitzero"`
	Expected  Money    `json:"expected,omitzero"`
	Actual    Money    `json:"actual,omitzero"`
	Delta     Money    `json:"delta,omitzero"` // actual - expected
	Reason    string   `json:"reason"`         // for a person, with what to do next
	Evidence  []string `json:"evidence,omitempty"`
	SellHold  bool     `json:"sellHold,omitzero"` // stops the customer's invoice, not only the carrier's payment
	// Dispute is the one whose ruling decided it; Expected is then what was ruled.
	Dispute DisputeID `json:"dispute,omitzero"`
}

// Worst is the gravest verdict among fs; Pass for none.
func Worst(fs []Finding) Verdict {
	worst := Pass
	for _, f := range fs {
		if gravity[f.Verdict] > gravity[worst] {
			worst = f.Verdict
		}
	}
	return worst
}

// SellHolds returns the findings that stop the customer's invoice.
func SellHolds(fs []Finding) (hs []Finding) {
	for _, f := range fs {
		if f.SellHold && gravity[f.Verdict] >= gravity[Hold] {
			hs = append(hs, f)
		}
	}
	return hs
}
