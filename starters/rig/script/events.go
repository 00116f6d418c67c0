package script

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/activities/tms"
	"waybill/starters/bridge/connectors"
	"waybill/starters/rig"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// groups are the events of a shipment as they are sent: those of a group at once, the next when these are read.
func (s *Show) groups(p *Plan, es []any) [][]any {
	switch {
	case s.o.Rough:
		return p.rough(es)
	case p.keeps() > 0:
		last := len(es) - p.keeps()
		p.held = es[last:]
		return [][]any{es[:last]}
	case p.Situation == CleanBurst:
		return [][]any{es[:3], es[3:5], es[5:]}
	case p.Situation == Shuffled:
		es = append(es, es...)
		p.rng.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
		return [][]any{es}
	case p.Situation == LatePOD:
		return [][]any{es[:2], es[2:6], {es[7]}, {es[6]}}
	case p.Situation == BillingDown:
		return [][]any{es[:5], es[5:]}
	}
	return apart(es)
}

// keeps is how many of a shipment's last events its situation keeps back: it stays where it is.
func (p *Plan) keeps() int {
	return map[Situation]int{InTransit: 6, Unproved: 2, Unbilled: 1}[p.Situation]
}

// Next delivers the first of the events that a shipment's situation has kept back: the proof of one that is Unproved,
// its carrier's invoice of one that is Unbilled. Where none is left it is an error.
func (s *Show) Next(ctx context.Context, p *Plan) error {
	if len(p.held) == 0 {
		return fmt.Errorf("shipment %s (%s): none of its events is kept back", p.ID, p.Situation)
	}
	e := p.held[0]
	p.held = p.held[1:]
	p.delivered++
	return s.send(ctx, p, e)
}

func apart(es []any) (groups [][]any) {
	for _, e := range es {
		groups = append(groups, []any{e})
	}
	return groups
}

// rough deals a shipment's events out in any order and any grouping, some of them again.
func (p *Plan) rough(es []any) (groups [][]any) {
	for _, e := range es[:len(es):len(es)] {
		for range p.rng.IntN(3) / 2 { // a third comes twice
			es = append(es, e)
		}
	}
	p.rng.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
	for len(es) > 0 {
		n := 1 + p.rng.IntN(len(es))
		groups = append(groups, es[:n])
		es = es[n:]
	}
	return groups
}

func (s *Show) deliverEvents(ctx context.Context, p *Plan, request tms.Request) error {
	es := s.events(p, request)
	p.distinct = len(es)
	for i, group := range s.groups(p, es) {
		if p.Situation == BillingDown && i == 1 && !s.o.Rough {
			s.clean.Wait() // what a clean shipment costs is measured without the outage
			s.Billing.Down(10 * time.Second)
		}
		var together errgroup.Group
		for _, e := range group {
			together.Go(func() error { return s.send(ctx, p, e) })
		}
		if err := together.Wait(); err != nil {
			return err
		}
		p.delivered += len(group)
		if err := s.read(ctx, p); err != nil {
			return err
		}
	}
	if p.Situation == BillingDown && !s.o.Rough {
		return s.statusWhileDown(ctx, p)
	}
	return nil
}

// read waits until the story has read what was sent so far, so that the next group is a signal of its own.
func (s *Show) read(ctx context.Context, p *Plan) error {
	if s.o.Pace > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(s.o.Pace):
		}
		return ctx.Err()
	}
	if s.o.Rough || p.Situation == Shuffled {
		return nil
	}
	return s.Await(ctx, "the story reads its events", s.o.Patience, func() (bool, error) {
		st, err := s.State(ctx, p.ID)
		return err == nil && st.HighWater >= int64(p.delivered) && !busy(st), ctx.Err()
	})
}

// busy reports whether Odoo does not show yet what the story knows.
func busy(st freight.Shipment) bool {
	for _, i := range st.Intents {
		if i.Step != protocol.RateShipment.Name {
			return true
		}
	}
	return false
}

// statusWhileDown sees that the delivery reached Odoo though the billing engine did not answer.
func (s *Show) statusWhileDown(ctx context.Context, p *Plan) error {
	return s.Await(ctx, "the status in Odoo while billing is down", 20*time.Second, func() (bool, error) {
		st, err := s.State(ctx, p.ID)
		p.statusOK = p.statusOK || err == nil && st.Invoice == nil && st.Shown.Status == freight.StatusDelivered
		return p.statusOK || err == nil && st.Invoice != nil, nil
	})
}

// sourceOf is who sends an event: the TMS says that the tender is accepted, the carrier all else.
func sourceOf(e any) string {
	if m, ok := e.(connectors.Milestone); ok && m.Milestone == freight.TenderAccepted {
		return "tms"
	}
	return "carrier"
}

// pod is a document of at least so many bytes; every shipment's is its own.
func pod(id freight.ShipmentID, size int) []byte {
	text := []byte("%PDF-1.4 proof of delivery of " + string(id) + " ")
	return append(text, bytes.Repeat([]byte{'.'}, max(size-len(text), 0))...)
}

// events are the eight things that happen to a shipment that goes well.
func (s *Show) events(p *Plan, request tms.Request) []any {
	if p.at.IsZero() {
		p.at = time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	}
	at := p.at
	refs := []freight.Reference{{Kind: freight.RefPRO, Carrier: freight.CarrierCode(p.carrier), Value: request.PRO}}
	var es []any
	for i, m := range carriage {
		es = append(es, connectors.Milestone{Milestone: m, Classifier: freight.Actual, OccurredAt: at.Add(time.Duration(i) * time.Minute), Carrier: freight.CarrierCode(p.carrier), References: refs})
	}
	proof := connectors.Milestone{Milestone: freight.DocumentReceived, Classifier: freight.Actual, OccurredAt: at.Add(proofAfter), Carrier: freight.CarrierCode(p.carrier), References: refs,
		Documents: []connectors.Document{{Kind: freight.DocumentPOD, MediaType: "application/pdf", Content: base64.StdEncoding.EncodeToString(pod(p.ID, s.o.ProofBytes)), Signer: "R. Receiver"}}}
	return append(es, proof, p.charges(refs, at.Add(chargesAfter)))
}

// charges is the carrier's invoice: right by its contract, but for what the situation wants.
func (p *Plan) charges(refs []freight.Reference, at time.Time) connectors.Charges {
	buy := map[string]tariff{"FASTFRT": fast, "SLOWFRT": slow}[p.carrier]
	if p.Situation == NoContract {
		buy = slow
	}
	linehaul, fuel := buy.carriage(p.kg())
	c := connectors.Charges{Carrier: freight.CarrierCode(p.carrier), OccurredAt: at, References: refs}
	c.Invoice.Number = p.Invoice
	usd := func(cents int64) freight.Money { return freight.Money{Number: dollars(cents), Currency: "USD"} }
	c.Invoice.Lines = []connectors.ChargeLine{{Line: "1", Code: freight.Linehaul, RawCode: "400", Amount: usd(linehaul)}, {Line: "2", Code: freight.FuelSurcharge, RawCode: "405", Amount: usd(fuel)}}
	total := linehaul + fuel
	if p.verdict != "" {
		hours := fmt.Sprintf("%d.%d", p.halfHours/2, p.halfHours%2*5)
		c.Invoice.Lines = append(c.Invoice.Lines, connectors.ChargeLine{Line: "3", Code: freight.Detention, RawCode: "DET", Amount: usd(p.detention), Quantity: hours, Unit: "h"})
		total += p.detention
	}
	c.Invoice.Total = usd(total)
	return c
}

// Delivery is one delivery to the bridge, and what became of it.
type Delivery struct {
	Source   string             `json:"source"`
	ID       string             `json:"id"`
	Shipment freight.ShipmentID `json:"shipment"`
	Tries    int                `json:"tries"`
	Code     int                `json:"code"` // of the last answer; 0: none came
	Accepted bool               `json:"accepted"`
	Refuse   bool               `json:"refuse,omitzero"` // it must not be taken: badly signed, or nothing anyone can use
	Body     []byte             `json:"-"`
	At       time.Time          `json:"at"` // of the last answer
}

// send delivers one event through the bridge, signed, under an id of its own; in rough times again until it is
// taken, as carriers do. Where partners send nothing, it is there to be asked for.
func (s *Show) send(ctx context.Context, p *Plan, data any) error {
	body, id, err := s.envelope(p, data)
	if err != nil {
		return err
	}
	d := Delivery{Source: sourceOf(data), ID: id, Shipment: p.ID, Body: body}
	if s.o.Tell != nil {
		return s.o.Tell(d, data)
	}
	err = s.Await(ctx, "the bridge takes "+id, s.o.Patience, func() (bool, error) {
		d.Tries++
		a, err := s.Post(ctx, d.Source, id, body, rig.Clock{})
		d.Code, d.At = a.Code, time.Now()
		switch {
		case err == nil && a.Code == http.StatusAccepted:
			d.Accepted = true
			return true, nil
		case s.o.Rough && (err != nil || a.Code >= http.StatusInternalServerError || a.Code == http.StatusTooManyRequests):
			return false, ctx.Err()
		case err != nil:
			return false, err
		}
		return false, fmt.Errorf("the bridge answered %d: %s", a.Code, a.Text)
	})
	if s.o.Observe != nil {
		s.o.Observe(d)
	}
	return err
}

func (s *Show) envelope(p *Plan, data any) (body []byte, id string, err error) {
	kind := connectors.MilestoneType
	if _, ok := data.(connectors.Charges); ok {
		kind = connectors.ChargesType
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	id = fmt.Sprintf("%s-%d-%d", p.ID, p.rng.Uint32(), time.Now().UnixNano())
	s.mu.Unlock()
	body, err = json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: "urn:demo:" + sourceOf(data), Type: kind, Subject: "shipment/" + string(p.ID), Time: time.Now().UTC(), Data: raw})
	return bytes.TrimSpace(body), id, err
}
