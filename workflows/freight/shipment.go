package freight

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

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
	Declined int     `json:"declined,omitzero"` // number of the last tender that was declined
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
	Filed      []string     `json:"filed,omitempty"` // hashes of the documents filed on the delivery

	Exceptions Exceptions     `json:"exceptions,omitempty"`
	Replies    []ResolveReply `json:"replies,omitempty"` // to requests to resolve, newest last, at most 20
	Cancel     *CancelRequest `json:"cancel,omitempty"`
	Intents    []Intent       `json:"intents,omitempty"`

	Shown    StatusReport `json:"shown"`            // what Odoo shows
	Revision int64        `json:"revision"`         // of the status last sent; Odoo keeps the highest
	Views    int64        `json:"views"`            // revision of the view last sent to the store
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
	Final  bool      `json:"final,omitzero"` // the freight will not be delivered, whatever the TMS says of it
}

// StatusReport is what the sales order and the delivery show in Odoo.
type StatusReport struct {
	Status       Status       `json:"status"`
	Since        time.Time    `json:"since,omitzero"` // when the freight came into this status
	ETA          time.Time    `json:"eta,omitzero"`
	InvoiceState InvoiceState `json:"invoiceState"`
	Exception    string       `json:"exception,omitzero"` // first open one in words, "" for none; at most 200 bytes
	Tracking     string       `json:"tracking,omitzero"`  // PRO or tracking number
}

// Report is what Odoo should show now.
func (s *Shipment) Report() StatusReport {
	r := StatusReport{
		Status: s.Journey.Status(), Since: s.Journey.StatusSince(), ETA: s.Journey.ETA,
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

// clip cuts s to at most n bytes, at a character's end.
func clip(s string, n int) string {
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
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

// ResolveReply tells the sender of a request to resolve what became of it.
type ResolveReply struct {
	Exception int       `json:"exception"`
	Action    Action    `json:"action"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	Refusal   string    `json:"refusal,omitzero"` // why it was refused; "" where it was applied
	At        time.Time `json:"at"`
}

// repliesKept bounds the replies a shipment carries; a sender reads its own within seconds.
const repliesKept = 20

// Resolve applies a person's answer to an exception, or says why not. Either way the reply is kept.
func (s *Shipment) Resolve(r ResolveReply) ResolveReply {
	r.Refusal = s.refusal(r)
	if r.Refusal == "" {
		e, _ := s.Exceptions.ByID(r.Exception)
		e.Resolution = &Resolution{Action: r.Action, By: r.By, Reason: r.Reason, At: r.At}
	}
	s.Replies = append(s.Replies, r)
	if over := len(s.Replies) - repliesKept; over > 0 {
		s.Replies = slices.Clone(s.Replies[over:])
	}
	return r
}

func (s *Shipment) refusal(r ResolveReply) string {
	e, found := s.Exceptions.ByID(r.Exception)
	switch {
	case !found:
		return fmt.Sprintf("there is no exception %d: see waybill exception list", r.Exception)
	case !e.Open():
		return fmt.Sprintf("exception %d was resolved by %s with %s", e.ID, e.Resolution.By, e.Resolution.Action)
	case len(e.Actions) == 0:
		return fmt.Sprintf("a %s is not resolved by hand: %s", e.Kind, e.Advice)
	case !e.Allows(r.Action):
		return fmt.Sprintf("a %s allows %v, not %s", e.Kind, e.Actions, r.Action)
	case r.Action == Abandon && s.Plan != nil:
		return "its invoice is being posted or is posted: credit it instead"
	}
	return ""
}

// Intend notes that a call is out.
func (s *Shipment) Intend(key, step string, now time.Time) {
	s.Answered(key)
	s.Intents = append(s.Intents, Intent{Key: key, Step: step, At: now})
}

// Answered notes that a call has its answer.
func (s *Shipment) Answered(key string) {
	s.Intents = slices.DeleteFunc(s.Intents, func(i Intent) bool { return i.Key == key })
}

// Intends reports whether a call is out under key.
func (s *Shipment) Intends(key string) bool {
	return slices.ContainsFunc(s.Intents, func(i Intent) bool { return i.Key == key })
}

// Unfiled are the proof documents that the delivery in Odoo does not have yet; none before delivery.
func (s *Shipment) Unfiled() (ds []DocumentRef) {
	if !s.Journey.Has(Delivered) {
		return nil
	}
	for _, d := range s.Journey.Documents {
		if !slices.Contains(s.Filed, d.SHA256) {
			ds = append(ds, d)
		}
	}
	return ds
}

// AuditFacts are the facts the audit rules see.
func (s *Shipment) AuditFacts() AuditFacts {
	return AuditFacts{
		Terms: s.Terms, Rating: s.Rating, NoContract: s.NoContract, Invoices: s.Journey.Invoices, Rulings: s.Rulings,
		Proved: ProofOf(s.Journey, s.Terms.POD) == "",
	}
}

// OpenDisputes are the disputes without a ruling.
func (s *Shipment) OpenDisputes() (ps []Proposal) {
	for _, p := range s.Disputes {
		if _, ruled := s.RulingOn(p.ChargeRef); !ruled {
			ps = append(ps, p)
		}
	}
	return ps
}

// Charge finds one of the carrier's lines.
func (j Journey) Charge(ref string) (Charge, bool) {
	for _, inv := range j.Invoices {
		for _, c := range inv.Lines {
			if c.Ref == ref {
				return c, true
			}
		}
	}
	return Charge{}, false
}

// Charges are the lines of all the carriers' invoices that are not duplicates.
func (j Journey) Charges() (cs []Charge) {
	for _, inv := range j.Invoices {
		if inv.DuplicateOf == "" {
			cs = append(cs, inv.Lines...)
		}
	}
	return cs
}

// Forbids says why a scan cannot be true of this shipment, with whom to ask; "" if it can. It is kept and
// shown, and changes nothing.
func (s *Shipment) Forbids(c Scan) string {
	switch {
	case s.Stage == StageCancelled:
		return fmt.Sprintf("%s reports %s for a cancelled shipment: ask the owner of that source", c.Source, c.Milestone)
	case c.Classifier == Actual && c.Milestone.Rank() > 0 && s.Journey.Has(Returned) && c.OccurredAt.After(s.Journey.At(Returned)):
		return fmt.Sprintf("%s reports %s after the freight was returned: ask the owner of that source", c.Source, c.Milestone)
	}
	return ""
}
