// Package pace keeps what all workers together do within a rate.
package pace

import (
	"context"
	"sync"
	"time"

	"waybill/internal/store"
)

// Taker takes turns that nobody else has.
type Taker interface {
	TakeTurns(ctx context.Context, name string, perSecond float64, n int) (store.Turns, error)
}

// Pace is the rate of one thing that is called. Its workers share the store, and its clock as far as theirs agree.
type Pace struct {
	taker     Taker
	name      string
	perSecond float64

	mu    sync.Mutex
	turns store.Turns // left
}

// New makes a pace of so many calls a second by all workers together, over 0; 0 and less is no limit.
func New(t Taker, name string, perSecond float64) *Pace {
	return &Pace{taker: t, name: name, perSecond: perSecond}
}

// ahead is how much is taken at a time: enough that the store is asked once a second, and so little that a worker that
// ends leaves nothing idle for longer.
const ahead = time.Second

// Wait waits for the next turn. It fails where the store does, or the context ends.
func (p *Pace) Wait(ctx context.Context) error {
	if p.perSecond <= 0 {
		return ctx.Err()
	}
	at, err := p.next(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(at)):
		return nil
	}
}

// next is the next turn that has not passed: what was not used in its time is lost, or it would be a burst.
func (p *Pace) next(ctx context.Context) (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for now := time.Now(); p.turns.N > 0 && p.turns.First.Add(p.turns.Every).Before(now); p.pass() {
	}
	if p.turns.N == 0 {
		ts, err := p.taker.TakeTurns(ctx, p.name, p.perSecond, max(1, int(p.perSecond*ahead.Seconds())))
		if err != nil {
			return time.Time{}, err
		}
		p.turns = ts
	}
	defer p.pass()
	return p.turns.First, nil
}

func (p *Pace) pass() {
	p.turns.First = p.turns.First.Add(p.turns.Every)
	p.turns.N--
}
