package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"waybill/starters/bridge/connectors"
	"waybill/starters/rig"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// lagRate is how many events a second are sent while their way is timed: few, so that none waits for another.
const lagRate = 4

// mark is one event on its way.
type mark struct {
	about    subject
	eta      time.Time // what it says, unlike any other
	accepted time.Time
	signal   time.Time // when Temporal had it
	shown    time.Time // when Odoo had it
}

// lag times events from the bridge's answer to the signal, and to Odoo: each says another time of arrival, and it is
// over when Odoo has that one.
func (b *bench) lag(ctx context.Context) error {
	h, err := b.open(ctx, rig.Options{Relay: relayDefaults})
	if err != nil {
		return err
	}
	defer h.Close()
	const shipments = 16 // each hears of its arrival every four seconds
	fleet, err := b.fleet(ctx, h, shipments)
	if err != nil {
		return err
	}
	w, err := begin(members(h))
	if err != nil {
		return err
	}
	marks, err := b.sendMarks(ctx, h, fleet)
	if err != nil {
		return err
	}
	u, err := w.end()
	if err != nil {
		return err
	}
	if err := signalled(ctx, h, fleet, marks); err != nil {
		return err
	}
	b.tellLag(marks, u.others)
	b.word("Of it the relay waits 200 ms for others of a burst (relay.gather), and looks every 250 ms when idle (relay.idle). Odoo is %s, asked every %s.",
		map[bool]string{true: "a real one", false: "the stand-in"}[h.Real], lookEvery(h))
	return nil
}

func (b *bench) sendMarks(ctx context.Context, h *rig.House, fleet []subject) (marks []*mark, err error) {
	l := &load{h: h, source: "carrier", name: "lag"}
	far := time.Now().UTC().Truncate(time.Hour).Add(48 * time.Hour)
	g, gctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range b.o.samples {
		if err := until(gctx, began.Add(time.Duration(i)*time.Second/lagRate)); err != nil {
			break
		}
		m := &mark{about: fleet[i%len(fleet)], eta: far.Add(time.Duration(i) * time.Minute)}
		raw, err := l.arrival(m, fmt.Sprintf("lag-%d", i))
		if err != nil {
			return nil, err
		}
		v := fire(gctx, h.BridgeAddresses(), []shot{{id: m.eta.String(), raw: raw}}, 1, answerWithin)
		if m.accepted = time.Now(); len(v.accepted) != 1 {
			return nil, fmt.Errorf("an event was not accepted: %w", v.clean())
		}
		marks = append(marks, m)
		g.Go(func() error { return awaitMark(gctx, h, m) })
	}
	return marks, g.Wait()
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

// signalled finds when each event's signal was written, in the shipments' histories.
func signalled(ctx context.Context, h *rig.House, fleet []subject, marks []*mark) error {
	said := map[string]time.Time{} // arrival -> time of its signal
	for _, s := range fleet {
		it := h.Temporal.GetWorkflowHistory(ctx, protocol.ShipmentWorkflowID(s.id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for it.HasNext() {
			e, err := it.Next()
			if err != nil {
				return err
			}
			var batch protocol.ScanBatch
			ps := e.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads()
			if len(ps) != 1 || json.Unmarshal(ps[0].GetData(), &batch) != nil {
				continue
			}
			for _, scan := range batch.Scans {
				said[scan.ETA.UTC().String()] = e.GetEventTime().AsTime()
			}
		}
	}
	for _, m := range marks {
		at, ok := said[m.eta.String()]
		if !ok {
			return fmt.Errorf("shipment %s: no signal says that it arrives at %s", m.about.id, m.eta)
		}
		m.signal = at
	}
	return nil
}

func (b *bench) tellLag(marks []*mark, others float64) {
	for _, leg := range []struct {
		name string
		took func(*mark) time.Duration
	}{
		{"accepted until signalled", func(m *mark) time.Duration { return m.signal.Sub(m.accepted) }},
		{"signalled until Odoo shows it", func(m *mark) time.Duration { return m.shown.Sub(m.signal) }},
		{"accepted until Odoo shows it", func(m *mark) time.Duration { return m.shown.Sub(m.accepted) }},
	} {
		var took []float64
		for _, m := range marks {
			took = append(took, millis(leg.took(m)))
		}
		b.add(
			taken{name: leg.name + ", half within", unit: "ms", values: []float64{quantile(took, 50)}, note: fmt.Sprintf("%d events, %d a second", len(marks), lagRate), others: others},
			taken{name: leg.name + ", 99 % within", unit: "ms", values: []float64{quantile(took, 99)}, others: others},
		)
	}
}
