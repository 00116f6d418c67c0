package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
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

// TestReportSaysWhichMachine wants what a reader needs to compare: cores and memory.
func TestReportSaysWhichMachine(t *testing.T) {
	m := newReport().Machine
	if !strings.HasPrefix(m, counted(runtime.NumCPU(), "core")) || !strings.HasSuffix(m, "GB of memory") {
		t.Errorf("the machine is %q", m)
	}
}

// TestCommandIsToldWithoutPlacesAndPasswords wants a command that another can give.
func TestCommandIsToldWithoutPlacesAndPasswords(t *testing.T) {
	got := arguments([]string{"--only", "story", "--json", "/a/b", "--doc=/a/c", "--postgres", "postgres://u:hunter2@db/x", "--profile=/a/d", "--rounds=2"})
	if want := ` ARGS="--only story --postgres URL --profile DIR --rounds=2"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEveryRoundIsTold takes two rounds of a way and of catching up, and wants the middle, the least and the most.
func TestEveryRoundIsTold(t *testing.T) {
	b := &bench{report: newReport(), part: "lag"}
	w := &way{name: "proof"}
	w.over([]float64{1, 2, 3}, 4)
	w.over([]float64{5, 6, 7}, 2)
	l := backlogs{taken: taken{name: "catching up", values: []float64{1, 3}}, waited: 9, left: 2}
	b.add(w.half(), w.most(), l.told())
	for i, want := range []figure{{Median: 4, Min: 2, Max: 6, Others: 4}, {Median: 5, Min: 3, Max: 7, Others: 4}, {Median: 2, Min: 1, Max: 3}} {
		f := b.report.Figures[i]
		if f.Median != want.Median || f.Min != want.Min || f.Max != want.Max || len(f.Values) != 2 || f.Others != want.Others {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	if note := b.report.Figures[2].Note; note != "at most 9 events waited; 2 still do: it is not over" {
		t.Errorf("it says %q", note)
	}
}

// journal notes the methods that are called.
type journal struct {
	odoo.Caller
	mu    sync.Mutex
	calls []string
}

func (j *journal) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any) (any, error) {
	j.mu.Lock()
	j.calls = append(j.calls, model+"."+method)
	j.mu.Unlock()
	return j.Caller.Call(ctx, model, method, args, kwargs)
}

// TestEitherRecipeGoesFirst posts by both, and sees by the last call which went last: only the bare one looks at what it
// has posted by search_read.
func TestEitherRecipeGoesFirst(t *testing.T) {
	srv := httptest.NewServer(odootest.NewStandIn())
	t.Cleanup(srv.Close)
	login := odoo.Options{URL: srv.URL, DB: "demo", Login: "admin", Password: func() (string, error) { return "admin", nil }}
	h := &rig.House{Odoo: odoo.New(login), Login: login, Tenant: "demo"}
	h.Shop = odootest.NewShop(h.Odoo)
	if _, err := odoo.Setup(t.Context(), h.Odoo, odoo.SetupOptions{FreightProduct: "WAYBILL-FREIGHT"}); err != nil {
		t.Fatal(err)
	}
	page, err := pageOf(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{}
	for _, oursFirst := range []bool{false, true} {
		plans, err := b.sell(t.Context(), h, 2)
		if err != nil {
			t.Fatal(err)
		}
		j := &journal{Caller: h.Odoo}
		bare, ours, _, err := page.pairOf(t.Context(), &odoo.Money{Odoo: j, FreightProduct: "WAYBILL-FREIGHT"}, plans, 1, oursFirst)
		if err != nil || bare <= 0 || ours <= 0 {
			t.Fatalf("%v bare, %v ours a second: %v", bare, ours, err)
		}
		if bareLast := j.calls[len(j.calls)-1] == "account.move.search_read"; bareLast != oursFirst {
			t.Errorf("ours first: %t, and the calls were %v", oursFirst, j.calls)
		}
	}
}

// TestHousesOnOnePostgresDoNotMeet opens two stores on one database, one after the other.
func TestHousesOnOnePostgresDoNotMeet(t *testing.T) {
	server := os.Getenv(storetest.Variable)
	if server == "" {
		t.Skip("no PostgreSQL: export " + storetest.Variable + "=$(deploy/postgres.sh up)")
	}
	for range 2 {
		address, drop, err := ownSchema(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		repeat, err := s.Accept(t.Context(), store.Delivery{Source: "carrier", ID: "a", Body: []byte("{}"), State: store.Pending, ReceivedAt: time.Now()})
		if err != nil || repeat {
			t.Errorf("a delivery that the other house has had is a repeat here: %t, %v", repeat, err)
		}
		if err := errors.Join(s.Close(), drop()); err != nil {
			t.Error(err)
		}
	}
}

// TestMonthEndBillsEachOnce takes the part of a few shipments, in two rounds.
func TestMonthEndBillsEachOnce(t *testing.T) {
	t.Setenv("ODOO_URL", "")
	file := filepath.Join(t.TempDir(), "figures.json")
	c := command()
	c.SetArgs([]string{"--only", "monthend", "--billable", "6", "--rounds", "2", "--dir", t.TempDir(), "--json", file})
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	got := map[string]figure{}
	for _, f := range r.Figures {
		got[f.Name] = f
	}
	for _, name := range []string{"6 billable at once: until the last is posted", "6 billable at once: rate", "attempts at a posting", "a list of 80 orders meanwhile, 95 % within", "a list of 80 orders, nobody posting, 95 % within"} {
		if f := got[name]; len(f.Values) != 2 || f.Min <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestTopOfAProfileNamesFunctionsAndNoBuild reads what pprof prints.
func TestTopOfAProfileNamesFunctionsAndNoBuild(t *testing.T) {
	const top = "File: waybill-worker\nBuild ID: 00ff\nType: cpu\nTime: 2026-11-28 01:00:00 UTC\nDuration: 9s, Total samples = 3s\nShowing top 60 nodes out of 90\n      flat  flat%   sum%        cum   cum%\n     1s 1% 1% 2s 2%  main.a\n     1s 1% 1% 1s 1%  main.b\n"
	want := "Type: cpu\nDuration: 9s, Total samples = 3s\n      flat  flat%   sum%        cum   cum%\n     1s 1% 1% 2s 2%  main.a"
	if got := topOf(top, 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
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
