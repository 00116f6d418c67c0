package script_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/activities/odoo/odootest"
	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

// killer kills the worker once for each of three shipments, each at another moment of its posting, and starts it
// again.
type killer struct {
	t      *testing.T
	h      *rig.House
	mu     sync.Mutex
	points map[string]string // shipment -> where it is killed
	posted map[string]bool   // action_post has been answered
	killed map[string]string
	left   []string
}

const (
	beforeTheCall   = "before the call"
	afterTheCommit  = "after Odoo's commit"
	beforeRecording = "before the result is recorded"
)

// point is where the shipment's worker dies; each shipment takes the next one.
func (k *killer) point(shipment string) string {
	if p, ok := k.points[shipment]; ok || len(k.left) == 0 {
		return p
	}
	k.points[shipment], k.left = k.left[0], k.left[1:]
	return k.points[shipment]
}

func (k *killer) at(c odootest.Call, point string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.Shipment == "" || c.Model != "account.move" || k.point(c.Shipment) != point || k.killed[c.Shipment] != "" {
		return false
	}
	switch {
	case point == beforeTheCall && c.Method == "load", point == afterTheCommit && c.Method == "action_post":
	case point == beforeRecording && c.Method == "web_search_read" && k.posted[c.Shipment]:
	default:
		k.posted[c.Shipment] = k.posted[c.Shipment] || c.Method == "action_post"
		return false
	}
	k.killed[c.Shipment] = point
	return true
}

func (k *killer) before(c odootest.Call) bool {
	if !k.at(c, beforeTheCall) {
		return false
	}
	k.h.Workers[0].Kill()
	k.restart()
	return true
}

func (k *killer) after(c odootest.Call) bool {
	if k.at(c, afterTheCommit) {
		k.h.Workers[0].Kill()
		k.restart()
		return true
	}
	if k.at(c, beforeRecording) {
		answered := k.h.ToWorker.Hold("INV/")
		go k.killWithTheAnswer(answered)
	}
	return false
}

// killWithTheAnswer kills the worker when it has told Temporal of the invoice, and Temporal has not heard of it.
func (k *killer) killWithTheAnswer(answered <-chan struct{}) {
	select {
	case <-answered:
	case <-time.After(20 * time.Second):
		k.t.Error("the worker never told Temporal of the invoice: nothing was proved")
	}
	k.h.Workers[0].Kill()
	k.h.ToWorker.Drop()
	k.restart()
}

func (k *killer) restart() {
	if err := k.h.Workers[0].Start(); err != nil {
		k.t.Error(err)
	}
}

// TestWorkerKilledWhilePostingPostsOnce kills the worker with SIGKILL at the three moments at which an invoice
// could be posted twice or not at all.
func TestWorkerKilledWhilePostingPostsOnce(t *testing.T) {
	h, err := rig.Open(t.Context(), rig.Options{Dir: t.TempDir(), Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	k := &killer{t: t, h: h, points: map[string]string{}, posted: map[string]bool{}, killed: map[string]string{}, left: []string{beforeTheCall, afterTheCommit, beforeRecording}}
	h.Proxy.Watch(odootest.Watch{Before: k.before, After: k.after})
	s := script.New(h, script.Options{Seed: 7, Shipments: 3, Situations: []script.Situation{script.CleanSpread}, Rough: true})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := s.Play(ctx); err != nil {
		t.Fatal(err)
	}
	l, err := s.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Mismatches) > 0 || l.InvoicesPosted != 3 || l.Lost > 0 {
		t.Errorf("posted %d, lost %d: %s", l.InvoicesPosted, l.Lost, strings.Join(l.Mismatches, "; "))
	}
	if len(k.killed) != 3 {
		t.Errorf("killed at %v: want all three moments", k.killed)
	}
	for _, r := range l.Rows {
		t.Logf("killed %s: %s posted %s over %s, expected %s", k.killed[string(r.Shipment)], r.Shipment, r.Invoice, r.Net, r.Expected)
	}
}
