package pace_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workers/pace"
)

// TestWorkersTogetherKeepToTheRate, whatever each of them wants.
func TestWorkersTogetherKeepToTheRate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		const (
			workers   = 4
			each      = 10
			perSecond = 50
		)
		s := db.Open(t)
		var mu sync.Mutex
		var at []time.Time
		var g errgroup.Group
		began := time.Now()
		for range workers {
			p := pace.New(s, "portal", perSecond)
			g.Go(func() error {
				for range each {
					if err := p.Wait(t.Context()); err != nil {
						return err
					}
					mu.Lock()
					at = append(at, time.Now())
					mu.Unlock()
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(at, time.Time.Compare)
		if least := (workers*each - 1) * time.Second / perSecond; at[len(at)-1].Sub(began) < least {
			t.Errorf("%d calls in %s, want no fewer than %s", len(at), at[len(at)-1].Sub(began), least)
		}
	})
}

// taker answers with turns that are made up.
type taker struct {
	turns store.Turns
	err   error
	asked int
}

func (f *taker) TakeTurns(context.Context, string, float64, int) (store.Turns, error) {
	f.asked++
	return f.turns, f.err
}

func TestTurnsThatHavePassedAreNotABurst(t *testing.T) {
	f := &taker{turns: store.Turns{First: time.Now().Add(-time.Hour), Every: time.Minute, N: 10}}
	p := pace.New(f, "portal", 10)
	for range 2 {
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if f.asked != 2 {
		t.Errorf("asked for turns %d times: those that had passed were used", f.asked)
	}
}

func TestWithoutALimitNobodyIsAsked(t *testing.T) {
	f := &taker{err: errors.New("the store is down")}
	if err := pace.New(f, "portal", 0).Wait(t.Context()); err != nil || f.asked != 0 {
		t.Errorf("asked %d times, %v", f.asked, err)
	}
	if err := pace.New(f, "portal", 1).Wait(t.Context()); err == nil {
		t.Error("a store that is down was not noticed: the rate would not hold")
	}
}
