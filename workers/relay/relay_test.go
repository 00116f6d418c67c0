package relay_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge/connectors"
	"waybill/workers/relay"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// temporal stands in for Temporal: it keeps what each story has heard, as the story does.
type temporal struct {
	mu      sync.Mutex
	stories map[string]*story
	// before happens to a signal to the workflow id: it may lose it, or its answer.
	before func(id string) trouble
}

// story folds batches in as workflows/shipment does: what is at or below its high-water mark came before.
type story struct {
	highWater int64
	heard     []string // keys, in order
	batches   int
	repeats   int
	gaps      []string
	journey   freight.Journey
}

// trouble is what happens to a signal. The zero value is none.
type trouble struct {
	lost   error  // it does not arrive, with this error
	answer error  // it arrives, and this comes back
	then   func() // it arrives, and this happens before its answer is read
}

var _ relay.Temporal = (*temporal)(nil)

// SignalWithStartWorkflow implements protocol.Reopener, for which no test of these has a use.
func (f *temporal) SignalWithStartWorkflow(context.Context, string, string, any, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, errors.New("no shipment is reopened here")
}

// SignalWorkflow implements protocol.Signaller.
func (f *temporal) SignalWorkflow(ctx context.Context, id, _, name string, arg any) error {
	var what trouble
	if f.before != nil {
		what = f.before(id)
	}
	if what.lost != nil {
		return what.lost
	}
	f.mu.Lock()
	s, ok := f.stories[id]
	if ok {
		s.hear(arg.(protocol.ScanBatch))
	}
	f.mu.Unlock()
	if !ok {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	if what.then != nil {
		what.then()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return what.answer
}

func (s *story) hear(b protocol.ScanBatch) {
	s.batches++
	if err := b.Check(); err != nil {
		s.gaps = append(s.gaps, err.Error())
	}
	for _, sc := range b.Scans {
		if sc.Number <= s.highWater {
			s.repeats++
			continue
		}
		if sc.Number != s.highWater+1 {
			s.gaps = append(s.gaps, fmt.Sprintf("%d follows %d", sc.Number, s.highWater))
		}
		s.highWater = sc.Number
		s.heard = append(s.heard, sc.RawCode)
		s.journey.Apply(sc)
	}
}

func (f *temporal) start(ids ...freight.ShipmentID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.stories[protocol.ShipmentWorkflowID(id)] = &story{}
	}
}

func (f *temporal) story(id freight.ShipmentID) story {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.stories[protocol.ShipmentWorkflowID(id)]
}

// world is a store, a Temporal, and a clock that only the test moves.
type world struct {
	*testing.T
	clock    *storetest.Clock
	store    *store.Store
	temporal *temporal
	logs     *observer.ObservedLogs
	log      *zap.Logger
	came     int
}

func each(t *testing.T, f func(w *world)) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) { f(newWorld(t, db)) })
}

func newWorld(t *testing.T, db storetest.DB) *world {
	core, logs := observer.New(zap.InfoLevel)
	clock := &storetest.Clock{}
	return &world{T: t, clock: clock, store: db.Open(t, store.WithClock(clock.Now)), temporal: &temporal{stories: map[string]*story{}}, logs: logs, log: zap.New(core)}
}

func (w *world) relay(holder string) *relay.Relay {
	return &relay.Relay{Store: w.store, Temporal: w.temporal, Holder: holder, Log: w.log, Now: w.clock.Now}
}

// once makes one look that must not fail.
func (w *world) once(r *relay.Relay) bool {
	w.Helper()
	busy, err := r.Once(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return busy
}

// shipment registers a shipment under its BOL number, which is its id.
func (w *world) shipment(ids ...freight.ShipmentID) {
	w.Helper()
	for _, id := range ids {
		w.record(store.Entry{View: freight.View{Shipment: id, Revision: 1}, References: []freight.Reference{{Kind: freight.RefBOL, Value: string(id)}}})
	}
}

func (w *world) record(e store.Entry) {
	w.Helper()
	if _, err := w.store.Record(w.Context(), e); err != nil {
		w.Fatal(err)
	}
}

// comes puts a delivery into the inbox: a milestone of a shipment, told apart by its raw code.
func (w *world) comes(bol, code string) {
	w.Helper()
	w.accept("tms", fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"tms","type":%q,"data":{"milestone":"in_transit","occurredAt":%q,"rawCode":%q,"references":[{"kind":"bol","value":%q}]}}`,
		connectors.MilestoneType, w.clock.Now().Format(time.RFC3339), code, bol))
}

func (w *world) accept(source, body string) {
	w.Helper()
	w.came++
	if _, err := w.store.Accept(w.Context(), store.Delivery{Source: source, ID: fmt.Sprint(w.came), Body: []byte(body), ReceivedAt: w.clock.Now()}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) heard(id freight.ShipmentID, want ...string) {
	w.Helper()
	s := w.temporal.story(id)
	if !slices.Equal(s.heard, want) || len(s.gaps) > 0 {
		w.Errorf("%s heard %v, want %v; gaps %v", id, s.heard, want, s.gaps)
	}
}

func (w *world) counts(want map[string]int) {
	w.Helper()
	got, err := w.store.ScanCounts(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for state, n := range want {
		if got[state] != n {
			w.Errorf("scans %v, want %v", got, want)
			return
		}
	}
}

const leaseOver = 11 * time.Second // leases run for 10

var errDown = errors.New("temporal is down")

func TestBurstReachesItsStoryInOneSignal(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1", "acme-2")
		w.temporal.start("acme-1", "acme-2")
		for _, code := range []string{"a", "b", "c"} {
			w.comes("acme-1", code)
			w.comes("acme-2", code)
		}
		r := w.relay("r")
		if !w.once(r) || w.once(r) {
			w.Error("busy is wrong")
		}
		w.heard("acme-1", "a", "b", "c")
		w.heard("acme-2", "a", "b", "c")
		if s := w.temporal.story("acme-1"); s.batches != 1 {
			w.Errorf("%d signals", s.batches)
		}
		w.counts(map[string]int{"sent": 6, "matched": 0})
	})
}

func TestLostAnswerSendsAgainAndTheStoryKnowsTheNumbers(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		w.comes("acme-1", "a")
		w.temporal.before = func(string) trouble { return trouble{answer: errDown} }
		r := w.relay("r")
		if _, err := r.Once(w.Context()); !errors.Is(err, errDown) {
			w.Errorf("got %v", err)
		}
		w.comes("acme-1", "b")
		w.temporal.before = nil
		w.once(r) // still leased
		w.heard("acme-1", "a")
		w.clock.Pass(leaseOver)
		w.once(r)
		w.heard("acme-1", "a", "b")
		if s := w.temporal.story("acme-1"); s.repeats != 1 {
			w.Errorf("%d repeats", s.repeats)
		}
		w.counts(map[string]int{"sent": 2, "matched": 0})
	})
}

func TestCrashBetweenSendingAndMarkingSendsAgain(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		w.comes("acme-1", "a")
		life, die := context.WithCancel(w.Context())
		w.temporal.before = func(string) trouble { return trouble{then: die} }
		if _, err := w.relay("r1").Once(life); err == nil {
			w.Error("it did not crash")
		}
		w.counts(map[string]int{"matched": 1})
		w.temporal.before = nil
		w.clock.Pass(leaseOver)
		w.once(w.relay("r2"))
		w.heard("acme-1", "a")
		w.counts(map[string]int{"sent": 1, "matched": 0})
	})
}

// A relay that stood still while its lease ran out must not mark what another has not sent.
func TestRelayThatLostItsLeaseMarksNothing(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		w.comes("acme-1", "a")
		stood := false
		w.temporal.before = func(string) trouble {
			if stood {
				return trouble{lost: errDown}
			}
			stood = true
			return trouble{then: func() {
				w.clock.Pass(leaseOver)
				w.comes("acme-1", "b")
				if _, err := w.relay("fast").Once(w.Context()); !errors.Is(err, errDown) { // it holds the lease now
					w.Errorf("got %v", err)
				}
			}}
		}
		w.once(w.relay("slow"))
		w.counts(map[string]int{"matched": 2, "sent": 0})
		w.temporal.before = nil
		w.clock.Pass(leaseOver)
		w.once(w.relay("fast"))
		w.heard("acme-1", "a", "b")
		w.counts(map[string]int{"matched": 0, "sent": 2})
	})
}

func TestPoisonDeliveryIsDeadWithItsReasonAndStopsNobody(t *testing.T) {
	event := func(data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"tms","type":%q,"data":%s}`, connectors.MilestoneType, data)
	}
	for name, c := range map[string]struct{ source, body, why string }{
		"no JSON":                   {"tms", `{"half":`, "no JSON event"},
		"an unknown milestone":      {"tms", event(`{"milestone":"teleported","references":[{"kind":"bol","value":"B"}]}`), "teleported"},
		"names no shipment":         {"tms", event(`{"milestone":"in_transit"}`), "names no shipment"},
		"its connector panics":      {"odd", `{}`, "its connector failed on it: out of range"},
		"the database cannot have":  {"tms", event(`{"milestone":"in_transit","occurredAt":"2026-11-24T00:00:00Z","references":[{"kind":"bol","value":"a\u0000b"}]}`), "the database refuses this"},
		"its reason quotes strange": {"odd", `strange`, "strange ?"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				if strings.HasSuffix(w.Name(), "/sqlite") && name == "the database cannot have" {
					w.Skip("SQLite can")
				}
				w.shipment("acme-1")
				w.temporal.start("acme-1")
				w.comes("acme-1", "a")
				w.accept(c.source, c.body)
				w.comes("acme-1", "b")
				r := w.relay("r")
				r.Connectors = by{"odd": odd{}}
				w.once(r)
				w.heard("acme-1", "a", "b")
				dead, err := w.store.Deliveries(w.Context(), store.Dead, "", 10)
				if err != nil || len(dead) != 1 || dead[0].ID != "2" || !strings.Contains(dead[0].Reason, c.why) {
					w.Errorf("dead: %+v, %v", dead, err)
				}
				if ds, err := w.store.Waiting(w.Context(), 10); err != nil || len(ds) != 0 {
					w.Errorf("still waiting: %+v, %v", ds, err)
				}
			})
		})
	}
}

// by are connectors by source; other sources send our own events, and one with nil has lost its connector.
type by map[string]connectors.Connector

// Connector implements relay.Connectors.
func (b by) Connector(source string) (connectors.Connector, error) {
	c, ok := b[source]
	switch {
	case !ok:
		return connectors.Canonical{}, nil
	case c == nil:
		return nil, errors.New("there is no connector gls@7")
	}
	return c, nil
}

func TestSourceWithoutItsConnectorWaitsForItAndKeepsNobodyElseWaiting(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		for range 150 { // more than one look takes
			w.accept("odd", `strange`)
		}
		w.comes("acme-1", "a")
		r, sources := w.relay("r"), by{"odd": nil}
		r.Connectors = sources
		for range 3 {
			w.once(r)
		}
		w.heard("acme-1", "a")
		if ds, err := w.store.Waiting(w.Context(), 1000); err != nil || len(ds) != 150 {
			t.Errorf("%d wait for their connector, %v", len(ds), err)
		}
		if n := w.logs.FilterMessage("source_held").Len(); n != 1 {
			t.Errorf("it was said %d times", n)
		}
		sources["odd"] = odd{}
		for range 3 {
			w.once(r)
		}
		if ds, err := w.store.Deliveries(w.Context(), store.Dead, "odd", 1000); err != nil || len(ds) != 150 || ds[0].Connector != "odd@1" {
			t.Errorf("%d were read once it came, %v", len(ds), err)
		}
	})
}

// odd is a connector with a bug.
type odd struct{}

// ID implements connectors.Connector.
func (odd) ID() string { return "odd@1" }

// Decode implements connectors.Connector.
func (odd) Decode(d store.Delivery, _ time.Time) ([]store.Incoming, error) {
	if string(d.Body) == "strange" {
		return nil, errors.New("strange \x00")
	}
	panic("out of range")
}

func TestTwoRelaysSideBySideTellEachStoryAllOfItInOrder(t *testing.T) {
	each(t, func(w *world) {
		const shipments, scans = 12, 15
		var ids []freight.ShipmentID
		for i := range shipments {
			ids = append(ids, freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)))
		}
		w.shipment(ids...)
		w.temporal.start(ids...)
		for n := range scans {
			for _, id := range ids {
				w.comes(string(id), fmt.Sprint(n))
			}
		}
		var both sync.WaitGroup
		for i := range 2 {
			r := w.relay(fmt.Sprint("r", i))
			both.Go(func() {
				for quiet := 0; quiet < 3; quiet++ {
					busy, err := r.Once(w.Context())
					if err != nil {
						w.Error(err)
					}
					if busy {
						quiet = 0
					}
				}
			})
		}
		both.Wait()
		w.once(w.relay("last")) // what both skipped because the other was at it
		for _, id := range ids {
			s := w.temporal.story(id)
			slices.Sort(s.heard)
			if len(slices.Compact(s.heard)) != scans || len(s.gaps) > 0 || s.highWater != scans {
				w.Errorf("%s heard %v up to %d, gaps %v", id, s.heard, s.highWater, s.gaps)
			}
		}
		w.counts(map[string]int{"sent": shipments * scans, "matched": 0})
	})
}

func TestScanForAShipmentThatIsNotThereYetWaitsForIt(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1", "acme-2")
		w.temporal.start("acme-2")
		w.comes("acme-1", "a")
		w.comes("acme-2", "b")
		r := w.relay("r")
		w.once(r)
		w.heard("acme-2", "b")
		w.counts(map[string]int{"matched": 1, "late": 0})
		if missing := w.logs.FilterMessage("shipment_missing").Len(); missing != 1 {
			w.Errorf("said %d times", missing)
		}
		// It is asked for ever more seldom, and not for ever later.
		var waits []time.Duration
		for range 10 {
			waited, said := time.Duration(0), w.logs.FilterMessage("shipment_missing").Len()
			for ; w.logs.FilterMessage("shipment_missing").Len() == said && waited < time.Hour; waited += 10 * time.Second {
				w.clock.Pass(10 * time.Second)
				w.once(r)
			}
			waits = append(waits, waited)
		}
		if waits[0] != 20*time.Second || waits[1] != 40*time.Second || waits[9] != 5*time.Minute {
			w.Errorf("waits %v", waits)
		}
		w.temporal.start("acme-1")
		w.clock.Pass(5 * time.Minute)
		w.once(r)
		w.heard("acme-1", "a")
	})
}

func TestScanForACancelledShipmentIsLate(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 2, Closed: true}, Final: &freight.Shipment{ID: "acme-1", Stage: freight.StageCancelled}})
		w.comes("acme-1", "a")
		w.once(w.relay("r"))
		w.counts(map[string]int{"late": 1, "matched": 0})
		late, err := w.store.LateScans(w.Context(), 10)
		if err != nil || len(late) != 1 || late[0].Shipment != "acme-1" {
			w.Errorf("late: %+v, %v", late, err)
		}
	})
}

// The snapshot comes a little before the story ends: what it still hears is not late.
func TestScanForAShipmentThatIsClosingIsHeard(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.record(store.Entry{View: freight.View{Shipment: "acme-1", Revision: 2, Closed: true}, Final: &freight.Shipment{ID: "acme-1"}})
		w.temporal.start("acme-1")
		w.comes("acme-1", "a")
		w.once(w.relay("r"))
		w.heard("acme-1", "a")
		w.counts(map[string]int{"late": 0, "sent": 1})
	})
}

func TestSourcesThatOthersReadDoNotStarveTheRest(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		for range 150 { // more than one look reads
			w.accept("odoo-hint", "{}")
		}
		w.comes("acme-1", "a")
		r := w.relay("r")
		r.Skip = map[string]bool{"odoo-hint": true}
		w.once(r)
		w.heard("acme-1", "a")
		if n, err := w.store.DeliveryCounts(w.Context()); err != nil || n[store.Pending] != 150 {
			w.Errorf("counts %v, %v", n, err)
		}
	})
}

func TestUnmatchedScanIsToldOnceItsNumberIsKnown(t *testing.T) {
	each(t, func(w *world) {
		w.temporal.start("acme-1")
		w.comes("acme-1", "early")
		r := w.relay("r")
		w.once(r)
		if w.logs.FilterMessage("scan_unmatched").Len() != 1 {
			w.Error("nobody was told")
		}
		w.shipment("acme-1")
		w.comes("acme-1", "later")
		w.once(r)
		w.heard("acme-1", "early", "later")
	})
}

func TestTemporalThatIsDownIsSaidOnceForAll(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1", "acme-2", "acme-3")
		w.temporal.start("acme-1", "acme-2", "acme-3")
		for _, id := range []string{"acme-1", "acme-2", "acme-3"} {
			w.comes(id, "a")
		}
		w.temporal.before = func(string) trouble { return trouble{lost: errDown} }
		busy, err := w.relay("r").Once(w.Context())
		if err == nil || strings.Count(err.Error(), errDown.Error()) != 1 || !strings.Contains(err.Error(), "3 shipments") || !busy {
			w.Errorf("busy %t, %v", busy, err)
		}
		w.temporal.before = nil
		w.clock.Pass(leaseOver)
		w.once(w.relay("r"))
		w.counts(map[string]int{"sent": 3})
	})
}

// Whatever happens to signals, answers and relays: each story hears every scan of its own, in order, none twice.
func TestEveryScanArrivesInOrderWhateverFails(t *testing.T) {
	each(t, func(w *world) {
		game := 0
		rapid.Check(w.T, func(r *rapid.T) {
			game++
			w.play(r, fmt.Sprint("g", game))
		})
	})
}

// play plays one course of events, with shipments of its own.
func (w *world) play(r *rapid.T, tenant string) {
	const shipments = 3
	want := map[freight.ShipmentID]int{}
	for i := range shipments {
		id := freight.ShipmentID(fmt.Sprintf("%s-%d", tenant, i+1))
		w.shipment(id)
		w.temporal.start(id)
		want[id] = 0
	}
	relays := []*relay.Relay{w.relay("r1"), w.relay("r2")}
	for step := range rapid.IntRange(1, 12).Draw(r, "steps") {
		id := freight.ShipmentID(fmt.Sprintf("%s-%d", tenant, rapid.IntRange(1, shipments).Draw(r, "shipment")))
		switch what := rapid.SampledFrom([]string{"scan", "scan", "look", "look", "lost", "no answer", "crash", "time"}).Draw(r, "what"); what {
		case "scan":
			w.comes(string(id), fmt.Sprint(step))
			want[id]++
		case "time":
			w.clock.Pass(leaseOver)
		default:
			w.look(relays[rapid.IntRange(0, 1).Draw(r, "relay")], what)
		}
	}
	w.temporal.before = nil
	for range 2 {
		w.clock.Pass(leaseOver)
		w.once(relays[0])
	}
	for id, n := range want {
		if s := w.temporal.story(id); len(s.heard) != n || len(s.gaps) > 0 || int(s.highWater) != n {
			r.Fatalf("%s heard %v, want %d scans; gaps %v", id, s.heard, n, s.gaps)
		}
	}
}

// look makes one look during which this happens to every signal.
func (w *world) look(r *relay.Relay, what string) {
	life, die := context.WithCancel(w.Context())
	defer die()
	w.temporal.before = func(string) trouble {
		switch what {
		case "lost":
			return trouble{lost: errDown}
		case "no answer":
			return trouble{answer: errDown}
		case "crash":
			return trouble{then: die}
		}
		return trouble{}
	}
	_, _ = r.Once(life) // what fails is made up for by the next
}

func TestRunRelaysUntilItIsToldToStop(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1")
		w.temporal.start("acme-1")
		life, stop := context.WithCancel(w.Context())
		done := make(chan error, 1)
		heard := make(chan bool, 1)
		w.temporal.before = func(string) trouble { return trouble{then: func() { heard <- true }} }
		r := w.relay("r")
		r.Idle = time.Millisecond
		go func() { done <- r.Run(life) }()
		w.comes("acme-1", "a")
		<-heard
		stop()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

// A story that does not answer holds up no delivery's filing, so that the others of its burst and of other shipments
// are ready when it does.
func TestDeliveriesAreFiledWhileAStoryDoesNotAnswer(t *testing.T) {
	each(t, func(w *world) {
		w.shipment("acme-1", "acme-2")
		w.temporal.start("acme-1", "acme-2")
		life, stop := context.WithCancel(w.Context())
		defer stop()
		called, answer := make(chan bool, 1), make(chan bool)
		var silent sync.Once
		w.temporal.before = func(string) (what trouble) {
			silent.Do(func() { what.then = func() { called <- true; <-answer } })
			return what
		}
		r, done := w.relay("r"), make(chan error, 1)
		r.Idle = 10 * time.Millisecond
		go func() { done <- r.Run(life) }()
		w.comes("acme-1", "a")
		<-called
		w.comes("acme-1", "b")
		w.comes("acme-2", "a")
		w.until("the deliveries are filed", func() bool { n, err := w.store.DeliveryCounts(w.Context()); return err == nil && n[store.Pending] == 0 })
		close(answer)
		w.until("all is sent", func() bool { n, err := w.store.ScanCounts(w.Context()); return err == nil && n["sent"] == 3 })
		stop()
		if err := <-done; err != nil {
			w.Error(err)
		}
		w.heard("acme-1", "a", "b")
		w.heard("acme-2", "a")
	})
}

// until waits for a condition, for as long as the test may run.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	for !ok() {
		if err := w.Context().Err(); err != nil {
			w.Fatalf("%s: %v", what, err)
		}
		runtime.Gosched()
	}
}
