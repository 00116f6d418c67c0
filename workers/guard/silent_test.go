package guard_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"waybill/activities/billing"
	"waybill/internal/partner"
	"waybill/workers/guard"
	"waybill/workflows/protocol"
)

// blackHole takes every connection and never answers, until the end of the test.
func blackHole(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taken sync.WaitGroup
	ended := make(chan struct{})
	taken.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken.Go(func() { <-ended; _ = c.Close() })
		}
	})
	t.Cleanup(func() { close(ended); _ = l.Close(); taken.Wait() })
	return "http://" + l.Addr().String()
}

// TestSystemThatNeverAnswersIsFoundOutWithinFiveSeconds, though its calls fail only after 20.
func TestSystemThatNeverAnswersIsFoundOutWithinFiveSeconds(t *testing.T) {
	engine := &billing.Engine{Client: partner.New(partner.Options{Name: "billing engine", URL: blackHole(t), Token: func() (string, error) { return "t", nil }})}
	g := guard.New(t.Context(), guard.Options{System: "billing engine", Probe: engine.Check, Log: zap.NewNop()})
	calling, stop := context.WithCancel(t.Context())
	began, failed := time.Now(), make(chan error, 1)
	go func() {
		defer close(failed)
		_, err := guard.Around(g, engine.RateShipment)(calling, protocol.RatingRequest{Shipment: "acme-1"})
		failed <- err
	}()
	within(t, "shut", func() bool { return !g.Passes() })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was shut after %s, want 5 s at most", took)
	}
	select {
	case err := <-failed:
		t.Errorf("the call had failed before: %v", err)
	default:
	}
	stop()
	<-failed
}

// TestSlowSystemThatAnswersAProbeStaysOpen for as long as its calls take.
func TestSlowSystemThatAnswersAProbeStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{}
		g := guarded(t, s, nil, zap.NewNop())
		slow := guard.Around(g, func(context.Context, int) (int, error) { <-time.After(95 * time.Second); return 1, nil })
		go func() {
			for range 90 {
				<-time.After(time.Second)
				if !g.Passes() {
					t.Error("a slow call shut the queue, though the system answers")
				}
			}
		}()
		if _, err := slow(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if n := s.probes.Load(); n != 31 {
			t.Errorf("%d probes in 95 s, want one each 3 s", n)
		}
		<-time.After(time.Minute)
		if n := s.probes.Load(); n != 31 {
			t.Errorf("it is probed though no call is under way: %d", n)
		}
	})
}

// TestSystemThatFallsSilentUnderACallIsFoundOutToo: the first probe had passed.
func TestSystemThatFallsSilentUnderACallIsFoundOutToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := time.Now().Add(10 * time.Second)
		g := guard.New(t.Context(), guard.Options{System: "Odoo", Log: zap.NewNop(), Probe: func(ctx context.Context) error {
			if time.Now().Before(hung) {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		go func() {
			_, _ = guard.Around(g, func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() })(t.Context(), 1)
		}()
		<-time.After(10*time.Second + 5*time.Second)
		if g.Passes() {
			t.Error("5 s after it fell silent calls still pass")
		}
	})
}

// TestSystemThatAnswersCallsIsNotDownThoughItLetsTheProbeWait, as one that is at its limit.
func TestSystemThatAnswersCallsIsNotDownThoughItLetsTheProbeWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard.New(t.Context(), guard.Options{System: "Odoo", Log: zap.NewNop(), Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		call := guard.Around(g, func(context.Context, int) (int, error) { <-time.After(3500 * time.Millisecond); return 1, nil })
		for range 20 {
			if _, err := call(t.Context(), 1); err != nil || !g.Passes() {
				t.Fatal("a system that answers each call was taken for down", err)
			}
		}
	})
}

// TestCallThatIsCalledOffTellsNothing: neither that the system is up nor that it is down.
func TestCallThatIsCalledOffTellsNothing(t *testing.T) {
	s := &system{}
	g := guarded(t, s, nil, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	off := guard.Around(g, func(ctx context.Context, _ int) (int, error) {
		cancel()
		return 0, protocol.Ambiguous.Of(errors.New("no answer"))
	})
	_, _ = off(ctx, 1)
	if n := s.probes.Load(); n != 0 || !g.Passes() {
		t.Errorf("%d probes, passes %v", n, g.Passes())
	}
}
