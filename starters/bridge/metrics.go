package bridge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are the bridge's metrics. Their labels are configured names and fixed words: what a stranger sends makes no series.
type counts struct {
	events     *prometheus.CounterVec
	keys       *prometheus.CounterVec
	unreadable *prometheus.GaugeVec
	seconds    *prometheus.HistogramVec
}

// secondsBuckets lie between a refusal and the patience of senders.
var secondsBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func newCounts(r prometheus.Registerer) (*counts, error) {
	c := &counts{
		events:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_ingest_events_total", Help: "Deliveries by source and outcome."}, []string{"source", "outcome"}),
		keys:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_ingest_key_uses_total", Help: "Verified deliveries by source and place of the key: an old key that is no longer used can go."}, []string{"source", "key"}),
		unreadable: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_ingest_keys_unreadable", Help: "1 while a key of the source cannot be read."}, []string{"source"}),
		seconds:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "waybill_ingest_duration_seconds", Help: "Time to an answer, by outcome.", Buckets: secondsBuckets}, []string{"outcome"}),
	}
	if r == nil {
		return c, nil
	}
	for _, m := range []prometheus.Collector{c.events, c.keys, c.unreadable, c.seconds} {
		if err := r.Register(m); err != nil {
			return nil, fmt.Errorf("bridge: metrics: %w", err)
		}
	}
	return c, nil
}
