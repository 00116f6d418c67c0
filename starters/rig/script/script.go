// Package script plays shipments through a rig: orders confirmed in Odoo, signed events of partners, decisions of
// people with the command line they have, payments. It knows from an oracle of its own what must come of it.
package script

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/activities/billing/billingtest"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms"
	"waybill/starters/rig"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Options say what is played.
type Options struct {
	Seed       uint64
	Shipments  int
	Situations []Situation    // dealt out in turn; none: all
	Rough      bool           // every shipment's events come in any order, some again, while anything may fail
	Abreast    int            // shipments under way at once; 0: all
	Orders     time.Duration  // between two orders; 0: at once
	Pace       time.Duration  // between groups of events; then no shipment is asked how far it is, so that asking costs none of what is measured. 0: ask
	Patience   time.Duration  // how long one step of a shipment may take; 0: 3 minutes
	ProofBytes int            // of each proof of delivery; less than its text has: that alone
	Observe    func(Delivery) // hears of every delivery's fate; nil: nobody
	// Tell takes what a partner has to say, which then sends nothing; nil: it is sent to the bridge. Data is the event's.
	Tell func(d Delivery, data any) error
}

// Show is one playing of a script.
type Show struct {
	*rig.House
	Plans []*Plan

	o     Options
	began time.Time
	tax   odootest.Tax // of all that the shop sells

	mu       sync.Mutex
	byID     map[freight.ShipmentID]*Plan
	asked    map[freight.ShipmentID]chan tms.Request
	losing   map[freight.ShipmentID]bool // whose next posting's reply is lost
	clean    sync.WaitGroup              // clean shipments under way
	odooOpen sync.RWMutex                // held for reading while the shop is in Odoo
}

// New prepares a playing.
func New(h *rig.House, o Options) *Show {
	if len(o.Situations) == 0 {
		o.Situations = Situations()
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Minute
	}
	s := &Show{House: h, o: o, Plans: deal(o.Seed, o.Shipments, o.Situations, o.Rough), byID: map[freight.ShipmentID]*Plan{}, asked: map[freight.ShipmentID]chan tms.Request{}, losing: map[freight.ShipmentID]bool{}}
	h.TMS.OnRequest = s.onTender
	return s
}

// Play sells, carries, disputes and pays, until every shipment has ended.
func (s *Show) Play(ctx context.Context) error {
	s.began = time.Now()
	s.Proxy.Lose(s.losesReply)
	if err := s.openShop(ctx); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	if s.o.Abreast > 0 {
		g.SetLimit(s.o.Abreast)
	}
	for _, p := range s.Plans {
		if p.Clean() {
			s.clean.Add(1)
		}
	}
	for _, p := range s.Plans {
		if p.Situation == RestOfOrder {
			continue // comes with its first part
		}
		if err := s.sell(gctx, p); err != nil {
			return errors.Join(fmt.Errorf("sell for shipment %d: %w", p.n, err), g.Wait())
		}
		select {
		case <-time.After(s.o.Orders):
		case <-gctx.Done():
		}
		g.Go(func() error { return s.carryWhole(gctx, p) })
	}
	return g.Wait()
}

func (s *Show) carryWhole(ctx context.Context, p *Plan) error {
	if p.Clean() {
		defer s.clean.Done()
	}
	if err := s.carry(ctx, p); err != nil {
		return fmt.Errorf("shipment %s (%s): %w", p.ID, p.Situation, err)
	}
	return nil
}

// CloseOdoo keeps the shop out of Odoo until the function it returns is called: what a person does there is not
// repeated by anyone, so Odoo is not taken down in the middle of it.
func (s *Show) CloseOdoo() (open func()) {
	s.odooOpen.Lock()
	return s.odooOpen.Unlock
}

// inOdoo lets a person do something in Odoo.
func (s *Show) inOdoo(f func() error) error {
	s.odooOpen.RLock()
	defer s.odooOpen.RUnlock()
	return f()
}

// openShop makes the customers and products.
func (s *Show) openShop(ctx context.Context) error {
	return s.inOdoo(func() (err error) {
		if s.tax, err = s.Shop.Tax(ctx); err != nil {
			return err
		}
		for code, postcode := range postcodes {
			if _, err := s.Shop.Customer(ctx, code, postcode); err != nil {
				return err
			}
		}
		_, err = s.Shop.Product(ctx, goods, pieceKg)
		return err
	})
}

func (s *Show) sell(ctx context.Context, p *Plan) error {
	return s.inOdoo(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		customer, err := s.Shop.Customer(ctx, p.customer, postcodes[p.customer])
		if err != nil {
			return err
		}
		carrier, product, err := s.Shop.Carrier(ctx, p.carrier)
		if err != nil {
			return err
		}
		price, err := strconv.ParseFloat(dollars(p.price), 64) // Odoo's API takes a double
		if err != nil {
			return err
		}
		o, err := s.Shop.Sell(ctx, customer, carrier, product, odootest.Line{Product: goods, Quantity: int(p.ordered), Price: price})
		if err != nil || len(o.Pickings) == 0 {
			return errors.Join(fmt.Errorf("order %s has no delivery", o.Name), err)
		}
		p.order, p.name = o.ID, o.Name
		return s.register(p, o.Pickings[0])
	})
}

// register makes a delivery's shipment known to the partners, before anyone can speak of it.
func (s *Show) register(p *Plan, picking int64) (err error) {
	p.picking = picking
	if p.ID, err = freight.ShipmentIDOf(s.Tenant, picking); err != nil {
		return err
	}
	p.Invoice = fmt.Sprintf("CI-%d-%d", s.o.Seed, picking)
	s.byID[p.ID] = p
	s.asked[p.ID] = make(chan tms.Request, 4)
	s.losing[p.ID] = p.Situation == ReplyLost
	return nil
}

// losesReply loses the first answer to the posting of some shipments: Odoo has done it, and we do not hear of it.
func (s *Show) losesReply(shipment, model, method string) bool {
	if model != "account.move" || method != "action_post" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lose := s.losing[freight.ShipmentID(shipment)]
	s.losing[freight.ShipmentID(shipment)] = false
	return lose
}

// onTender is the TMS's planner: a request is there to be accepted.
func (s *Show) onTender(r tms.Request) {
	for range 100 { // the order may be confirmed a moment before the script knows its delivery
		s.mu.Lock()
		c := s.asked[r.Shipment]
		s.mu.Unlock()
		if c != nil {
			c <- r
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// carry plays one shipment, from the TMS's request to the payment.
func (s *Show) carry(ctx context.Context, p *Plan) error {
	var request tms.Request
	s.mu.Lock()
	asked := s.asked[p.ID]
	s.mu.Unlock()
	select {
	case request = <-asked:
	case <-time.After(s.o.Patience):
		return fmt.Errorf("the TMS was never asked; see %s", s.Logs())
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.Situation == Cancelled {
		return s.carryCancelled(ctx, p, request)
	}
	if err := s.warehouse(ctx, p); err != nil {
		return err
	}
	if err := s.deliverEvents(ctx, p, request); err != nil {
		return err
	}
	if p.keeps() > 0 {
		return s.rests(ctx, p)
	}
	if err := s.people(ctx, p); err != nil {
		return err
	}
	return s.pay(ctx, p)
}

// rests waits until a shipment has come to where its situation leaves it, and Odoo shows it there.
func (s *Show) rests(ctx context.Context, p *Plan) error {
	want := map[Situation]freight.Stage{Unproved: freight.StageProof, Unbilled: freight.StageCharges}[p.Situation]
	if want == "" {
		return nil
	}
	return s.Await(ctx, "stage "+string(want), s.o.Patience, func() (bool, error) {
		st, err := s.State(ctx, p.ID)
		return err == nil && st.Stage == want && !busy(st), ctx.Err()
	})
}

func (s *Show) pay(ctx context.Context, p *Plan) error {
	if s.o.Pace > 0 {
		return s.payUnasked(ctx, p)
	}
	var st freight.Shipment
	err := s.Await(ctx, "the invoice", s.o.Patience, func() (ok bool, err error) {
		st, err = s.State(ctx, p.ID)
		return err == nil && st.Invoice != nil && st.Stage == freight.StageSettlement, ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%w; it is in %s with %v", err, st.Stage, st.Exceptions.OpenKinds())
	}
	if err := s.payPart(ctx, p, st.Invoice.Move); err != nil {
		return err
	}
	if err := s.inOdoo(func() error { return s.Shop.Pay(ctx, st.Invoice.Move) }); err != nil {
		return err
	}
	p.paid = true
	return s.stage(ctx, p, freight.StageClosed)
}

// payPart pays the first part of an invoice that is paid in two, and sees that the story knows what is left.
func (s *Show) payPart(ctx context.Context, p *Plan, move int64) error {
	if p.firstPart == 0 {
		return nil
	}
	total := p.bill(s.tax).total()
	part := total * p.firstPart / 100
	amount, err := strconv.ParseFloat(dollars(part), 64) // Odoo's API takes a double
	if err != nil {
		return err
	}
	if err := s.inOdoo(func() error { return s.Shop.PayPart(ctx, move, amount) }); err != nil {
		return err
	}
	var st freight.Shipment
	err = s.Await(ctx, "the first part of the payment", s.o.Patience, func() (ok bool, err error) {
		st, err = s.State(ctx, p.ID)
		return err == nil && st.Payment.State == freight.InvoicePartPaid, ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%w; it has %q", err, st.Payment.State)
	}
	if want := (freight.Money{Number: dollars(total - part), Currency: billed}); !st.Payment.Residual.Equal(want) {
		p.wrong = append(p.wrong, fmt.Sprintf("%s open after the first part of the payment, want %s", st.Payment.Residual, want))
	}
	return nil
}

// payUnasked pays the invoice that Odoo has, and waits until the story ends.
func (s *Show) payUnasked(ctx context.Context, p *Plan) error {
	var ps []posted
	err := s.Await(ctx, "the invoice in Odoo", s.o.Patience, func() (ok bool, err error) {
		ps, err = s.postedInOdoo(ctx, p)
		return len(ps) > 0, err
	})
	if err != nil {
		return err
	}
	if err := s.inOdoo(func() error { return s.Shop.Pay(ctx, ps[0].move) }); err != nil {
		return err
	}
	p.paid = true
	return s.Temporal.GetWorkflow(ctx, protocol.ShipmentWorkflowID(p.ID), "").Get(ctx, nil)
}

func (s *Show) carryCancelled(ctx context.Context, p *Plan, request tms.Request) error {
	p.distinct, p.delivered = 1, 1
	if err := s.send(ctx, p, s.events(p, request)[0]); err != nil {
		return err
	}
	if err := s.inOdoo(func() error { return s.Shop.Cancel(ctx, p.order) }); err != nil {
		return err
	}
	return s.stage(ctx, p, freight.StageCancelled)
}

// warehouse validates the delivery in Odoo; what is left makes a shipment of its own.
func (s *Show) warehouse(ctx context.Context, p *Plan) error {
	s.TMS.PickedUp(p.ID)
	rest := s.restOf(p)
	err := s.inOdoo(func() error { return s.validate(ctx, p, rest) })
	if err != nil || rest == nil {
		return err
	}
	rest.order, rest.name = p.order, p.name
	return s.carry(ctx, rest)
}

func (s *Show) validate(ctx context.Context, p, rest *Plan) error {
	pieces := 0
	if p.Situation == Backorder {
		pieces = int(p.pieces)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Shop.Deliver(ctx, p.picking, pieces); err != nil || rest == nil {
		return err
	}
	o, err := s.Shop.Order(ctx, p.order)
	if err != nil || len(o.Pickings) != 2 {
		return errors.Join(fmt.Errorf("order %s has deliveries %v, want a backorder", p.name, o.Pickings), err)
	}
	return s.register(rest, o.Pickings[1])
}

func (s *Show) restOf(p *Plan) *Plan {
	for _, r := range s.Plans {
		if p.Situation == Backorder && r.Situation == RestOfOrder && r.n == p.n {
			return r
		}
	}
	return nil
}

// people do what a situation asks of them, with the command line they have.
func (s *Show) people(ctx context.Context, p *Plan) error {
	switch {
	case p.verdict != "":
		if err := s.open(ctx, p, freight.ChargeDisputed); err != nil {
			return err
		}
		return s.insist(ctx, p, func(st freight.Shipment) bool { return len(st.Rulings) > 0 },
			"dispute", p.verdict, string(freight.DisputeIDOf(p.ID, 1)), "--reason", "checked against the gate log")
	case p.Situation == NoContract:
		if err := s.open(ctx, p, freight.ContractMissing); err != nil {
			return err
		}
		if err := s.enterContract(p); err != nil {
			return err
		}
		return s.resolve(ctx, p, freight.ContractMissing)
	}
	return nil
}

func (s *Show) enterContract(p *Plan) error {
	return s.Billing.Enter(billingtest.Contract{ID: p.carrier + "-2026", Version: "1", Carrier: freight.CarrierCode(p.carrier), From: "2026-01-01", To: "2027-12-31", Currency: "USD",
		Zones: []billingtest.Zone{{Name: "all", Breaks: []billingtest.Break{{FromKg: "0", PerKg: "0.50"}}}}, Minimum: "30.00", Fuel: []billingtest.FuelWeek{{From: "2026-01-01", Percent: "12"}}})
}

func (s *Show) resolve(ctx context.Context, p *Plan, kind freight.ExceptionKind) error {
	var open int
	err := s.Await(ctx, "the open "+string(kind), s.o.Patience, func() (bool, error) {
		st, err := s.State(ctx, p.ID)
		for _, e := range st.Exceptions {
			if e.Kind == kind && e.Open() {
				open = e.ID
			}
		}
		return err == nil, ctx.Err()
	})
	if err != nil || open == 0 {
		return err
	}
	return s.insist(ctx, p, func(st freight.Shipment) bool { e, ok := st.Exceptions.ByID(open); return ok && !e.Open() },
		"exception", "resolve", string(p.ID), strconv.Itoa(open), "--action", "retry", "--reason", "contract entered")
}

// insist runs a command until the shipment shows that it took. Where nothing fails, once is enough: then a
// command that reports failure is a failure.
func (s *Show) insist(ctx context.Context, p *Plan, took func(freight.Shipment) bool, args ...string) error {
	if !s.o.Rough {
		_, err := s.CLI(ctx, args...)
		return err
	}
	return s.Await(ctx, "waybill "+args[0]+" "+args[1], s.o.Patience, func() (bool, error) {
		_, _ = s.CLI(ctx, args...) // it may be queued, or ask while Temporal is down: the shipment shows whether it took
		st, err := s.State(ctx, p.ID)
		return err == nil && took(st), ctx.Err()
	})
}

// open waits until an exception is.
func (s *Show) open(ctx context.Context, p *Plan, kind freight.ExceptionKind) error {
	return s.Await(ctx, string(kind), s.o.Patience, func() (bool, error) {
		st, err := s.State(ctx, p.ID)
		return err == nil && st.Exceptions.Raised(kind), ctx.Err()
	})
}

// State asks a shipment.
func (s *Show) State(ctx context.Context, id freight.ShipmentID) (freight.Shipment, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return protocol.ShipmentState.Ask(ctx, s.Temporal, protocol.ShipmentWorkflowID(id))
}

func (s *Show) stage(ctx context.Context, p *Plan, want freight.Stage) error {
	var st freight.Shipment
	err := s.Await(ctx, "stage "+string(want), s.o.Patience, func() (ok bool, err error) {
		st, err = s.State(ctx, p.ID)
		return err == nil && (st.Stage == want || st.Stage == freight.StageClosed), ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%w; it is in %s with %v", err, st.Stage, st.Exceptions.OpenKinds())
	}
	return nil
}

// Stages counts the shipments in each stage.
func (s *Show) Stages(ctx context.Context) map[freight.Stage]int {
	counts := map[freight.Stage]int{}
	s.mu.Lock()
	var ids []freight.ShipmentID
	for id := range s.byID {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		if st, err := s.State(ctx, id); err == nil {
			counts[st.Stage]++
		}
	}
	return counts
}

// Began is when the playing began.
func (s *Show) Began() time.Time { return s.began }
