package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"waybill/starters/rig"
)

// A partner that is busy says when to come again: in some seconds, by its seed. Who was told so may have sent another
// call at that moment, which is forgiven for as long as a loaded machine may take over it.
const (
	busyLeast = 4
	busyMost  = 7
	forgiven  = 2 * time.Second
	early     = 200 * time.Millisecond // timers of two processes need not agree to the millisecond
)

// asked is what a partner has told one worker about one path.
type asked struct {
	at, until time.Time
	disturbed int64 // how often workers had been disturbed until then: one that was does not know what it was told
}

// busy is a partner that answers every other call so, and watches whether its word counts. Its rules are called for
// one call at a time.
type busy struct {
	partner   string
	rng       *rand.Rand
	disturbed func() int64
	now       func() time.Time

	told    map[string]asked // by worker and path
	refused int
	sooner  []string // who came sooner than he was told
}

func newBusy(partner string, rng *rand.Rand, disturbed func() int64) *busy {
	return &busy{partner: partner, rng: rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())), disturbed: disturbed, now: time.Now, told: map[string]asked{}}
}

// refuse is the rule while the partner is busy. What only reads is answered: a guard's probe among it, which asks whether
// the partner is there at all.
func (b *busy) refuse(r *http.Request) rig.Fault {
	b.watch(r)
	if r.Method == http.MethodGet || b.rng.IntN(2) == 0 {
		return rig.Fault{}
	}
	seconds, now, key := busyLeast+b.rng.IntN(busyMost-busyLeast+1), b.now(), keyOf(r)
	until := now.Add(time.Duration(seconds) * time.Second)
	if before := b.told[key].until; before.After(until) {
		until = before
	}
	b.told[key] = asked{now, until, b.disturbed()}
	b.refused++
	return rig.Fault{Code: http.StatusTooManyRequests, After: strconv.Itoa(seconds)}
}

// watch is the rule when it is not busy any more, until the last who was told has waited.
func (b *busy) watch(r *http.Request) rig.Fault {
	key, now := keyOf(r), b.now()
	t, told := b.told[key]
	if told && t.disturbed == b.disturbed() && now.After(t.at.Add(forgiven)) && now.Before(t.until.Add(-early)) {
		b.sooner = append(b.sooner, fmt.Sprintf("the %s told %s to wait %.1f s, and was asked again after %.1f s", b.partner, key, t.until.Sub(t.at).Seconds(), now.Sub(t.at).Seconds()))
	}
	return rig.Fault{}
}

func keyOf(r *http.Request) string {
	return fmt.Sprintf("%s, %s %s,", rig.Caller(r), r.Method, r.URL.Path)
}

// partnersBusy has billing engine and TMS refuse calls for a while, and sees that each worker waits as it was told.
func (n *nemesis) partnersBusy(ctx context.Context) error {
	disturbed := func() int64 { return n.restarts.Load() + n.holds.Load() }
	all := []struct {
		*busy
		at *rig.Faults
	}{{newBusy("billing engine", n.rng, disturbed), n.h.BillingFaults}, {newBusy("TMS", n.rng, disturbed), n.h.TMSFaults}}
	for _, b := range all {
		b.at.Rule(b.refuse)
	}
	pause(ctx, n.between(5000, 15_000))
	for _, b := range all {
		b.at.Rule(b.watch)
	}
	pause(ctx, busyMost*time.Second)
	for _, b := range all {
		b.at.Rule(nil)
		n.note("busy", b.partner, b.refused)
		for _, why := range b.sooner {
			n.violated("patience", why)
		}
	}
	return nil
}
