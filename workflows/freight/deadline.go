package freight

import (
	"cmp"
	"time"
)

// Deadline is a moment at which something should have happened, and what it is called if it has not.
type Deadline struct {
	At   time.Time
	Kind ExceptionKind // "" for a deadline that only ends a wait
	Ref  string        // what the exception is about
	Text string        // what ran out, for a person; at most 200 bytes
}

// defaultWindow is how long charges are waited for when the policy says nothing: carriers bill within two
// weeks of delivery by the usual terms.
const defaultWindow = 14 * day

// defaultRest is how long the rest of a shipment's parcels is waited for when the policy says nothing: what was left
// behind is with the next day's tour, or looked for.
const defaultRest = 2 * day

// Deadlines are those that still run: one that has passed once is not listed again.
func (s *Shipment) Deadlines() (ds []Deadline) {
	c := s.Terms.Clocks
	add := func(from time.Time, clock time.Duration, running bool, kind ExceptionKind, text string) {
		if running && clock > 0 && !from.IsZero() && !s.Exceptions.Raised(kind) {
			ds = append(ds, Deadline{At: from.Add(clock), Kind: kind, Text: text})
		}
	}
	window := s.Terms.Charges.Window
	if window == 0 {
		window = defaultWindow
	}
	add(s.Since, c.Accept, s.Stage == StageFulfilment && s.ShipOrder.Tender == 0, TenderOverdue, "no carrier has accepted the tender")
	moving := s.Stage == StageFulfilment || s.Stage == StageTransit
	add(s.Since, c.Deliver, moving && s.Terms.SLA == nil, DeliveryOverdue, "not delivered by the promise")
	if at := s.nextLook(); moving && !at.IsZero() {
		ds = append(ds, Deadline{At: at, Text: "the promise to the customer is judged anew"})
	}
	if at := s.ReferenceDue(); !at.IsZero() {
		ds = append(ds, Deadline{At: at, Text: "a number of the carrier's is looked for"})
	}
	if rest, waits := s.awaitsRest(); waits {
		ds = append(ds, Deadline{At: rest, Kind: PODShort, Ref: s.Shortage(), Text: "delivered in part, and the rest has not come"})
	}
	add(s.Entered, c.POD, s.Stage == StageProof, PODMissing, "delivered, but no proof of delivery came")
	add(s.Entered, window, s.Stage == StageCharges, ChargesMissing, "the carrier has not sent its charges")
	add(s.Entered, c.Payment, s.Stage == StageSettlement && !s.Paid(), PaymentOverdue, "the invoice is not paid")
	if s.Stage == StageSettlement && s.Paid() {
		ds = append(ds, Deadline{At: s.Payment.SeenAt.Add(c.Quiet), Text: "quiet since the payment: it closes if nothing more comes"})
	}
	return ds
}

// NextDeadline is the earliest of Deadlines after now; ok is false for none. One that has passed is never waited
// for again, however long the shipment stays as it is.
func (s *Shipment) NextDeadline(now time.Time) (next Deadline, ok bool) {
	for _, d := range s.Deadlines() {
		if d.At.After(now) && (!ok || d.At.Before(next.At)) {
			next, ok = d, true
		}
	}
	return next, ok
}

// AwaitsRest reports whether what is missing of a delivery in parts is still waited for in silence.
func (s *Shipment) AwaitsRest() bool { _, waits := s.awaitsRest(); return waits }

// awaitsRest is until when the rest of a shipment that is delivered in parts is waited for in silence; false where it is
// not, or not any more.
func (s *Shipment) awaitsRest() (until time.Time, waits bool) {
	if s.Stage != StageFulfilment && s.Stage != StageTransit || !s.Journey.Apart() || s.Exceptions.Raised(PODShort) || s.Shortage() == "" {
		return time.Time{}, false
	}
	return s.Journey.firstDelivery().Add(cmp.Or(s.Terms.Clocks.Rest, defaultRest)), true
}

// nextLook is when the promise must be judged again if nothing happens until then; zero for never.
func (s *Shipment) nextLook() time.Time {
	if s.SLA == nil {
		return time.Time{}
	}
	return s.SLA.NextLook(s.Terms.SLA)
}

// Paid reports whether nothing of the invoice is open: it is paid to the last cent, or credited in full.
func (s *Shipment) Paid() bool {
	return s.Payment.State == InvoicePaid && s.Payment.Residual.Sign() <= 0 || s.Payment.State == InvoiceReversed
}

// Quiet reports whether the shipment may close: paid, nothing for finance to decide, and the time for late
// adjustments over.
func (s *Shipment) Quiet(now time.Time) bool {
	switch {
	case len(s.OpenDisputes()) > 0 || len(s.Undisputed()) > 0 || s.Exceptions.holdClosing():
		return false
	case s.Invoice == nil:
		return s.Terms.Scope == BillsNothing
	}
	return s.Paid() && !now.Before(s.Payment.SeenAt.Add(s.Terms.Clocks.Quiet))
}
