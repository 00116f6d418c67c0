// Package scout looks at Odoo on behalf of the stories: it starts shipments for deliveries nobody carries, passes
// on cancellations, and tells of payments. What it finds is state, so a look that fails is made up by the next.
package scout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"waybill/activities/odoo"
	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Scout looks.
type Scout struct {
	Temporal client.Client
	Guard    Guard // of Odoo: while it is down nobody looks
	Status   *odoo.Status
	Money    *odoo.Money
	Store    *store.Store
	Terms    func(freight.CustomerCode, string) (freight.Terms, error)
	Tenant   freight.TenantCode
	Since    time.Time     // deliveries made before are left alone
	Every    time.Duration // between looks; a hint makes one at once
	Hints    string        // source name of Odoo's hints in the inbox
	Log      *zap.Logger

	said   string                      // the last fault, so that it is said once
	looked time.Time                   // from when on deliveries are read that have numbers of the carrier; zero: from Since
	known  map[int64]string            // numbers of the carrier that were registered of late, by delivery
	told   map[freight.ShipmentID]bool // of numbers that people were asked for, and whose stories have not said so yet

	ordered time.Time                     // from when on orders are read; zero: from Since
	asks    map[freight.ShipmentID]string // what orders that were written of late ask, by hash
}

// Guard says whether Odoo may be called, and hears how it went.
type Guard interface {
	Passes() bool
	Report(error)
}

const (
	// page bounds one question to Odoo.
	page = 200
	// hintPoll is how soon a hint is noticed.
	hintPoll = 200 * time.Millisecond
	// lookBack is how long before the last look what was written is read again: Odoo dates a write by when its transaction
	// began, which may be long before others see it.
	lookBack = 10 * time.Minute
)

// Run looks until the context ends.
func (s *Scout) Run(ctx context.Context) error {
	next, due := time.Now(), false
	for ctx.Err() == nil {
		hinted, err := s.hinted(ctx)
		due = due || hinted || !time.Now().Before(next)
		if err == nil && due && s.Guard.Passes() {
			err = s.Look(ctx)
			next, due = time.Now().Add(s.Every), false
		}
		s.say(ctx, err)
		select {
		case <-ctx.Done():
		case <-time.After(min(hintPoll, s.Every)):
		}
	}
	return nil
}

// say reports a fault when it is new, not each time it is met again.
func (s *Scout) say(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != s.said && text != "" {
		s.Log.Error("scan_failed", zap.String("fault", string(protocol.FaultOf(err))), zap.Error(err))
	}
	s.said = text
}

// hinted reads Odoo's hints: they only say that a look is worth while.
func (s *Scout) hinted(ctx context.Context) (bool, error) {
	ds, err := s.Store.Deliveries(ctx, store.Pending, s.Hints, page)
	if err != nil {
		return false, err
	}
	for _, d := range ds {
		if err := s.Store.SetDelivery(ctx, d.Seq, store.Done, ""); err != nil {
			return false, err
		}
	}
	return len(ds) > 0, nil
}

// Look makes one look at everything. Where Odoo does not answer the first question, it is not asked the others.
func (s *Scout) Look(ctx context.Context) error {
	found, err := pages(func(after int64) ([]odoo.Released, error) { return s.Status.Released(ctx, s.Since, after, page) }, func(r odoo.Released) int64 { return r.Picking })
	if s.Guard.Report(err); err != nil {
		return err
	}
	return errors.Join(s.release(ctx, found), s.changes(ctx), s.orders(ctx), s.supply(ctx), s.payments(ctx), s.releaseOrders(ctx), s.cancelOrders(ctx))
}

// pages reads page after page, until one is not full: what cannot be helped on the first must not hide the rest.
func pages[T any](read func(after int64) ([]T, error), id func(T) int64) (all []T, err error) {
	for after := int64(0); ; {
		found, err := read(after)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if len(found) < page {
			return all, nil
		}
		after = id(found[len(found)-1])
	}
}

// release starts a shipment for each delivery that no shipment carries. Starting one twice meets the same id.
func (s *Scout) release(ctx context.Context, found []odoo.Released) error {
	var faults []error
	for _, r := range found {
		faults = append(faults, s.start(ctx, r))
	}
	return errors.Join(faults...)
}

func (s *Scout) start(ctx context.Context, r odoo.Released) error {
	id, err := freight.ShipmentIDOf(s.Tenant, r.Picking)
	if err != nil {
		return err
	}
	return s.begin(ctx, protocol.ShipmentInput{ID: id, Picking: r.Picking, ReleasedBy: "odoo-scan"}, r.Customer, r.Currency, r.OrderName)
}

func (s *Scout) begin(ctx context.Context, in protocol.ShipmentInput, customer freight.CustomerCode, currency, order string) error {
	if t, err := s.Terms(customer, currency); err == nil {
		in.Terms = &t // otherwise the story asks, and parks with the reason
	}
	started, err := protocol.StartShipment(ctx, s.Temporal, in, customer, order)
	if started {
		s.Log.Info("shipment_started", zap.String("shipment", string(in.ID)))
	}
	return err
}

// releaseOrders starts a shipment for each service order that is to be carried and has no delivery.
func (s *Scout) releaseOrders(ctx context.Context) error {
	found, err := pages(func(after int64) ([]odoo.ReleasedOrder, error) {
		return s.Status.ReleasedOrders(ctx, s.Since, after, page)
	}, func(r odoo.ReleasedOrder) int64 { return r.Order })
	if err != nil {
		return err
	}
	var faults []error
	for _, r := range found {
		id, err := freight.OrderShipmentID(s.Tenant, r.Order)
		if err == nil {
			load := &freight.Load{Source: "odoo", ID: r.Name, Order: r.Order, OrderName: r.Name}
			err = s.begin(ctx, protocol.ShipmentInput{ID: id, Load: load, ReleasedBy: "odoo-scan"}, r.Customer, r.Currency, r.Name)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// changes passes on cancellations, and registers the carrier's numbers that deliveries got in Odoo, with one question.
func (s *Scout) changes(ctx context.Context) error {
	began, since := time.Now(), s.looked
	if since.IsZero() {
		since = s.Since
	}
	found, err := pages(func(after int64) ([]odoo.Changed, error) { return s.Status.Changed(ctx, since, after, page) }, func(c odoo.Changed) int64 { return c.Picking })
	if err != nil {
		return err
	}
	var faults []error
	known := map[int64]string{}
	for _, c := range found {
		if c.Stopped {
			faults = append(faults, s.cancel(ctx, c.Cancelled))
			continue
		}
		known[c.Picking] = c.Numbers
		if s.known[c.Picking] != c.Numbers {
			faults = append(faults, s.Store.Register(ctx, c.Shipment, freight.TrackingsIn(c.Numbers, "")))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err // the next look reads all of it again
	}
	s.looked, s.known = began.Add(-lookBack), known
	return nil
}

// orders tells shipments whose order asks something else than when they last looked.
func (s *Scout) orders(ctx context.Context) error {
	began, since := time.Now(), s.ordered
	if since.IsZero() {
		since = s.Since
	}
	found, err := pages(func(after int64) ([]odoo.SeenOrder, error) { return s.Status.Orders(ctx, since, after, page) }, func(o odoo.SeenOrder) int64 { return o.Picking })
	if err != nil {
		return err
	}
	var faults []error
	asks, all := map[freight.ShipmentID]string{}, true
	for _, o := range found {
		asks[o.Shipment] = o.Ordered.Hash()
		known, err := s.tellOrder(ctx, o)
		faults, all = append(faults, err), all && known
	}
	s.asks = asks
	if err := errors.Join(faults...); err != nil || !all {
		return err // the next look reads all of it again
	}
	s.ordered = began.Add(-lookBack)
	return nil
}

// tellOrder tells a shipment what its order asks, unless it knows, or was told and has not said so yet. One that the store
// does not know yet is not known, and is told by a later look.
func (s *Scout) tellOrder(ctx context.Context, o odoo.SeenOrder) (known bool, err error) {
	asks := o.Ordered.Hash()
	v, known, err := s.Store.View(ctx, o.Shipment)
	if err != nil || !known || v.Ordered == "" || v.Ordered == asks || s.asks[o.Shipment] == asks {
		return known, err
	}
	return true, unlessGone(protocol.OrderSeen.Send(ctx, s.Temporal, protocol.ShipmentWorkflowID(o.Shipment), o.Ordered))
}

// supply tells shipments whose carrier's number people are asked for that one is registered by now, whoever did so: somebody
// in Odoo, the TMS when it was asked, or the carrier with its acceptance.
func (s *Scout) supply(ctx context.Context) error {
	ids, err := s.Store.Supplied(ctx, page)
	if err != nil {
		return err
	}
	var faults []error
	told := map[freight.ShipmentID]bool{}
	for _, id := range ids {
		told[id] = true
		if s.told[id] {
			continue
		}
		if err := s.tellNumbers(ctx, id); err != nil {
			delete(told, id)
			faults = append(faults, err)
		}
	}
	s.told = told
	return errors.Join(faults...)
}

func (s *Scout) tellNumbers(ctx context.Context, id freight.ShipmentID) error {
	ns, err := s.Store.Numbers(ctx, id)
	if err != nil || len(ns) == 0 {
		return err
	}
	g := freight.NumbersGiven{Numbers: ns[:min(len(ns), freight.NumbersAtOnce)], By: "waybill", Reason: "found registered"}
	return unlessGone(protocol.NumbersKnown.Send(ctx, s.Temporal, protocol.ShipmentWorkflowID(id), g))
}

func (s *Scout) cancelOrders(ctx context.Context) error {
	found, err := pages(func(after int64) ([]odoo.Cancelled, error) { return s.Status.CancelledOrders(ctx, after, page) }, func(c odoo.Cancelled) int64 { return c.Picking })
	if err != nil {
		return err
	}
	var faults []error
	for _, c := range found {
		faults = append(faults, s.cancel(ctx, c))
	}
	return errors.Join(faults...)
}

func (s *Scout) cancel(ctx context.Context, c odoo.Cancelled) error {
	ask := freight.CancelRequest{By: "odoo", Reason: "the delivery was cancelled in Odoo", At: time.Now()}
	return unlessGone(protocol.CancelAsked.Send(ctx, s.Temporal, protocol.ShipmentWorkflowID(c.Shipment), ask))
}

// payments reads all that is open in one call, and tells the shipments whose state has changed.
func (s *Scout) payments(ctx context.Context) error {
	open, err := s.Store.Unsettled(ctx, page)
	if err != nil || len(open) == 0 {
		return err
	}
	moves := make([]int64, len(open))
	byMove := map[int64]store.Unsettled{}
	for i, u := range open {
		moves[i] = u.Move
		byMove[u.Move] = u
	}
	ps, err := s.Money.Payments(ctx, moves)
	if err != nil {
		return err
	}
	var faults []error
	for _, p := range ps {
		faults = append(faults, s.tell(ctx, byMove[p.Move], p))
	}
	return errors.Join(faults...)
}

func (s *Scout) tell(ctx context.Context, u store.Unsettled, p freight.Payment) error {
	said, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("payment of %s: %w", u.Shipment, err)
	}
	if string(said) == u.Told || p.State == freight.InvoicePosted && u.Told == "" {
		return nil
	}
	p.SeenAt = time.Now()
	if err := unlessGone(protocol.PaymentSeen.Send(ctx, s.Temporal, protocol.ShipmentWorkflowID(u.Shipment), p)); err != nil {
		return err
	}
	u.Told = string(said)
	return s.Store.Told(ctx, u)
}

// unlessGone forgives a story that has ended: it needs no telling.
func unlessGone(err error) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil
	}
	return err
}
