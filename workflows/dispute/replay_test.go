package dispute_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"waybill/internal/historytest"
	"waybill/workflows/dispute"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// histories are disputes as releases of Waybill have carried them.
const histories = historytest.Goldens("testdata/histories")

const id = "dispute/acme-7/1"

// live is one dispute on a real Temporal server, with something that hears it in the shipment's place.
type live struct {
	t *testing.T
	c client.Client

	mu     sync.Mutex
	verify func(protocol.DecisionRequest) (protocol.DecisionVerified, error)
}

func newLive(t *testing.T, c client.Client) *live {
	t.Helper()
	l := &live{t: t, c: c}
	l.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) { return answer(q), nil }
	for _, q := range []string{protocol.QueueStories, protocol.QueueRecord} {
		w := worker.New(l.c, q, worker.Options{})
		protocol.Dispute.Serve(w, dispute.Workflow)
		w.RegisterWorkflowWithOptions(listen, workflow.RegisterOptions{Name: protocol.Shipment.Name})
		protocol.VerifyDecision.Serve(w, func(_ context.Context, q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.verify(q)
		})
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return l
}

// listen ends with what a dispute says.
func listen(ctx workflow.Context) (m protocol.Settlement, err error) {
	workflow.GetSignalChannel(ctx, protocol.DisputeSettled.Name).Receive(ctx, &m)
	return m, nil
}

// open starts the dispute, with time to respond, and the shipment it is of.
func (l *live) open(respond time.Duration) {
	l.t.Helper()
	_, err := l.c.ExecuteWorkflow(l.t.Context(), client.StartWorkflowOptions{ID: "shipment/acme-7", TaskQueue: protocol.QueueStories}, protocol.Shipment.Name)
	if err != nil {
		l.t.Fatal(err)
	}
	l.openAlone(respond)
}

func (l *live) openAlone(respond time.Duration) {
	l.t.Helper()
	in := protocol.DisputeInput{Proposal: proposal(), RespondBy: time.Now().Add(respond)}
	if _, err := l.c.ExecuteWorkflow(l.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: protocol.QueueStories}, protocol.Dispute.Name, in); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) send(m any) {
	l.t.Helper()
	if err := l.c.SignalWorkflow(l.t.Context(), id, "", protocol.DecisionMade.Name, m); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) decide(jws string) {
	l.t.Helper()
	l.send(protocol.SignedDecision{JWS: jws})
}

// until asks for the state until it is as wanted.
func (l *live) until(want func(freight.Dispute) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(30 * time.Millisecond); ; {
		d, err := protocol.DisputeState.Ask(ctx, l.c, id)
		if err == nil && want(d) {
			return
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("the dispute never got there: %+v, %v", d, err)
		case <-tick.C:
		}
	}
}

func (l *live) answers(n int) {
	l.t.Helper()
	l.until(func(d freight.Dispute) bool { return len(d.Answers) >= n })
}

// ended waits until the dispute has.
func (l *live) ended() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	if err := l.c.GetWorkflow(ctx, id, "").Get(ctx, nil); ctx.Err() != nil {
		l.t.Fatal(err)
	}
}

// situations are the ways for a dispute to go that are recorded.
func situations() []historytest.Situation {
	play := func(f func(*live)) func(*testing.T, client.Client) {
		return func(t *testing.T, c client.Client) { f(newLive(t, c)) }
	}
	after := func(jws ...string) func(*testing.T, client.Client) {
		return play(func(l *live) {
			l.open(time.Hour)
			for _, d := range jws {
				l.decide(d)
			}
			l.ended()
		})
	}
	return []historytest.Situation{
		{Name: "approved", Play: after("approve")},
		{Name: "rejected", Play: after("reject")},
		{Name: "refused-then-approved", Play: play(func(l *live) {
			l.open(time.Hour)
			l.decide("unknown approver")
			l.answers(1)
			l.decide("approve")
			l.ended()
		})},
		{Name: "same-document-again", Play: after("approve", "approve", "reject")},
		{Name: "overdue", Play: play(func(l *live) {
			l.open(time.Second)
			l.until(func(d freight.Dispute) bool { return d.Overdue })
			l.decide("reject")
			l.ended()
		})},
		{Name: "garbage-signals", Play: play(func(l *live) {
			l.open(time.Hour)
			for _, garbage := range []any{nil, "garbage", 7, map[string]any{}} {
				l.send(garbage)
			}
			l.answers(4)
			l.decide("approve")
			l.ended()
		})},
		{Name: "store-down", Play: play(storeDown)},
		{Name: "cancelled", Play: play(func(l *live) {
			l.open(time.Hour)
			l.decide("unknown approver")
			l.answers(1)
			if err := l.c.CancelWorkflow(l.t.Context(), id, ""); err != nil {
				l.t.Fatal(err)
			}
			l.ended()
		})},
		{Name: "shipment-gone", Play: play(func(l *live) {
			l.openAlone(time.Hour)
			l.decide("approve")
			l.ended()
		})},
		{Name: "hand-over", Settings: []string{"limit.historyCount.suggestContinueAsNew=40"}, Runs: 2, Play: play(handOver)},
		{Name: "encrypted", Sealed: true, Play: after("unknown approver", "approve")},
	}
}

// storeDown lets decisions wait while the store does not answer.
func storeDown(l *live) {
	down := true
	l.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if down {
			return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
		}
		return answer(q), nil
	}
	l.open(time.Hour)
	l.decide("unknown approver")
	l.decide("approve")
	l.until(func(d freight.Dispute) bool { return true })
	l.mu.Lock()
	down = false
	l.mu.Unlock()
	l.ended()
}

// handOver lets the server ask for a fresh run while decisions wait for a store that is down.
func handOver(l *live) {
	down := true
	l.verify = func(q protocol.DecisionRequest) (protocol.DecisionVerified, error) {
		if down && q.JWS == "approve" {
			return protocol.DecisionVerified{}, protocol.Transient.Of(errors.New("the store is down"))
		}
		return answer(q), nil
	}
	l.open(time.Hour)
	for i := range 4 {
		l.decide("unknown approver")
		l.answers(i + 1)
	}
	l.decide("approve")
	for range 20 {
		if len(historytest.Runs(l.t, l.c, id)) > 1 {
			break
		}
		l.decide("reject")
		l.until(func(freight.Dispute) bool { return true })
	}
	l.mu.Lock()
	down = false
	l.mu.Unlock()
	l.ended()
}

// TestRecord plays each situation on a real server and keeps its history. Those that are there stay.
func TestRecord(t *testing.T) {
	histories.Record(t, id, "testdata/keyring.json", situations())
}

// TestReplay runs today's story over every recorded history.
func TestReplay(t *testing.T) {
	histories.Replay(t, "testdata/keyring.json", func(r worker.WorkflowReplayer) { protocol.Dispute.Serve(r, dispute.Workflow) })
}

func TestRecordedHistoriesAreUnchanged(t *testing.T) { histories.CheckUnchanged(t) }
