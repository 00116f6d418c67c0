package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"waybill/workers/guard"
	"waybill/workflows/protocol"
)

// system is an outside system that is up or down.
type system struct {
	down   atomic.Bool
	calls  atomic.Int64
	probes atomic.Int64
}

var errDown = errors.New("connection refused")

func (s *system) probe(context.Context) error {
	s.probes.Add(1)
	return s.state()
}

func (s *system) state() error {
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *system) call(context.Context, int) (int, error) {
	s.calls.Add(1)
	if err := s.state(); err != nil {
		return 0, protocol.Transient.Of(err)
	}
	return 1, nil
}

const every = 20 * time.Millisecond

func guarded(t *testing.T, s *system, m *guard.Metrics, log *zap.Logger) *guard.Guard {
	t.Helper()
	return guard.New(t.Context(), guard.Options{System: "billing", Probe: s.probe, Every: every, Log: log, Metrics: m})
}

// within waits until something is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(25 * time.Second)
	for !so() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestOneFailedCallAndOneFailedProbeStopAllOthers(t *testing.T) {
	s := &system{}
	g := guarded(t, s, nil, zap.NewNop())
	call := guard.Around(g, s.call)
	s.down.Store(true)
	if _, err := call(t.Context(), 1); protocol.FaultOf(err) != protocol.Transient {
		t.Fatal(err)
	}
	within(t, "shut", func() bool { return !g.Passes() })
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d calls reached the system, want the one that failed", n)
	}
}

func TestCallsWaitWhileTheSystemIsDownAndPassWithTheFirstGoodProbe(t *testing.T) {
	s := &system{}
	g := guarded(t, s, nil, zap.NewNop())
	call := guard.Around(g, s.call)
	s.down.Store(true)
	_, _ = call(t.Context(), 1)
	within(t, "shut", func() bool { return !g.Passes() })
	answered := make(chan error, 50)
	for range cap(answered) {
		go func() { _, err := call(t.Context(), 1); answered <- err }()
	}
	before := s.probes.Load()
	within(t, "five more probes", func() bool { return s.probes.Load() >= before+5 })
	if n := s.calls.Load(); n != 1 || len(answered) != 0 {
		t.Fatalf("%d calls reached a system that is down, %d were answered", n, len(answered))
	}
	s.down.Store(false)
	for range cap(answered) {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	probes := s.probes.Load()
	if n := s.calls.Load(); n != 51 {
		t.Errorf("%d calls, want the one that failed and the fifty that waited", n)
	}
	within(t, "a call after recovery", func() bool { _, err := call(t.Context(), 1); return err == nil })
	if s.probes.Load() > probes+1 {
		t.Error("a system that is up is still probed")
	}
}

func TestWrongCredentialsStopTheQueueAndAreSaidOnce(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	s := &system{}
	g := guarded(t, s, nil, zap.New(core))
	wrong := guard.Around(g, func(context.Context, int) (int, error) {
		s.calls.Add(1)
		return 0, protocol.Configuration.Of(errors.New("the token is wrong"))
	})
	s.down.Store(true) // as the probe sees it
	_, _ = wrong(t.Context(), 1)
	within(t, "shut", func() bool { return !g.Passes() })
	before := s.probes.Load()
	within(t, "probes", func() bool { return s.probes.Load() >= before+5 })
	if n := len(logs.All()); n != 1 || s.calls.Load() != 1 {
		t.Errorf("said %d times after %d calls, want once after one", n, s.calls.Load())
	}
	s.down.Store(false)
	within(t, "mended, it opens", g.Passes)
}

// TestWhatIsWrongForOneStopsNobodyElse is a right that is missing, or a record's own rule: the probe passes.
func TestWhatIsWrongForOneStopsNobodyElse(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	s := &system{}
	g := guarded(t, s, nil, zap.New(core))
	refused := guard.Around(g, func(_ context.Context, shipment int) (int, error) {
		return 0, protocol.Configuration.Of(fmt.Errorf("company %d is not among the user's", shipment%2))
	})
	for i := range 20 {
		probes := s.probes.Load()
		_, _ = refused(t.Context(), i)
		if i%5 == 0 { // the others come while it is asked whether the system is there
			within(t, "it is judged", func() bool { return s.probes.Load() > probes || logs.Len() >= 2 })
		}
		if n, err := guard.Around(g, s.call)(t.Context(), 1); n != 1 || err != nil || !g.Passes() {
			t.Fatalf("the trouble of one shipment stops others: %d, %v, %v", n, err, logs.All())
		}
	}
	within(t, "each text is said", func() bool { return logs.Len() >= 2 })
	if n := logs.FilterMessage("call_refused").Len(); n != 2 || logs.Len() != 2 {
		t.Errorf("two texts were said %d times: %v", n, logs.All())
	}
}

func TestRefusalShowsThatTheSystemIsUp(t *testing.T) {
	s := &system{}
	g := guarded(t, s, nil, zap.NewNop())
	refuse := guard.Around(g, func(context.Context, int) (int, error) {
		return 0, protocol.Rejected.Of(errors.New("the period is closed"))
	})
	for range 100 {
		_, _ = refuse(t.Context(), 1)
	}
	if !g.Passes() || s.probes.Load() != 0 {
		t.Errorf("a hundred refusals: passes %v, %d probes", g.Passes(), s.probes.Load())
	}
}

// TestRetryAfterPausesEveryoneForAsLongAsTheOneWhoWasTold: a quarter of an hour at most.
func TestRetryAfterPausesEveryoneForAsLongAsTheOneWhoWasTold(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{300 * time.Second: 300 * time.Second, 10 * time.Hour: 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			g := guarded(t, &system{}, nil, zap.NewNop())
			throttled := protocol.Throttled.After(errors.New("slow down"), asked)
			_, _ = guard.Around(g, func(context.Context, int) (int, error) { return 0, throttled })(t.Context(), 1)
			var told *temporal.ApplicationError
			if !errors.As(throttled, &told) || g.Passes() {
				t.Fatal("calls pass though the partner asked us to wait")
			}
			began := time.Now()
			if err := g.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited != want || told.NextRetryDelay() != want {
				t.Errorf("told to wait %s: the call waits %s, all others %s, want %s", asked, told.NextRetryDelay(), waited, want)
			}
		})
	}
}

func TestFlappingSystemIsFollowed(t *testing.T) {
	s := &system{}
	r := prometheus.NewRegistry()
	m, err := guard.NewMetrics(r)
	if err != nil {
		t.Fatal(err)
	}
	g := guarded(t, s, m, zap.NewNop())
	call := guard.Around(g, s.call)
	for range 5 {
		s.down.Store(true)
		within(t, "shut", func() bool {
			if g.Passes() {
				_, _ = call(t.Context(), 1)
			}
			return !g.Passes()
		})
		s.down.Store(false)
		within(t, "open again", g.Passes)
	}
	if n, err := testutil.GatherAndCount(r, "waybill_breaker_transitions_total"); err != nil || n != 2 {
		t.Errorf("transitions by target and direction: %d series, want 2 (%v)", n, err)
	}
}
