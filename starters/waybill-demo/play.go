package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/activities/billing/billingtest"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/webhook"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// play sells, carries, disputes and pays, and says how it came out.
func (h *house) play(ctx context.Context) (*result, error) {
	h.began = time.Now()
	h.plans = deal(h.o.seed, h.o.shipments)
	h.proxy.Lose(h.losesReply)
	say("confirming orders for %d shipments", len(h.plans))
	g, gctx := errgroup.WithContext(ctx)
	stopTicker := h.tick(gctx)
	defer stopTicker()
	if err := h.openShop(ctx); err != nil {
		return nil, err
	}
	for _, s := range h.plans {
		if s.situation == restOfOrder {
			continue
		}
		if err := h.sell(ctx, s); err != nil {
			return nil, fmt.Errorf("sell for shipment %d: %w", s.n, err)
		}
		if s.clean() {
			h.clean.Add(1)
		}
		g.Go(func() error {
			if s.clean() {
				defer h.clean.Done()
			}
			if err := h.carry(gctx, s); err != nil {
				return fmt.Errorf("shipment %s (%s): %w", s.id, s.situation, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return h.check(ctx)
}

// openShop makes the customers and products.
func (h *house) openShop(ctx context.Context) error {
	for _, c := range []string{"ACME", "ACMW", "BOLT"} {
		if _, err := h.shop.Customer(ctx, c, (&shipmentPlan{customer: c}).postcode()); err != nil {
			return err
		}
	}
	_, err := h.shop.Product(ctx, "WB-CRATE", pieceKg)
	return err
}

func (h *house) sell(ctx context.Context, s *shipmentPlan) error {
	customer, err := h.shop.Customer(ctx, s.customer, s.postcode())
	if err != nil {
		return err
	}
	carrier, product, err := h.shop.Carrier(ctx, s.carrier)
	if err != nil {
		return err
	}
	price, err := strconv.ParseFloat(dollars(s.price), 64) // Odoo's API takes a double
	if err != nil {
		return err
	}
	h.mu.Lock()
	o, err := h.shop.Sell(ctx, customer, carrier, product, odootest.Line{Product: "WB-CRATE", Quantity: int(s.ordered), Price: price})
	if err != nil || len(o.Pickings) == 0 {
		h.mu.Unlock()
		return fmt.Errorf("order %s has no delivery: %w", o.Name, err)
	}
	s.order, s.name = o.ID, o.Name
	h.register(s, o.Pickings[0])
	h.mu.Unlock()
	return nil
}

// register makes a delivery's shipment known to the partners, before anyone can speak of it.
func (h *house) register(s *shipmentPlan, picking int64) {
	s.picking = picking
	s.id, _ = freight.ShipmentIDOf(freight.TenantCode("demo"+h.tenantTail()), picking) // the configured tenant is one
	s.invoice = fmt.Sprintf("CI-%d-%d", h.o.seed, picking)
	h.bySID[s.id] = s
	h.asked[s.id] = make(chan tms.Request, 4)
	h.lostIDs[s.id] = s.situation == replyLost
}

func (h *house) tenantTail() string {
	b, err := os.ReadFile(filepath.Join(h.o.dir, "waybill.yaml"))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimPrefix(line, "tenant: demo")
}

// losesReply loses the first answer to the posting of some shipments: Odoo has done it, and we do not hear of it.
func (h *house) losesReply(shipment, model, method string) bool {
	if model != "account.move" || method != "action_post" {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	lose := h.lostIDs[freight.ShipmentID(shipment)]
	h.lostIDs[freight.ShipmentID(shipment)] = false
	return lose
}

// onTender is the TMS's planner: a request is there to be accepted.
func (h *house) onTender(r tms.Request) {
	h.mu.Lock()
	c := h.asked[r.Shipment]
	h.mu.Unlock()
	if c != nil {
		c <- r
	}
}

// carry plays one shipment, from the TMS's request to the payment.
func (h *house) carry(ctx context.Context, s *shipmentPlan) error {
	var request tms.Request
	select {
	case request = <-h.asked[s.id]:
	case <-time.After(3 * time.Minute):
		return fmt.Errorf("the TMS was never asked; see %s", h.logs.Name())
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.situation == cancelled {
		return h.carryCancelled(ctx, s, request)
	}
	if err := h.warehouse(ctx, s); err != nil {
		return err
	}
	if err := h.deliverEvents(ctx, s, request); err != nil {
		return err
	}
	if err := h.people(ctx, s); err != nil {
		return err
	}
	if err := h.stage(ctx, s, freight.StageSettlement); err != nil {
		return err
	}
	st, err := h.state(ctx, s)
	if err != nil || st.Invoice == nil {
		return fmt.Errorf("no invoice: %w", err)
	}
	if err := h.shop.Pay(ctx, st.Invoice.Move); err != nil {
		return err
	}
	return h.stage(ctx, s, freight.StageClosed)
}

func (h *house) carryCancelled(ctx context.Context, s *shipmentPlan, request tms.Request) error {
	if err := h.send(ctx, s, "tms", h.events(s, request)[0]); err != nil {
		return err
	}
	if err := h.shop.Cancel(ctx, s.order); err != nil {
		return err
	}
	return h.stage(ctx, s, freight.StageCancelled)
}

// warehouse validates the delivery in Odoo; what is left makes a shipment of its own.
func (h *house) warehouse(ctx context.Context, s *shipmentPlan) error {
	h.tms.PickedUp(s.id)
	pieces := 0
	if s.situation == backorder {
		pieces = int(s.pieces)
	}
	h.mu.Lock()
	err := h.shop.Deliver(ctx, s.picking, pieces)
	rest := h.restOf(s)
	var o odootest.Order
	if err == nil && rest != nil {
		if o, err = h.shop.Order(ctx, s.order); err == nil && len(o.Pickings) == 2 {
			h.register(rest, o.Pickings[1])
		}
	}
	h.mu.Unlock()
	if err != nil || rest == nil {
		return err
	}
	rest.order, rest.name = s.order, s.name
	return h.carry(ctx, rest)
}

func (h *house) restOf(s *shipmentPlan) *shipmentPlan {
	for _, p := range h.plans {
		if s.situation == backorder && p.situation == restOfOrder && p.n == s.n {
			return p
		}
	}
	return nil
}

// groups are the events of a shipment as they are sent: those of a group at once, the next when these are read.
func (h *house) groups(s *shipmentPlan, es []any) [][]any {
	switch s.situation {
	case cleanBurst:
		return [][]any{es[:3], es[3:5], es[5:]}
	case shuffled:
		s.repeats = len(es)
		es = append(es, es...)
		s.rng.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
		return [][]any{es}
	case latePOD:
		return [][]any{es[:2], es[2:6], {es[7]}, {es[6]}}
	case billingDown:
		return [][]any{es[:5], es[5:]}
	}
	var apart [][]any
	for _, e := range es {
		apart = append(apart, []any{e})
	}
	return apart
}

func (h *house) deliverEvents(ctx context.Context, s *shipmentPlan, request tms.Request) error {
	es := h.events(s, request)
	distinct := len(es)
	for i, group := range h.groups(s, es) {
		if s.situation == billingDown && i == 1 {
			h.clean.Wait() // what a clean shipment costs is measured without the outage
			h.billing.Down(10 * time.Second)
		}
		var together errgroup.Group
		for _, e := range group {
			together.Go(func() error { return h.send(ctx, s, sourceOf(e), e) })
		}
		if err := together.Wait(); err != nil {
			return err
		}
		if err := h.read(ctx, s, len(group)); err != nil {
			return err
		}
	}
	s.sent = distinct
	if s.situation == billingDown {
		return h.statusWhileDown(ctx, s)
	}
	return nil
}

// read waits until the story has read what was sent so far, so that the next group is a signal of its own.
func (h *house) read(ctx context.Context, s *shipmentPlan, n int) error {
	s.sent += n
	want := int64(s.sent - s.repeats)
	return h.await(ctx, "the story reads its events", time.Minute, func() (bool, error) {
		st, err := h.state(ctx, s)
		return err == nil && st.HighWater >= want && !busy(st), ctx.Err()
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
func (h *house) statusWhileDown(ctx context.Context, s *shipmentPlan) error {
	return h.await(ctx, "the status in Odoo while billing is down", 20*time.Second, func() (bool, error) {
		st, err := h.state(ctx, s)
		s.statusOK = s.statusOK || err == nil && st.Invoice == nil && st.Shown.Status == freight.StatusDelivered
		return s.statusOK || err == nil && st.Invoice != nil, nil
	})
}

func sourceOf(e any) string {
	if m, ok := e.(connectors.Milestone); ok && m.Milestone == freight.TenderAccepted {
		return "tms"
	}
	return "carrier"
}

// pod is a small document; every shipment's is its own.
func pod(id freight.ShipmentID) string {
	return base64.StdEncoding.EncodeToString([]byte("%PDF-1.4 proof of delivery of " + id))
}

// events are the eight things that happen to a shipment that goes well.
func (h *house) events(s *shipmentPlan, request tms.Request) []any {
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	refs := []freight.Reference{{Kind: freight.RefPRO, Carrier: freight.CarrierCode(s.carrier), Value: request.PRO}}
	var es []any
	for i, m := range []freight.Milestone{freight.TenderAccepted, freight.PickedUp, freight.DepartedFacility, freight.ArrivedAtFacility, freight.OutForDelivery, freight.Delivered} {
		es = append(es, connectors.Milestone{Milestone: m, Classifier: freight.Actual, OccurredAt: at.Add(time.Duration(i) * time.Minute), Carrier: freight.CarrierCode(s.carrier), References: refs})
	}
	proof := connectors.Milestone{Milestone: freight.DocumentReceived, Classifier: freight.Actual, OccurredAt: at.Add(7 * time.Minute), Carrier: freight.CarrierCode(s.carrier), References: refs,
		Documents: []connectors.Document{{Kind: freight.DocumentPOD, MediaType: "application/pdf", Content: pod(s.id), Signer: "R. Receiver"}}}
	return append(es, proof, h.charges(s, refs, at.Add(8*time.Minute)))
}

// charges is the carrier's invoice: right by its contract, but for what the situation wants.
func (h *house) charges(s *shipmentPlan, refs []freight.Reference, at time.Time) connectors.Charges {
	buy := map[string]tariff{"FASTFRT": fast, "SLOWFRT": slow}[s.carrier]
	if s.situation == noContract {
		buy = slow
	}
	linehaul, fuel := buy.carriage(s.kg())
	c := connectors.Charges{Carrier: freight.CarrierCode(s.carrier), OccurredAt: at, References: refs}
	c.Invoice.Number = s.invoice
	usd := func(cents int64) freight.Money { return freight.Money{Number: dollars(cents), Currency: "USD"} }
	c.Invoice.Lines = []connectors.ChargeLine{{Line: "1", Code: freight.Linehaul, RawCode: "400", Amount: usd(linehaul)}, {Line: "2", Code: freight.FuelSurcharge, RawCode: "405", Amount: usd(fuel)}}
	total := linehaul + fuel
	if s.situation == disputeApproved || s.situation == disputeRejected {
		c.Invoice.Lines = append(c.Invoice.Lines, connectors.ChargeLine{Line: "3", Code: freight.Detention, RawCode: "DET", Amount: usd(s.detention), Quantity: "3.5", Unit: "h"})
		total += s.detention
	}
	c.Invoice.Total = usd(total)
	return c
}

// send delivers one event through the bridge, signed, under an id of its own.
func (h *house) send(ctx context.Context, s *shipmentPlan, source string, data any) error {
	kind := connectors.MilestoneType
	if _, ok := data.(connectors.Charges); ok {
		kind = connectors.ChargesType
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	h.mu.Lock()
	id := fmt.Sprintf("%s-%d-%d", s.id, s.rng.Uint32(), time.Now().UnixNano())
	h.mu.Unlock()
	body, err := json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: "urn:demo:" + source, Type: kind, Subject: "shipment/" + string(s.id), Time: time.Now().UTC(), Data: raw})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.bridge+"/v1/events/"+source, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if err := webhook.Stamp(req.Header, h.secrets[source], id, time.Now(), body); err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusAccepted {
		var why bytes.Buffer
		_, _ = why.ReadFrom(resp.Body) // it only explains
		return fmt.Errorf("the bridge answered %s: %s", resp.Status, why.String())
	}
	return nil
}

// people do what a situation asks of them, with the command line they have.
func (h *house) people(ctx context.Context, s *shipmentPlan) error {
	switch s.situation {
	case disputeApproved, disputeRejected:
		dispute := string(freight.DisputeIDOf(s.id, 1))
		if err := h.open(ctx, s, freight.ChargeDisputed); err != nil {
			return err
		}
		verb := map[situation]string{disputeApproved: "approve", disputeRejected: "reject"}[s.situation]
		return h.waybill(ctx, "dispute", verb, dispute, "--reason", "checked against the gate log")
	case noContract:
		if err := h.open(ctx, s, freight.ContractMissing); err != nil {
			return err
		}
		err := h.billing.Enter(billingtest.Contract{ID: s.carrier + "-2026", Version: "1", Carrier: freight.CarrierCode(s.carrier), From: "2026-01-01", To: "2027-12-31", Currency: "USD",
			Zones: []billingtest.Zone{{Name: "all", Breaks: []billingtest.Break{{FromKg: "0", PerKg: "0.50"}}}}, Minimum: "30.00", Fuel: []billingtest.FuelWeek{{From: "2026-01-01", Percent: "12"}}})
		if err != nil {
			return err
		}
		st, err := h.state(ctx, s)
		if err != nil {
			return err
		}
		for _, e := range st.Exceptions {
			if e.Open() && e.Kind == freight.ContractMissing {
				return h.waybill(ctx, "exception", "resolve", string(s.id), strconv.Itoa(e.ID), "--action", "retry", "--reason", "contract entered")
			}
		}
	}
	return nil
}

// open waits until an exception is.
func (h *house) open(ctx context.Context, s *shipmentPlan, kind freight.ExceptionKind) error {
	return h.await(ctx, string(kind), time.Minute, func() (bool, error) {
		st, err := h.state(ctx, s)
		for _, k := range st.Exceptions.OpenKinds() {
			if k == kind {
				return true, nil
			}
		}
		_ = err // the story may not answer yet
		return false, nil
	})
}

func (h *house) waybill(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, "waybill"), args...)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("waybill %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (h *house) state(ctx context.Context, s *shipmentPlan) (freight.Shipment, error) {
	return protocol.ShipmentState.Ask(ctx, h.temporal, protocol.ShipmentWorkflowID(s.id))
}

func (h *house) stage(ctx context.Context, s *shipmentPlan, want freight.Stage) error {
	return h.await(ctx, "stage "+string(want), 3*time.Minute, func() (bool, error) {
		st, err := h.state(ctx, s)
		return err == nil && (st.Stage == want || st.Stage == freight.StageClosed), ctx.Err()
	})
}
