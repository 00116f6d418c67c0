package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"waybill/internal/store"
)

// MisreadFor is how long people are told of what came and was not understood: a week has a weekend in it. After that it is
// listed, and nobody is told any more: what nobody can mend must not hide what somebody could.
const MisreadFor = 7 * 24 * time.Hour

// Misreads names the sources of which something came in the last seven days that was not understood: how much, since when,
// whom to ask, and the commands; none for nothing.
func Misreads(ctx context.Context, s *store.Store, ownerOf func(source string) (owner, contact string), now time.Time) (lacks []string) {
	ms, err := s.Misread(ctx, now.Add(-MisreadFor))
	if err != nil {
		return []string{fmt.Sprintf("what was not understood: %v", err)}
	}
	for _, m := range ms {
		owner, contact := ownerOf(m.Source)
		whom := fmt.Sprintf("its owner is %s, %s", cmp.Or(owner, "not configured"), cmp.Or(contact, "no contact configured"))
		again := func(since time.Time) string {
			return fmt.Sprintf("--source %s --from %s", m.Source, since.UTC().Format(time.DateOnly))
		}
		if m.Dead > 0 {
			lacks = append(lacks, fmt.Sprintf("a reading of what source %s sends: deliveries of the last 7 days that could not be read: %d, the first at %s: see waybill-admin inbox list --state dead --source %[1]s for why; once a version of its connector can, waybill-admin replay --dead %[4]s; %[5]s",
				m.Source, m.Dead, m.DeadSince.UTC().Format("2006-01-02 15:04 UTC"), again(m.DeadSince), whom))
		}
		if m.Unexpected > 0 {
			lacks = append(lacks, fmt.Sprintf("the meaning of what source %s tells: statements of the last 7 days that were not understood: %d, the first at %s: see waybill-admin inbox list --state unexpected --source %[1]s; mend the mapping as a new version, then waybill-admin replay %[4]s --dry-run; %[5]s",
				m.Source, m.Unexpected, m.UnexpectedSince.UTC().Format("2006-01-02 15:04 UTC"), again(m.UnexpectedSince), whom))
		}
	}
	return lacks
}

// MisreadMetrics are the figures of what was not understood.
type MisreadMetrics struct{ dead, unexpected *prometheus.GaugeVec }

// NewMisreadMetrics registers waybill_dead_deliveries and waybill_unexpected_statements by source: how many deliveries of
// the last seven days could not be read, and how many statements in others were not understood. Both are 0 once they were
// read by a version that could, and every worker tells the same.
func NewMisreadMetrics(r prometheus.Registerer) (*MisreadMetrics, error) {
	m := &MisreadMetrics{
		prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_dead_deliveries", Help: "Deliveries of the last 7 days that could not be read."}, []string{"source"}),
		prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_unexpected_statements", Help: "Statements of the last 7 days that were not understood."}, []string{"source"}),
	}
	if err := errors.Join(r.Register(m.dead), r.Register(m.unexpected)); err != nil {
		return nil, fmt.Errorf("misread metrics: %w", err)
	}
	return m, nil
}

// MisreadWatch keeps the figures of what was not understood. Any number of these may run beside each other.
type MisreadWatch struct {
	Store   *store.Store
	Metrics *MisreadMetrics
	Log     *zap.Logger
	Now     func() time.Time

	shown map[string]bool // sources that have figures
}

// misreadEvery is between looks.
const misreadEvery = time.Minute

// Run looks until the context ends. A fault is logged, and the next look makes up for it.
func (w *MisreadWatch) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error("misread_not_counted", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(misreadEvery):
		}
	}
}

// Look counts once.
func (w *MisreadWatch) Look(ctx context.Context) error {
	ms, err := w.Store.Misread(ctx, w.Now().Add(-MisreadFor))
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if w.shown == nil {
		w.shown = map[string]bool{}
	}
	for source := range w.shown {
		w.show(store.Misread{Source: source})
	}
	for _, m := range ms {
		w.show(m)
		w.shown[m.Source] = true
	}
	return nil
}

func (w *MisreadWatch) show(m store.Misread) {
	w.Metrics.dead.WithLabelValues(m.Source).Set(float64(m.Dead))
	w.Metrics.unexpected.WithLabelValues(m.Source).Set(float64(m.Unexpected))
}
