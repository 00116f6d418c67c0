package freight

import (
	"slices"
	"time"
)

// ExceptionKind names what the story could not go past alone. The texts are search attribute values.
type ExceptionKind string

// The exception kinds.
const (
	TenderWasDeclined ExceptionKind = "tender_declined"
	TenderOverdue     ExceptionKind = "tender_overdue"
	DeliveryOverdue   ExceptionKind = "delivery_overdue"
	FreightInTrouble  ExceptionKind = "freight_in_trouble" // lost, damaged, refused, returned
	PODMissing        ExceptionKind = "pod_missing"
	PODShort          ExceptionKind = "pod_short"
	ChargesMissing    ExceptionKind = "charges_missing"
	ContractMissing   ExceptionKind = "contract_missing"
	ChargesInvalid    ExceptionKind = "charges_invalid" // duplicate, or does not add up
	ChargeDisputed    ExceptionKind = "charge_disputed" // open as long as the dispute
	PostingFailed     ExceptionKind = "posting_failed"
	PartnerFailed     ExceptionKind = "partner_failed" // a system refused what we asked
	PaymentOverdue    ExceptionKind = "payment_overdue"
	CancelTooLate     ExceptionKind = "cancel_too_late"
	ScanRefused       ExceptionKind = "scan_refused"
	MessageUnreadable ExceptionKind = "message_unreadable"
	LateCharge        ExceptionKind = "late_charge" // a carrier's invoice after ours was posted
)

// Owner is the team that answers for an exception.
type Owner string

// The owners.
const (
	Operations Owner = "operations"
	Finance    Owner = "finance"
)

// Action is what a person may do about an exception.
type Action string

// The actions.
const (
	Retry   Action = "retry"   // the cause is mended: try the step again
	Waive   Action = "waive"   // go on without; never offered where money would rest on a missing fact
	Abandon Action = "cancel"  // cancel the shipment
	Dismiss Action = "dismiss" // seen; nothing to do
)

// remedy is how a kind is handled: whose it is, how soon, what may be done, and what to say about it.
type remedy struct {
	owner   Owner
	within  time.Duration // to DueBy; our operating standard, see docs/exceptions.md
	actions []Action
	advice  string
}

const day = 24 * time.Hour

var remedies = map[ExceptionKind]remedy{
	TenderWasDeclined: {Operations, 4 * time.Hour, []Action{Retry, Abandon}, "Choose another carrier in the TMS, then resolve with retry; or cancel."},
	TenderOverdue:     {Operations, 4 * time.Hour, []Action{Dismiss, Abandon}, "Chase the TMS for an answer. Goes by itself once the tender is accepted."},
	DeliveryOverdue:   {Operations, 4 * time.Hour, []Action{Dismiss}, "The promise is broken: tell the customer and chase the carrier. Goes by itself on delivery."},
	FreightInTrouble:  {Operations, 4 * time.Hour, []Action{Dismiss, Abandon}, "Find out from the carrier what becomes of the freight. Dismiss once it is moving again; cancel if it will not be delivered."},
	PODMissing:        {Operations, day, []Action{Dismiss}, "Ask the carrier for the POD; it goes on by itself when it comes."},
	PODShort:          {Operations, day, []Action{Retry, Abandon}, "Fewer pieces were delivered than shipped. Correct the delivery in Odoo, then resolve with retry."},
	ChargesMissing:    {Finance, 2 * day, []Action{Dismiss}, "Ask the carrier for its invoice; it goes on by itself when it comes."},
	ContractMissing:   {Finance, day, []Action{Retry}, "No contract covers this shipment on its ship date. Enter it in the billing engine, then resolve with retry."},
	ChargesInvalid:    {Finance, day, []Action{Retry}, "The carrier's invoice cannot be used as it is. Ask for a corrected one; it goes on by itself when it comes, or resolve with retry."},
	ChargeDisputed:    {Finance, 3 * day, nil, "Decide it: waybill dispute show, then approve or reject."},
	PostingFailed:     {Finance, 4 * time.Hour, []Action{Retry}, "Mend in Odoo what the message names, then resolve with retry. It cannot post twice."},
	PartnerFailed:     {Operations, 4 * time.Hour, []Action{Retry, Abandon}, "The partner refused the request for the reason given. Mend it there, then resolve with retry."},
	PaymentOverdue:    {Finance, 5 * day, []Action{Dismiss}, "Chase the customer. Goes by itself when the payment is seen."},
	CancelTooLate:     {Operations, 4 * time.Hour, []Action{Dismiss}, "The order was cancelled after pick-up. Ask the carrier to return the freight, or restore the order."},
	ScanRefused:       {Operations, day, []Action{Dismiss}, "A partner reports what cannot be. Ask the owner of that source."},
	LateCharge:        {Finance, 5 * day, []Action{Dismiss}, "The carrier charged after our invoice was posted. Decide on a supplementary invoice or a credit; nothing is billed by itself."},
	MessageUnreadable: {Operations, day, []Action{Dismiss}, "A signal could not be read and changed nothing. Find its sender in the history."},
}

// Exception is one thing that needs a person. It lives in the shipment and is shown on the order.
type Exception struct {
	ID         int           `json:"id"` // within the shipment, from 1
	Kind       ExceptionKind `json:"kind"`
	Ref        string        `json:"ref,omitzero"` // what it is about: a charge, a dispute, a step
	Stage      Stage         `json:"stage"`
	Owner      Owner         `json:"owner"`
	Detail     string        `json:"detail"` // what happened
	Advice     string        `json:"advice"` // what to do
	Actions    []Action      `json:"actions,omitempty"`
	OpenedAt   time.Time     `json:"openedAt"`
	DueBy      time.Time     `json:"dueBy"`
	Times      int           `json:"times"` // how often it happened while open, from 1
	Resolution *Resolution   `json:"resolution,omitempty"`
}

// Resolution is how an exception ended.
type Resolution struct {
	Action Action    `json:"action"`
	By     string    `json:"by"` // the person, or "waybill" where the cause went by itself
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Open reports whether e still needs a person.
func (e Exception) Open() bool { return e.Resolution == nil }

// Allows reports whether a may resolve e.
func (e Exception) Allows(a Action) bool { return slices.Contains(e.Actions, a) }

// Exceptions is a shipment's list of them, oldest first.
type Exceptions []Exception

// Raise opens an exception, or counts one more for the same kind and ref already open. It returns its index.
func (es *Exceptions) Raise(kind ExceptionKind, ref string, stage Stage, detail string, now time.Time) int {
	for i := range *es {
		if e := &(*es)[i]; e.Open() && e.Kind == kind && e.Ref == ref {
			e.Times++
			e.Detail = detail
			return i
		}
	}
	r := remedies[kind]
	*es = append(*es, Exception{
		ID: len(*es) + 1, Kind: kind, Ref: ref, Stage: stage, Owner: r.owner, Detail: detail, Advice: r.advice,
		Actions: r.actions, OpenedAt: now, DueBy: now.Add(r.within), Times: 1,
	})
	return len(*es) - 1
}

// Settle closes every open exception of kind and ref because its cause went by itself; it reports whether
// there was one. An empty ref means any.
func (es Exceptions) Settle(kind ExceptionKind, ref, reason string, now time.Time) (settled bool) {
	for i := range es {
		if e := &es[i]; e.Open() && e.Kind == kind && (ref == "" || e.Ref == ref) {
			e.Resolution = &Resolution{Action: Dismiss, By: "waybill", Reason: reason, At: now}
			settled = true
		}
	}
	return settled
}

// OpenKinds lists the kinds open, each once, sorted.
func (es Exceptions) OpenKinds() (ks []ExceptionKind) {
	for _, e := range es {
		if e.Open() && !slices.Contains(ks, e.Kind) {
			ks = append(ks, e.Kind)
		}
	}
	slices.Sort(ks)
	return ks
}

// ByID finds an exception by its number.
func (es Exceptions) ByID(id int) (*Exception, bool) {
	for i := range es {
		if es[i].ID == id {
			return &es[i], true
		}
	}
	return nil, false
}

// ExceptionKinds lists every kind, sorted: for completion and for documentation.
func ExceptionKinds() (ks []ExceptionKind) {
	for k := range remedies {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
