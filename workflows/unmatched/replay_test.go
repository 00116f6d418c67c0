package unmatched_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"waybill/internal/historytest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
	"waybill/workflows/unmatched"
)

// histories are sources' unmatched scans as releases of Waybill have shown them.
const histories = historytest.Goldens("testdata/histories")

const id = "unmatched/tms"

// live is the story of source tms on a real Temporal server, on a shelf.
type live struct {
	*shelf
	t *testing.T
	c client.Client
}

func newLive(t *testing.T, c client.Client, waits ...string) *live {
	t.Helper()
	l := &live{newShelf(waits...), t, c}
	for _, q := range []string{protocol.QueueStories, protocol.QueueRecord} {
		w := worker.New(l.c, q, worker.Options{})
		protocol.Unmatched.Serve(w, unmatched.Workflow)
		protocol.ReadUnmatched.Serve(w, l.read)
		protocol.PlaceUnmatched.Serve(w, l.place)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return l
}

// see tells the story that something waits, as the worker does.
func (l *live) see() {
	l.t.Helper()
	if err := protocol.TellUnmatched(l.t.Context(), l.c, "tms", protocol.UnmatchedSeen, protocol.UnmatchedNotice{Scans: 1}); err != nil {
		l.t.Fatal(err)
	}
}

// asked asks as a person does.
func (l *live) asked(qs ...freight.PlaceRequest) {
	l.t.Helper()
	for _, q := range qs {
		if err := protocol.TellUnmatched(l.t.Context(), l.c, "tms", protocol.PlaceAsked, q); err != nil {
			l.t.Fatal(err)
		}
	}
}

// until asks for the state until it is as wanted.
func (l *live) until(want func(freight.Unmatched) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(30 * time.Millisecond); ; {
		u, err := protocol.UnmatchedState.Ask(ctx, l.c, id)
		if err == nil && want(u) {
			return
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("it never got there: %+v, %v", u, err)
		case <-tick.C:
		}
	}
}

func (l *live) replies(n int) {
	l.t.Helper()
	l.until(func(u freight.Unmatched) bool { return len(u.Replies) >= n })
}

// ended waits until the story has.
func (l *live) ended() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	if err := l.c.GetWorkflow(ctx, id, "").Get(ctx, nil); ctx.Err() != nil {
		l.t.Fatal(err)
	}
}

// situations are the ways for it to go that are recorded.
func situations() []historytest.Situation {
	play := func(f func(*live), waits ...string) func(*testing.T, client.Client) {
		return func(t *testing.T, c client.Client) { f(newLive(t, c, waits...)) }
	}
	return []historytest.Situation{
		{Name: "assigned-and-discarded", Play: play(func(l *live) {
			l.see()
			l.until(func(u freight.Unmatched) bool { return u.Scans == 2 })
			l.asked(assign("q1", "P1"))
			l.replies(1)
			l.asked(discard("q2", "P2"))
			l.ended()
		}, "P1", "P2")},
		{Name: "asked-twice-at-once", Play: play(func(l *live) {
			l.see()
			l.asked(assign("q1", "P1"), assign("q1", "P1"), assign("q2", "P1"))
			l.replies(2)
			l.asked(discard("q3", "P2"))
			l.ended()
		}, "P1", "P2")},
		{Name: "asked-of-nothing", Play: play(func(l *live) { l.asked(assign("q1", "P1")); l.ended() })},
		{Name: "taken-by-itself", Play: play(func(l *live) {
			l.see()
			l.until(func(u freight.Unmatched) bool { return u.Scans == 1 })
			l.empty()
			l.see()
			l.ended()
		}, "P1")},
		{Name: "garbage-signals", Play: play(garbage, "P1")},
		{Name: "store-down", Play: play(func(l *live) {
			l.fail(true)
			l.see()
			l.asked(assign("q1", "P1"), discard("q2", "P1"))
			l.until(func(freight.Unmatched) bool { return true })
			l.fail(false)
			l.ended()
		}, "P1")},
		{Name: "cancelled", Play: play(func(l *live) {
			l.fail(true)
			l.asked(assign("q1", "P1"))
			l.until(func(freight.Unmatched) bool { return true })
			if err := l.c.CancelWorkflow(l.t.Context(), id, ""); err != nil {
				l.t.Fatal(err)
			}
			l.ended()
		}, "P1")},
		{Name: "hand-over", Settings: []string{"limit.historyCount.suggestContinueAsNew=40"}, Runs: 2, Play: play(handOver, "P1", "P2")},
		{Name: "encrypted", Sealed: true, Play: play(func(l *live) {
			l.see()
			l.asked(assign("q1", "P1"))
			l.ended()
		}, "P1")},
	}
}

func garbage(l *live) {
	l.see()
	for _, bad := range []any{nil, "garbage", 7, map[string]any{}} {
		if err := l.c.SignalWorkflow(l.t.Context(), id, "", protocol.PlaceAsked.Name, bad); err != nil {
			l.t.Fatal(err)
		}
	}
	l.replies(4)
	l.asked(discard("q1", "P1"))
	l.ended()
}

// handOver lets the server ask for a fresh run while requests wait for a store that is down.
func handOver(l *live) {
	l.see()
	for i := range 4 {
		l.asked(assign(fmt.Sprintf("wrong%d", i), "P9"))
		l.replies(i + 1)
	}
	l.fail(true)
	l.asked(assign("q1", "P1"), discard("q2", "P2"))
	for range 40 {
		if len(historytest.Runs(l.t, l.c, id)) > 1 {
			break
		}
		l.see()
		l.until(func(freight.Unmatched) bool { return true })
	}
	l.fail(false)
	l.ended()
}

// TestRecord plays each situation on a real server and keeps its history. Those that are there stay.
func TestRecord(t *testing.T) {
	histories.Record(t, id, "testdata/keyring.json", situations())
}

// TestReplay runs today's story over every recorded history.
func TestReplay(t *testing.T) {
	histories.Replay(t, "testdata/keyring.json", func(r worker.WorkflowReplayer) { protocol.Unmatched.Serve(r, unmatched.Workflow) })
}

func TestRecordedHistoriesAreUnchanged(t *testing.T) { histories.CheckUnchanged(t) }
