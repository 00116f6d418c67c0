// Package relay brings what the bridge took to the stories: decoded, matched, numbered, in order, all that waits
// for one shipment in one signal. Any number of relays may run beside each other.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Relay is one worker's relay.
type Relay struct {
	Store      *store.Store
	Temporal   protocol.Signaller
	Connectors map[string]connectors.Connector // by source; others are canonical
	Skip       map[string]bool                 // sources someone else reads
	Holder     string                          // unique to this process
	// Release starts the shipment of a load; again does nothing. nil: loads are not taken.
	Release func(ctx context.Context, l freight.Load) error
	Log     *zap.Logger
	Idle    time.Duration // between looks when there was nothing; 0: 250 ms
	Gather  time.Duration // how long a shipment's oldest scan waits for others of its burst
	Now     func() time.Time
}

const (
	defaultIdle = 250 * time.Millisecond
	// batch bounds what is read in one look.
	batch = 100
	// filings bounds the deliveries filed in one transaction: relays beside each other share a look in parts of this.
	filings = 25
	// perSignal bounds the scans of one signal: 200 of some 500 bytes stay far under Temporal's 2 MiB.
	perSignal = 200
	// leaseSpan is how long a holder may take to send what it took; a crashed one delays a shipment so long.
	leaseSpan = 10 * time.Second
	// atOnce is how many shipments are told at a time.
	atOnce = 8
	// longestWait bounds how long a shipment is left alone that cannot be found in Temporal.
	longestWait = 5 * time.Minute
)

// Run relays until the context ends. A fault is logged, and tried again after a pause.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		busy, err := r.Once(ctx)
		pause := r.pause(busy)
		if err != nil && ctx.Err() == nil {
			r.Log.Error("relay_failed", zap.Error(err))
			if !busy { // what one shipment meets does not slow the others down
				pause = time.Second
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

func (r *Relay) pause(busy bool) time.Duration {
	if busy {
		return 0
	}
	idle := r.Idle
	if idle == 0 {
		idle = defaultIdle
	}
	return idle/2 + rand.N(idle/2+1) // relays of several workers do not look in step
}

// Once does one look: files what came in, sends what waits. It reports whether there was anything. What cannot be
// filed does not keep what was from being sent.
func (r *Relay) Once(ctx context.Context) (busy bool, err error) {
	filed, err := r.file(ctx)
	sent, err2 := r.send(ctx)
	return filed > 0 || sent > 0, errors.Join(err, err2)
}

func (r *Relay) file(ctx context.Context) (n int, err error) {
	ds, err := r.Store.Waiting(ctx, batch, r.skipped()...)
	if err != nil {
		return 0, err
	}
	var faults []error
	for part := range slices.Chunk(ds, filings) {
		filed, err := r.filePart(ctx, part)
		n += filed
		faults = append(faults, err)
	}
	return n, errors.Join(faults...)
}

func (r *Relay) skipped() (sources []string) {
	for source, skip := range r.Skip {
		if skip {
			sources = append(sources, source)
		}
	}
	return sources
}

// filePart files deliveries in one transaction. If the database refuses one of them, each is filed alone.
func (r *Relay) filePart(ctx context.Context, part []store.Delivery) (n int, err error) {
	ds, fs, err := r.readable(ctx, part)
	n = len(part) - len(ds)
	as, fault := r.Store.AdmitAll(ctx, fs)
	if !errors.Is(fault, store.ErrRefused) {
		return n + r.tally(ds, as), errors.Join(err, fault)
	}
	for i, d := range ds {
		as, fault := r.Store.AdmitAll(ctx, fs[i:i+1])
		if errors.Is(fault, store.ErrRefused) {
			n, fault = n+1, r.bury(ctx, d, fault)
		}
		n += r.tally(ds[i:i+1], as)
		err = errors.Join(err, fault)
	}
	return n, err
}

// readable decodes deliveries, and buries those that cannot be.
func (r *Relay) readable(ctx context.Context, part []store.Delivery) (ds []store.Delivery, fs []store.Filing, err error) {
	for _, d := range part {
		if load, fault := r.loadOf(d); load != nil || fault != nil {
			err = errors.Join(err, r.release(ctx, d, load, fault))
			continue
		}
		in, fault := r.decode(d)
		if fault != nil {
			err = errors.Join(err, r.bury(ctx, d, fault))
			continue
		}
		ds, fs = append(ds, d), append(fs, store.Filing{Delivery: d.Seq, Scans: in})
	}
	return ds, fs, err
}

// loadOf is the load that a delivery releases; nil for none.
func (r *Relay) loadOf(d store.Delivery) (*freight.Load, error) {
	if r.Connectors[d.Source] != nil { // it sends its own form, not ours
		return nil, nil
	}
	return connectors.ReleaseOf(d)
}

// release starts the shipment of a load, then marks its delivery. A crash between the two starts it again, and meets
// the same id. While Temporal is down the delivery stays pending.
func (r *Relay) release(ctx context.Context, d store.Delivery, load *freight.Load, fault error) error {
	switch {
	case fault != nil:
		return r.bury(ctx, d, fault)
	case r.Release == nil:
		return r.bury(ctx, d, errors.New("loads are not taken here"))
	}
	if err := r.Release(ctx, *load); err != nil {
		return err
	}
	return r.Store.SetDelivery(ctx, d.Seq, store.Done, "")
}

// bury marks a delivery dead, with the reason: what cannot be read must not stop the next.
func (r *Relay) bury(ctx context.Context, d store.Delivery, why error) error {
	r.Log.Warn("delivery_dead", zap.String("source", d.Source), zap.Int64("delivery", d.Seq), zap.Error(why))
	return r.Store.SetDelivery(ctx, d.Seq, store.Dead, why.Error())
}

// tally counts the deliveries that were filed here and not by another relay.
func (r *Relay) tally(ds []store.Delivery, as []store.Admission) (n int) {
	for i, a := range as {
		if a.Elsewhere {
			continue
		}
		n++
		if a.Unmatched > 0 {
			r.Log.Info("scan_unmatched", zap.String("source", ds[i].Source), zap.Int64("delivery", ds[i].Seq))
		}
	}
	return n
}

func (r *Relay) decode(d store.Delivery) (in []store.Incoming, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its connector failed on it: %v", p)
		}
	}()
	c, ok := r.Connectors[d.Source]
	if !ok {
		c = connectors.Canonical{}
	}
	return c.Decode(d, r.Now())
}

// send tells shipments of what waits for them, several at a time, until their lease runs out.
func (r *Relay) send(ctx context.Context) (n int, err error) {
	bs, err := r.Store.Lease(ctx, r.Holder, leaseSpan, r.Gather, batch, perSignal)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseSpan)
	defer cancel()
	var sent atomic.Int64
	faults := make([]error, len(bs))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, b := range bs {
		g.Go(func() error {
			ok, err := r.sendOne(ctx, b)
			if ok {
				sent.Add(1)
			}
			faults[i] = err
			return nil
		})
	}
	_ = g.Wait() // the faults are in faults
	return int(sent.Load()), summary(faults)
}

// summary says how many shipments could not be told, and of one why: when Temporal is down it is the same for all.
func summary(faults []error) error {
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("relay: %d shipments could not be told, one of them: %w", len(faults), faults[0])
}

// sendOne sends a batch, then marks it. A crash between the two sends it again, and the story knows the numbers.
// A batch that cannot be sent stays leased, so that it is tried again when the lease has run out.
func (r *Relay) sendOne(ctx context.Context, b store.Batch) (bool, error) {
	err := protocol.Scans.Send(ctx, r.Temporal, protocol.ShipmentWorkflowID(b.Shipment), protocol.ScanBatch{Scans: b.Scans})
	var missing *serviceerror.NotFound
	switch {
	case err == nil:
		return true, r.Store.Sent(ctx, r.Holder, b)
	case !errors.As(err, &missing):
		return false, err
	}
	closed, err := r.Store.Closed(ctx, b.Shipment)
	if err != nil {
		return false, err
	}
	if !closed {
		wait := min(leaseSpan<<min(b.Tries, 10), longestWait)
		r.Log.Warn("shipment_missing", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(b.Scans)), zap.Duration("again_in", wait))
		return false, r.Store.Defer(ctx, r.Holder, b, wait)
	}
	r.Log.Warn("scans_late", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(b.Scans)))
	return true, r.Store.Late(ctx, r.Holder, b)
}
