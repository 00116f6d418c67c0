package guard_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
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
	if g.Passes() {
		t.Fatal("calls with wrong credentials still pass")
	}
	before := s.probes.Load()
	within(t, "probes", func() bool { return s.probes.Load() >= before+5 })
	if n := len(logs.All()); n != 1 || s.calls.Load() != 1 {
		t.Errorf("said %d times after %d calls, want once after one", n, s.calls.Load())
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

func TestRetryAfterPausesEveryoneAndIsCapped(t *testing.T) {
	g := guard.New(t.Context(), guard.Options{System: "billing", Probe: (&system{}).probe, Longest: 50 * time.Millisecond, Log: zap.NewNop()})
	g.Report(protocol.Throttled.After(errors.New("slow down"), 10*time.Hour))
	if g.Passes() {
		t.Fatal("calls pass though the partner asked us to wait")
	}
	began := time.Now()
	if err := g.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(began); waited > 5*time.Second {
		t.Errorf("waited %s: an absurd Retry-After is not capped", waited)
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
