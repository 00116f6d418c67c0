package guard_test

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"waybill/internal/historytest"
	"waybill/workers/guard"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// rates asks the billing engine once, as a shipment does.
func rates(ctx workflow.Context) error {
	return protocol.RateShipment.Start(ctx, protocol.RatingRequest{}, "").Get(ctx, nil)
}

// outage is a billing engine behind a guard, and shipments on a real server that ask it.
type outage struct {
	*system
	t     *testing.T
	c     client.Client
	guard *guard.Guard
	runs  []client.WorkflowRun
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{system: &system{}, t: t, c: historytest.Server(t, nil)}
	o.guard = guarded(t, o.system, nil, zap.NewNop())
	tuner, err := guard.Tuner(o.guard, 8)
	if err != nil {
		t.Fatal(err)
	}
	billing := worker.New(o.c, protocol.QueueBilling, worker.Options{Tuner: tuner, DisableWorkflowWorker: true})
	protocol.RateShipment.Serve(billing, guard.Around(o.guard, func(ctx context.Context, _ protocol.RatingRequest) (freight.Rating, error) {
		_, err := o.call(ctx, 1)
		return freight.Rating{}, err
	}))
	stories := worker.New(o.c, protocol.QueueStories, worker.Options{})
	stories.RegisterWorkflow(rates)
	for _, w := range []worker.Worker{billing, stories} {
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return o
}

func (o *outage) ask(shipments int) {
	o.t.Helper()
	for range shipments {
		run, err := o.c.ExecuteWorkflow(o.t.Context(), client.StartWorkflowOptions{TaskQueue: protocol.QueueStories}, rates)
		if err != nil {
			o.t.Fatal(err)
		}
		o.runs = append(o.runs, run)
	}
}

// attempts are those of the activity each shipment waits for, as Temporal has them, by run; none for one that does not wait.
func (o *outage) attempts() map[string]int32 {
	o.t.Helper()
	found := map[string]int32{}
	for _, run := range o.runs {
		d, err := o.c.DescribeWorkflowExecution(o.t.Context(), run.GetID(), run.GetRunID())
		if err != nil {
			o.t.Fatal(err)
		}
		for _, a := range d.GetPendingActivities() {
			found[run.GetRunID()] = a.GetAttempt()
		}
	}
	return found
}

// TestLongOutageCostsItsFirstCallAndProbesAndNoAttempts has an outage of three hundred probes: at one in two seconds,
// ten minutes.
func TestLongOutageCostsItsFirstCallAndProbesAndNoAttempts(t *testing.T) {
	o := newOutage(t)
	o.ask(3)
	for _, run := range o.runs {
		if err := run.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	const before, waiting = 3, 30
	o.runs = nil
	o.down.Store(true)
	began := time.Now()
	o.ask(1)
	within(t, "the guard shuts", func() bool { return !o.guard.Passes() })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it shut after %s, want 5 s at most", took)
	}
	within(t, "the one that failed waits to be tried again", func() bool { return o.attempts()[o.runs[0].GetRunID()] == 2 })
	o.ask(waiting - 1)
	within(t, "all of them wait", func() bool { return len(o.attempts()) == waiting })
	first, from := o.attempts(), o.probes.Load()
	within(t, "three hundred probes", func() bool { return o.probes.Load() >= from+300 })
	if n := o.calls.Load(); n != before+1 {
		t.Errorf("%d calls reached it while it was down, want the one that found out", n-before)
	}
	for run, n := range o.attempts() {
		if n != first[run] || n > 2 {
			t.Errorf("an activity that waited is in attempt %d, and was in %d", n, first[run])
		}
	}
	probed := o.probes.Load()
	o.down.Store(false)
	within(t, "the guard opens", o.guard.Passes)
	if n := o.probes.Load() - probed; n > 2 { // one may have begun before it was back
		t.Errorf("it was probed %d times before work went on, want once", n)
	}
	for _, run := range o.runs {
		if err := run.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.calls.Load(); n != before+1+waiting {
		t.Errorf("%d calls, want one for each and the one that found out", n)
	}
}
