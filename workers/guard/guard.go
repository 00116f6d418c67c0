// Package guard keeps a worker from calling an outside system that is down. While it is, the worker takes nothing
// from that system's task queues: shipments wait without a failed attempt, a probe asks whether the system is back,
// and the first that succeeds lets everything pass again.
package guard

import (
	"context"
	"errors"
	"fmt"
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
	Longest  time.Duration               // the most that a partner's Retry-After may pause it; 0: 1 min
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

	mu        sync.Mutex
	pass      chan struct{} // closed while calls pass
	since     time.Time     // when it was shut
	why       error         // the failure that shut it
	until     time.Time     // as long as the partner asked us to wait
	suspected bool          // a probe is under way because a call failed
}

// New makes a guard that lets calls pass. Its probes end with the context.
func New(ctx context.Context, o Options) *Guard {
	if o.Failures == 0 {
		o.Failures = 5
	}
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.Longest == 0 {
		o.Longest = time.Minute
	}
	g := &Guard{o: o, ctx: ctx, pass: make(chan struct{})}
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
	select {
	case <-g.pass:
		return !time.Now().Before(g.until)
	default:
		return false
	}
}

// Report tells how a call went. That a system refuses for a reason shows that it is up.
func (g *Guard) Report(err error) {
	if err == nil {
		g.note(nil, 1)
		return
	}
	switch protocol.FaultOf(err) {
	case protocol.Transient, protocol.Ambiguous:
		g.note(err, 1)
		g.suspect(err)
	case protocol.Configuration:
		g.note(err, g.o.Failures) // wrong for one is wrong for all
	case protocol.Throttled:
		g.hush(err)
	default:
		g.note(nil, 1)
	}
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

// hush pauses calls for as long as the partner asks, within reason.
func (g *Guard) hush(err error) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NextRetryDelay() <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(app.NextRetryDelay(), g.o.Longest)); until.After(g.until) {
		g.until = until
	}
}

// suspect probes at once after a failed call: one that fails too shuts the guard, without waiting for more
// shipments to fail.
func (g *Guard) suspect(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.suspected {
		return
	}
	g.suspected = true
	go func() {
		if g.probe() != nil {
			g.note(err, g.o.Failures)
		}
		g.mu.Lock()
		g.suspected = false
		g.mu.Unlock()
	}()
}

// probeWithin bounds a probe: a system that takes longer for its cheapest call is not back.
const probeWithin = 5 * time.Second

func (g *Guard) probe() error {
	ctx, cancel := context.WithTimeout(g.ctx, probeWithin)
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

// probeUntilBack asks again and again; the breaker closes with the first success.
func (g *Guard) probeUntilBack(back <-chan struct{}) {
	t := time.NewTicker(g.o.Every)
	defer t.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-back:
			return
		case <-t.C:
		}
		done, shut := g.breaker.Allow()
		if shut != nil {
			continue // its own pause is not over yet
		}
		done(g.probe())
	}
}

// Around guards the implementation of an activity: one that was taken just before the system went down waits here,
// in the attempt it is in.
func Around[In, Out any](g *Guard, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		if err := g.Wait(ctx); err != nil {
			return out, protocol.Transient.Of(err)
		}
		out, err = f(ctx, in)
		g.Report(err)
		return out, err
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
