// Package relay brings what the bridge took to the stories: decoded, matched, numbered, in order, all that waits
// for one shipment in one signal. Any number of relays may run beside each other.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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

// Temporal is the part of a Temporal client that the relay uses.
type Temporal interface {
	protocol.Signaller
	protocol.Reopener
}

// Relay is one worker's relay.
type Relay struct {
	Store      *store.Store
	Temporal   Temporal
	Connectors Connectors      // nil: every source sends our own events
	Skip       map[string]bool // sources someone else reads
	Holder     string          // unique to this process
	// Release starts the shipment of a load; again does nothing. nil: loads are not taken.
	Release func(ctx context.Context, l freight.Load) error
	Log     *zap.Logger
	Idle    time.Duration // between looks when there was nothing; 0: 250 ms
	Gather  time.Duration // how long a shipment's oldest scan waits for others of its burst
	Now     func() time.Time

	held map[string]bool // sources whose connector is not there now
}

// Connectors says how each source is read.
type Connectors interface {
	// Connector is the one that reads a source now. An error says why there is none.
	Connector(source string) (connectors.Connector, error)
}

const (
	defaultIdle = 250 * time.Millisecond
	// batch bounds what is read in one look.
	batch = 200
	// filings bounds the deliveries filed in one transaction: relays beside each other share a look in parts of this,
	// and the bridge, which writes to the same file, has its turn in between.
	filings = 50
	// breath is how long the next few deliveries, due shipments or answers are waited for before a transaction is made
	// for them. At 500 deliveries a second there would be one for each otherwise, and the bridge would wait for each.
	breath = 25 * time.Millisecond
	// perSignal bounds the scans of one signal: 200 of some 500 bytes stay far under Temporal's 2 MiB.
	perSignal = 200
	// leaseSpan is how long a holder may take to send what it took; a crashed one delays a shipment so long.
	leaseSpan = 10 * time.Second
	// atOnce is how many shipments are told at a time.
	atOnce = 8
	// longestRest bounds how long nothing is sent after a look that took as long: a quarter of a second more is no delay that
	// anyone sees on an order.
	longestRest = 250 * time.Millisecond
	// faultPause is how long nothing is tried where nothing could be done: the database is down.
	faultPause = time.Second
	// longestWait bounds how long a shipment is left alone that cannot be found in Temporal.
	longestWait = 5 * time.Minute
)

// Run relays until the context ends: what comes in is filed while what waits is sent, so that neither waits for the
// other. A fault is logged, and tried again after a pause.
func (r *Relay) Run(ctx context.Context) error {
	filed := make(chan struct{}, 1)
	var both sync.WaitGroup
	both.Go(func() {
		r.repeat(ctx, nil, func() (time.Duration, error) {
			n, err := r.file(ctx)
			if n > 0 {
				tell(filed)
			}
			if err != nil && n == 0 {
				return faultPause, err
			}
			return r.untilMore(n), err
		})
	})
	both.Go(func() {
		r.repeat(ctx, filed, func() (time.Duration, error) {
			began := time.Now()
			_, err := r.send(ctx)
			rest(ctx, min(time.Since(began), longestRest))
			wait, fault := r.untilDue(ctx)
			return wait, errors.Join(err, fault)
		})
	})
	both.Wait()
	return nil
}

// rest waits, whatever comes in. What comes meanwhile goes with one signal: the more there is to tell, the fewer signals
// a scan costs, and the more of the machine is left to whoever takes deliveries.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}

// repeat looks until the context ends, after as long as each look says, or when it is woken: that there is something
// to do does not mean that it is due, so the next look is short.
func (r *Relay) repeat(ctx context.Context, woken <-chan struct{}, look func() (wait time.Duration, err error)) {
	for ctx.Err() == nil {
		wait, err := look()
		if err != nil && ctx.Err() == nil {
			r.Log.Error("relay_failed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-woken:
		}
	}
}

// untilMore is how long to wait for more after so many deliveries came in one look.
func (r *Relay) untilMore(n int) time.Duration {
	switch {
	case n >= batch:
		return 0
	case n > 0:
		return breath
	}
	return r.idle()
}

// untilDue is how long to wait until a shipment is to be told.
func (r *Relay) untilDue(ctx context.Context) (time.Duration, error) {
	due, ok, err := r.Store.Due(ctx)
	switch {
	case err != nil:
		return faultPause, err
	case !ok:
		return r.idle(), nil
	}
	return min(max(due.Add(r.Gather).Sub(r.Now()), breath), r.idle()), nil
}

// idle is how long to wait where nothing says how long: relays of several workers do not look in step.
func (r *Relay) idle() time.Duration {
	idle := r.Idle
	if idle == 0 {
		idle = defaultIdle
	}
	return idle/2 + rand.N(idle/2+1)
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
	for source := range r.held {
		if _, err := r.connector(source); err != nil {
			sources = append(sources, source)
		}
	}
	return sources
}

// connector is the one that reads a source. A source without one is held: that is no fault of its deliveries, which
// wait for it, and it keeps no other source's waiting.
func (r *Relay) connector(source string) (connectors.Connector, error) {
	if r.Connectors == nil {
		return connectors.Canonical{}, nil
	}
	c, err := r.Connectors.Connector(source)
	switch {
	case err == nil && r.held[source]:
		delete(r.held, source)
		r.Log.Info("source_read_again", zap.String("source", source), zap.String("connector", c.ID()))
	case err != nil && !r.held[source]:
		if r.held == nil {
			r.held = map[string]bool{}
		}
		r.held[source] = true
		r.Log.Error("source_held", zap.String("source", source), zap.Error(err))
	}
	return c, err
}

// filePart files deliveries in one transaction. If the database refuses one of them, each is filed alone.
func (r *Relay) filePart(ctx context.Context, part []store.Delivery) (n int, err error) {
	ds, fs, n, err := r.readable(ctx, part)
	as, fault := r.Store.AdmitAll(ctx, fs)
	if !errors.Is(fault, store.ErrRefused) {
		return n + r.tally(ds, as), errors.Join(err, fault)
	}
	for i, d := range ds {
		as, fault := r.Store.AdmitAll(ctx, fs[i:i+1])
		if errors.Is(fault, store.ErrRefused) {
			n, fault = n+1, r.bury(ctx, d, fs[i].Connector, fault)
		}
		n += r.tally(ds[i:i+1], as)
		err = errors.Join(err, fault)
	}
	return n, err
}

// readable decodes deliveries, and settles those that need no filing: it starts what loads release, and buries what cannot
// be read. settled counts these alone: one whose shipment cannot be started waits.
func (r *Relay) readable(ctx context.Context, part []store.Delivery) (ds []store.Delivery, fs []store.Filing, settled int, err error) {
	done := func(fault error) {
		if err = errors.Join(err, fault); fault == nil {
			settled++
		}
	}
	for _, d := range part {
		c, missing := r.connector(d.Source)
		if missing != nil {
			continue
		}
		if load, fault := loadOf(c, d); load != nil || fault != nil {
			done(r.release(ctx, d, c, load, fault))
			continue
		}
		in, fault := connectors.Read(c, d)
		if fault != nil {
			done(r.bury(ctx, d, c.ID(), fault))
			continue
		}
		ds, fs = append(ds, d), append(fs, store.Filing{Delivery: d.Seq, Connector: c.ID(), Scans: in})
	}
	return ds, fs, settled, err
}

// loadOf is the load that a delivery releases; nil for none.
func loadOf(c connectors.Connector, d store.Delivery) (*freight.Load, error) {
	if _, ours := c.(connectors.Canonical); !ours {
		return nil, nil
	}
	return connectors.ReleaseOf(d)
}

// release starts the shipment of a load, then marks its delivery. A crash between the two starts it again, and meets
// the same id. While Temporal is down the delivery stays pending.
func (r *Relay) release(ctx context.Context, d store.Delivery, c connectors.Connector, load *freight.Load, fault error) error {
	switch {
	case fault != nil:
		return r.bury(ctx, d, c.ID(), fault)
	case r.Release == nil:
		return r.bury(ctx, d, c.ID(), errors.New("loads are not taken here"))
	}
	if err := r.Release(ctx, *load); err != nil {
		return err
	}
	return r.Store.SetDelivery(ctx, d.Seq, store.Done, "")
}

// bury marks a delivery dead, with the reason: what cannot be read must not stop the next.
func (r *Relay) bury(ctx context.Context, d store.Delivery, connector string, why error) error {
	r.Log.Warn("delivery_dead", zap.String("source", d.Source), zap.Int64("delivery", d.Seq), zap.String("connector", connector), zap.Error(why))
	return r.Store.Bury(ctx, d.Seq, connector, why.Error())
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

// send tells shipments of what waits for them, several at a time, until their lease runs out.
func (r *Relay) send(ctx context.Context) (n int, err error) {
	bs, err := r.Store.Lease(ctx, r.Holder, leaseSpan, r.Gather, batch, perSignal)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseSpan)
	defer cancel()
	var done atomic.Int64
	faults := make([]error, len(bs))
	sent, settled := make(chan store.Batch), make(chan error, 1)
	go func() { settled <- r.settle(ctx, sent) }()
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, b := range bs {
		g.Go(func() error {
			ok, err := r.sendOne(ctx, b, sent)
			if ok {
				done.Add(1)
			}
			faults[i] = err
			return nil
		})
	}
	_ = g.Wait() // the faults are in faults
	close(sent)
	return int(done.Load()), errors.Join(summary(faults), <-settled)
}

// settle marks what was sent, as much at a time as comes within a breath. Whatever a crash leaves unmarked is sent
// again, and the stories know the numbers.
func (r *Relay) settle(ctx context.Context, sent <-chan store.Batch) (err error) {
	for b := range sent {
		bs, over := []store.Batch{b}, time.After(breath)
		for more := true; more; {
			select {
			case b, more = <-sent:
				if more {
					bs = append(bs, b)
				}
			case <-over:
				more = false
			}
		}
		err = errors.Join(err, r.Store.Sent(ctx, r.Holder, bs...))
	}
	return err
}

// summary says how many shipments could not be told, and of one why: when Temporal is down it is the same for all.
func summary(faults []error) error {
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("relay: %d shipments could not be told, one of them: %w", len(faults), faults[0])
}

// sendOne sends a batch, and hands it on to be marked. A crash between the two sends it again, and the story knows the
// numbers. A batch that cannot be sent stays leased, so that it is tried again when the lease has run out.
func (r *Relay) sendOne(ctx context.Context, b store.Batch, sent chan<- store.Batch) (bool, error) {
	err := protocol.Scans.Send(ctx, r.Temporal, protocol.ShipmentWorkflowID(b.Shipment), protocol.ScanBatch{Scans: b.Scans})
	var missing *serviceerror.NotFound
	switch {
	case err == nil:
		sent <- b
		return true, nil
	case !errors.As(err, &missing):
		return false, err
	}
	final, closed, err := r.Store.Final(ctx, b.Shipment)
	switch {
	case err != nil:
		return false, err
	case !closed:
		wait := min(leaseSpan<<min(b.Tries, 10), longestWait)
		r.Log.Warn("shipment_missing", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(b.Scans)), zap.Duration("again_in", wait))
		return false, r.Store.Defer(ctx, r.Holder, b, wait)
	case final.Stage == freight.StageCancelled:
		r.Log.Warn("scans_late", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(b.Scans)))
		return true, r.Store.Late(ctx, r.Holder, b)
	}
	return r.reopen(ctx, final, b)
}

// reopen brings what a closed shipment has not read to it: it settles that, and closes again. A batch whose reply was
// lost may have been read and closed upon meanwhile, as the snapshot then says. Nothing is settled in a cancelled one,
// so its scans are listed for people instead. Nobody else reopens the shipment while this lease holds, and a call that
// has not begun by its end is not made any more: so the snapshot is never an older one than the run before had.
func (r *Relay) reopen(ctx context.Context, final freight.Shipment, b store.Batch) (bool, error) {
	unread := slices.DeleteFunc(slices.Clone(b.Scans), func(s freight.Scan) bool { return final.HasRead(s.Number) })
	if len(unread) > 0 {
		if err := protocol.ReopenShipment(ctx, r.Temporal, final, protocol.ScanBatch{Scans: unread}); err != nil {
			return false, err
		}
		r.Log.Info("shipment_reopened", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(unread)))
	}
	return true, r.Store.Sent(ctx, r.Holder, b)
}
