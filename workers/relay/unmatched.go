package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"

	"waybill/internal/store"
	"waybill/workflows/protocol"
)

// Unmatched brings to people what no shipment took within a grace period: one workflow for each source, whatever the
// number of scans. Any number of these may run beside each other.
type Unmatched struct {
	Store    *store.Store
	Temporal Temporal
	Grace    time.Duration // how long scans wait for their shipment by themselves
	Every    time.Duration // between looks; 0: a minute, or the grace period where that is shorter
	Log      *zap.Logger
	Metrics  *UnmatchedMetrics // nil: none
	Now      func() time.Time

	told  map[string]telling
	shown map[string]bool // the sources whose figures say that something waits
}

// UnmatchedMetrics are the figures of what no shipment took.
type UnmatchedMetrics struct{ waiting, oldest *prometheus.GaugeVec }

// NewUnmatchedMetrics registers waybill_unmatched_waiting by source: how many scans people are shown, since no shipment
// took them within the grace period; and waybill_unmatched_oldest_seconds: how long the first of them has waited. Both are
// 0 once nothing waits any more, and every worker tells the same.
func NewUnmatchedMetrics(r prometheus.Registerer) (*UnmatchedMetrics, error) {
	m := &UnmatchedMetrics{
		prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_unmatched_waiting", Help: "Scans that no shipment took within relay.unmatched_after, and that wait for a person."}, []string{"source"}),
		prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_unmatched_oldest_seconds", Help: "How long the oldest of them has waited; 0 where none waits."}, []string{"source"}),
	}
	if err := errors.Join(r.Register(m.waiting), r.Register(m.oldest)); err != nil {
		return nil, fmt.Errorf("unmatched metrics: %w", err)
	}
	return m, nil
}

func (m *UnmatchedMetrics) show(b store.Backlog, now time.Time) {
	if m == nil {
		return
	}
	m.waiting.WithLabelValues(b.Source).Set(float64(b.Scans))
	age := 0.0
	if b.Scans > 0 {
		age = now.Sub(b.Oldest).Seconds()
	}
	m.oldest.WithLabelValues(b.Source).Set(age)
}

// telling is what a source's workflow was told last.
type telling struct {
	store.Backlog
	at time.Time
}

// retellEvery is how soon a source's workflow is told again of what it knows: one that was ended by hand is started
// again so.
const retellEvery = 10 * time.Minute

// Run looks until the context ends. A fault is logged, and the next look makes up for it.
func (u *Unmatched) Run(ctx context.Context) {
	every := u.Every
	if every == 0 {
		every = min(time.Minute, u.Grace)
	}
	for ctx.Err() == nil {
		if err := u.Look(ctx); err != nil && ctx.Err() == nil {
			u.Log.Error("unmatched_not_shown", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// Look tells the workflows of sources whose backlog is another than they were told.
func (u *Unmatched) Look(ctx context.Context) error {
	now := u.Now()
	bs, err := u.Store.Backlogs(ctx, now.Add(-u.Grace))
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if u.told == nil {
		u.told, u.shown = map[string]telling{}, map[string]bool{}
	}
	waits := map[string]bool{}
	var faults []error
	for _, b := range bs {
		waits[b.Source] = true
		u.Metrics.show(b, now)
		u.shown[b.Source] = true
		if was := u.told[b.Source]; was.Backlog != b || now.Sub(was.at) >= retellEvery {
			faults = append(faults, u.tell(ctx, b, now))
		}
	}
	for source := range u.shown {
		if !waits[source] {
			u.Metrics.show(store.Backlog{Source: source}, now)
			delete(u.shown, source)
		}
	}
	for source := range u.told {
		if !waits[source] {
			faults = append(faults, u.settled(ctx, source))
		}
	}
	return errors.Join(faults...)
}

func (u *Unmatched) tell(ctx context.Context, b store.Backlog, now time.Time) error {
	if err := protocol.TellUnmatched(ctx, u.Temporal, b.Source, protocol.UnmatchedSeen, protocol.UnmatchedNotice{Scans: b.Scans}); err != nil {
		return err
	}
	u.Log.Info("unmatched_shown", zap.String("source", b.Source), zap.Int("scans", b.Scans))
	u.told[b.Source] = telling{b, now}
	return nil
}

// settled tells a source's workflow that nothing waits any more, unless it has seen that by itself.
func (u *Unmatched) settled(ctx context.Context, source string) error {
	err := protocol.UnmatchedSeen.Send(ctx, u.Temporal, protocol.UnmatchedWorkflowID(source), protocol.UnmatchedNotice{})
	var gone *serviceerror.NotFound
	if err != nil && !errors.As(err, &gone) {
		return err
	}
	delete(u.told, source)
	return nil
}
