// Package relay brings what the bridge took to the stories: decoded, matched, numbered, in order, all that waits
// for one shipment in one signal. Any number of relays may run beside each other.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/protocol"
)

// Relay is one worker's relay.
type Relay struct {
	Store      *store.Store
	Temporal   protocol.Signaller
	Connectors map[string]connectors.Connector // by source; others are canonical
	Skip       map[string]bool                 // sources someone else reads
	Holder     string                          // unique to this process
	Log        *zap.Logger
	Idle       time.Duration // between looks when there was nothing; 0: 250 ms
	Gather     time.Duration // how long a shipment's oldest scan waits for others of its burst
	Now        func() time.Time
}

const (
	defaultIdle = 250 * time.Millisecond
	// batch bounds what is read in one look.
	batch = 100
	// perSignal bounds the scans of one signal: 200 of some 500 bytes stay far under Temporal's 2 MiB.
	perSignal = 200
	// leaseSpan is how long a holder may take to send what it took; a crashed one delays a shipment so long.
	leaseSpan = 10 * time.Second
)

// Run relays until the context ends. A fault is logged, and tried again after a pause.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		busy, err := r.Once(ctx)
		pause := r.pause(busy)
		if err != nil && ctx.Err() == nil {
			r.Log.Error("relay_failed", zap.Error(err))
			pause = time.Second
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

// Once does one look: files what came in, sends what waits. It reports whether there was anything.
func (r *Relay) Once(ctx context.Context) (busy bool, err error) {
	filed, err := r.file(ctx)
	if err != nil {
		return false, err
	}
	sent, err := r.send(ctx)
	return filed > 0 || sent > 0, err
}

func (r *Relay) file(ctx context.Context) (n int, err error) {
	ds, err := r.Store.Waiting(ctx, batch)
	if err != nil {
		return 0, err
	}
	for _, d := range ds {
		if r.Skip[d.Source] {
			continue
		}
		if err := r.fileOne(ctx, d); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// fileOne reads one delivery. What cannot be read is dead, with the reason; the rest goes on.
func (r *Relay) fileOne(ctx context.Context, d store.Delivery) error {
	in, err := r.decode(d)
	if err != nil {
		r.Log.Warn("delivery_dead", zap.String("source", d.Source), zap.Int64("delivery", d.Seq), zap.Error(err))
		return r.Store.SetDelivery(ctx, d.Seq, store.Dead, err.Error())
	}
	a, err := r.Store.Admit(ctx, d.Seq, in)
	if err != nil {
		return err
	}
	if a.Unmatched > 0 {
		r.Log.Info("scan_unmatched", zap.String("source", d.Source), zap.Int64("delivery", d.Seq))
	}
	return nil
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

func (r *Relay) send(ctx context.Context) (n int, err error) {
	bs, err := r.Store.Lease(ctx, r.Holder, leaseSpan, r.Gather, batch, perSignal)
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, b := range bs {
		sent, err := r.sendOne(ctx, b)
		if sent {
			n++
		}
		faults = append(faults, err)
	}
	return n, errors.Join(faults...)
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
	if err != nil || !closed {
		return false, err
	}
	r.Log.Warn("scans_late", zap.String("shipment", string(b.Shipment)), zap.Int("scans", len(b.Scans)))
	return true, r.Store.Late(ctx, r.Holder, b)
}
