package freight

import (
	"cmp"
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

	Release  Release   `json:"release"`           // Order == 0 until claimed
	Booking  Booking   `json:"booking,omitzero"`  // Ref == "" until the TMS has the request
	Tenders  int       `json:"tenders,omitzero"`  // requests sent to the TMS, from 1
	Tendered time.Time `json:"tendered,omitzero"` // when the last of them was first sent
	Declined int       `json:"declined,omitzero"` // number of the last tender that was declined
	// Supplied are numbers of the carrier's that became known beside the booking and the release, at most 50.
	Supplied []Reference `json:"supplied,omitempty"`
	// Unnumbered is since when it is accepted and no number of the carrier's is known; zero: one is, or none is looked for.
	Unnumbered time.Time `json:"unnumbered,omitzero"`
	// Ordered is what the order asks now, where that is otherwise than when it was claimed or last looked at.
	Ordered *Ordered `json:"ordered,omitempty"`
	// ShipOrder is what the warehouse was asked for; zero where it was not, as where the route names none.
	ShipOrder ShipOrder `json:"shipOrder,omitzero"`
	Estimate  Money     `json:"estimate,omitzero"` // of the sell side, at release
	// NoEstimate is why there is none, where the engine was asked and had none.
	NoEstimate string `json:"noEstimate,omitzero"`

	Journey   Journey `json:"journey"`
	HighWater int64   `json:"highWater"`         // the highest number of a scan read; see Take
	Missing   []Span  `json:"missing,omitempty"` // numbers below it that never came, at most 100 runs
	Repeats   int     `json:"repeats,omitzero"`
	Refused   []Scan  `json:"refused,omitempty"` // scans after the freight was returned, newest last, at most 20
	Judged    bool    `json:"judged,omitzero"`   // troubles and contradictions are found by events; see Judge
	SLA       *SLA    `json:"sla,omitempty"`     // nil: no promise is watched, or not yet
	Doubtful  bool    `json:"doubtful,omitzero"` // that nothing says when it will come is said, see Unknown

	Rating     *Rating      `json:"rating,omitempty"`
	NoContract string       `json:"noContract,omitzero"` // why the engine could not rate, when it said there is no contract
	Billable   *Billable    `json:"billable,omitempty"`  // as last read from Odoo; nil: not read for this plan
	Findings   []Finding    `json:"findings,omitempty"`  // of the last validation
	Audited    int          `json:"audited,omitzero"`    // how many of the carriers' invoices they are about
	Rulings    []Ruling     `json:"rulings,omitempty"`
	Disputes   []Proposal   `json:"disputes,omitempty"`  // opened, in order; the nth has number n
	Withdrawn  []DisputeID  `json:"withdrawn,omitempty"` // those with nothing left to decide
	Decisions  []Decided    `json:"decisions,omitempty"` // from our disputes, not yet verified by us, at most 20
	Validation *Validation  `json:"validation,omitempty"`
	Plan       *InvoicePlan `json:"plan,omitempty"`
	Changed    int          `json:"changed,omitzero"` // how often in a row the facts were found changed at posting
	Draft      string       `json:"draft,omitzero"`   // the billing engine's invoice id, once committed
	Invoice    *Invoice     `json:"invoice,omitempty"`
	Told       string       `json:"told,omitzero"` // the finance platform's number for it
	Payment    Payment      `json:"payment,omitzero"`
	Filed      []string     `json:"filed,omitempty"` // hashes of the documents filed on the delivery

	Exceptions Exceptions     `json:"exceptions,omitempty"`
	Replies    []ResolveReply `json:"replies,omitempty"` // to requests to resolve, newest last, at most 20
	Cancel     *CancelRequest `json:"cancel,omitempty"`
	TooLate    *CancelRequest `json:"tooLate,omitempty"` // the last wish to cancel that came too late; its repeats are no news
	Intents    []Intent       `json:"intents,omitempty"`

	Shown    StatusReport `json:"shown"`            // what Odoo shows
	Chatter  Chatter      `json:"chatter,omitzero"` // what the order in Odoo is told in words
	Revision int64        `json:"revision"`         // of the status last sent; Odoo keeps the highest
	Views    int64        `json:"views"`            // revision of the view last sent to the store
	Said     Stage        `json:"said,omitzero"`    // the stage that record showed
	Audits   int64        `json:"audits"`           // number of the last audit entry made
	Unsaid   []AuditEntry `json:"unsaid,omitempty"` // audit entries the store does not have yet
	// Unregistered are the numbers under which partners speak of it that the store does not have yet.
	Unregistered []Reference `json:"unregistered,omitempty"`
}

// Decided is a dispute with the decision that ended it, as its approver signed it.
type Decided struct {
	Dispute DisputeID `json:"dispute"`
	JWS     string    `json:"jws"`
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

// Check says what is wrong with a wish to cancel; nil for nothing.
func (c CancelRequest) Check() error { return CheckPerson(c.By, c.Reason) }

// longestReason is in bytes: it is kept for auditors, several times over.
const longestReason = 1000

// CheckPerson says what is wrong with who asks for something and why; nil for nothing.
func CheckPerson(by, reason string) error {
	if by == "" || reason == "" || len(by) > longestText || len(reason) > longestReason {
		return fmt.Errorf("by of 1 to %d bytes and reason of 1 to %d are required", longestText, longestReason)
	}
	return nil
}

// StatusReport is what the sales order and the delivery show in Odoo.
type StatusReport struct {
	Status       Status       `json:"status"`
	Since        time.Time    `json:"since,omitzero"` // when the freight came into this status
	ETA          time.Time    `json:"eta,omitzero"`
	InvoiceState InvoiceState `json:"invoiceState"`
	Exception    string       `json:"exception,omitzero"` // first open one in words, "" for none; at most 200 bytes
	Tracking     string       `json:"tracking,omitzero"`  // PRO or tracking number
	SLA          SLAState     `json:"sla,omitzero"`       // "" where the promise is on time, or none is watched

	// What is to be done about the exception, by whom, until when.
	Owner Owner     `json:"owner,omitzero"`
	Due   time.Time `json:"due,omitzero"`
	Next  string    `json:"next,omitzero"`
}

// Same reports whether two reports show the same. What is to be done about an exception goes with the exception.
func (r StatusReport) Same(o StatusReport) bool {
	r.Owner, r.Due, r.Next = o.Owner, o.Due, o.Next
	return r == o
}

// Report is what Odoo should show now.
func (s *Shipment) Report() StatusReport {
	r := StatusReport{
		Status: s.Journey.status(s.Delivered(), s.Judged), InvoiceState: s.invoiceState(), Tracking: s.number(), SLA: s.endangered(),
	}
	if e := s.foremost(); e != nil {
		r.Exception, r.Owner, r.Due, r.Next = Clip(string(e.Kind)+": "+e.Detail, 200), e.Owner, e.DueBy, e.Advice
	}
	r.ETA, _ = s.Journey.Expected()
	r.Since = s.Journey.since(r.Status)
	if s.Stage == StageCancelled {
		r.Status = StatusCancelled
	}
	return r
}

// PODWanted says what the proof of delivery lacks; "" where it is good enough for the customer.
func (s *Shipment) PODWanted() string {
	if !s.Delivered() {
		return "not all pieces are delivered"
	}
	return ProofOf(s.Journey, s.Terms.POD)
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

// foremost is the exception that is shown where there is room for one: the oldest that is open; nil for none.
func (s *Shipment) foremost() *Exception {
	i := slices.IndexFunc(s.Exceptions, Exception.Open)
	if i < 0 {
		return nil
	}
	return &s.Exceptions[i]
}

// endangered is how the promise stands where it is not kept, may not be, or nobody knows; "" otherwise.
func (s *Shipment) endangered() SLAState {
	if s.SLA == nil || s.SLA.State == OnTime {
		return ""
	}
	return s.SLA.State
}

// Clip cuts s to at most n bytes, at a character's end.
func Clip(s string, n int) string {
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

// Note adds an audit entry, with those exceptions that it says have opened or ended; the store receives it with the next
// record.
func (s *Shipment) Note(now time.Time, kind AuditKind, actor, detail string, about ...Exception) {
	s.Audits++
	s.Unsaid = append(s.Unsaid, AuditEntry{
		N: s.Audits, At: now.Truncate(time.Millisecond), Kind: kind, Stage: s.Stage, Actor: actor, Detail: Clip(detail, longestDetail), Exceptions: FactsOf(about...),
	})
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
		return "its invoice is being posted or is posted: credit it in Odoo instead"
	}
	return ""
}

// Intend notes that a call is out; one that a fresh run sends again is out since it was first sent.
func (s *Shipment) Intend(key, step string, now time.Time) {
	if !s.Intends(key) {
		s.Intents = append(s.Intents, Intent{Key: key, Step: step, At: now})
	}
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
		Terms: s.Terms, Rating: s.Rating, NoContract: s.NoContract, Invoices: s.Journey.Invoices, Disputes: s.Disputes, Rulings: s.Rulings,
		Proved: s.PODWanted() == "", Waived: s.ChargesWaived(), Doubts: s.Doubts(),
	}
}

// ChargesWaived reports whether a person lets the customer be billed without the carrier's invoice.
func (s *Shipment) ChargesWaived() bool { return s.Exceptions.Answered(ChargesMissing, "", Waive) }

// OpenDisputes are the disputes without a ruling.
func (s *Shipment) OpenDisputes() (ps []Proposal) {
	for _, p := range s.Disputes {
		ruled := slices.ContainsFunc(s.Rulings, func(r Ruling) bool { return r.Dispute == p.Dispute })
		if !ruled && !slices.Contains(s.Withdrawn, p.Dispute) {
			ps = append(ps, p)
		}
	}
	return ps
}

// Moot are the open disputes that no finding asks for any more: it was rated anew, and they would decide nothing.
func (s *Shipment) Moot() (ps []Proposal) {
	if s.Rating == nil {
		return nil // that it cannot be rated now does not end what is asked about
	}
	for _, p := range s.OpenDisputes() {
		if !slices.ContainsFunc(s.Findings, func(v Finding) bool { return v.Disputable() && p.Decides(v) }) {
			ps = append(ps, p)
		}
	}
	return ps
}

// Undisputed are the findings that a person can decide and nobody has been asked about, those first that the
// customer's invoice waits for.
func (s *Shipment) Undisputed() (vs []Finding) {
	asked := func(v Finding) bool {
		return slices.ContainsFunc(s.Disputes, func(p Proposal) bool { return p.Decides(v) && !slices.Contains(s.Withdrawn, p.Dispute) })
	}
	for _, v := range s.Findings {
		if v.Disputable() && !asked(v) {
			vs = append(vs, v)
		}
	}
	slices.SortStableFunc(vs, func(a, b Finding) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	return vs
}

func rankOf(v Finding) int {
	if v.SellHold {
		return 0
	}
	return 1
}

// Asked reports whether a dispute about exactly v is open.
func (s *Shipment) Asked(v Finding) bool {
	return slices.ContainsFunc(s.OpenDisputes(), func(p Proposal) bool { return p.Decides(v) })
}

// What a shipment carries of documents and charges is bounded, since it must fit into one message.
const (
	documentsKept   = 100
	linesKept       = 500
	parcelsKept     = 500
	statementsKept  = 2000
	retractionsKept = 100
)

// over says how a scan would make the shipment carry too much; "" if it would not.
func (s *Shipment) over(c Scan) string {
	j := s.Journey
	lines := 0
	for _, inv := range s.Journey.Invoices {
		lines += len(inv.Lines)
	}
	if c.Invoice != nil {
		lines += len(c.Invoice.Lines)
	}
	switch {
	case c.Invoice != nil && lines > linesKept:
		return fmt.Sprintf("%s brings charge lines beyond the %d that one shipment holds: ask the carrier what they are", c.Source, linesKept)
	case len(c.Documents) > 0 && len(s.Journey.Documents)+len(c.Documents) > documentsKept:
		return fmt.Sprintf("%s brings documents beyond the %d that one shipment holds: ask the carrier what they are", c.Source, documentsKept)
	case c.Parcel != "" && len(j.Parcels) >= parcelsKept && !slices.Contains(j.Parcels, c.Parcel):
		return fmt.Sprintf("%s names a parcel beyond the %d that one shipment holds: ask it whose they are", c.Source, parcelsKept)
	case c.Retracts != nil && len(j.Retractions) >= retractionsKept:
		return fmt.Sprintf("%s takes back more than the %d statements that one shipment holds: ask the owner of that source", c.Source, retractionsKept)
	case c.Retracts == nil && c.Milestone.ofParcels() && len(j.Marks) >= statementsKept:
		return fmt.Sprintf("%s says more than the %d statements that one shipment holds: ask the owner of that source", c.Source, statementsKept)
	}
	return ""
}

// Forbids says why a scan cannot be true of this shipment, with whom to ask; "" if it can. It is shown, and changes
// nothing.
func (s *Shipment) Forbids(c Scan) string {
	switch {
	case s.Stage == StageCancelled:
		return fmt.Sprintf("%s reports %s for a cancelled shipment: ask the owner of that source", c.Source, c.Milestone)
	case c.Classifier == Actual && c.Milestone.Rank() > 0 && s.cameBack(c):
		return fmt.Sprintf("%s reports %s after the freight was returned: ask the owner of that source, and dismiss %s if it is moving again", c.Source, c.Milestone, s.returnedKind())
	}
	return s.over(c)
}

// cameBack reports whether the freight that a scan is about had been returned before, and nobody has said that it moves
// again.
func (s *Shipment) cameBack(c Scan) bool {
	back := func(m Mark) bool {
		about := m.Milestone == Returned && (m.Parcel == "" || m.Parcel == c.Parcel) && c.OccurredAt.After(m.At)
		return about && !s.Exceptions.Answered(ReturnToSender, m.ref(), Dismiss)
	}
	return slices.ContainsFunc(s.Journey.Live(), back) && !s.Exceptions.Answered(FreightInTrouble, string(Returned), Dismiss)
}

// returnedKind is the exception by which a person says so.
func (s *Shipment) returnedKind() ExceptionKind {
	if s.Judged {
		return ReturnToSender
	}
	return FreightInTrouble
}

// refusedKept bounds the scans that are kept aside.
const refusedKept = 20

// Refuse keeps a scan aside that cannot be true of freight that came back: should it move again, it counts.
func (s *Shipment) Refuse(c Scan) {
	if s.Stage == StageCancelled || s.over(c) != "" {
		return
	}
	s.Refused = append(s.Refused, c)
	if over := len(s.Refused) - refusedKept; over > 0 {
		s.Refused = slices.Clone(s.Refused[over:])
	}
}

// Carried is what the freight is rated by: what was delivered, as Odoo has it once the delivery is done, else what was
// released. A backorder leaves less on its first delivery than was released with it.
func (s *Shipment) Carried() (weight string, pieces int) {
	if b := s.Billable; b != nil && b.Weight != "" {
		return b.Weight, b.Pieces
	}
	return s.Release.Weight, s.Release.Pieces
}
