// Package fence keeps a worker from working on a store that is older than Temporal. A restored backup has forgotten
// which scans were sent, which carriers' invoices and approvals were used, and what was validated: what was done on it
// would be done twice.
package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"waybill/internal/cluster"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// ErrOlder means that the store is older than Temporal.
var ErrOlder = errors.New("the store is older than Temporal: a backup was restored. Nothing is worked on until waybill-admin reconcile --after-restore has been run")

// Options are what a fence compares, and how often.
type Options struct {
	Temporal client.Client
	Store    *store.Store
	Tenant   freight.TenantCode
	Every    time.Duration // between two marks; 0: 1 min
	Log      *zap.Logger
}

// Fence stands between a worker and its work.
type Fence struct {
	Options
	found chan struct{} // a story has found the store older

	mu  sync.Mutex
	why error // it is shut; nil while it is open
}

// New makes a fence that is shut.
func New(o Options) *Fence {
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	return &Fence{Options: o, found: make(chan struct{}, 1), why: errors.New("the store has not been compared with Temporal yet")}
}

const (
	defaultEvery = time.Minute
	// lookEvery is how soon a store is noticed that has learned again.
	lookEvery = 2 * time.Second
)

// Compare is ErrOlder where the store is older. Temporal is asked first: a mark grows in the store before it does there.
func (f *Fence) Compare(ctx context.Context) error {
	there, err := cluster.StoreMark(ctx, f.Temporal, f.Tenant)
	if err != nil {
		return err
	}
	here, err := f.Store.Mark(ctx)
	if err == nil && here.N < there {
		err = fmt.Errorf("%w (its mark is %d, Temporal's %d)", ErrOlder, here.N, there)
	}
	return err
}

// Pass waits until the store is not older than Temporal, or the context ends. Where Temporal does not let us ask, it
// passes: whoever took that right away has taken this proof away.
func (f *Fence) Pass(ctx context.Context) error {
	for said := ""; ; {
		err := f.Compare(ctx)
		switch {
		case err == nil:
			f.shut(nil)
			return nil
		case forbidden(err):
			f.Log.Warn("store_not_compared", zap.Error(err))
			f.shut(nil)
			return nil
		case ctx.Err() != nil:
			return nil
		}
		f.shut(err)
		if text := err.Error(); text != said {
			f.Log.Error("worker_fenced", zap.Error(err))
			said = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
}

func forbidden(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unknown *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unknown)
}

func (f *Fence) shut(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = why
}

// Ready says why nothing is worked on; nil while it is.
func (f *Fence) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why
}

// Keep lets the marks grow until the context ends, and returns ErrOlder once a backup is restored meanwhile.
func (f *Fence) Keep(ctx context.Context) error {
	for since := time.Duration(0); ; since = f.Every {
		err := f.grow(ctx, since)
		if errors.Is(err, ErrOlder) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			f.Log.Warn("mark_not_kept", zap.Error(err)) // it is made up by the next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.found:
		case <-time.After(f.Every):
		}
	}
}

func (f *Fence) grow(ctx context.Context, since time.Duration) error {
	if err := f.Compare(ctx); err != nil {
		return err
	}
	if err := f.Store.Advance(ctx, since); err != nil {
		return err
	}
	m, err := f.Store.Mark(ctx)
	if err != nil {
		return err
	}
	return cluster.RaiseStoreMark(ctx, f.Temporal, f.Tenant, m.N)
}

// Forgot hears that the store lacks what came before a record: a backup was restored that is younger than the last mark.
// Temporal's is raised, so that every worker stops.
func (f *Fence) Forgot(ctx context.Context, why error) error {
	f.Log.Error("record_missing", zap.Error(why))
	m, err := f.Store.Mark(ctx)
	if err == nil {
		err = cluster.RaiseStoreMark(ctx, f.Temporal, f.Tenant, m.N+1)
	}
	if err != nil {
		return err // the record is tried again
	}
	select {
	case f.found <- struct{}{}:
	default:
	}
	return nil
}
