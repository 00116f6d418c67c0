package freight

import "time"

// Stage says where a shipment stands in its story. The texts are in histories and search attributes.
type Stage string

// The stages, in order, and the two ways out.
const (
	StageFulfilment Stage = "fulfilment"
	StageTransit    Stage = "transit"
	StageProof      Stage = "proof"
	StageCharges    Stage = "charges"
	StageValidation Stage = "validation"
	StageInvoicing  Stage = "invoicing"
	StageSettlement Stage = "settlement"
	StageClosed     Stage = "closed"
	StageCancelled  Stage = "cancelled"
)

// Stages lists the stages in order.
func Stages() []Stage {
	return []Stage{StageFulfilment, StageTransit, StageProof, StageCharges, StageValidation, StageInvoicing, StageSettlement, StageClosed, StageCancelled}
}

// Shipment is everything a shipment's story knows. It answers the query, is carried over to a fresh run, and
// all its deadlines are absolute. Only the story changes it.
type Shipment struct {
	ID      ShipmentID `json:"id"`
	Stage   Stage      `json:"stage"`
	Terms   Terms      `json:"terms"`
	Since   time.Time  `json:"since"`   // start of the first run
	Entered time.Time  `json:"entered"` // into this stage

	Release  Release `json:"release"`           // Order == 0 until claimed
	Booking  Booking `json:"booking,omitzero"`  // Ref == "" until the TMS has the request
	Tenders  int     `json:"tenders,omitzero"`  // requests sent to the TMS, from 1
	Estimate Money   `json:"estimate,omitzero"` // of the sell side, at release

	Journey   Journey `json:"journey"`
	HighWater int64   `json:"highWater"` // number of the last scan applied; those at or below it are repeats
	Repeats   int     `json:"repeats,omitzero"`

	Rating     *Rating      `json:"rating,omitempty"`
	NoContract string       `json:"noContract,omitzero"` // why the engine could not rate, when it said there is no contract
	Billable   *Billable    `json:"billable,omitempty"`  // as last read from Odoo; nil: not read for this plan
	Findings   []Finding    `json:"findings,omitempty"`  // of the last validation
	Rulings    []Ruling     `json:"rulings,omitempty"`
	Disputes   []Proposal   `json:"disputes,omitempty"` // opened, in order; the nth has number n
	Validation *Validation  `json:"validation,omitempty"`
	Plan       *InvoicePlan `json:"plan,omitempty"`
	Draft      string       `json:"draft,omitzero"` // the billing engine's invoice id, once committed
	Invoice    *Invoice     `json:"invoice,omitempty"`
	Told       string       `json:"told,omitzero"` // the finance platform's number for it
	Payment    Payment      `json:"payment,omitzero"`
	ProofFiled string       `json:"proofFiled,omitzero"` // hash over the documents filed in Odoo

	Exceptions Exceptions     `json:"exceptions,omitempty"`
	Cancel     *CancelRequest `json:"cancel,omitempty"`
	Intents    []Intent       `json:"intents,omitempty"`

	Status   StatusReport `json:"status"`           // last one sent to Odoo
	Revision int64        `json:"revision"`         // of the status; Odoo keeps the highest
	Recorded int64        `json:"recorded"`         // revision of the last view the store has
	Audits   int64        `json:"audits"`           // number of the last audit entry made
	Unsaid   []AuditEntry `json:"unsaid,omitempty"` // audit entries the store does not have yet
}

// Intent is a call that is out and not answered. A fresh run sends it again under the same key.
type Intent struct {
	Key  string    `json:"key"`
	Step string    `json:"step"`
	At   time.Time `json:"at"`
}

// CancelRequest is a wish to cancel, and who has it.
type CancelRequest struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// StatusReport is what the sales order and the delivery show in Odoo.
type StatusReport struct {
	Status       Status       `json:"status"`
	MilestoneAt  time.Time    `json:"milestoneAt,omitzero"`
	ETA          time.Time    `json:"eta,omitzero"`
	InvoiceState InvoiceState `json:"invoiceState"`
	Exception    string       `json:"exception,omitzero"` // first open one in words, "" for none; at most 200 bytes
	Tracking     string       `json:"tracking,omitzero"`  // PRO or tracking number
}

// Report is what Odoo should show now.
func (s *Shipment) Report() StatusReport {
	r := StatusReport{
		Status: s.Journey.Status(), MilestoneAt: s.Journey.Furthest().At, ETA: s.Journey.ETA,
		InvoiceState: s.invoiceState(), Exception: s.headline(), Tracking: s.Booking.PRO,
	}
	if s.Stage == StageCancelled {
		r.Status = StatusCancelled
	}
	return r
}

func (s *Shipment) invoiceState() InvoiceState {
	switch {
	case s.Payment.State != "":
		return s.Payment.State
	case s.Invoice != nil:
		return InvoicePosted
	case s.Stage == StageValidation && len(SellHolds(s.Findings)) > 0:
		return InvoiceHeld
	case s.Stage == StageProof || s.Stage == StageCharges || s.Stage == StageValidation || s.Stage == StageInvoicing:
		return InvoiceWaiting
	}
	return InvoiceNone
}

func (s *Shipment) headline() string {
	for _, e := range s.Exceptions {
		if e.Open() {
			return clip(string(e.Kind)+": "+e.Detail, 200)
		}
	}
	return ""
}

func clip(s string, n int) string {
	for len(s) > n {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}

// Carrier is who moves the freight: as scanned, else as booked, else as Odoo has it.
func (s *Shipment) Carrier() CarrierCode {
	for _, c := range []CarrierCode{s.Journey.Carrier(), s.Booking.Carrier, s.Release.Carrier} {
		if c != "" {
			return c
		}
	}
	return ""
}

// RulingOn returns the ruling on one of the carrier's charges.
func (s *Shipment) RulingOn(chargeRef string) (Ruling, bool) {
	for _, r := range s.Rulings {
		if r.ChargeRef == chargeRef {
			return r, true
		}
	}
	return Ruling{}, false
}

// Note adds an audit entry; the store receives it with the next record.
func (s *Shipment) Note(now time.Time, kind AuditKind, actor, detail string) {
	s.Audits++
	s.Unsaid = append(s.Unsaid, AuditEntry{N: s.Audits, At: now, Kind: kind, Stage: s.Stage, Actor: actor, Detail: detail})
}
