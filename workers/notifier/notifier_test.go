package notifier_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"waybill/activities/notify"
	"waybill/activities/notify/notifytest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/starters/bridge/webhook"
	"waybill/workers/notifier"
	"waybill/workflows/freight"
)

const name = "portal"

func openFor(t *testing.T, db storetest.DB) (*store.Store, *storetest.Clock) {
	t.Helper()
	clock := &storetest.Clock{}
	return db.Open(t, store.WithClock(clock.Now), store.WithSubscribers([]store.Subscription{{Name: name}}, notify.Renderer("acme"))), clock
}

// happen makes a shipment open n exceptions, one after the other.
func happen(t *testing.T, s *store.Store, id freight.ShipmentID, n int) {
	t.Helper()
	for i := range n {
		v := freight.View{Shipment: id, Revision: int64(i + 1), At: time.Now(), Exceptions: freight.ExceptionKinds()[:i+1]}
		if _, err := s.Record(t.Context(), store.Entry{View: v}); err != nil {
			t.Fatal(err)
		}
	}
}

func keys() ([]webhook.Key, error) {
	k, err := webhook.ParseKey(notifytest.Secret)
	return []webhook.Key{k}, err
}

// run lets a notifier work until stop is called.
func run(t *testing.T, s *store.Store, url string) (stop func()) {
	t.Helper()
	client := notify.New(notify.Subscriber{Name: name, URL: url, Keys: keys, Timeout: 2 * time.Second, Private: true})
	n := &notifier.Notifier{Store: s, Log: zaptest.NewLogger(t), Idle: 5 * time.Millisecond, Subscribers: []notifier.Subscriber{{Name: name, Client: client, GiveUp: time.Hour}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return stop
}

// until waits for a condition, letting the store's time pass meanwhile.
func until(t *testing.T, clock *storetest.Clock, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		clock.Pass(time.Second)
		<-time.After(2 * time.Millisecond)
	}
}

func state(t *testing.T, s *store.Store) store.SubscriberState {
	t.Helper()
	st, err := s.SubscriberState(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestLostReplyRepeatsTheSameIDAndBody: at least once, and exactly once for who keeps the ids.
func TestLostReplyRepeatsTheSameIDAndBody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db)
		sub := notifytest.Start(t)
		var n atomic.Int64
		sub.Next = func(notifytest.Told) notifytest.Answer { return notifytest.Answer{Lost: n.Add(1) <= 3} }
		happen(t, s, "acme-1", 1)
		stop := run(t, s, sub.URL)
		until(t, clock, "sent", func() bool { return state(t, s).Counts["sent"] == 1 })
		stop()
		tries := sub.Tries()
		for _, again := range tries {
			if again.ID != tries[0].ID || string(again.Body) != string(tries[0].Body) {
				t.Errorf("first %s %s, then %s %s", tries[0].ID, tries[0].Body, again.ID, again.Body)
			}
		}
		if len(tries) != 4 || len(sub.Taken()) != 1 {
			t.Errorf("%d tries, %d taken", len(tries), len(sub.Taken()))
		}
	})
}

// TestEventsArriveInTheirOrderThroughTroubleAndAnotherNotifier: each shipment's, though every third try fails and the
// notifier is stopped in the middle.
func TestEventsArriveInTheirOrderThroughTroubleAndAnotherNotifier(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, clock := openFor(t, db)
		sub := notifytest.Start(t)
		var n atomic.Int64
		sub.Next = func(notifytest.Told) notifytest.Answer {
			if n.Add(1)%3 == 0 {
				return notifytest.Answer{Status: http.StatusInternalServerError}
			}
			return notifytest.Answer{}
		}
		const shipments, each = 5, 6
		for i := range shipments {
			happen(t, s, freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), each)
		}
		stop := run(t, s, sub.URL)
		until(t, clock, "some are told", func() bool { return len(sub.Taken()) >= 7 })
		stop()
		for range 2 {
			defer run(t, s, sub.URL)()
		}
		until(t, clock, "all are told", func() bool { return len(sub.Taken()) == shipments*each })
		told := map[string][]string{}
		for _, v := range sub.Taken() {
			e, err := v.Decoded()
			if err != nil {
				t.Fatal(err)
			}
			told[e.Subject()] = append(told[e.Subject()], fmt.Sprint(e.Extensions()["sequence"]))
		}
		for id, numbers := range told {
			if !slices.IsSorted(numbers) || len(numbers) != each {
				t.Errorf("%s: %v", id, numbers)
			}
		}
	})
}

func TestSubscriberThatSays410IsToldNothingMoreUntilItIsEnabled(t *testing.T) {
	s, clock := openFor(t, storetest.SQLite(t))
	sub := notifytest.Start(t)
	var gone atomic.Bool
	gone.Store(true)
	sub.Next = func(notifytest.Told) notifytest.Answer {
		if gone.Load() {
			return notifytest.Answer{Status: http.StatusGone}
		}
		return notifytest.Answer{}
	}
	happen(t, s, "acme-1", 3)
	defer run(t, s, sub.URL)()
	until(t, clock, "disabled", func() bool { return !state(t, s).Disabled.IsZero() })
	happen(t, s, "acme-2", 1)
	clock.Pass(240 * time.Hour)
	gone.Store(false)
	if err := s.Enable(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	until(t, clock, "all are told", func() bool { return len(sub.Taken()) == 4 })
	if got := len(sub.Tries()); got != 5 {
		t.Errorf("%d tries: it was told while it was disabled", got)
	}
}

// TestRetryAfterIsHonouredAndCapped: a day is asked for, a quarter of an hour is waited.
func TestRetryAfterIsHonouredAndCapped(t *testing.T) {
	s, clock := openFor(t, storetest.SQLite(t))
	sub := notifytest.Start(t)
	var n atomic.Int64
	sub.Next = func(notifytest.Told) notifytest.Answer {
		if n.Add(1) == 1 {
			return notifytest.Answer{Status: http.StatusTooManyRequests, RetryAfter: "86400"}
		}
		return notifytest.Answer{}
	}
	happen(t, s, "acme-1", 1)
	began := clock.Now()
	defer run(t, s, sub.URL)()
	until(t, clock, "paused", func() bool { return !state(t, s).Paused.IsZero() })
	asked := clock.Now()
	until(t, clock, "told", func() bool { return len(sub.Taken()) == 1 })
	if waited := state(t, s).Paused.Sub(asked); waited > 15*time.Minute || state(t, s).Paused.Sub(began) < 15*time.Minute || clock.Now().Before(state(t, s).Paused) {
		t.Errorf("paused until %s, asked at %s, told at %s", state(t, s).Paused, asked, clock.Now())
	}
}

// TestNotifiersTogetherKeepToASubscribersRate, each of which could tell much more alone.
func TestNotifiersTogetherKeepToASubscribersRate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		const shipments, perSecond = 30, 20
		sub := notifytest.Start(t)
		var stops []func()
		began := time.Now()
		for range 3 {
			s := db.Open(t, store.WithSubscribers([]store.Subscription{{Name: name}}, notify.Renderer("acme")))
			if len(stops) == 0 {
				for i := range shipments {
					happen(t, s, freight.ShipmentID(fmt.Sprintf("acme-%d", i+1)), 1)
				}
				began = time.Now()
			}
			client := notify.New(notify.Subscriber{Name: name, URL: sub.URL, Keys: keys, Timeout: 2 * time.Second, Private: true})
			n := &notifier.Notifier{Store: s, Log: zaptest.NewLogger(t), Idle: 5 * time.Millisecond, Subscribers: []notifier.Subscriber{{Name: name, Client: client, PerSecond: perSecond, GiveUp: time.Hour}}}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- n.Run(ctx) }()
			stops = append(stops, func() { cancel(); <-done })
		}
		until(t, &storetest.Clock{}, "all is told", func() bool { return len(sub.Taken()) == shipments })
		if least := (shipments - 1) * time.Second / perSecond; time.Since(began) < least {
			t.Errorf("%d events in %s, want no fewer than %s", shipments, time.Since(began), least)
		}
		for _, stop := range stops {
			stop()
		}
	})
}
