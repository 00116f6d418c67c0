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
	FreightInTrouble  ExceptionKind = "freight_in_trouble" // lost, damaged, refused, returned: raised by shipments of an earlier release
	ReferenceMissing  ExceptionKind = "reference_missing"  // accepted, and no number of the carrier's is known
	PODMissing        ExceptionKind = "pod_missing"
	PODShort          ExceptionKind = "pod_short"
	ChargesMissing    ExceptionKind = "charges_missing"
	ContractMissing   ExceptionKind = "contract_missing"
	ChargesInvalid    ExceptionKind = "charges_invalid" // duplicate, or does not add up
	ChargeDisputed    ExceptionKind = "charge_disputed" // open as long as the dispute
	PostingFailed     ExceptionKind = "posting_failed"
	PartnerFailed     ExceptionKind = "partner_failed" // a system refused what we asked
	ReportRefused     ExceptionKind = "report_refused" // Odoo refused a status, or the store a record
	PaymentOverdue    ExceptionKind = "payment_overdue"
	OrderChanged      ExceptionKind = "order_changed" // after its release
	CancelTooLate     ExceptionKind = "cancel_too_late"
	ScanRefused       ExceptionKind = "scan_refused"
	MessageUnreadable ExceptionKind = "message_unreadable"
	LateCharge        ExceptionKind = "late_charge"  // a charge for the customer after our invoice was made
	PayableHeld       ExceptionKind = "payable_held" // a carrier's charge that cannot be judged, and stops no invoice of ours

	// What the freight's own events say; see Journey.Troubles.
	AttemptFailed       ExceptionKind = "delivery_attempt_failed"
	DeliveryRefused     ExceptionKind = "delivery_refused"
	ReturnToSender      ExceptionKind = "return_to_sender"
	FreightLost         ExceptionKind = "freight_lost"
	FreightDamaged      ExceptionKind = "freight_damaged"
	HeldInCustoms       ExceptionKind = "held_in_customs"
	AddressProblem      ExceptionKind = "address_problem"
	StatusContradictory ExceptionKind = "status_contradictory" // two statements exclude each other, and money rests on them
	DeliveryTakenBack   ExceptionKind = "delivery_taken_back"  // after it was billed
	DeliveryAtRisk      ExceptionKind = "delivery_at_risk"     // the promise may be broken
)

// Owner is the team that answers for an exception.
type Owner string

// The owners.
const (
	Operations      Owner = "operations"
	Finance         Owner = "finance"
	CustomerService Owner = "customer_service" // speaks with who is to receive the freight
)

// Owners lists every owner: those that a policy may name, and the selection field in Odoo has.
func Owners() []Owner { return []Owner{Operations, Finance, CustomerService} }

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
	within  time.Duration // to DueBy; our operating standard
	actions []Action
	advice  string
	holds   bool // the shipment does not close before it is resolved
}

const day = 24 * time.Hour

var remedies = map[ExceptionKind]remedy{
	TenderWasDeclined:   {owner: Operations, within: 4 * time.Hour, actions: []Action{Retry, Abandon}, advice: "Choose another carrier in the TMS, then resolve with retry; or cancel."},
	TenderOverdue:       {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Chase the TMS for an answer. Goes by itself once the tender is accepted."},
	DeliveryOverdue:     {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss}, advice: "The promise is broken: tell the customer and chase the carrier. Goes by itself on delivery."},
	FreightInTrouble:    {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Find out from the carrier what becomes of the freight. Dismiss once it is moving again; cancel if it will not be delivered."},
	ReferenceMissing:    {owner: Operations, within: 4 * time.Hour, actions: []Action{Waive, Abandon}, advice: "Get the number from the carrier or the TMS, and give it with waybill exception supply, or as the delivery's tracking reference in Odoo: it goes by itself then. Until then the carrier cannot be asked, and what it says under its own number finds no shipment. Waive where the carrier has none."},
	PODMissing:          {owner: Operations, within: day, actions: []Action{Dismiss}, advice: "Ask the carrier for the POD; it goes on by itself when it comes. One that came by mail or on paper is brought in with waybill-admin proof."},
	PODShort:            {owner: Operations, within: day, actions: []Action{Retry, Abandon}, advice: "Fewer pieces were delivered than shipped. Goes by itself when the rest is delivered. If no more will come, correct the delivery in Odoo, then resolve with retry."},
	ChargesMissing:      {owner: Finance, within: 2 * day, actions: []Action{Dismiss, Waive}, advice: "Ask the carrier for its invoice; it goes on by itself when it comes. Waive to bill the customer without it, by contract."},
	ContractMissing:     {owner: Finance, within: day, actions: []Action{Retry}, advice: "No contract covers this shipment on its ship date. Enter it in the billing engine, then resolve with retry."},
	ChargesInvalid:      {owner: Finance, within: day, actions: []Action{Retry, Dismiss}, holds: true, advice: "The carrier's invoice cannot be used as it is. Ask for a corrected one; it goes on by itself when it comes, or resolve with retry. Dismiss what is cleared with the carrier."},
	ChargeDisputed:      {owner: Finance, within: 3 * day, advice: "Decide it: waybill dispute show, then approve or reject."},
	PostingFailed:       {owner: Finance, within: 4 * time.Hour, actions: []Action{Retry}, advice: "Mend in Odoo what the message names, then resolve with retry. It cannot post twice."},
	PartnerFailed:       {owner: Operations, within: 4 * time.Hour, actions: []Action{Retry, Abandon}, advice: "The partner refused the request for the reason given. Mend it there, then resolve with retry."},
	ReportRefused:       {owner: Operations, within: 4 * time.Hour, actions: []Action{Retry, Dismiss}, advice: "The shipment goes on, but what is known of it is not shown there. Mend it there, then resolve with retry."},
	PaymentOverdue:      {owner: Finance, within: 5 * day, actions: []Action{Dismiss}, advice: "Chase the customer. Goes by itself when the payment is seen."},
	CancelTooLate:       {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss}, advice: "It is carried and billed in spite of the cancellation. Ask the carrier to return the freight, credit the invoice, or restore the order."},
	OrderChanged:        {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "The carrier and the warehouse know the order as it was released. Tell them what has changed, or change it back in Odoo: it goes by itself then. Dismiss what is arranged."},
	ScanRefused:         {owner: Operations, within: day, actions: []Action{Dismiss}, advice: "A partner reports what cannot be. Ask the owner of that source."},
	LateCharge:          {owner: Finance, within: 5 * day, actions: []Action{Dismiss}, holds: true, advice: "The carrier charged for the customer after our invoice was made. Bill or credit it by hand, then dismiss; nothing is billed by itself."},
	PayableHeld:         {owner: Finance, within: 5 * day, actions: []Action{Dismiss}, holds: true, advice: "Do not pay this charge before it is cleared with the carrier, then dismiss. The customer's invoice does not wait for it."},
	AttemptFailed:       {owner: CustomerService, within: 8 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Ask the consignee for a time and a place, and book the next attempt with the carrier. Goes by itself when it is out for delivery again. Dismiss what is arranged."},
	DeliveryRefused:     {owner: CustomerService, within: 8 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Find out why the consignee refused it, then tell the carrier to deliver it again or to bring it back. Goes by itself once it does either. Cancel if it will not be delivered."},
	ReturnToSender:      {owner: Operations, within: day, actions: []Action{Dismiss, Abandon}, advice: "The freight comes back: book it in with the warehouse. Cancel if it will not be delivered; dismiss if it is sent out again, and what was scanned since counts."},
	FreightLost:         {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Open a search and a claim with the carrier. Goes by itself when it is seen again. Cancel if it will not be delivered."},
	FreightDamaged:      {owner: Operations, within: day, actions: []Action{Dismiss, Abandon}, advice: "Get photos and the carrier's report, and file the claim in time. Dismiss when that is done; cancel if it will not be delivered."},
	HeldInCustoms:       {owner: Operations, within: 8 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Give the broker the papers or the duties that the reason names. Goes by itself when it is released."},
	AddressProblem:      {owner: CustomerService, within: 4 * time.Hour, actions: []Action{Dismiss, Abandon}, advice: "Get the right address from the customer, correct it in Odoo and give it to the carrier. Goes by itself when it is out for delivery again."},
	StatusContradictory: {owner: Operations, within: 8 * time.Hour, actions: []Action{Dismiss}, advice: "Ask the carrier which is true. Goes by itself when the other statement is taken back. Dismiss where it is delivered all the same: the customer is billed then."},
	DeliveryTakenBack:   {owner: Finance, within: day, actions: []Action{Dismiss}, holds: true, advice: "The customer is billed for freight that is not delivered. Credit the invoice in Odoo and dismiss. Goes by itself when it is delivered after all."},
	DeliveryAtRisk:      {owner: Operations, within: 4 * time.Hour, actions: []Action{Dismiss}, advice: "Ask the carrier to make up for it, and warn the customer. Goes by itself when it is expected in time, or delivered."},
	MessageUnreadable:   {owner: Operations, within: day, actions: []Action{Dismiss}, advice: "A signal could not be used and changed nothing. Find its sender in the history."},
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

// byWaybill resolves what has gone by itself.
const byWaybill = "waybill"

// Resolution is how an exception ended.
type Resolution struct {
	Action Action    `json:"action"`
	By     string    `json:"by"` // the person, or "waybill" where the cause went by itself
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Open reports whether e still needs a person.
func (e Exception) Open() bool { return e.Resolution == nil }

// ExceptionFacts are what a subscriber sees of an exception: no person, and nothing of what was said.
type ExceptionFacts struct {
	Number int           `json:"number"` // within the shipment, from 1
	Kind   ExceptionKind `json:"kind"`
	Owner  Owner         `json:"owner"`
	DueBy  time.Time     `json:"dueBy"`
	Action Action        `json:"action,omitzero"` // how it ended: dismiss where its cause went by itself; "" while it is open
}

// Facts are what a subscriber sees of e.
func (e Exception) Facts() ExceptionFacts {
	f := ExceptionFacts{Number: e.ID, Kind: e.Kind, Owner: e.Owner, DueBy: e.DueBy}
	if !e.Open() {
		f.Action = e.Resolution.Action
	}
	return f
}

// FactsOf are the facts of several.
func FactsOf(es ...Exception) (fs []ExceptionFacts) {
	for _, e := range es {
		fs = append(fs, e.Facts())
	}
	return fs
}

// Allows reports whether a may resolve e.
func (e Exception) Allows(a Action) bool { return slices.Contains(e.Actions, a) }

// Exceptions is a shipment's list of them, oldest first.
type Exceptions []Exception

// What a shipment carries of exceptions is bounded: a partner that repeats itself, or a hand that sends garbage, must
// not make it grow for ever.
const (
	openPerKind    = 20  // of one kind; what comes on top is counted with the last of them
	exceptionsKept = 100 // resolved ones beyond are forgotten, oldest first; the audit trail has them
	longestDetail  = 1000
)

// Raise opens an exception, or counts one more for the same kind and ref already open. It returns the exception's
// number, and whether it is new.
func (es *Exceptions) Raise(kind ExceptionKind, ref string, stage Stage, detail string, now time.Time) (id int, opened bool) {
	ref, detail = Clip(ref, longestText), Clip(detail, longestDetail)
	if e := es.again(kind, ref); e != nil {
		e.Times++
		e.Detail = detail
		return e.ID, false
	}
	r := remedies[kind]
	id = 1
	if n := len(*es); n > 0 {
		id = (*es)[n-1].ID + 1
	}
	*es = append(*es, Exception{
		ID: id, Kind: kind, Ref: ref, Stage: stage, Owner: r.owner, Detail: detail, Advice: r.advice,
		Actions: r.actions, OpenedAt: now, DueBy: now.Add(r.within), Times: 1,
	})
	es.forget()
	return id, true
}

// again finds the open exception that one more of a kind counts with; nil for none.
func (es *Exceptions) again(kind ExceptionKind, ref string) *Exception {
	open, last := 0, -1
	for i, e := range *es {
		switch {
		case !e.Open() || e.Kind != kind:
		case e.Ref == ref:
			return &(*es)[i]
		default:
			open, last = open+1, i
		}
	}
	if open >= openPerKind {
		return &(*es)[last]
	}
	return nil
}

// forget drops the oldest resolved exception where there are too many, but never the only one of its kind: that it
// was raised is known from it.
func (es *Exceptions) forget() {
	if len(*es) <= exceptionsKept {
		return
	}
	for i, e := range *es {
		if !e.Open() && (*es)[i+1:].Raised(e.Kind) {
			*es = slices.Delete(slices.Clone(*es), i, i+1)
			return
		}
	}
}

// Settle closes every open exception of kind and ref because its cause went by itself; it returns those it closed,
// oldest first. An empty ref means any.
func (es Exceptions) Settle(kind ExceptionKind, ref, reason string, now time.Time) (settled []Exception) {
	for i := range es {
		if e := &es[i]; e.Open() && e.Kind == kind && (ref == "" || e.Ref == ref) {
			e.Resolution = &Resolution{Action: Dismiss, By: byWaybill, Reason: reason, At: now}
			settled = append(settled, *e)
		}
	}
	return settled
}

// Raised reports whether an exception of this kind was ever opened.
func (es Exceptions) Raised(kind ExceptionKind) bool {
	return slices.ContainsFunc(es, func(e Exception) bool { return e.Kind == kind })
}

// Answered reports whether a person has resolved an exception of this kind and ref with an action; an empty ref
// means any.
func (es Exceptions) Answered(kind ExceptionKind, ref string, with Action) bool {
	return slices.ContainsFunc(es, func(e Exception) bool {
		return e.Kind == kind && (ref == "" || e.Ref == ref) && !e.Open() && e.Resolution.Action == with && e.Resolution.By != byWaybill
	})
}

// IsOpen reports whether an exception of this kind and ref is open.
func (es Exceptions) IsOpen(kind ExceptionKind, ref string) bool {
	return slices.ContainsFunc(es, func(e Exception) bool { return e.Open() && e.Kind == kind && e.Ref == ref })
}

// holdClosing reports whether something is open that a closed shipment would hide.
func (es Exceptions) holdClosing() bool {
	return slices.ContainsFunc(es, func(e Exception) bool { return e.Open() && remedies[e.Kind].holds })
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

// ExceptionKinds lists every kind, sorted: for completion, for what a policy may name, and for documentation.
func ExceptionKinds() (ks []ExceptionKind) {
	for k := range remedies {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
