package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms"
	"waybill/starters/bridge/connectors"
	"waybill/starters/rig"
	"waybill/starters/rig/script"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

const (
	// lagRate is how many events a second are sent while their way is timed: few, so that none waits for another.
	lagRate = 4
	// lookDefault is odoo.scan_every where nobody sets it.
	lookDefault = 10 * time.Second
)

// lag times what a person waits for: from the bridge's answer to an event until Odoo shows it, from the answer to a
// proof of delivery until Odoo has it, and from an order's release in Odoo until its shipment is there.
func (b *bench) lag(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{Relay: relayDefaults, Look: lookDefault})
	if err != nil {
		return err
	}
	defer h.Close()
	const shipments = 16 // each hears of its arrival every four seconds
	fleet, err := b.fleet(ctx, h, shipments)
	if err != nil {
		return err
	}
	for _, leg := range []func(context.Context, *rig.House, []subject) ([]*way, error){b.arrivals, b.proofs, b.releases} {
		ways, err := leg(ctx, h, fleet)
		if err != nil {
			return err
		}
		for _, w := range ways {
			b.add(w.half(), w.most())
		}
	}
	b.word("Of it the relay waits 200 ms for others of a burst (relay.gather), and looks every 250 ms when idle (relay.idle). Odoo is %s, asked every %s.",
		map[bool]string{true: "a real one", false: "the stand-in"}[h.Real], lookEvery(h))
	b.word("A release is found when Odoo is next asked for what is new, every %s here as by default (odoo.scan_every); Odoo's own hint to the bridge, which is not used here, spares that.", lookDefault)
	return nil
}

// way is what is timed, each time that it was gone, in rounds.
type way struct {
	name, note string
	rounds     [][]float64 // ms
	others     float64
}

// over notes a round: how long each took, and what others took of the machine meanwhile.
func (w *way) over(took []float64, others float64) {
	w.rounds, w.others = append(w.rounds, took), max(w.others, others)
}

func (w *way) half() taken { return w.within("half", 50, w.note) }

func (w *way) most() taken { return w.within("99 %", 99, "") }

func (w *way) within(words string, percent float64, note string) taken {
	return taken{name: w.name + ", " + words + " within", unit: "ms", note: note, others: w.others,
		values: each(w.rounds, func(took []float64) float64 { return quantile(took, percent) })}
}

// timed measures the processes while a round goes on.
func timed(h *rig.House, round func() error) (others float64, err error) {
	w, err := begin(members(h))
	if err != nil {
		return 0, err
	}
	if err := round(); err != nil {
		return 0, err
	}
	u, err := w.end()
	return u.others, err
}

// atLagRate does something so many times, lagRate times a second.
func atLagRate(ctx context.Context, times int, do func(i int) error) error {
	began := time.Now()
	for i := range times {
		if err := until(ctx, began.Add(time.Duration(i)*time.Second/lagRate)); err != nil {
			return err
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// mark is one event on its way.
type mark struct {
	about    subject
	eta      time.Time // what it says, unlike any other
	accepted time.Time
	signal   time.Time // when Temporal had it
	shown    time.Time // when Odoo had it
}

// arrivals times events that each say another time of arrival: one is over when Odoo has that one.
func (b *bench) arrivals(ctx context.Context, h *rig.House, fleet []subject) ([]*way, error) {
	note := fmt.Sprintf("%d events a round, %d a second", b.o.samples, lagRate)
	signalled, shown, all := &way{name: "accepted until signalled", note: note}, &way{name: "signalled until Odoo shows it", note: note}, &way{name: "accepted until Odoo shows it", note: note}
	l := &load{h: h, source: "carrier", name: "lag"}
	far := time.Now().UTC().Truncate(time.Hour).Add(48 * time.Hour)
	for round := range b.o.rounds {
		var marks []*mark
		others, err := timed(h, func() (err error) {
			marks, err = b.sendMarks(ctx, l, fleet, far.Add(time.Duration(round*b.o.samples)*time.Minute))
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := findSignals(ctx, h, fleet, marks); err != nil {
			return nil, err
		}
		signalled.over(each(marks, func(m *mark) float64 { return millis(m.signal.Sub(m.accepted)) }), others)
		shown.over(each(marks, func(m *mark) float64 { return millis(m.shown.Sub(m.signal)) }), others)
		all.over(each(marks, func(m *mark) float64 { return millis(m.shown.Sub(m.accepted)) }), others)
	}
	return []*way{signalled, shown, all}, nil
}

// sendMarks sends events that say that their freight arrives at first, a minute later, and so on.
func (b *bench) sendMarks(ctx context.Context, l *load, fleet []subject, first time.Time) (marks []*mark, err error) {
	g, gctx := errgroup.WithContext(ctx)
	err = atLagRate(gctx, b.o.samples, func(i int) error {
		m := &mark{about: fleet[i%len(fleet)], eta: first.Add(time.Duration(i) * time.Minute)}
		raw, err := l.arrival(m, "lag-"+m.eta.Format(time.RFC3339))
		if err != nil {
			return err
		}
		v := fire(gctx, l.h.BridgeAddresses(), []shot{{id: m.eta.String(), raw: raw}}, 1, answerWithin)
		if m.accepted = time.Now(); len(v.accepted) != 1 {
			return fmt.Errorf("an event was not accepted: %w", v.clean())
		}
		marks = append(marks, m)
		g.Go(func() error { return awaitMark(gctx, l.h, m) })
		return nil
	})
	if shown := g.Wait(); shown != nil {
		return nil, shown // it ended the sending
	}
	return marks, err
}

func (l *load) arrival(m *mark, id string) ([]byte, error) {
	at := time.Now().UTC()
	data, err := json.Marshal(connectors.Milestone{Milestone: freight.ETAUpdated, Classifier: freight.Estimated, OccurredAt: at, Carrier: "FASTFRT", ETA: m.eta})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: "urn:bench:carrier", Type: connectors.MilestoneType, Subject: "shipment/" + string(m.about.id), Time: at, Data: data})
	if err != nil {
		return nil, err
	}
	return l.request(id, at, body)
}

// lookEvery is how often Odoo is asked for one event: the figures are too late by half of it. A real one is asked
// less, or asking is what it does.
func lookEvery(h *rig.House) time.Duration {
	if h.Real {
		return 100 * time.Millisecond
	}
	return 20 * time.Millisecond
}

// shownWithin is how long an event may take before the bench gives up.
const shownWithin = time.Minute

func awaitMark(ctx context.Context, h *rig.House, m *mark) error {
	domain := []any{[]any{"x_waybill_shipment", "=", string(m.about.id)}}
	want := m.eta.Format(time.DateTime)
	for time.Since(m.accepted) < shownWithin {
		rs, err := rows(h.Odoo.Call(ctx, "stock.picking", "search_read", []any{domain}, map[string]any{"fields": []string{"x_waybill_eta"}}))
		if err != nil {
			return err
		}
		if len(rs) == 1 && rs[0]["x_waybill_eta"] == want {
			m.shown = time.Now()
			return nil
		}
		if err := pause(ctx, lookEvery(h)); err != nil {
			return err
		}
	}
	return fmt.Errorf("shipment %s: Odoo does not show its arrival at %s after %s", m.about.id, want, shownWithin)
}

// findSignals finds when each event's signal was written, in the shipments' histories.
func findSignals(ctx context.Context, h *rig.House, fleet []subject, marks []*mark) error {
	said, err := signals(ctx, h, fleet, func(s freight.Scan) time.Time { return s.ETA })
	if err != nil {
		return err
	}
	for _, m := range marks {
		at, ok := said[m.eta.UnixMilli()]
		if !ok {
			return fmt.Errorf("shipment %s: no signal says that it arrives at %s", m.about.id, m.eta)
		}
		m.signal = at
	}
	return nil
}

// signals are when what the fleet's events say was signalled, by the one of their times that tells them apart, in ms
// since 1970.
func signals(ctx context.Context, h *rig.House, fleet []subject, of func(freight.Scan) time.Time) (map[int64]time.Time, error) {
	said := map[int64]time.Time{}
	for _, s := range fleet {
		it := h.Temporal.GetWorkflowHistory(ctx, protocol.ShipmentWorkflowID(s.id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for it.HasNext() {
			e, err := it.Next()
			if err != nil {
				return nil, err
			}
			var batch protocol.ScanBatch
			ps := e.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads()
			if len(ps) != 1 || json.Unmarshal(ps[0].GetData(), &batch) != nil {
				continue
			}
			for _, scan := range batch.Scans {
				said[of(scan).UnixMilli()] = e.GetEventTime().AsTime()
			}
		}
	}
	return said, nil
}

// proofs times proofs of delivery, each of a shipment of its own, until Odoo has answered that it has the document.
func (b *bench) proofs(ctx context.Context, h *rig.House, _ []subject) ([]*way, error) {
	w := &way{name: "proof accepted until filed in Odoo", note: fmt.Sprintf("%d proofs a round, %d a second, each of a shipment that was delivered", b.o.samples, lagRate)}
	for range b.o.rounds {
		s := script.New(h, script.Options{Seed: b.o.seed, Shipments: b.o.samples, Situations: []script.Situation{script.Unproved}, Abreast: 32, Pace: time.Millisecond})
		if err := s.Play(ctx); err != nil {
			return nil, err
		}
		var took []float64
		others, err := timed(h, func() (err error) {
			took, err = sendProofs(ctx, s)
			return err
		})
		if err != nil {
			return nil, err
		}
		w.over(took, others)
	}
	return []*way{w}, nil
}

// sendProofs sends the proof of each, and says how long its way to Odoo took, in ms.
func sendProofs(ctx context.Context, s *script.Show) (took []float64, err error) {
	filed := watchFor(s.Proxy, "ir.attachment", "load")
	defer s.Proxy.Watch(odootest.Watch{})
	accepted := map[string]time.Time{}
	err = atLagRate(ctx, len(s.Plans), func(i int) error {
		err := s.Next(ctx, s.Plans[i])
		accepted[string(s.Plans[i].ID)] = time.Now()
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.Await(ctx, "the last proof in Odoo", shownWithin, func() (bool, error) { return filed.shipments() >= len(accepted), ctx.Err() })
	for id, at := range accepted {
		took = append(took, millis(filed.of(id).Sub(at)))
	}
	return took, err
}

// releases times orders from their confirmation in Odoo until their shipment has started.
func (b *bench) releases(ctx context.Context, h *rig.House, _ []subject) ([]*way, error) {
	h.TMS.OnRequest = func(tms.Request) {} // nobody carries these
	w := &way{name: "released in Odoo until the shipment has started", note: fmt.Sprintf("%d orders a round, at most %d a second", b.o.samples, lagRate)}
	for range b.o.rounds {
		var took []float64
		others, err := timed(h, func() (err error) {
			took, err = b.release(ctx, h)
			return err
		})
		if err != nil {
			return nil, err
		}
		w.over(took, others)
	}
	return []*way{w}, nil
}

func (b *bench) release(ctx context.Context, h *rig.House) (took []float64, err error) {
	confirmed := &confirmations{Caller: h.Odoo}
	sell, err := seller(ctx, odootest.NewShop(confirmed))
	if err != nil {
		return nil, err
	}
	released, ids := map[freight.ShipmentID]time.Time{}, []freight.ShipmentID{}
	err = atLagRate(ctx, b.o.samples, func(int) error {
		picking, err := sell(ctx)
		if err != nil {
			return err
		}
		id, err := freight.ShipmentIDOf(h.Tenant, picking)
		released[id], ids = confirmed.last, append(ids, id)
		return err
	})
	for _, id := range ids {
		if err != nil {
			return nil, err
		}
		var began time.Time
		err = h.Await(ctx, "the shipment "+string(id), shownWithin, func() (bool, error) {
			d, err := h.Temporal.DescribeWorkflowExecution(ctx, protocol.ShipmentWorkflowID(id), "")
			began = d.GetWorkflowExecutionInfo().GetStartTime().AsTime()
			return err == nil, ctx.Err()
		})
		took = append(took, millis(began.Sub(released[id])))
	}
	return took, err
}

// confirmations notes when Odoo has confirmed an order; one at a time.
type confirmations struct {
	odoo.Caller
	last time.Time
}

func (c *confirmations) Call(ctx context.Context, model, method string, args []any, kwargs map[string]any) (any, error) {
	v, err := c.Caller.Call(ctx, model, method, args, kwargs)
	if method == "action_confirm" {
		c.last = time.Now()
	}
	return v, err
}

// answers are when Odoo last answered to a method, by shipment.
type answers struct {
	mu sync.Mutex
	at map[string]time.Time
}

// watchFor notes when Odoo answers to a method, from now on, in place of whoever watched before.
func watchFor(p *odootest.Proxy, model, method string) *answers {
	as := &answers{at: map[string]time.Time{}}
	p.Watch(odootest.Watch{After: func(c odootest.Call) bool {
		if c.Model == model && c.Method == method {
			as.mu.Lock()
			as.at[c.Shipment] = time.Now()
			as.mu.Unlock()
		}
		return false
	}})
	return as
}

// shipments counts those that were answered.
func (as *answers) shipments() int {
	as.mu.Lock()
	defer as.mu.Unlock()
	return len(as.at)
}

// of is when a shipment was answered; the zero time where it was not.
func (as *answers) of(shipment string) time.Time {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.at[shipment]
}

// last is the latest answer.
func (as *answers) last() (t time.Time) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, at := range as.at {
		if at.After(t) {
			t = at
		}
	}
	return t
}
