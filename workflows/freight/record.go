package freight

import (
	"slices"
	"time"
)

// AuditKind names what an audit entry is about.
type AuditKind string

// The audit kinds.
const (
	AuditClaimed    AuditKind = "claimed"
	AuditTendered   AuditKind = "tendered"
	AuditReference  AuditKind = "reference" // a number of the carrier's became known, beside its booking
	AuditWarehouse  AuditKind = "warehouse" // asked for the goods, or to stop
	AuditStage      AuditKind = "stage"
	AuditCharges    AuditKind = "charges"
	AuditRated      AuditKind = "rated"
	AuditValidated  AuditKind = "validated"
	AuditDisputed   AuditKind = "disputed"
	AuditRuled      AuditKind = "ruled"
	AuditIntent     AuditKind = "posting_intended"
	AuditPosted     AuditKind = "posted"
	AuditTold       AuditKind = "finance_told"
	AuditPaid       AuditKind = "paid"
	AuditException  AuditKind = "exception"
	AuditResolved   AuditKind = "resolved"
	AuditCancelled  AuditKind = "cancelled"
	AuditClosed     AuditKind = "closed"
	AuditRefusedAsk AuditKind = "refused"
	AuditTakenBack  AuditKind = "taken_back" // a delivery, by the partner who reported it
	AuditPromise    AuditKind = "promise"    // to the customer: at risk, broken, or safe again
	AuditLost       AuditKind = "lost"       // an entry that went with a lost store
	AuditAssigned   AuditKind = "assigned"   // what no shipment took, by a person; in the trail of its source
	AuditDiscarded  AuditKind = "discarded"  // likewise
)

// AuditEntry is one line of a shipment's audit trail: who did what, when, and why. The store chains their
// hashes. N counts from 1 without gaps, so a repeat is seen.
type AuditEntry struct {
	N      int64     `json:"n"`
	At     time.Time `json:"at"`
	Kind   AuditKind `json:"kind"`
	Stage  Stage     `json:"stage"`
	Actor  string    `json:"actor"` // a person, or "waybill"
	Detail string    `json:"detail,omitzero"`
	// Exceptions are those that it says have opened or ended, oldest first; none where an earlier release made it.
	Exceptions []ExceptionFacts `json:"exceptions,omitempty"`
}

// aboutExceptions reports whether an entry says that exceptions have opened or ended.
func (e AuditEntry) aboutExceptions() bool {
	return e.Kind == AuditException || e.Kind == AuditResolved
}

// View is the row that reports, metrics and lists of the past are made of.
type View struct {
	Shipment     ShipmentID      `json:"shipment"`
	Revision     int64           `json:"revision"` // a row with a newer one is never overwritten
	Stage        Stage           `json:"stage"`
	Status       Status          `json:"status"`
	InvoiceState InvoiceState    `json:"invoiceState"`
	Customer     CustomerCode    `json:"customer"`
	Carrier      CarrierCode     `json:"carrier,omitzero"`
	Order        int64           `json:"order"`
	OrderName    string          `json:"orderName"`
	Picking      int64           `json:"picking"`
	Exceptions   []ExceptionKind `json:"exceptions,omitempty"` // open
	// Trailed: each exception that has opened or ended since the view before is in an audit entry recorded with this one,
	// or before.
	Trailed    bool      `json:"trailed,omitzero"`
	Invoice    *Invoice  `json:"invoice,omitempty"`
	InvoiceKey string    `json:"invoiceKey,omitzero"`
	Residual   Money     `json:"residual,omitzero"`
	At         time.Time `json:"at"`
	Closed     bool      `json:"closed,omitzero"`
	SLA        SLAState  `json:"sla,omitzero"`      // where the promise is not on time
	Promised   time.Time `json:"promised,omitzero"` // when the promise ends; zero where there is none, or its clock stands
	TMS        string    `json:"tms,omitzero"`      // by the shipment's route; "" is the default
	Tender     int       `json:"tender,omitzero"`   // the tender under way, where it is not the first; 0 for the first

	Ordered string `json:"ordered,omitzero"` // hash of what the order asked when it was last looked at; "" where not known

	// The lane and the service, by which subscribers choose.
	From     string `json:"from,omitzero"` // origin, ISO 3166-1 alpha-2
	To       string `json:"to,omitzero"`   // destination
	Postcode string `json:"postcode,omitzero"`
	Service  string `json:"service,omitzero"`
}

// ViewAt is the shipment's row at a revision.
func (s *Shipment) ViewAt(revision int64, now time.Time) View {
	v := View{
		Shipment: s.ID, Revision: revision, Stage: s.Stage, Status: s.Report().Status, InvoiceState: s.invoiceState(),
		Customer: s.Release.Customer, Carrier: s.Carrier(), Order: s.Release.Order, OrderName: s.Release.OrderName,
		Picking: s.Release.Picking, Exceptions: s.Exceptions.OpenKinds(), Trailed: s.trailed(), Invoice: s.Invoice, Residual: s.Payment.Residual,
		At: now, Closed: s.Stage == StageClosed || s.Stage == StageCancelled, TMS: s.Release.Route.TMS,
		From: s.Release.From, To: s.Release.ShipTo.Country, Postcode: s.Release.ShipTo.Postcode, Service: s.Release.Service,
	}
	if s.Tenders > 1 {
		v.Tender = s.Tenders
	}
	if s.Plan != nil {
		v.InvoiceKey = s.Plan.Key
	}
	if o := s.ordered(); o != nil {
		v.Ordered = o.Hash()
	}
	v.SLA = s.endangered()
	if s.SLA != nil {
		v.Promised = s.SLA.Due
	}
	return v
}

// trailed reports whether all that is unsaid of exceptions has their facts: a run that was handed over by an earlier
// release may bring entries without.
func (s *Shipment) trailed() bool {
	return !slices.ContainsFunc(s.Unsaid, func(e AuditEntry) bool { return e.aboutExceptions() && len(e.Exceptions) == 0 })
}

// Final is what the store keeps of a shipment that has closed: all but what is on its way there, or there already.
func (s *Shipment) Final() *Shipment {
	f := *s
	f.Unsaid, f.Unregistered, f.Intents, f.Replies = nil, nil, nil, nil
	f.Journey.Marks = slices.Clone(f.Journey.Marks)
	for i := range f.Journey.Marks {
		f.Journey.Marks[i].Key = "" // the store has the scans
	}
	if f.Billable != nil {
		b := *f.Billable
		b.Goods, b.Blockers = nil, nil // what was billed of them is in Plan
		f.Billable = &b
	}
	if f.Validation != nil {
		v := *f.Validation
		v.Findings = nil // they are in Findings, and the audit trail has their verdict
		f.Validation = &v
	}
	f.Rating = f.Rating.withoutBuyTrace()
	return &f
}

// withoutBuyTrace leaves out how the carrier's amounts were reached: that is the evidence of findings.
func (r *Rating) withoutBuyTrace() *Rating {
	if r == nil {
		return nil
	}
	out := *r
	out.Lines = slices.Clone(r.Lines)
	for i, l := range out.Lines {
		if l.Side == Buy {
			out.Lines[i].Trace = nil
		}
	}
	return &out
}
