package freight

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// EventKind says what subscribers are told of. The texts are on the wire: none is ever renamed.
type EventKind string

// The event kinds.
const (
	EventMilestone       EventKind = "milestone"        // a partner said what happened to the freight, or when it will
	EventExceptionOpened EventKind = "exception_opened" // a person must look at it
	EventExceptionClosed EventKind = "exception_closed"
	EventInvoicePosted   EventKind = "invoice_posted"
	EventInvoicePaid     EventKind = "invoice_paid" // residual zero
)

// EventKinds lists every event kind.
func EventKinds() []EventKind {
	return []EventKind{EventMilestone, EventExceptionOpened, EventExceptionClosed, EventInvoicePosted, EventInvoicePaid}
}

// Event is what subscribers are told of a shipment. It holds no person, no street and nothing of what carriers cost.
type Event struct {
	Kind     EventKind  `json:"-"`
	Shipment ShipmentID `json:"-"`
	At       time.Time  `json:"-"` // when it happened
	Fact     string     `json:"-"` // what makes it this event of its kind and no other, within the shipment

	Customer   CustomerCode  `json:"customer,omitzero"`
	Order      string        `json:"order,omitzero"`
	Milestone  Milestone     `json:"milestone,omitzero"`
	Classifier Classifier    `json:"classifier,omitzero"`
	OccurredAt time.Time     `json:"occurredAt,omitzero"`
	Carrier    CarrierCode   `json:"carrier,omitzero"`
	Reason     string        `json:"reason,omitzero"`
	FaultParty FaultParty    `json:"faultParty,omitzero"`
	ETA        time.Time     `json:"eta,omitzero"`
	Pieces     Pieces        `json:"pieces,omitzero"`
	Parcel     ParcelID      `json:"parcel,omitzero"`    // the one it is about; "" for all of the shipment
	Statement  string        `json:"statement,omitzero"` // the partner's own id of it
	Retracts   *Retracts     `json:"retracts,omitempty"` // what is taken back; then it says nothing else
	Exception  ExceptionKind `json:"exception,omitzero"`
	Number     int           `json:"exceptionNumber,omitzero"` // within the shipment: the same when it opens and when it is closed
	Owner      Owner         `json:"owner,omitzero"`           // of the exception
	DueBy      time.Time     `json:"dueBy,omitzero"`           // of the exception
	Action     Action        `json:"action,omitzero"`          // that closed the exception
	Invoice    *InvoiceFacts `json:"invoice,omitempty"`
}

// InvoiceFacts are what a subscriber sees of an invoice.
type InvoiceFacts struct {
	Number string `json:"number"`
	Date   string `json:"date"` // accounting date, YYYY-MM-DD
	Net    Money  `json:"net"`
	Tax    Money  `json:"tax"`
	Total  Money  `json:"total"`
}

// ID is the same for the same event, whoever makes it and however often: its receivers know a repeat by it.
func (e Event) ID() string {
	sum := sha256.Sum256([]byte(string(e.Shipment) + "\n" + string(e.Kind) + "\n" + e.Fact))
	return "evt_" + hex.EncodeToString(sum[:16])
}

// ScanEvent is what a scan tells subscribers; ok is false for what is between us and a carrier, and for a code nobody
// has read. The view says whose shipment it is.
func ScanEvent(s Scan, v View) (e Event, ok bool) {
	if s.Milestone == ChargesReceived || s.Milestone == Unclassified && s.Retracts == nil {
		return e, false
	}
	return Event{
		Kind: EventMilestone, Shipment: v.Shipment, At: s.OccurredAt, Fact: s.Key, Customer: v.Customer, Order: v.OrderName,
		Milestone: s.Milestone, Classifier: s.Classifier, OccurredAt: s.OccurredAt, Carrier: s.Carrier, Reason: s.Reason, FaultParty: s.FaultParty, ETA: s.ETA, Pieces: s.Pieces,
		Parcel: s.Parcel, Statement: s.Statement, Retracts: s.Retracts,
	}, true
}

// RecordEvents are what subscribers are told when a record brings audit entries that were not known, and a view that
// replaces the one before; the zero view is before the first. Of exceptions the entries tell, each that opened and how
// it ended, in their order, also where both happened between two records.
func RecordEvents(before, after View, entries []AuditEntry) []Event {
	if after.Trailed {
		return append(TrailEvents(after, entries), moneyEvents(before, after)...)
	}
	return append(exceptionEvents(before, after), moneyEvents(before, after)...)
}

// TrailEvents are what audit entries tell subscribers of exceptions; the view says whose shipment it is. An event is the
// same from whatever record it comes.
func TrailEvents(v View, entries []AuditEntry) (es []Event) {
	for _, entry := range entries {
		for _, f := range entry.Exceptions {
			e := Event{
				Kind: EventExceptionOpened, Shipment: v.Shipment, At: entry.At, Fact: fmt.Sprintf("%d#%d", f.Number, entry.N), Customer: v.Customer, Order: v.OrderName,
				Exception: f.Kind, Number: f.Number, Owner: f.Owner, DueBy: f.DueBy, Action: f.Action,
			}
			if f.Action != "" {
				e.Kind = EventExceptionClosed
			}
			es = append(es, e)
		}
	}
	return es
}

// changed is an event that two views differ in.
func changed(kind EventKind, fact string, v View) Event {
	return Event{Kind: kind, Shipment: v.Shipment, At: v.At, Fact: fact + "@" + strconv.FormatInt(v.Revision, 10), Customer: v.Customer, Order: v.OrderName}
}

// exceptionEvents are what views of an earlier release tell of exceptions. What came and went between two was not shown.
func exceptionEvents(before, after View) (es []Event) {
	tell := func(kind EventKind, k ExceptionKind) {
		e := changed(kind, string(k), after)
		e.Exception = k
		es = append(es, e)
	}
	for _, k := range after.Exceptions {
		if !slices.Contains(before.Exceptions, k) {
			tell(EventExceptionOpened, k)
		}
	}
	for _, k := range before.Exceptions {
		if !slices.Contains(after.Exceptions, k) {
			tell(EventExceptionClosed, k)
		}
	}
	return es
}

// moneyEvents are what two views tell of the invoice.
func moneyEvents(before, after View) (es []Event) {
	inv := after.Invoice
	if inv == nil {
		return nil
	}
	if before.Invoice == nil || before.Invoice.Move != inv.Move {
		es = append(es, changed(EventInvoicePosted, inv.Number, after))
	}
	if after.InvoiceState == InvoicePaid && before.InvoiceState != InvoicePaid {
		es = append(es, changed(EventInvoicePaid, inv.Number, after))
	}
	for i := range es {
		es[i].Invoice = inv.facts()
	}
	return es
}

func (i Invoice) facts() *InvoiceFacts {
	return &InvoiceFacts{Number: i.Number, Date: i.Date, Net: i.Net, Tax: i.Tax, Total: i.Total}
}
