package fence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"waybill/activities/record"
	"waybill/internal/cluster"
	"waybill/internal/cluster/clustertest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workers/fence"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func newFence(t *testing.T, c client.Client, s *store.Store) (*fence.Fence, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	return fence.New(fence.Options{Temporal: c, Store: s, Tenant: "acme", Every: time.Hour, Log: zap.New(core)}), logs
}

// within waits until something is so.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.After(20 * time.Second); !so(); {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestWorkerWaitsBeforeAnOlderStoreSaysWhatToRunAndGoesOnByItself(t *testing.T) {
	c, s := clustertest.Start(t), storetest.SQLite(t).Open(t)
	if err := cluster.RaiseStoreMark(t.Context(), c, "acme", 3); err != nil {
		t.Fatal(err)
	}
	f, logs := newFence(t, c, s)
	passed := make(chan error, 1)
	go func() { passed <- f.Pass(t.Context()) }()
	within(t, "it says so", func() bool { return logs.FilterMessage("worker_fenced").Len() > 0 })
	if err := f.Ready(); !errors.Is(err, fence.ErrOlder) || !strings.Contains(err.Error(), "waybill-admin reconcile --after-restore") {
		t.Errorf("it is ready: %v", err)
	}
	if err := s.Restored(t.Context(), 3, store.Gap{}); err != nil {
		t.Fatal(err)
	}
	if err := <-passed; err != nil || f.Ready() != nil {
		t.Errorf("it does not go on: %v, %v", err, f.Ready())
	}
	if n := logs.FilterMessage("worker_fenced").Len(); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// TestRecordWhosePredecessorIsGoneStopsEveryWorker is about a backup younger than the last mark.
func TestRecordWhosePredecessorIsGoneStopsEveryWorker(t *testing.T) {
	c, s := clustertest.Start(t), storetest.SQLite(t).Open(t)
	f, _ := newFence(t, c, s)
	if err := f.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := make(chan error, 1)
	go func() { kept <- f.Keep(t.Context()) }()
	within(t, "a mark in Temporal", func() bool { n, err := cluster.StoreMark(t.Context(), c, "acme"); return err == nil && n == 1 })
	keep := (&record.Keeper{Store: s, Now: time.Now, Forgot: f.Forgot}).Record
	q := protocol.RecordRequest{View: freight.View{Shipment: "acme-1", Revision: 1}, Audits: []freight.AuditEntry{{N: 4, Kind: freight.AuditClosed}}}
	if _, err := keep(t.Context(), q); protocol.FaultOf(err) != protocol.Transient {
		t.Errorf("the record is not tried again: %v", err)
	}
	select {
	case err := <-kept:
		if !errors.Is(err, fence.ErrOlder) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the worker goes on")
	}
	other, _ := newFence(t, c, s)
	if err := other.Compare(context.Background()); !errors.Is(err, fence.ErrOlder) {
		t.Errorf("another worker would go on: %v", err)
	}
}
