package freight

import (
	"strings"
	"time"
)

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
	Delivery  DeliveryRule   `json:"delivery,omitzero"`
	SLA       *SLATerms      `json:"sla,omitempty"` // nil: that the promise is broken is shown, and nothing before
	// Exceptions say whose they are and when they are due; nil: by our operating standard.
	Exceptions *ExceptionTerms `json:"exceptions,omitempty"`
}

// SLATerms say how the promise to a customer, Clocks.Deliver, is watched.
type SLATerms struct {
	Buffer   time.Duration `json:"buffer"`             // at risk when expected later than so long before the promise ends
	Margin   time.Duration `json:"margin,omitzero"`    // how much better it must get to be on time again; 0: 30 minutes
	Stops    []FaultParty  `json:"stops,omitempty"`    // whose faults stop the clock
	Calendar *Calendar     `json:"calendar,omitempty"` // when the clock runs; nil: always
	Lanes    []Lane        `json:"lanes,omitempty"`    // how long carriage has taken
}

// Lane is how long carriage to a place has taken, by history: 9 of 10 shipments took at most P90 from pick-up.
type Lane struct {
	Country  string        `json:"country"`           // ISO 3166-1 alpha-2; "" for any
	Postcode string        `json:"postcode,omitzero"` // how it begins; "" for any
	P90      time.Duration `json:"p90"`
}

// lane is the lane to a place: of those that fit, the one that says most of it. Its zero value knows nothing.
func (t *SLATerms) lane(to Place) (best Lane) {
	for _, l := range t.Lanes {
		fits := (l.Country == "" || l.Country == to.Country) && strings.HasPrefix(to.Postcode, l.Postcode)
		if fits && (best.P90 == 0 || len(l.Country)+len(l.Postcode) > len(best.Country)+len(best.Postcode)) {
			best = l
		}
	}
	return best
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
	// Rest is from the first parcel's delivery to that of the rest; then what is missing becomes an exception. 0: 2 days.
	Rest time.Duration `json:"rest,omitzero"`
	// Reference is from the acceptance to a number of the carrier's; then its lack becomes an exception.
	Reference time.Duration `json:"reference,omitzero"`
}
