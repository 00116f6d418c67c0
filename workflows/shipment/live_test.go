package shipment_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// live is one shipment on a real Temporal server, with a worker for every queue.
type live struct {
	*world
	t *testing.T
	c client.Client
	n int64 // number of the last scan

	stories worker.Worker
}

// newServer starts a server of its own for a test, and workers; dc is nil for payloads in the clear.
func newServer(t *testing.T, dc converter.DataConverter) *live {
	t.Helper()
	t.Parallel()
	return newLive(t, historytest.Server(t, dc))
}

// newLive starts the workers.
func newLive(t *testing.T, c client.Client) *live {
	t.Helper()
	l := &live{world: newWorld(), t: t, c: c}
	for _, q := range []string{protocol.QueueStatus, protocol.QueuePost, protocol.QueueBilling, protocol.QueueTMS, protocol.QueueWMS, protocol.QueueFinance, protocol.QueueRecord} {
		l.work(q)
	}
	l.stories = l.work(protocol.QueueStories)
	return l
}

// work starts a worker of a queue, and stops it with the test.
func (l *live) work(queue string) worker.Worker {
	w := worker.New(l.c, queue, worker.Options{})
	l.serve(w)
	if err := w.Start(); err != nil {
		l.t.Fatal(err)
	}
	var stopped atomic.Bool
	stop := &stopping{w, &stopped}
	l.t.Cleanup(stop.Stop)
	return stop
}

// stopping is a worker that may be stopped twice.
type stopping struct {
	worker.Worker
	stopped *atomic.Bool
}

func (s *stopping) Stop() {
	if !s.stopped.Swap(true) {
		s.Worker.Stop()
	}
}

func (l *live) start(terms *freight.Terms) {
	l.t.Helper()
	started, err := protocol.StartShipment(l.t.Context(), l.c, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: terms}, "ACME", "S00070")
	if err != nil || !started {
		l.t.Fatal(started, err)
	}
}

// with changes the world's answers while workers run.
func (l *live) with(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// send numbers and sends scans in one signal.
func (l *live) send(scans ...freight.Scan) {
	l.t.Helper()
	for i := range scans {
		l.n++
		scans[i].Number = l.n
	}
	l.signal(protocol.Scans.Name, protocol.ScanBatch{Scans: scans})
}

func (l *live) signal(name string, m any) {
	l.t.Helper()
	if err := l.c.SignalWorkflow(l.t.Context(), id, "", name, m); err != nil {
		l.t.Fatal(err)
	}
}

// id is the workflow id of the one shipment.
var id = protocol.ShipmentWorkflowID(shipmentID)

func (l *live) pay(state freight.InvoiceState, residual string) {
	l.t.Helper()
	l.signal(protocol.PaymentSeen.Name, freight.Payment{Move: 99, State: state, Residual: usd(residual), SeenAt: time.Now()})
}

func (l *live) resolve(kind freight.ExceptionKind, a freight.Action) {
	l.t.Helper()
	s := l.until(func(s *freight.Shipment) bool { return len(open(s, kind)) > 0 })
	l.signal(protocol.ResolveAsked.Name, protocol.ResolveRequest{Exception: open(s, kind)[0].ID, Action: a, By: "ann", Reason: "mended"})
}

func open(s *freight.Shipment, kind freight.ExceptionKind) (es []freight.Exception) {
	for _, e := range s.Exceptions {
		if e.Open() && e.Kind == kind {
			es = append(es, e)
		}
	}
	return es
}

// decide waits for a dispute and decides it.
func (l *live) decide(n int, jws string) {
	l.t.Helper()
	l.until(func(s *freight.Shipment) bool { return len(s.Disputes) >= n })
	d := freight.DisputeIDOf(shipmentID, n)
	if err := protocol.DecisionMade.Send(l.t.Context(), l.c, protocol.DisputeWorkflowID(d), protocol.SignedDecision{JWS: jws}); err != nil {
		l.t.Fatal(err)
	}
}

// until asks for the state until it is as wanted.
func (l *live) until(want func(*freight.Shipment) bool) *freight.Shipment {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(30 * time.Millisecond); ; {
		s, err := protocol.ShipmentState.Ask(ctx, l.c, id)
		if err == nil && want(&s) {
			return &s
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("the shipment never got there: stage %s, high water %d, exceptions %+v, intents %+v, %v", s.Stage, s.HighWater, s.Exceptions, s.Intents, err)
		case <-tick.C:
		}
	}
}

// quiet waits until all that was sent is read and nothing is out.
func (l *live) quiet() *freight.Shipment {
	l.t.Helper()
	return l.until(func(s *freight.Shipment) bool {
		return s.HighWater >= l.n && len(s.Intents) == 0 && s.Booking.Ref != ""
	})
}

func (l *live) stage(want freight.Stage) *freight.Shipment {
	l.t.Helper()
	return l.until(func(s *freight.Shipment) bool { return s.Stage == want && len(s.Intents) == 0 })
}

// ended waits until the shipment has.
func (l *live) ended() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	if err := l.c.GetWorkflow(ctx, id, "").Get(ctx, nil); ctx.Err() != nil {
		l.t.Fatal(err)
	}
}
