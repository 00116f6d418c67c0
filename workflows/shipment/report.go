package shipment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The keys of the reports. One of each is out at a time; what changes meanwhile goes with the next.
const (
	statusKey   = "status"
	recordKey   = "record"
	estimateKey = "estimate"
	numbersKey  = "numbers"
)

// tell brings Odoo, the store, the Temporal UI and the clock up to date, before the story waits.
func (r *run) tell(ctx workflow.Context) {
	r.runOut(ctx)
	r.chase(ctx)
	r.watch(ctx)
	r.verifyDecisions(ctx)
	r.estimate(ctx)
	r.showStatus(ctx)
	r.record(ctx)
	r.showAttributes(ctx)
	workflow.SetCurrentDetails(ctx, Details(r.s))
	r.setClock(ctx)
}

func (r *run) claimed() bool { return r.s.Release.Order != 0 }

// estimate asks what the freight should cost, beside the story. That there is no contract yet does not stop the
// freight: it is pointed out now, so that the delivery does not find it.
func (r *run) estimate(ctx workflow.Context) {
	early := r.s.Stage == freight.StageFulfilment || r.s.Stage == freight.StageTransit
	asked := r.s.Estimate.Stated() || r.s.NoEstimate != "" || r.out(estimateKey)
	if asked || !early || r.unwanted() || !r.claimed() || r.s.Terms.Policy == "" || r.s.Terms.Scope == freight.BillsNothing {
		return
	}
	c := &call{key: estimateKey, aside: true}
	start(ctx, r, protocol.RateShipment, c, "estimate by contract "+r.s.Terms.Contract, r.ratingRequest(false), func(rating freight.Rating, err error) {
		if err != nil {
			r.s.NoEstimate = freight.Clip(protocol.Words(err), 200)
			r.note(ctx, freight.AuditRated, waybill, "no estimate: "+r.s.NoEstimate)
			return
		}
		r.s.Estimate = rating.Total
	})
}

// statusDue reports whether Odoo shows less than we know.
func (r *run) statusDue() bool {
	now := r.s.Report()
	if !r.s.Journey.Accepted() {
		now.Tracking = r.s.Shown.Tracking // the carrier's number goes with its acceptance
	}
	return r.claimed() && (!now.Same(r.s.Shown) || len(r.s.Unfiled()) > 0)
}

// notesDue reports whether notes wait for the order's chatter that go with no status: where there is one they are in it.
// A shipment that goes well has none such.
func (r *run) notesDue(ctx workflow.Context) bool {
	waits := r.claimed() && r.s.Chatter.Waits() && !r.statusDue() && !r.s.Exceptions.IsOpen(freight.ReportRefused, statusKey)
	return waits && notesAlone(ctx)
}

// showStatus writes status, notes and proof to the delivery in Odoo.
func (r *run) showStatus(ctx workflow.Context) {
	if r.out(statusKey) || !r.statusDue() && !r.notesDue(ctx) {
		return
	}
	u := r.statusUpdate()
	start(ctx, r, protocol.UpdateStatus, &call{key: statusKey, aside: true}, string(u.Report.Status)+", invoice "+string(u.Report.InvoiceState), u, func(_ protocol.StatusWritten, err error) {
		r.s.Shown = u.Report
		if u.Proof != nil {
			for _, d := range u.Proof.Documents {
				r.s.Filed = append(r.s.Filed, d.SHA256)
			}
		}
		if err == nil {
			r.s.Chatter.Said(u.Chatter)
			r.settle(ctx, freight.ReportRefused, statusKey, "Odoo took it")
			return
		}
		r.s.Chatter.Refused()
		r.raise(ctx, freight.ReportRefused, statusKey, "Odoo refused the status: "+protocol.Words(err))
		r.s.Shown = r.s.Report() // until there is something else to show, or a person lets it be tried again
	})
}

func (r *run) statusUpdate() protocol.StatusUpdate {
	r.s.Revision++
	u := protocol.StatusUpdate{
		Shipment: r.s.ID, Picking: r.s.Release.Picking, Order: r.s.Release.Order,
		Revision: r.s.Revision, Report: r.s.Report(), Chatter: slices.Clone(r.s.Chatter.Unsaid),
	}
	if docs := r.s.Unfiled(); len(docs) > 0 {
		u.Proof = &protocol.ProofRequest{Shipment: r.s.ID, Picking: r.s.Release.Picking, Order: r.s.Release.Order, Delivered: r.s.Journey.At(freight.Delivered), Documents: docs}
	}
	return u
}

// recordDue reports whether the store knows less than we do.
func (r *run) recordDue() bool {
	return r.claimed() && (len(r.s.Unsaid) > 0 || len(r.s.Unregistered) > 0)
}

// record writes view and audit trail to the store: at once where it is urgent, else when the story rests,
// so that a stage that passes in a second is not a call of its own.
func (r *run) record(ctx workflow.Context) {
	ready := r.urgent || r.resting() && !r.soon(ctx) && r.worthRecording()
	if !ready || !r.recordDue() || r.out(recordKey) || r.s.Exceptions.IsOpen(freight.ReportRefused, recordKey) {
		return
	}
	r.urgent = false
	q := r.unsaid(ctx)
	if q.View.Closed {
		q.Final = r.s.Final()
	}
	start(ctx, r, protocol.Record, &call{key: recordKey, aside: true}, string(r.s.Stage), q, func(_ protocol.Recorded, err error) {
		if err != nil {
			r.raise(ctx, freight.ReportRefused, recordKey, "the store refused the record: "+protocol.Words(err))
			return // what is unsaid is kept: the audit trail has no gaps
		}
		r.said(q)
	})
}

// unsaid is all that the store does not know yet.
func (r *run) unsaid(ctx workflow.Context) protocol.RecordRequest {
	r.s.Views++
	r.s.Said = r.s.Stage
	return protocol.RecordRequest{View: r.s.ViewAt(r.s.Views, workflow.Now(ctx)), Audits: slices.Clone(r.s.Unsaid), References: slices.Clone(r.s.Unregistered)}
}

// said forgets what the store has.
func (r *run) said(q protocol.RecordRequest) {
	if n := len(q.Audits); n > 0 {
		r.s.Unsaid = slices.DeleteFunc(r.s.Unsaid, func(e freight.AuditEntry) bool { return e.N <= q.Audits[n-1].N })
	}
	r.s.Unregistered = slices.DeleteFunc(r.s.Unregistered, func(f freight.Reference) bool { return slices.Contains(q.References, f) })
}

// carry is what a call takes along to the store, so that it costs no call of its own; nil where the shipment was
// started on a course without it.
func (r *run) carry(ctx workflow.Context) *protocol.RecordRequest {
	if !r.carries() {
		return nil
	}
	q := r.unsaid(ctx)
	return &q
}

func (r *run) carries() bool { return r.in.Edition >= protocol.Carrying }

// worthRecording reports whether anyone reads what is unsaid before the next stage: a shipment that has
// merely set off is not asked about money, and one whose delivery is recorded soon has its charges.
func (r *run) worthRecording() bool {
	if len(r.s.Unsaid) > lotsUnsaid || len(r.s.Unregistered) > 0 {
		return true
	}
	switch r.s.Stage {
	case freight.StageTransit:
		return false
	case freight.StageFulfilment:
		return !r.carries() // the tender has taken it along
	case freight.StageCharges:
		return !r.carries() || r.s.Said != freight.StageProof
	}
	return true
}

// lotsUnsaid bounds what a run carries in audit entries.
const lotsUnsaid = 50

// soonSpan is how long a record waits for a wake-up that is near: it then says both in one.
const soonSpan = 15 * time.Second

func (r *run) soon(ctx workflow.Context) bool {
	now := workflow.Now(ctx)
	d, ok := r.s.NextDeadline(now)
	return ok && d.Kind == "" && d.At.Sub(now) <= soonSpan
}

// setClock starts a timer for the next deadline, unless one that fires before it is running: that one is then set
// anew. So a stage that passes in time costs no timer, and no more run than there are clocks.
func (r *run) setClock(ctx workflow.Context) {
	now := workflow.Now(ctx)
	d, ok := r.s.NextDeadline(now)
	if !ok || slices.ContainsFunc(r.wakes, func(at time.Time) bool { return !at.After(d.At) }) {
		return
	}
	at := d.At
	r.wakes = append(r.wakes, at)
	t := workflow.NewTimerWithOptions(ctx, at.Sub(now), workflow.TimerOptions{Summary: protocol.Summary(d.Text)})
	r.inbox.AddFuture(t, func(workflow.Future) {
		r.wakes = slices.DeleteFunc(r.wakes, at.Equal)
	})
}

// runOut opens an exception for each deadline that has passed. The freight goes on.
func (r *run) runOut(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for _, d := range r.s.Deadlines() {
		if d.Kind != "" && !d.At.After(now) {
			r.raise(ctx, d.Kind, d.Ref, fmt.Sprintf("%s (due %s)", d.Text, protocol.Minute(d.At)))
		}
	}
}

// attributes are the search attributes, as they are or should be.
type attributes struct{ stage, open, customer, carrier, promise string }

// attributesOf are the attributes as they should be.
func attributesOf(s *freight.Shipment) attributes {
	return attributes{string(s.Stage), strings.Join(openKinds(s), " "), protocol.Code(s.Release.Customer), protocol.Code(s.Carrier()), promised(s)}
}

// promised is how the promise stands where it is unknown, as shipments are searched by it; "" where it is not. One that is
// at risk or broken has an exception to be found by.
func promised(s *freight.Shipment) string {
	if s.SLA == nil || s.SLA.State != freight.Unknown {
		return ""
	}
	return string(s.SLA.State)
}

// attributesSet are the attributes as they are, whoever set them: the start, or an earlier run.
func attributesSet(ctx workflow.Context) (a attributes) {
	set := workflow.GetTypedSearchAttributes(ctx)
	open, _ := set.GetKeywordList(protocol.ExceptionsAttribute)
	a.open = strings.Join(open, " ")
	a.stage, _ = set.GetKeyword(protocol.StageAttribute)
	a.customer, _ = set.GetKeyword(protocol.CustomerAttribute)
	a.carrier, _ = set.GetKeyword(protocol.CarrierAttribute)
	a.promise, _ = set.GetKeyword(protocol.PromiseAttribute)
	return a
}

// showAttributes sets the search attributes when the story rests and stage, promise or exceptions have changed, once a task
// at most. Customer and carrier go with those.
func (r *run) showAttributes(ctx workflow.Context) {
	now := attributesOf(r.s)
	whose := codes(now, r.shown)
	closed := r.carries() && r.s.Stage == freight.StageClosed && len(whose) == 0 // its workflow says so
	same := (now.stage == r.shown.stage || closed) && now.promise == r.shown.promise
	if now.open == r.shown.open && (same || !r.resting()) {
		return
	}
	as := append(whose, protocol.StageAttribute.ValueSet(now.stage), deadline(ctx, r.s))
	if now.open != r.shown.open {
		as = append(as, protocol.ExceptionsAttribute.ValueSet(openKinds(r.s)))
	}
	if now.promise != r.shown.promise {
		as = append(as, promiseSet(now.promise))
	}
	r.shown = now
	if err := workflow.UpsertTypedSearchAttributes(ctx, as...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not set", "error", err)
	}
}

func promiseSet(promise string) temporal.SearchAttributeUpdate {
	if promise == "" {
		return protocol.PromiseAttribute.ValueUnset()
	}
	return protocol.PromiseAttribute.ValueSet(promise)
}

func openKinds(s *freight.Shipment) []string {
	kinds := []string{}
	for _, k := range s.Exceptions.OpenKinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// codes are the attributes that say whose the shipment is, where they have changed.
func codes(now, shown attributes) (as []temporal.SearchAttributeUpdate) {
	if now.customer != "" && now.customer != shown.customer {
		as = append(as, protocol.CustomerAttribute.ValueSet(now.customer))
	}
	if now.carrier != "" && now.carrier != shown.carrier {
		as = append(as, protocol.CarrierAttribute.ValueSet(now.carrier))
	}
	return as
}

func deadline(ctx workflow.Context, s *freight.Shipment) temporal.SearchAttributeUpdate {
	if d, ok := s.NextDeadline(workflow.Now(ctx)); ok {
		return protocol.DeadlineAttribute.ValueSet(d.At)
	}
	return protocol.DeadlineAttribute.ValueUnset()
}
