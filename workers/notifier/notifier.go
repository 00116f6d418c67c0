// Package notifier tells subscribers what has happened to shipments: in order within a shipment, again and again until
// they take it. Any number of notifiers may run beside each other, and none of what waits is lost with one.
package notifier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/activities/notify"
	"waybill/config"
	"waybill/internal/store"
	"waybill/workers/pace"
	"waybill/workflows/protocol"
)

// Subscriptions are those of the configuration. Whatever files scans needs them, or what it files is told to nobody.
func Subscriptions(cs []config.Subscriber) (ss []store.Subscription) {
	for _, c := range cs {
		ss = append(ss, store.Subscription{Name: c.Name, Kinds: c.Events, Shipments: c.Shipments()})
	}
	return ss
}

// Subscriber is one system that is told.
type Subscriber struct {
	Name      string
	Client    *notify.Client
	PerSecond float64       // tries by all notifiers together; 0: no limit
	GiveUp    time.Duration // how long nothing is taken before it is disabled
}

// Notifier tells the subscribers.
type Notifier struct {
	Store       *store.Store
	Subscribers []Subscriber
	Log         *zap.Logger
	Metrics     *Metrics      // nil: none
	Idle        time.Duration // between looks when there was nothing; 0: 500 ms
	Keep        time.Duration // how long an event can be replayed; 0: for ever
}

// Metrics are the figures of a notifier.
type Metrics struct {
	tries    *prometheus.CounterVec
	disabled *prometheus.GaugeVec
}

// NewMetrics registers waybill_notifications_total by subscriber and outcome (taken, tried_again, dropped, disabled),
// and waybill_subscriber_disabled by subscriber (1: it is sent nothing until a person enables it).
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		tries:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_notifications_total", Help: "Tries to tell a subscriber of an event, by what became of them."}, []string{"subscriber", "outcome"}),
		disabled: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_subscriber_disabled", Help: "1: the subscriber is sent nothing until a person enables it."}, []string{"subscriber"}),
	}
	for _, c := range []prometheus.Collector{m.tries, m.disabled} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("notifier metrics: %w", err)
		}
	}
	return m, nil
}

const (
	defaultIdle = 500 * time.Millisecond
	// leaseSpan is how long what was taken may take to be sent: over the timeout of a try, and what a rate adds to it.
	leaseSpan = 2 * time.Minute
	// paced is how much is taken at a rate: others may have the turns before.
	paced = 5 * time.Second
	// batch bounds what is taken in one look.
	batch = 100
	// atOnce is how many shipments a subscriber is told of at a time.
	atOnce = 4
	// stateEvery is how often the figures are read, and what is too old is deleted.
	stateEvery = time.Minute
	// forgotten bounds what is deleted at a time.
	forgotten = 1000
)

// Run tells until the context ends. A slow subscriber keeps none of the others waiting.
func (n *Notifier) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range n.Subscribers {
		g.Go(func() error { n.serve(ctx, s); return nil })
	}
	if len(n.Subscribers) > 0 {
		g.Go(func() error { n.tidy(ctx); return nil })
	}
	return g.Wait()
}

func (n *Notifier) serve(ctx context.Context, s Subscriber) {
	rate := pace.New(n.Store, "subscriber/"+s.Name, s.PerSecond)
	for ctx.Err() == nil {
		sent, err := n.once(ctx, s, rate)
		if err != nil && ctx.Err() == nil {
			n.Log.Error("notifier_failed", zap.String("subscriber", s.Name), zap.Error(err))
		}
		if sent > 0 && err == nil {
			continue
		}
		pause(ctx, n.idle())
	}
}

func (n *Notifier) idle() time.Duration {
	if n.Idle == 0 {
		return defaultIdle
	}
	return n.Idle
}

// pause waits for about d: notifiers of several workers do not look in step.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d/2 + rand.N(d/2+1)):
	}
}

// once tells a subscriber of what waits: the next event of each of some shipments.
func (n *Notifier) once(ctx context.Context, s Subscriber, rate *pace.Pace) (sent int, err error) {
	began := time.Now()
	ns, err := n.Store.Notifications(ctx, s.Name, leaseSpan, within(s.PerSecond))
	if err != nil {
		return 0, err
	}
	faults := make([]error, len(ns))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, v := range ns {
		if faults[i] = rate.Wait(ctx); faults[i] != nil || time.Since(began) > leaseSpan/2 {
			break // what was not sent is taken again when its lease is over
		}
		g.Go(func() error { faults[i] = n.tell(ctx, s, v); return nil })
	}
	_ = g.Wait() // the faults are in faults
	return len(ns), errors.Join(faults...)
}

// within is how many can be sent in the time that a rate may use up.
func within(perSecond float64) int {
	if perSecond == 0 {
		return batch
	}
	return max(1, min(batch, int(perSecond*paced.Seconds())))
}

// tell sends one event, then notes what became of it. A crash between the two sends it again, under the same id.
func (n *Notifier) tell(ctx context.Context, s Subscriber, v store.Notification) error {
	err := s.Client.Tell(ctx, v.ID, v.Body)
	if ctx.Err() != nil {
		return nil // it is sent again when its lease is over
	}
	if err == nil {
		n.count(s.Name, "taken")
		return n.Store.Notified(ctx, v)
	}
	o, fault := n.Store.Refused(ctx, v, refusal(s, v, err))
	if fault != nil {
		return fault
	}
	n.count(s.Name, string(o))
	fields := []zap.Field{zap.String("subscriber", s.Name), zap.String("shipment", string(v.Shipment)), zap.String("event", v.ID), zap.Int("tries", v.Tries+1), zap.String("reason", protocol.Words(err))}
	switch o {
	case store.Disabled:
		n.Log.Error("subscriber_disabled", append(fields, zap.String("next", "waybill-admin subscribers enable "+s.Name))...)
	case store.Dropped:
		n.Log.Error("notification_dropped", fields...)
	default:
		n.Log.Warn("notification_refused", fields...)
	}
	return nil
}

func (n *Notifier) count(subscriber, outcome string) {
	if n.Metrics != nil {
		n.Metrics.tries.WithLabelValues(subscriber, outcome).Inc()
	}
}

func refusal(s Subscriber, v store.Notification, err error) store.Refusal {
	r := store.Refusal{Reason: protocol.Words(err), Wait: after(v.Tries + 1), Gone: notify.Gone(err), GiveUp: s.GiveUp}
	var app *temporal.ApplicationError
	if protocol.FaultOf(err) == protocol.Throttled && errors.As(err, &app) {
		r.Pause = app.NextRetryDelay()
	}
	r.Wait = max(r.Wait, r.Pause)
	return r
}

const (
	firstWait   = 5 * time.Second
	longestWait = 8 * time.Hour
)

// after is how long a notification waits after so many tries: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 5.7 h, then 8 h,
// each up to a quarter less, so that what failed together is not tried together.
func after(tries int) time.Duration {
	wait := min(firstWait<<(2*min(max(tries-1, 0), 10)), longestWait)
	return wait - rand.N(wait/4)
}

// tidy reads the figures and deletes what is too old, again and again.
func (n *Notifier) tidy(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.TidyOnce(ctx); err != nil && ctx.Err() == nil {
			n.Log.Error("notifier_failed", zap.Error(err))
		}
		pause(ctx, stateEvery)
	}
}

// TidyOnce reads the figures and deletes what is too old.
func (n *Notifier) TidyOnce(ctx context.Context) error {
	for _, s := range n.Subscribers {
		st, err := n.Store.SubscriberState(ctx, s.Name)
		if err != nil {
			return err
		}
		if n.Metrics != nil {
			n.Metrics.disabled.WithLabelValues(s.Name).Set(map[bool]float64{true: 1}[!st.Disabled.IsZero()])
		}
	}
	if n.Keep == 0 {
		return nil
	}
	_, err := n.Store.ForgetEvents(ctx, time.Now().Add(-n.Keep), forgotten)
	return err
}
