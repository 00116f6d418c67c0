// Package reconcile compares Temporal, the store and Odoo with each other: after a backup of the store was restored, to
// bring it up to date before anything is posted; and at any time, to find what nobody works on.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"waybill/activities/odoo"
	"waybill/activities/record"
	"waybill/internal/cluster"
	"waybill/internal/store"
	"waybill/workflows/dispute"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// Books are what is compared.
type Books struct {
	Temporal client.Client
	Store    *store.Store
	Status   *odoo.Status
	Money    *odoo.Money
	Tenant   freight.TenantCode
	Now      func() time.Time
}

// Kind names what was found.
type Kind string

// The kinds.
const (
	Abandoned   Kind = "abandoned"   // its workflow ended without its story's end
	NoWorkflow  Kind = "no-workflow" // Odoo's delivery is carried by a shipment that does not exist
	NoShipment  Kind = "no-shipment" // a posted invoice names a shipment that does not know it
	NotAnswered Kind = "not-answered"
)

// Finding is something that nobody works on, with what to do.
type Finding struct {
	Kind     Kind               `json:"kind"`
	Shipment freight.ShipmentID `json:"shipment"`
	Detail   string             `json:"detail"`
	Do       string             `json:"do"`
}

// Report is what a comparison found.
type Report struct {
	Older     bool         `json:"older"`          // the store is a restored backup
	DryRun    bool         `json:"dryRun"`         // nothing was changed
	Mark      int64        `json:"mark"`           // the store's
	Known     int64        `json:"temporalMark"`   // Temporal's
	Shipments int          `json:"shipments"`      // open and closed
	Behind    int          `json:"behind"`         // of them, told more than the store had
	Lost      int64        `json:"lostEntries"`    // audit entries that went with the lost store
	Decisions int          `json:"decisions"`      // disputes whose decision counts as used
	Gaps      []store.Gap  `json:"missingWindows"` // deliveries received then are gone, if partners do not send again
	Sources   []store.Last `json:"sources"`        // where each partner's stood before the window
	Findings  []Finding    `json:"findings"`
}

const (
	// page bounds one question to Odoo or Temporal.
	page = 200
	// atOnce is how many stories are asked at a time.
	atOnce = 8
	// askWithin bounds one story's answer: a long history is replayed first.
	askWithin = time.Minute
	// skew is how far the clocks of Temporal's server and of the workers may be apart.
	skew = 5 * time.Minute
)

// listed is a workflow's newest run.
type listed struct {
	id     string
	start  time.Time
	closed time.Time // zero while it runs
	status enumspb.WorkflowExecutionStatus
}

// runs reports whether the shipment's story goes on.
func (l listed) runs() bool { return l.status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }

// abandoned reports whether a run ended otherwise than its story does.
func (l listed) abandoned() bool {
	return slices.Contains([]enumspb.WorkflowExecutionStatus{enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT}, l.status)
}

// list lists the newest run of each workflow of a type of this tenant, as long as Temporal keeps it.
func (b *Books) list(ctx context.Context, kind string) (map[string]listed, error) {
	found := map[string]listed{}
	prefix := strings.ToLower(kind) + "/" + string(b.Tenant) + "-"
	q := &workflowservice.ListWorkflowExecutionsRequest{PageSize: page, Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus != 'ContinuedAsNew'", kind)}
	for {
		resp, err := b.Temporal.ListWorkflow(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list %s workflows: %w", kind, err)
		}
		for _, e := range resp.GetExecutions() {
			l := listed{id: e.GetExecution().GetWorkflowId(), start: e.GetStartTime().AsTime(), status: e.GetStatus()}
			if end := e.GetCloseTime(); end != nil {
				l.closed = end.AsTime()
			}
			if was, again := found[l.id]; strings.HasPrefix(l.id, prefix) && (!again || was.start.Before(l.start)) {
				found[l.id] = l
			}
		}
		if q.NextPageToken = resp.GetNextPageToken(); len(q.NextPageToken) == 0 {
			return found, nil
		}
	}
}

// serveAnswers lets stories answer where no worker runs, or none may: they take their own steps meanwhile, and nothing
// outside is called.
func (b *Books) serveAnswers() (stop func(), err error) {
	w := worker.New(b.Temporal, protocol.QueueStories, worker.Options{LocalActivityWorkerOnly: true})
	protocol.Shipment.Serve(w, shipment.Workflow)
	protocol.Dispute.Serve(w, dispute.Workflow)
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("answer for the stories: %w", err)
	}
	return w.Stop, nil
}

// each asks every workflow for its state, several at a time, and hands each answer to take, one at a time. One that
// has vanished meanwhile is passed over, and one that cannot answer is a finding.
func each[Out any](ctx context.Context, b *Books, r *Report, ids map[string]listed, q protocol.Query[Out], take func(Out) error) error {
	answers := make(chan Out)
	silent := make(chan Finding)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce + 1)
	done := make(chan error, 1)
	go func() {
		for a, f := answers, silent; ; {
			select {
			case out, ok := <-a:
				if !ok {
					done <- nil
					return
				}
				if err := take(out); err != nil {
					done <- err
					return
				}
			case found := <-f:
				r.Findings = append(r.Findings, found)
			}
		}
	}()
	for id := range ids {
		g.Go(func() error { return ask(ctx, b, id, q, answers, silent) })
	}
	err := g.Wait()
	close(answers)
	return errors.Join(err, <-done)
}

func ask[Out any](ctx context.Context, b *Books, id string, q protocol.Query[Out], answers chan<- Out, silent chan<- Finding) error {
	one, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	out, err := q.Ask(one, b.Temporal, id)
	var vanished *serviceerror.NotFound
	switch {
	case errors.As(err, &vanished):
		return nil
	case err != nil && ctx.Err() == nil:
		_, short, _ := strings.Cut(id, "/")
		found := Finding{NotAnswered, freight.ShipmentID(short), err.Error(), "see its page in the Temporal UI; what the store knows of it stays as it was"}
		select {
		case silent <- found:
		case <-ctx.Done():
		}
		return nil
	}
	select {
	case answers <- out:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// AfterRestore brings the store up to what the stories know, and then lets work go on. With dry it only says what it
// would do. It may be run again: it changes nothing that is newer.
func (b *Books) AfterRestore(ctx context.Context, dry bool) (r Report, err error) {
	r.DryRun = dry
	mark, err := b.compare(ctx, &r)
	if err != nil {
		return r, err
	}
	stop, err := b.serveAnswers()
	if err != nil {
		return r, err
	}
	defer stop()
	shipments, err := b.list(ctx, protocol.Shipment.Name)
	if err != nil {
		return r, err
	}
	known := map[int64]bool{}
	open, err := b.unsettled(ctx, &r, shipments, mark.At, known)
	if err != nil {
		return r, err
	}
	if err := each(ctx, b, &r, open, protocol.ShipmentState, func(s freight.Shipment) error { return b.learn(ctx, &r, s, known) }); err != nil {
		return r, err
	}
	if err := b.learnDecisions(ctx, &r); err != nil {
		return r, err
	}
	if err := b.findPostings(ctx, &r, shipments, known); err != nil {
		return r, err
	}
	return r, b.letGo(ctx, &r)
}

// unsettled are the shipments that may have told more than a store with this mark knows. One that closed before it, and
// whose end the store has, has nothing to add: it is not asked, however many there are.
func (b *Books) unsettled(ctx context.Context, r *Report, shipments map[string]listed, mark time.Time, known map[int64]bool) (map[string]listed, error) {
	open := map[string]listed{}
	for id, l := range shipments {
		if l.closed.IsZero() || !l.closed.Before(mark.Add(-skew)) {
			open[id] = l
			continue
		}
		short, _ := protocol.ShipmentOf(id)
		final, ok, err := b.Store.Final(ctx, short)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			open[id] = l
			continue
		case final.Invoice != nil:
			known[final.Invoice.Move] = true
		}
		r.Shipments++
	}
	return open, nil
}

// compare reads both marks, and what is missing if the store's is lower.
func (b *Books) compare(ctx context.Context, r *Report) (m store.Mark, err error) {
	if r.Known, err = cluster.StoreMark(ctx, b.Temporal, b.Tenant); err != nil {
		return m, err
	}
	if m, err = b.Store.Mark(ctx); err != nil {
		return m, err
	}
	r.Mark, r.Older = m.N, m.N < r.Known
	if r.Gaps, err = b.Store.Gaps(ctx); err != nil {
		return m, err
	}
	if r.Older {
		r.Gaps = append(r.Gaps, store.Gap{From: m.At, To: b.Now()})
	}
	if len(r.Gaps) > 0 {
		r.Sources, err = b.Store.LastBefore(ctx, r.Gaps[len(r.Gaps)-1].From)
	}
	return m, err
}

// learn brings the store up to what one shipment knows.
func (b *Books) learn(ctx context.Context, r *Report, s freight.Shipment, known map[int64]bool) error {
	r.Shipments++
	if s.Invoice != nil {
		known[s.Invoice.Move] = true
	}
	behind, err := b.Store.Behind(ctx, s)
	if err != nil {
		return err
	}
	if behind {
		r.Behind++
	}
	if r.DryRun || s.Release.Order == 0 {
		return nil
	}
	lost, err := b.Store.Relearn(ctx, s)
	r.Lost += lost
	return err
}

func (b *Books) learnDecisions(ctx context.Context, r *Report) error {
	disputes, err := b.list(ctx, protocol.Dispute.Name)
	if err != nil {
		return err
	}
	keeper := &record.Keeper{Store: b.Store, Now: b.Now}
	return each(ctx, b, r, disputes, protocol.DisputeState, func(d freight.Dispute) error {
		if d.Ruling == nil {
			return nil
		}
		r.Decisions++
		if r.DryRun {
			return nil
		}
		return keeper.Relearn(ctx, d)
	})
}

// letGo raises the store's mark over Temporal's.
func (b *Books) letGo(ctx context.Context, r *Report) error {
	unanswered := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == NotAnswered })
	if r.DryRun || !r.Older || unanswered {
		return nil
	}
	if err := b.Store.Restored(ctx, r.Known, r.Gaps[len(r.Gaps)-1]); err != nil {
		return err
	}
	return cluster.RaiseStoreMark(ctx, b.Temporal, b.Tenant, r.Known+1)
}
