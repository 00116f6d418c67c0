package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"waybill/workers/relay"
)

func TestWhatWasNotUnderstoodIsSeenInFiguresAndByTheDoctorUntilItIsReadRight(t *testing.T) {
	each(t, func(w *world) {
		registry := prometheus.NewRegistry()
		metrics, err := relay.NewMisreadMetrics(registry)
		if err != nil {
			w.Fatal(err)
		}
		watch := &relay.MisreadWatch{Store: w.store, Metrics: metrics, Log: w.log, Now: w.clock.Now}
		shows := func(dead, unexpected, lines int) (said []string) {
			w.Helper()
			if err := watch.Look(w.Context()); err != nil {
				w.Fatal(err)
			}
			want := fmt.Sprintf("# HELP waybill_dead_deliveries Deliveries of the last 7 days that could not be read.\n# TYPE waybill_dead_deliveries gauge\nwaybill_dead_deliveries{source=\"acme\"} %d\n"+
				"# HELP waybill_unexpected_statements Statements of the last 7 days that were not understood.\n# TYPE waybill_unexpected_statements gauge\nwaybill_unexpected_statements{source=\"acme\"} %d\n", dead, unexpected)
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
				w.Error(err)
			}
			said = relay.Misreads(w.Context(), w.store, func(string) (string, string) { return "transport team", "transport@example.com" }, w.clock.Now())
			if len(said) != lines {
				w.Fatalf("the doctor says %q", said)
			}
			return said
		}
		w.parcel("P1")
		v1 := version(w, 1, events, "A: picked_up")
		w.accept("acme", history("A", "B", "C"))
		w.accept("acme", `{"e":`)
		w.reads(v1)
		said := shows(1, 2, 2)
		for i, parts := range [][]string{
			{"source acme", "could not be read: 1", "inbox list --state dead --source acme", "waybill-admin replay --dead --source acme --from 2026-", "transport team, transport@example.com"},
			{"source acme", "not understood: 2", "inbox list --state unexpected --source acme", "waybill-admin replay --source acme --from 2026-", "transport team, transport@example.com"},
		} {
			for _, part := range parts {
				if !strings.Contains(said[i], part) {
					w.Errorf("no %q in %q", part, said[i])
				}
			}
		}
		w.replay(version(w, 2, events, "A: picked_up, B: delivered"))
		shows(1, 1, 2) // C is as it was, B is mended, though its shipment was told of both
		w.replay(v1)
		shows(1, 2, 2) // and rolled back
		w.replay(version(w, 3, events, "A: picked_up, B: delivered, C: nothing"))
		shows(1, 0, 1)
		w.clock.Pass(8 * 24 * time.Hour)
		shows(0, 0, 0)
	})
}
