package freight

import "time"

// BillingScope is what our invoice holds for a customer.
type BillingScope string

// The scopes.
const (
	GoodsAndFreight BillingScope = "goods_and_freight" // goods of this delivery, and its freight
	FreightOnly     BillingScope = "freight"           // Odoo bills the goods; we bill the freight
	BillsNothing    BillingScope = "none"              // Odoo bills everything; we watch
)

// PODRequirement is the proof a customer wants before it is billed.
type PODRequirement string

// The requirements, from least to most.
const (
	PODStatus    PODRequirement = "status"    // an actual delivered scan
	PODSignature PODRequirement = "signature" // a signed document
	PODDocument  PODRequirement = "document"  // any POD document
)

// Terms is a customer's policy as it stood when the shipment was released. It is a snapshot: a later
// version of the policy does not reach shipments under way.
type Terms struct {
	Policy    string         `json:"policy"`  // name of the policy file's entry
	Version   string         `json:"version"` // of the policy
	Contract  string         `json:"contract"`
	Currency  string         `json:"currency"` // ISO 4217, what the customer is billed in
	Scope     BillingScope   `json:"scope"`
	POD       PODRequirement `json:"pod"`
	Charges   ChargesTerms   `json:"charges"`
	Tolerance Tolerance      `json:"tolerance"`
	Clocks    Clocks         `json:"clocks"`
}

// ChargesTerms says when the charges of a shipment are complete.
type ChargesTerms struct {
	NeedCarrierInvoice bool          `json:"needCarrierInvoice"` // bill only when the carrier has billed us
	Window             time.Duration `json:"window"`             // from POD; after it, missing charges are an exception; 0: 14 days
}

// Tolerance is how far a carrier's charge may lie over the contract. Both limits must hold.
// The zero value tolerates nothing.
type Tolerance struct {
	Absolute Money  `json:"absolute,omitzero"`
	Percent  string `json:"percent,omitzero"` // decimal, of the contract amount: "2" is two per cent
}

// Clocks are the times a customer or we ourselves set for a stage, from its beginning.
// A clock of 0 never runs out.
type Clocks struct {
	Accept  time.Duration `json:"accept"`  // release to tender accepted
	Deliver time.Duration `json:"deliver"` // release to delivered: the promise
	POD     time.Duration `json:"pod"`     // delivered to proof accepted
	Dispute time.Duration `json:"dispute"` // dispute opened to decided
	Payment time.Duration `json:"payment"` // posted to paid
	Quiet   time.Duration `json:"quiet"`   // paid to closed: how long late adjustments are waited for
}
