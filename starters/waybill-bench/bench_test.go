package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"waybill/internal/store"
	"waybill/starters/rig"
)

// TestRateWithoutItsDeliveriesIsRefused answers for a delivery that the inbox does not have.
func TestRateWithoutItsDeliveriesIsRefused(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "waybill.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, id := range []string{"a", "b"} {
		if _, err := s.Accept(t.Context(), store.Delivery{Source: "carrier", ID: id, Body: []byte("{}"), State: store.Pending, ReceivedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	h := &rig.House{Store: s}
	if note, err := reconcile(t.Context(), h, []string{"a", "b"}); err != nil || !strings.Contains(note, "2 accepted") {
		t.Errorf("both are there, and it says %q, %v", note, err)
	}
	if _, err := reconcile(t.Context(), h, []string{"a", "b", "c"}); err == nil || !strings.Contains(err.Error(), "c for one") {
		t.Errorf("a delivery that was accepted is nowhere, and it says %v", err)
	}
}

// TestDeliveryIsTimedFromWhenItWasDue has a bridge that stands still while deliveries become due.
func TestDeliveryIsTimedFromWhenItWasDue(t *testing.T) {
	const still = 400 * time.Millisecond
	first := make(chan struct{}, 1)
	first <- struct{}{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-first:
			<-time.After(still)
		default:
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	l := &load{h: &rig.House{Secrets: map[string]string{"carrier": "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))}}, source: "carrier", about: strangers(1), name: "due"}
	shots, err := l.shots(4, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	v := fire(t.Context(), []string{srv.Listener.Addr().String()}, shots, 1, time.Minute)
	if err := v.clean(); err != nil || len(v.accepted) != len(shots) {
		t.Fatalf("accepted %d of %d: %v", len(v.accepted), len(shots), err)
	}
	if late := v.quantile(25); late < millis(still)/2 {
		t.Errorf("every delivery waited for the one before it, and a quarter were answered within %v ms", late)
	}
}

// TestLoadStopsWhenItsTimeIsOver has a bridge that refuses, and a delivery that is due much later.
func TestLoadStopsWhenItsTimeIsOver(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	t.Cleanup(srv.Close)
	v := fire(over, []string{srv.Listener.Addr().String()}, []shot{{id: "a", raw: []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, {id: "b", due: time.Hour}}, 1, time.Minute)
	if v.wall > time.Minute || v.refused[http.StatusServiceUnavailable] != 1 || v.clean() == nil {
		t.Errorf("after %s it refused %v and says %v", v.wall, v.refused, v.clean())
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		name   string
		t      target
		v      float64
		met    bool
		asked  bool
		inText string
	}{
		{"at most, under it", atMost(36), 35, true, true, "≤ 36"},
		{"at most, at it", atMost(36), 36, true, true, "≤ 36"},
		{"at most, over it", atMost(36), 37, false, true, "≤ 36"},
		{"at least, over it", atLeast(800), 900, true, true, "≥ 800"},
		{"at least, at it", atLeast(800), 800, true, true, "≥ 800"},
		{"at least, under it", atLeast(800), 799, false, true, "≥ 800"},
		{"nothing is asked", target{}, 1, false, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			met := c.t.met(c.v)
			if (met != nil) != c.asked || met != nil && *met != c.met || !strings.HasPrefix(c.t.text("ms"), c.inText) {
				t.Errorf("met %v, text %q", met, c.t.text("ms"))
			}
		})
	}
}

// history is a short one: two calls and a timer at the start, after a signal the timer is cancelled, attributes are
// set and another call is made.
func history() []*historypb.HistoryEvent {
	began := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	var es []*historypb.HistoryEvent
	add := func(kind enumspb.EventType, after time.Duration, e *historypb.HistoryEvent) {
		e.EventId, e.EventType, e.EventTime = int64(len(es)+1), kind, timestamppb.New(began.Add(after))
		es = append(es, e)
	}
	task := func() {
		add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, 0, &historypb.HistoryEvent{})
		add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 0, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{StartedEventId: int64(len(es))}}})
	}
	call := func(queue string, task int64) {
		add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, 0, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, WorkflowTaskCompletedEventId: task}}})
	}
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, 0, &historypb.HistoryEvent{})
	task() // 2, 3
	call("tms", 3)
	call("record", 3)
	add(enumspb.EVENT_TYPE_TIMER_STARTED, 0, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{
		TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{StartToFireTimeout: durationpb.New(time.Hour), WorkflowTaskCompletedEventId: 3}}}) // 6
	add(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, 0, &historypb.HistoryEvent{})
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, 2*time.Second, &historypb.HistoryEvent{})
	task() // 9, 10
	add(enumspb.EVENT_TYPE_TIMER_CANCELED, 0, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_TimerCanceledEventAttributes{
		TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{StartedEventId: 6, WorkflowTaskCompletedEventId: 10}}})
	add(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, 0, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{
		UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{WorkflowTaskCompletedEventId: 10}}})
	call("odoo-status", 10)
	return es
}

func bareOfHistory() bare {
	r := newReader()
	for _, e := range history() {
		r.read(e)
	}
	return r.done()
}

// TestFloorGivesTheCommandsOfTheHistory reads a history, and sees that the bare workflow gives as many commands, in
// their batches.
func TestFloorGivesTheCommandsOfTheHistory(t *testing.T) {
	s := bareOfHistory()
	if len(s.Batches) != 2 || len(s.Signals) != 1 || s.Signals[0] != 2*time.Second {
		t.Fatalf("read %+v", s)
	}
	if after := s.Batches[1].After; after != (arrived{Signals: 1, Activities: 1}) {
		t.Errorf("the second batch is given after %+v", after)
	}
	for _, c := range []struct {
		name string
		s    bare
	}{{"as it was", s}, {"in as few tasks as can be", s.lean()}} {
		t.Run(c.name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			calls := map[string]int{}
			env.RegisterActivityWithOptions(func(ctx context.Context) error { calls[activity.GetInfo(ctx).TaskQueue]++; return nil }, activity.RegisterOptions{Name: bareActivity})
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(bareSignal, nil) }, 2*time.Second)
			cancelled := 0
			env.SetOnTimerCanceledListener(func(string) { cancelled++ })
			env.ExecuteWorkflow(bareStory, c.s)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if calls["bare-tms"] != 1 || calls["bare-record"] != 1 || calls["bare-odoo-status"] != 1 || cancelled != 1 {
				t.Errorf("calls %v, %d timers cancelled", calls, cancelled)
			}
		})
	}
}

// TestLeanestFloorLosesNoCommand holds for any history: as many calls, timers and attributes, and no timer is
// cancelled before it has been started.
func TestLeanestFloorLosesNoCommand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s bare
		timers, signals := 0, 0
		for range rapid.IntRange(0, 12).Draw(t, "batches") {
			signals += rapid.IntRange(0, 1).Draw(t, "signals")
			b := batch{After: arrived{Signals: signals}, Upserts: rapid.IntRange(0, 1).Draw(t, "upserts")}
			for i := range timers {
				if rapid.Bool().Draw(t, "cancelled") {
					b.Cancelled = append(b.Cancelled, i)
				}
			}
			for range rapid.IntRange(0, 2).Draw(t, "timers") {
				b.Timers = append(b.Timers, time.Hour)
				timers++
			}
			s.Batches = append(s.Batches, b)
		}
		l := s.lean()
		started, upserts := 0, 0
		for i, b := range l.Batches {
			for _, c := range b.Cancelled {
				if c >= started {
					t.Fatalf("batch %d cancels timer %d of %d", i, c, started)
				}
			}
			if i > 0 && l.Batches[i-1].After == b.After {
				t.Fatalf("batches %d and %d are given after the same", i-1, i)
			}
			started, upserts = started+len(b.Timers), upserts+b.Upserts
		}
		want := 0
		for _, b := range s.Batches {
			want += b.Upserts
		}
		if started != timers || upserts != want {
			t.Fatalf("%d timers of %d, %d attributes of %d", started, timers, upserts, want)
		}
	})
}
