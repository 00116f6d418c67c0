package relay_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"waybill/activities/record"
	"waybill/internal/historytest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workers/relay"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

// closed is a world with a real Temporal, and one shipment in it that was paid and has closed.
type closed struct {
	*world
	temporal client.Client
}

func newClosed(t *testing.T, c client.Client, db storetest.DB) *closed {
	t.Helper()
	w := &closed{newWorld(t, db), c}
	s := freight.Shipment{
		ID: "acme-1", Stage: freight.StageClosed, Since: w.clock.Now(), HighWater: 1, Audits: 1, Views: 2,
		Terms:   freight.Terms{Policy: "default", Currency: "USD", Scope: freight.GoodsAndFreight, POD: freight.PODStatus, Clocks: freight.Clocks{Quiet: time.Second}},
		Release: freight.Release{Order: 1, OrderName: "S1", Picking: 1, Customer: "ACME"},
		Plan:    &freight.InvoicePlan{Key: "waybill.inv_acme-1_1"}, Invoice: &freight.Invoice{Move: 9, Number: "INV/1"},
		Payment: freight.Payment{Move: 9, State: freight.InvoicePaid, Residual: freight.MustMoney("0.00 USD"), SeenAt: w.clock.Now()},
	}
	w.shipment("acme-1")
	w.record(store.Entry{View: s.ViewAt(2, w.clock.Now()), Audits: []freight.AuditEntry{{N: 1, At: w.clock.Now(), Kind: freight.AuditClosed}}, Final: s.Final()})
	w.comes("acme-1", "read before it closed")
	bs := w.lease()
	if err := w.store.Sent(t.Context(), "earlier", bs[0]); err != nil {
		t.Fatal(err)
	}
	return w
}

// lease files what came and takes it, as a relay does.
func (w *closed) lease() []store.Batch {
	w.Helper()
	r := &relay.Relay{Store: w.store, Temporal: &temporal{before: func(string) trouble { return trouble{lost: errDown} }}, Holder: "earlier", Log: w.log, Now: w.clock.Now}
	_, _ = r.Once(w.Context()) // it files, and cannot send
	w.clock.Pass(leaseOver)
	bs, err := w.store.Lease(w.Context(), "earlier", time.Minute, 0, 1, 10)
	if err != nil || len(bs) != 1 {
		w.Fatal(bs, err)
	}
	return bs
}

// work runs the real story on the real server, with a store that really keeps what it says.
func (w *closed) work() {
	w.Helper()
	keeper := &record.Keeper{Store: w.store, Now: time.Now}
	stories, status, records := worker.New(w.temporal, protocol.QueueStories, worker.Options{}), worker.New(w.temporal, protocol.QueueStatus, worker.Options{}), worker.New(w.temporal, protocol.QueueRecord, worker.Options{})
	protocol.Shipment.Serve(stories, shipment.Workflow)
	protocol.UpdateStatus.Serve(status, func(context.Context, protocol.StatusUpdate) (protocol.StatusWritten, error) {
		return protocol.StatusWritten{}, nil
	})
	protocol.Record.Serve(records, keeper.Record)
	for _, k := range []worker.Worker{stories, status, records} {
		if err := k.Start(); err != nil {
			w.Fatal(err)
		}
		w.Cleanup(k.Stop)
	}
}

// ended waits until the shipment has closed again, and returns what it left.
func (w *closed) ended() freight.Shipment {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	if err := w.temporal.GetWorkflow(ctx, protocol.ShipmentWorkflowID("acme-1"), "").Get(ctx, nil); err != nil {
		w.Fatal(err)
	}
	f, ok, err := w.store.Final(ctx, "acme-1")
	if err != nil || !ok {
		w.Fatal(ok, err)
	}
	return f
}

// losing is a Temporal whose answer to the first reopening is lost.
type losing struct {
	client.Client
	once sync.Once
}

var errLost = errors.New("the answer is lost")

// SignalWithStartWorkflow implements protocol.Reopener.
func (l *losing) SignalWithStartWorkflow(ctx context.Context, id, name string, m any, o client.StartWorkflowOptions, w any, args ...any) (run client.WorkflowRun, err error) {
	run, err = l.Client.SignalWithStartWorkflow(ctx, id, name, m, o, w, args...)
	l.once.Do(func() { err = errors.Join(err, errLost) })
	return run, err
}

func TestLateScanReopensItsClosedShipmentOnceThoughTheAnswerIsLostAndTwoRelaysRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		w := newClosed(t, historytest.Server(t, nil), db)
		w.work()
		lossy := &losing{Client: w.temporal}
		relays := []*relay.Relay{{Holder: "a"}, {Holder: "b"}}
		for _, r := range relays {
			r.Store, r.Temporal, r.Log, r.Now = w.store, lossy, w.log, w.clock.Now
		}
		w.comes("acme-1", "late")
		w.comes("acme-1", "later")
		if _, err := relays[0].Once(t.Context()); !errors.Is(err, errLost) {
			t.Fatalf("the answer was not lost: %v", err)
		}
		if f := w.ended(); f.HighWater != 3 {
			t.Fatalf("it closed with scan %d read, want 3", f.HighWater)
		}
		w.comes("acme-1", "latest") // while the first batch is leased to a relay that does not know that it arrived
		w.clock.Pass(leaseOver)
		for range 3 {
			var both sync.WaitGroup
			for _, r := range relays {
				both.Go(func() { w.once(r) })
			}
			both.Wait()
		}
		f := w.ended()
		if f.HighWater != 4 || f.Repeats != 0 || len(f.Missing) > 0 {
			t.Errorf("scan %d read, %d twice, missing %v; want 4, none, none", f.HighWater, f.Repeats, f.Missing)
		}
		w.counts(map[string]int{"sent": 4, "matched": 0, "late": 0})
		if n := w.closings(); n != 3 {
			t.Errorf("it closed %d times, want 3: once, and once for each reopening", n)
		}
	})
}

// closings counts how often the audit trail says that the shipment closed.
func (w *closed) closings() (n int) {
	w.Helper()
	es, err := w.store.Audit(w.Context(), "acme-1")
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range es {
		if e.Kind == freight.AuditClosed {
			n++
		}
	}
	return n
}
