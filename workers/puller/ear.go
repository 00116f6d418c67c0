package puller

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"waybill/activities/carrier"
	"waybill/config"
	"waybill/internal/store"
)

// Ear notices when a source that used to send falls silent, and when it is heard again.
type Ear struct {
	Store   *store.Store
	Sources []config.Source
	Floor   time.Duration // no source is silent sooner; 0: nobody listens
	Log     *zap.Logger
	Metrics *prometheus.GaugeVec // of NewSilence; nil: none
	Now     func() time.Time

	next   int64 // where the next look goes on
	mu     sync.Mutex
	silent map[string]bool
}

// NewSilence registers waybill_source_silent_seconds by source: since when a silent one has sent nothing, 0 for one that
// is not silent.
func NewSilence(r prometheus.Registerer) (*prometheus.GaugeVec, error) {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waybill_source_silent_seconds", Help: "How long a source has sent nothing, if that is longer than ever of late; 0 if not."}, []string{"source"})
	if err := r.Register(g); err != nil {
		return nil, fmt.Errorf("silence metrics: %w", err)
	}
	return g, nil
}

// listenEvery is between looks.
const listenEvery = time.Minute

// Run listens until the context ends.
func (e *Ear) Run(ctx context.Context) error {
	for e.Floor > 0 && ctx.Err() == nil {
		if err := e.Once(ctx); err != nil && ctx.Err() == nil {
			e.Log.Error("listening_failed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenEvery/2 + rand.N(listenEvery/2)):
		}
	}
	return nil
}

// Once looks who has sent something, and tells of those that fell silent or are heard again.
func (e *Ear) Once(ctx context.Context) (err error) {
	if e.next, err = e.Store.Hear(ctx, e.next); err != nil {
		return err
	}
	hs, err := e.Store.Hearings(ctx)
	if err != nil {
		return err
	}
	for _, s := range e.Sources {
		h, known := hs[s.Name]
		quiet, silent := h.Silent(e.Floor, e.Now())
		silent = silent && known // one that never sent anything has no usual gap
		if !silent {
			quiet = 0
		}
		if e.Metrics != nil {
			e.Metrics.WithLabelValues(s.Name).Set(quiet.Seconds())
		}
		e.note(s, h, silent)
	}
	return nil
}

func (e *Ear) note(s config.Source, h store.Hearing, silent bool) {
	e.mu.Lock()
	was := e.silent[s.Name]
	if e.silent == nil {
		e.silent = map[string]bool{}
	}
	e.silent[s.Name] = silent
	e.mu.Unlock()
	switch {
	case silent && !was:
		e.Log.Warn("source_silent", zap.String("source", s.Name), zap.String("owner", s.Owner), zap.String("contact", s.Contact), zap.Time("last_heard", h.Last), zap.Duration("longest_gap", h.Longest), zap.String("next", carrier.Advice(s.Connector)))
	case was && !silent:
		e.Log.Info("source_heard_again", zap.String("source", s.Name))
	}
}

// Silent reports whether a source was silent at the last look.
func (e *Ear) Silent(source string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.silent[source]
}

// Silences names the sources that are silent, each with whom to ask and what to do; none for nothing. It listens first,
// for a worker that does may not run.
func Silences(ctx context.Context, s *store.Store, sources []config.Source, floor time.Duration, now time.Time) []string {
	if floor == 0 {
		return nil
	}
	if _, err := s.Hear(ctx, 0); err != nil {
		return []string{fmt.Sprintf("when each source was last heard: %v", err)}
	}
	hs, err := s.Hearings(ctx)
	if err != nil {
		return []string{fmt.Sprintf("when each source was last heard: %v", err)}
	}
	said := map[string]string{}
	for _, src := range sources {
		h, known := hs[src.Name]
		if quiet, silent := h.Silent(floor, now); known && silent {
			said[src.Name] = fmt.Sprintf("word from source %s: it has sent nothing for %s, and in the last 7 days never for more than %s: %s; its owner is %s", src.Name, quiet.Round(time.Minute), h.Longest.Round(time.Minute), carrier.Advice(src.Connector), reached(src))
		}
	}
	var lacks []string
	for _, name := range slices.Sorted(maps.Keys(said)) {
		lacks = append(lacks, said[name])
	}
	return lacks
}

func reached(s config.Source) string {
	if s.Contact == "" {
		return s.Owner
	}
	return s.Owner + ", " + s.Contact
}

// Unheard names the sources of which nothing was ever received, sent or asked for, each with whom to ask and what to do;
// none for nothing.
func Unheard(ctx context.Context, s *store.Store, sources []config.Source) (lacks []string) {
	for _, src := range sources {
		known, err := s.Known(ctx, src.Name)
		switch {
		case err != nil:
			return append(lacks, fmt.Sprintf("whether each source was ever heard: %v", err))
		case !known:
			lacks = append(lacks, fmt.Sprintf("word from source %s: it is configured, and nothing of it was ever received: give it the address /v1/events/%[1]s of the bridge and its secret; where it says that it sends, waybill_ingest_events_total of the bridge says how it was answered; its owner is %[2]s", src.Name, reached(src)))
		}
	}
	return lacks
}
