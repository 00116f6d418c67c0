package shipment_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"go.temporal.io/sdk/temporal"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// temporalCLI finds the server these tests run on, as make test prepares it.
func temporalCLI(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("TEMPORAL_CLI"); p != "" {
		return p
	}
	if p, err := exec.LookPath("temporal"); err == nil {
		return p
	}
	p, _ := filepath.Abs("../../.bin/temporal")
	if _, err := os.Stat(p); err != nil {
		t.Skip("no temporal on PATH and none in .bin: run deploy/temporal.sh, as make test does")
	}
	return p
}

// devServer starts a real Temporal server with our search attributes.
func devServer(t *testing.T) client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	srv, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: temporalCLI(t), LogLevel: "error",
		SearchAttributes: temporal.NewSearchAttributes(
			protocol.StageAttribute.ValueSet(""), protocol.CustomerAttribute.ValueSet(""), protocol.CarrierAttribute.ValueSet(""),
			protocol.ExceptionsAttribute.ValueSet(nil), protocol.DeadlineAttribute.ValueSet(time.Now())),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	return srv.Client()
}

// serveOn runs a worker for every queue.
func (w *world) serveOn(t *testing.T, c client.Client) {
	t.Helper()
	for _, q := range []string{protocol.QueueStories, protocol.QueueStatus, protocol.QueuePost, protocol.QueueBilling, protocol.QueueTMS, protocol.QueueFinance, protocol.QueueRecord} {
		k := worker.New(c, q, worker.Options{})
		w.serve(k)
		if err := k.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Stop)
	}
}

func startShipment(t *testing.T, c client.Client) string {
	t.Helper()
	started, err := protocol.StartShipment(t.Context(), c, protocol.ShipmentInput{ID: shipmentID, Picking: 7, ReleasedBy: "odoo-scan", Terms: terms()}, "ACME", "S00070")
	if err != nil || !started {
		t.Fatal(started, err)
	}
	return protocol.ShipmentWorkflowID(shipmentID)
}

// eventually asks for the state until it is as wanted.
func eventually(t *testing.T, c client.Client, id string, want func(freight.Shipment) bool) freight.Shipment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var st freight.Shipment
	var err error
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if st, err = protocol.ShipmentState.Ask(ctx, c, id); err == nil && want(st) {
			return st
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the shipment never got there: stage %s, high water %d, exceptions %+v, %v", st.Stage, st.HighWater, st.Exceptions, err)
		case <-tick.C:
		}
	}
}

// TestHandOverUnderLoadLosesAndRepeatsNothing crosses continue-as-new while 50 scans a second arrive, one
// call is running and another is being retried.
func TestHandOverUnderLoadLosesAndRepeatsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute of scans")
	}
	c := devServer(t)
	w := newWorld()
	down := true
	w.rate = func(q protocol.RatingRequest) (freight.Rating, error) {
		if down && len(q.Charges) > 0 {
			return freight.Rating{}, protocol.Transient.Of(errors.New("billing engine is down"))
		}
		return ratingOf(q), nil
	}
	w.serveOn(t, c)
	id := startShipment(t, c)
	now := time.Now()
	all := carried(now, "")
	for i := range 1200 {
		e := milestone(freight.ETAUpdated, now.Add(time.Duration(i)*time.Second))
		e.Classifier, e.ETA = freight.Estimated, now.Add(time.Duration(i)*time.Minute)
		all = append(all, e)
	}
	for tick, i := time.NewTicker(20*time.Millisecond), 0; i < len(all); i++ {
		all[i].Number = int64(i + 1)
		if err := protocol.Scans.Send(t.Context(), c, id, protocol.ScanBatch{Scans: all[i : i+1]}); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	st := eventually(t, c, id, func(s freight.Shipment) bool { return s.HighWater == int64(len(all)) })
	if st.Repeats != 0 || !st.Journey.ETA.Equal(all[len(all)-1].ETA) || len(w.plans) != 0 {
		t.Errorf("repeats %d, ETA %s, postings %d", st.Repeats, st.Journey.ETA, len(w.plans))
	}
	w.mu.Lock()
	down = false
	w.mu.Unlock()
	eventually(t, c, id, func(s freight.Shipment) bool { return s.Stage == freight.StageSettlement })
	if d, err := c.DescribeWorkflowExecution(t.Context(), id, ""); err != nil || d.GetWorkflowExecutionInfo().GetFirstRunId() == d.GetWorkflowExecutionInfo().GetExecution().GetRunId() {
		t.Errorf("the story was never handed over (%v): the test proved nothing", err)
	}
	if len(w.plans) != 1 || w.claims != 1 {
		t.Errorf("posted %d times, claimed %d times; want once each", len(w.plans), w.claims)
	}
}

// TestGarbageFromTheTemporalUIFailsNoTask sends what a hand could type into the signal form.
func TestGarbageFromTheTemporalUIFailsNoTask(t *testing.T) {
	c := devServer(t)
	w := newWorld()
	w.serveOn(t, c)
	id := startShipment(t, c)
	for _, garbage := range []any{nil, "garbage", 7, []byte{0xff, 0}, map[string]any{"scans": "x"}} {
		for _, name := range []string{protocol.Scans.Name, protocol.PaymentSeen.Name, protocol.ResolveAsked.Name, protocol.CancelAsked.Name + "x"} {
			if err := c.SignalWorkflow(t.Context(), id, "", name, garbage); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := protocol.Scans.Send(t.Context(), c, id, protocol.ScanBatch{Scans: numbered(carried(time.Now(), ""))}); err != nil {
		t.Fatal(err)
	}
	st := eventually(t, c, id, func(s freight.Shipment) bool { return s.Stage == freight.StageSettlement })
	if !st.Exceptions.Raised(freight.MessageUnreadable) {
		t.Error("the garbage is nowhere to be seen")
	}
	if err := protocol.PaymentSeen.Send(t.Context(), c, id, freight.Payment{Move: 99, State: freight.InvoicePaid, Residual: usd("0.00"), SeenAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := c.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func numbered(scans []freight.Scan) []freight.Scan {
	for i := range scans {
		scans[i].Number = int64(i + 1)
	}
	return scans
}
