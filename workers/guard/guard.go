// Package guard keeps a worker from calling an outside system that is down. While it is, the worker takes nothing
// from that system's task queues: shipments wait without a failed attempt, a probe asks whether the system is back,
// and the first that succeeds lets everything pass again.
package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"waybill/workflows/protocol"
)

// Options are what a guard is made of.
type Options struct {
	System   string                      // its name in logs and metrics
	Probe    func(context.Context) error // a cheap call that needs the same credentials and changes nothing
	Failures uint32                      // failed calls in a row that shut it; 0: 5
	Every    time.Duration               // between probes while it is shut; 0: 2 s
	Log      *zap.Logger
	Metrics  *Metrics // nil: none
}

// Metrics are the figures of all guards of a process.
type Metrics struct {
	shut        *prometheus.GaugeVec
	transitions *prometheus.CounterVec
	probes      *prometheus.CounterVec
}

// NewMetrics registers waybill_breaker_state (0 passes, 1 is shut), waybill_breaker_transitions_total and
// waybill_breaker_probes_total, by target.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		shut:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_breaker_state", Help: "0: calls pass; 1: the system is down, and only probed."}, []string{"target"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_breaker_transitions_total", Help: "How often calls were stopped, or let pass again."}, []string{"target", "to"}),
		probes:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_breaker_probes_total", Help: "Probes of systems that are down."}, []string{"target"}),
	}
	for _, c := range []prometheus.Collector{m.shut, m.transitions, m.probes} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("guard metrics: %w", err)
		}
	}
	return m, nil
}

// Guard stands before one outside system.
type Guard struct {
	o       Options
	ctx     context.Context // ends its probes
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu       sync.Mutex
	pass     chan struct{}        // closed while calls pass
	since    time.Time            // when it was shut
	why      error                // the failure that shut it
	until    time.Time            // as long as the partner asked us to wait
	doubts   []error              // why a probe is under way; none: there is none
	answered time.Time            // when the system last answered a call
	said     map[string]time.Time // what stood in the way of single calls, and when that was said
}

// New makes a guard that lets calls pass. Its probes end with the context.
func New(ctx context.Context, o Options) *Guard {
	if o.Failures == 0 {
		o.Failures = 5
	}
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	g := &Guard{o: o, ctx: ctx, pass: make(chan struct{}), said: map[string]time.Time{}}
	close(g.pass)
	g.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: o.System, MaxRequests: 1, Timeout: o.Every / 2,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= o.Failures },
		OnStateChange: g.changed,
	})
	return g
}

// Wait waits until calls may pass, or the context ends.
func (g *Guard) Wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		pass, pause := g.pass, time.Until(g.until)
		g.mu.Unlock()
		select {
		case <-pass:
			if pause <= 0 {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%s is down: %w", g.o.System, ctx.Err())
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%s asked us to wait: %w", g.o.System, ctx.Err())
		}
	}
}

// Passes reports whether calls pass now.
func (g *Guard) Passes() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.shut() && !time.Now().Before(g.until)
}

// shut reports whether the system is down. The lock is held.
func (g *Guard) shut() bool {
	select {
	case <-g.pass:
		return false
	default:
		return true
	}
}

// How soon, and how late, a call is made again that found the system down and does not wait here.
const (
	soonest = 10 * time.Second
	latest  = 5 * time.Minute
)

// Away is how long a call that cannot pass, and does not wait here, had better stay away: as long as the partner asks
// for, or as long again as the system has been down, 10 s to 5 min. Up to a fifth more keeps those apart that come
// together. 0: calls pass.
func (g *Guard) Away() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := time.Until(g.until)
	if g.shut() {
		wait = max(wait, min(max(time.Since(g.since), soonest), latest))
	}
	if wait <= 0 {
		return 0
	}
	return wait + rand.N(wait/5+1)
}

const (
	// silent is how long a call may be without an answer before a probe asks whether the system is there. Its own limit
	// is far longer: a posting may take 100 s.
	silent = 3 * time.Second
	// shutWithin is how long after the beginning of a call that is not answered the guard is shut.
	shutWithin = 4 * time.Second
)

var errSilent = fmt.Errorf("no answer within %s, and none to a probe", silent)

// Begin tells that a call begins; what it returns takes how it went, once. Until then a probe asks every 3 s whether
// the system is there: one that takes calls and never answers is found out long before a call fails.
func (g *Guard) Begin(ctx context.Context) (ended func(error)) {
	began, done := time.Now(), make(chan struct{})
	unanswered := time.NewTicker(silent)
	go func() {
		for {
			select {
			case <-unanswered.C:
				g.suspect(errSilent, began)
			case <-done:
				return
			}
		}
	}()
	return func(err error) {
		unanswered.Stop()
		close(done)
		if !errors.Is(ctx.Err(), context.Canceled) { // a call that was called off tells nothing
			g.report(err, began)
		}
	}
}

// report takes how a call went. That a system refuses for a reason shows that it is up.
func (g *Guard) report(err error, began time.Time) {
	switch fault := protocol.FaultOf(err); {
	case err == nil:
		g.heard()
	case fault == protocol.Transient, fault == protocol.Ambiguous:
		g.note(err, 1)
		g.suspect(err, began)
	case fault == protocol.Configuration:
		g.suspect(err, began) // what is wrong for one may be right for all others: the probe says
	case fault == protocol.Throttled:
		g.hush(err)
	default:
		g.heard()
	}
}

// heard counts an answer.
func (g *Guard) heard() {
	g.mu.Lock()
	g.answered = time.Now()
	g.mu.Unlock()
	g.note(nil, 1)
}

// note counts an outcome so many times.
func (g *Guard) note(err error, times uint32) {
	if err != nil {
		g.mu.Lock()
		g.why = err
		g.mu.Unlock()
	}
	for range times {
		done, shut := g.breaker.Allow()
		if shut != nil {
			return
		}
		done(err)
	}
}

// hush pauses calls for as long as the partner asks: the fault bounds it, for the call itself and for all others alike.
func (g *Guard) hush(err error) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(app.NextRetryDelay()); until.After(g.until) {
		g.until = until
	}
}

// suspect probes at once: a probe that fails too shuts the guard, without waiting for more shipments to fail. One that
// passes leaves it open.
func (g *Guard) suspect(err error, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut() {
		return // it is probed anyway
	}
	if g.doubts = append(g.doubts, err); len(g.doubts) == 1 {
		go g.judge(max(shutWithin-time.Since(began), shutWithin-silent))
	}
}

// judge shuts the guard unless a probe passes. A system that answers calls while it lets the probe wait is slow, not down.
func (g *Guard) judge(within time.Duration) {
	began := time.Now()
	failed := g.probe(within)
	late := time.Since(began) >= within
	g.mu.Lock()
	doubts, answers := g.doubts, g.answered.After(began)
	g.doubts = nil
	g.mu.Unlock()
	switch {
	case g.ctx.Err() != nil:
	case failed != nil && !(late && answers):
		g.note(doubts[0], g.o.Failures)
	default:
		for _, err := range doubts {
			g.say(err)
		}
	}
}

const (
	sayAgain = 24 * time.Hour // what has been said is said again after
	sayings  = 1000           // texts that are remembered
)

// say tells of what stands in the way of one call while others pass, such as a right that is missing: each text once.
func (g *Guard) say(err error) {
	if protocol.FaultOf(err) != protocol.Configuration {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	text, now := protocol.Words(err), time.Now()
	if at, ok := g.said[text]; ok && now.Sub(at) < sayAgain {
		return
	}
	if len(g.said) >= sayings {
		clear(g.said)
	}
	g.said[text] = now
	g.o.Log.Warn("call_refused", zap.String("system", g.o.System), zap.String("because", text))
}

// probeWithin bounds a probe of a system that is down: one that takes longer for its cheapest call is not back.
const probeWithin = 5 * time.Second

func (g *Guard) probe(within time.Duration) error {
	ctx, cancel := context.WithTimeout(g.ctx, within)
	defer cancel()
	if g.o.Metrics != nil {
		g.o.Metrics.probes.WithLabelValues(g.o.System).Inc()
	}
	return g.o.Probe(ctx)
}

// changed shuts the guard when the breaker opens, and lets calls pass when it closes. The breaker calls it while
// it is locked.
func (g *Guard) changed(_ string, from, to gobreaker.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case to == gobreaker.StateOpen && from == gobreaker.StateClosed:
		g.pass, g.since = make(chan struct{}), time.Now()
		g.tell("shut", 1)
		g.o.Log.Error("system_down", zap.String("system", g.o.System), zap.Duration("probe_every", g.o.Every), zap.NamedError("because", g.why))
		go g.probeUntilBack(g.pass)
	case to == gobreaker.StateClosed:
		close(g.pass)
		g.tell("passes", 0)
		g.o.Log.Info("system_back", zap.String("system", g.o.System), zap.Duration("after", time.Since(g.since)))
	}
}

func (g *Guard) tell(to string, state float64) {
	if m := g.o.Metrics; m != nil {
		m.shut.WithLabelValues(g.o.System).Set(state)
		m.transitions.WithLabelValues(g.o.System, to).Inc()
	}
}

// probeUntilBack asks again and again; the breaker closes with the first success. Its own pause after a probe that failed
// is over with the pause here.
func (g *Guard) probeUntilBack(back <-chan struct{}) {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-back:
			return
		case <-time.After(g.o.Every):
		}
		done, shut := g.breaker.Allow()
		if shut != nil {
			continue // another call tries it
		}
		done(g.probe(probeWithin))
	}
}

// Around guards the implementation of an activity: one that was taken just before the system went down waits here,
// in the attempt it is in.
func Around[In, Out any](g *Guard, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		if err := g.Wait(ctx); err != nil {
			return out, protocol.Transient.Of(err)
		}
		ended := g.Begin(ctx)
		defer func() { ended(err) }()
		return f(ctx, in)
	}
}

// Tuner lets a worker take as many activities at a time, and none while the guard is shut; nil for a queue that no one
// system serves.
func Tuner(g *Guard, concurrency int) (worker.WorkerTuner, error) {
	slots := func(n int) worker.SlotSupplier {
		s, err := worker.NewFixedSizeSlotSupplier(n)
		if err != nil {
			panic(fmt.Sprintf("guard: %d slots: %v", n, err)) // the configuration has checked the number
		}
		return s
	}
	activities := slots(concurrency)
	if g != nil {
		activities = supplier{activities, g}
	}
	return worker.NewCompositeTuner(worker.CompositeTunerOptions{
		WorkflowSlotSupplier: slots(2), ActivitySlotSupplier: activities, LocalActivitySlotSupplier: slots(2),
		NexusSlotSupplier: slots(2), SessionActivitySlotSupplier: slots(2),
	})
}

// supplier gives out slots while the guard lets calls pass.
type supplier struct {
	worker.SlotSupplier
	guard *Guard
}

// ReserveSlot waits for the guard, then for a slot.
func (s supplier) ReserveSlot(ctx context.Context, info worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	if err := s.guard.Wait(ctx); err != nil {
		return nil, context.Cause(ctx)
	}
	return s.SlotSupplier.ReserveSlot(ctx, info)
}

// TryReserveSlot gives none while the guard is shut.
func (s supplier) TryReserveSlot(info worker.SlotReservationInfo) *worker.SlotPermit {
	if !s.guard.Passes() {
		return nil
	}
	return s.SlotSupplier.TryReserveSlot(info)
}
