package shipment

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// The keys of the reports. One of each is out at a time; what changes meanwhile goes with the next.
const (
	statusKey = "status"
	recordKey = "record"
)

// tell brings Odoo, the store, the Temporal UI and the clock up to date, before the story waits.
func (r *run) tell(ctx workflow.Context) {
	r.showStatus(ctx)
	r.record(ctx)
	r.showAttributes(ctx)
	workflow.SetCurrentDetails(ctx, Details(r.s))
	r.setClock(ctx)
}

func (r *run) out(key string) bool {
	return slices.ContainsFunc(r.calls, func(c *call) bool { return c.key == key })
}

func (r *run) claimed() bool { return r.s.Release.Order != 0 }

// statusDue reports whether Odoo shows less than we know.
func (r *run) statusDue() bool {
	now := r.s.Report()
	if !r.s.Journey.Accepted() {
		now.Tracking = r.s.Shown.Tracking // the carrier's number goes with its acceptance
	}
	return r.claimed() && (now != r.s.Shown || len(r.s.Unfiled()) > 0)
}

// showStatus writes status and proof to the delivery in Odoo.
func (r *run) showStatus(ctx workflow.Context) {
	if !r.statusDue() || r.out(statusKey) {
		return
	}
	u := r.statusUpdate()
	start(ctx, r, protocol.UpdateStatus, statusKey, string(u.Report.Status), u, func(_ protocol.StatusWritten, err error) {
		r.s.Shown = u.Report
		r.s.Filed = append(r.s.Filed, r.filing...)
		if err != nil {
			r.raise(ctx, freight.PartnerFailed, statusKey, "Odoo refused the status: "+protocol.Words(err))
			r.s.Shown = r.s.Report() // the exception itself is on it; a person lets it be tried again
		}
	})
}

func (r *run) statusUpdate() protocol.StatusUpdate {
	sure := r.s.Intends(statusKey) // an earlier run's write may still arrive
	r.s.Revision++
	u := protocol.StatusUpdate{
		Shipment: r.s.ID, Picking: r.s.Release.Picking, Order: r.s.Release.Order,
		Revision: r.s.Revision, Report: r.s.Report(), Sure: sure,
	}
	r.filing = nil
	if docs := r.s.Unfiled(); len(docs) > 0 {
		u.Proof = &protocol.ProofRequest{Shipment: r.s.ID, Picking: r.s.Release.Picking, Delivered: r.s.Journey.At(freight.Delivered), Documents: docs}
		for _, d := range docs {
			r.filing = append(r.filing, d.SHA256)
		}
	}
	return u
}

// recordDue reports whether the store knows less than we do.
func (r *run) recordDue() bool { return r.claimed() && (len(r.s.Unsaid) > 0 || len(r.refs) > 0) }

// resting reports whether the story waits for the outside, and not for an answer of its own.
func (r *run) resting() bool { return r.steps == 0 }

// record writes view and audit trail to the store: at once where it is urgent, else when the story rests,
// so that a stage that passes in a second is not a call of its own.
func (r *run) record(ctx workflow.Context) {
	if !r.recordDue() || r.out(recordKey) || !(r.urgent || r.resting() && !r.soon(ctx) && r.worthRecording()) {
		return
	}
	r.urgent = false
	r.s.Views++
	said := r.s.Audits
	q := protocol.RecordRequest{View: r.s.ViewAt(r.s.Views, workflow.Now(ctx)), Audits: slices.Clone(r.s.Unsaid), References: r.refs}
	if q.View.Closed {
		final := *r.s
		final.Unsaid, final.Intents = nil, nil
		q.Final = &final
	}
	r.refs = nil
	start(ctx, r, protocol.Record, recordKey, string(r.s.Stage), q, func(_ protocol.Recorded, err error) {
		if err != nil {
			r.raise(ctx, freight.PartnerFailed, recordKey, "the store refused the record: "+protocol.Words(err))
		}
		r.s.Unsaid = slices.DeleteFunc(r.s.Unsaid, func(e freight.AuditEntry) bool { return e.N <= said })
	})
}

// worthRecording reports whether anyone reads what is unsaid before the next stage: a shipment that has
// merely set off is not asked about money.
func (r *run) worthRecording() bool {
	return r.s.Stage != freight.StageTransit || len(r.s.Unsaid) > lotsUnsaid
}

// lotsUnsaid bounds what a run carries in audit entries.
const lotsUnsaid = 50

// soonSpan is how long a record waits for a wake-up that is near: it then says both in one.
const soonSpan = 15 * time.Second

func (r *run) soon(ctx workflow.Context) bool {
	d, ok := r.s.NextDeadline()
	return ok && d.Kind == "" && d.At.Sub(workflow.Now(ctx)) <= soonSpan
}

// setClock starts a timer for the next deadline, unless one that fires before it is running.
func (r *run) setClock(ctx workflow.Context) {
	d, ok := r.s.NextDeadline()
	if !ok || !r.wakeAt.IsZero() && !d.At.Before(r.wakeAt) {
		return
	}
	at := d.At
	r.wakeAt = at
	wait := max(at.Sub(workflow.Now(ctx)), 0)
	t := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: cmpOr(d.Text, "quiet time before closing")})
	r.inbox.AddFuture(t, func(workflow.Future) {
		if r.wakeAt.Equal(at) {
			r.wakeAt = time.Time{}
		}
		r.runOut(ctx)
	})
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// runOut opens an exception for each deadline that has passed. The freight goes on.
func (r *run) runOut(ctx workflow.Context) {
	now := workflow.Now(ctx)
	for _, d := range r.s.Deadlines() {
		if d.Kind != "" && !d.At.After(now) {
			r.raise(ctx, d.Kind, "", fmt.Sprintf("%s (due %s)", d.Text, d.At.UTC().Format("2006-01-02 15:04")))
		}
	}
}

// attributes are what the shipment's search attributes show.
type attributes struct {
	stage    freight.Stage
	customer freight.CustomerCode
	carrier  freight.CarrierCode
	open     string
}

func attributesOf(s *freight.Shipment) attributes {
	return attributes{s.Stage, s.Release.Customer, s.Carrier(), fmt.Sprint(s.Exceptions.OpenKinds())}
}

// showAttributes sets the search attributes when the story rests and they have changed: once a task at most.
func (r *run) showAttributes(ctx workflow.Context) {
	now := attributesOf(r.s)
	now.customer, now.carrier = r.shown.customer, r.shown.carrier // these ride along with the next change
	if now == r.shown || !r.resting() && now.open == r.shown.open {
		return
	}
	r.shown = attributesOf(r.s)
	err := workflow.UpsertTypedSearchAttributes(ctx, searchAttributes(r.s)...)
	if err != nil {
		workflow.GetLogger(ctx).Error("search attributes not set", "error", err)
	}
}

func searchAttributes(s *freight.Shipment) []temporal.SearchAttributeUpdate {
	kinds := []string{}
	for _, k := range s.Exceptions.OpenKinds() {
		kinds = append(kinds, string(k))
	}
	as := []temporal.SearchAttributeUpdate{
		protocol.StageAttribute.ValueSet(string(s.Stage)),
		protocol.ExceptionsAttribute.ValueSet(kinds),
	}
	if s.Release.Customer != "" {
		as = append(as, protocol.CustomerAttribute.ValueSet(string(s.Release.Customer)))
	}
	if c := s.Carrier(); c != "" {
		as = append(as, protocol.CarrierAttribute.ValueSet(string(c)))
	}
	if d, ok := s.NextDeadline(); ok {
		return append(as, protocol.DeadlineAttribute.ValueSet(d.At))
	}
	return append(as, protocol.DeadlineAttribute.ValueUnset())
}
