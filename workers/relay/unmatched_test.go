package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"waybill/workers/relay"
	"waybill/workflows/protocol"
)

// desk stands in for a Temporal in which sources' workflows are started and told: it keeps what was done.
type desk struct {
	did  []string
	gone bool
	down bool
}

var _ relay.Temporal = (*desk)(nil)

// SignalWithStartWorkflow implements protocol.Reopener.
func (d *desk) SignalWithStartWorkflow(_ context.Context, id, name string, _ any, o client.StartWorkflowOptions, workflow any, _ ...any) (client.WorkflowRun, error) {
	if d.down {
		return nil, errDown
	}
	if name != protocol.UnmatchedSeen.Name || o.ID != id || workflow != protocol.Unmatched.Name {
		return nil, errors.New("another call than was expected")
	}
	d.did = append(d.did, "show "+id)
	return nil, nil
}

// SignalWorkflow implements protocol.Signaller.
func (d *desk) SignalWorkflow(_ context.Context, id, _, name string, _ any) error {
	d.did = append(d.did, "tell "+id)
	if d.gone {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	return nil
}

// shows makes a look, and wants exactly this to be done.
func (w *world) shows(u *relay.Unmatched, d *desk, want ...string) {
	w.Helper()
	d.did = nil
	if err := u.Look(w.Context()); err != nil {
		w.Fatal(err)
	}
	if !slices.Equal(d.did, want) {
		w.Errorf("did %v, want %v", d.did, want)
	}
}

func TestPeopleAreShownASourceOnceItsScansHaveWaitedAndToldWhatChanges(t *testing.T) {
	each(t, func(w *world) {
		r, d := w.relay("r"), &desk{gone: true}
		u := &relay.Unmatched{Store: w.store, Temporal: d, Grace: time.Hour, Log: w.log, Now: w.clock.Now}
		for range 300 {
			w.comes("acme-1", "a") // the same number, from a source that is configured wrongly
			w.comes("acme-2", time.Duration(w.came).String())
		}
		w.once(r)
		w.once(r)
		w.once(r)
		w.shows(u, d)
		w.clock.Pass(time.Hour + time.Second)
		w.shows(u, d, "show unmatched/tms")
		w.shows(u, d)
		w.clock.Pass(11 * time.Minute)
		w.shows(u, d, "show unmatched/tms") // one that was ended by hand is there again
		w.shipment("acme-1")
		w.shows(u, d, "show unmatched/tms")
		w.shipment("acme-2")
		w.shows(u, d, "tell unmatched/tms") // and that it is gone is no fault
		w.shows(u, d)
	})
}

func TestBacklogIsSeenInFiguresAndByTheDoctorUntilItIsGone(t *testing.T) {
	each(t, func(w *world) {
		registry := prometheus.NewRegistry()
		metrics, err := relay.NewUnmatchedMetrics(registry)
		if err != nil {
			w.Fatal(err)
		}
		u := &relay.Unmatched{Store: w.store, Temporal: &desk{}, Grace: time.Hour, Log: w.log, Metrics: metrics, Now: w.clock.Now}
		owner := func(string) (string, string) { return "transport team", "transport@example.com" }
		said := func() []string { return relay.Backlogs(w.Context(), w.store, time.Hour, owner, w.clock.Now()) }
		w.comes("acme-1", "a")
		w.comes("acme-1", "b")
		w.once(w.relay("r"))
		if got := said(); len(got) != 0 {
			w.Errorf("before its time: %q", got)
		}
		w.clock.Pass(2 * time.Hour)
		shows := func(waiting, oldest int) {
			w.Helper()
			if err := u.Look(w.Context()); err != nil {
				w.Fatal(err)
			}
			want := fmt.Sprintf("# HELP waybill_unmatched_oldest_seconds How long the oldest of them has waited; 0 where none waits.\n# TYPE waybill_unmatched_oldest_seconds gauge\nwaybill_unmatched_oldest_seconds{source=\"tms\"} %d\n"+
				"# HELP waybill_unmatched_waiting Scans that no shipment took within relay.unmatched_after, and that wait for a person.\n# TYPE waybill_unmatched_waiting gauge\nwaybill_unmatched_waiting{source=\"tms\"} %d\n", oldest, waiting)
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
				w.Error(err)
			}
		}
		shows(2, 7200)
		got := said()
		if len(got) != 1 {
			w.Fatalf("%q", got)
		}
		for _, part := range []string{"source tms", "unmatched: 2", "(2h0m0s)", "waybill exception show unmatched/tms", "transport team, transport@example.com"} {
			if !strings.Contains(got[0], part) {
				w.Errorf("no %q in %q", part, got[0])
			}
		}
		w.shipment("acme-1")
		shows(0, 0)
		if got := said(); len(got) != 0 {
			w.Errorf("after it was taken: %q", got)
		}
	})
}

func TestWhatCouldNotBeShownIsShownAtTheNextLook(t *testing.T) {
	each(t, func(w *world) {
		r, d := w.relay("r"), &desk{down: true}
		u := &relay.Unmatched{Store: w.store, Temporal: d, Log: w.log, Now: w.clock.Now}
		w.comes("acme-1", "a")
		w.once(r)
		w.clock.Pass(time.Second)
		if err := u.Look(w.Context()); !errors.Is(err, errDown) {
			t.Error(err)
		}
		d.down = false
		w.shows(u, d, "show unmatched/tms")
	})
}
