package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/workflows/freight"
)

// TestOperationsSeeAndSteerShipmentsFromTheCommandLine runs the waybill command against a worker with the real
// stories.
func TestOperationsSeeAndSteerShipmentsFromTheCommandLine(t *testing.T) {
	w := newWorld(t)
	w.serveHouse(func(*house) {})
	t.Run("release", func(t *testing.T) { w.t = t; w.testRelease() })
	t.Run("list", func(t *testing.T) { w.t = t; w.testList() })
	t.Run("status", func(t *testing.T) { w.t = t; w.testStatus() })
	t.Run("exceptions", func(t *testing.T) { w.t = t; w.testExceptions() })
	t.Run("cancel", func(t *testing.T) { w.t = t; w.testCancel() })
}

func (w *world) testRelease() {
	picking := fmt.Sprint(w.sell("ACME"))
	args := []string{"release", picking, "--tenant", "acme"}
	w.want(console.Done, "acme-"+picking+"\n", "", args...)
	w.want(console.Done, "acme-"+picking+"\n", "was started before; nothing was done", args...)
	type result struct {
		Shipment, Link string
		Started        bool
	}
	got := consoletest.FromJSON[result](w.t, w.want(console.Done, "", "", append([]string{"--json"}, args...)...))
	if want := (result{"acme-" + picking, "http://ui.example.com/namespaces/default/workflows/shipment%2Facme-" + picking, false}); got != want {
		w.t.Errorf("%+v, want %+v", got, want)
	}
	w.want(console.Misused, "", "want 1-20 lower-case letters or digits", "release", picking, "--tenant", "ACME-DE")
	w.want(console.Misused, "", "is no id of a delivery in Odoo", "release", "WH/OUT/1", "--tenant", "acme")
}

// item is a line of a list, for programs: its names do not change.
type item struct {
	ID         string    `json:"id"`
	Stage      string    `json:"stage"`
	Customer   string    `json:"customer"`
	Carrier    string    `json:"carrier"`
	Exceptions []string  `json:"exceptions"`
	Deadline   time.Time `json:"deadline"`
	Status     string    `json:"workflow"`
	Link       string    `json:"link"`
}

// listed waits until a list holds exactly these shipments: Temporal's lists lag.
func (w *world) listed(want []freight.ShipmentID, args ...string) (items []item) {
	w.t.Helper()
	has := func() bool {
		items = consoletest.FromJSON[[]item](w.t, w.want(console.Done, "", "", append([]string{"--json"}, args...)...))
		var ids []freight.ShipmentID
		for _, i := range items {
			ids = append(ids, freight.ShipmentID(i.ID))
		}
		return fmt.Sprint(ids) == fmt.Sprint(want)
	}
	w.until(fmt.Sprintf("waybill %s lists %v", strings.Join(args, " "), want), has, func() string { return fmt.Sprintf("%+v", items) })
	return items
}

func (w *world) testList() {
	bolt := w.release("BOLT")
	w.scan(w.temporal, bolt, freight.Scan{Milestone: freight.TenderAccepted})
	got := w.listed([]freight.ShipmentID{bolt}, "list", "--customer", "BOLT", "--stage", "transit", "--carrier", "FASTFRT")[0]
	deadline := got.Deadline
	got.Deadline = time.Time{}
	want := item{ID: string(bolt), Stage: "transit", Customer: "BOLT", Carrier: "FASTFRT", Status: "Running", Link: "http://ui.example.com/namespaces/default/workflows/shipment%2F" + string(bolt)}
	if fmt.Sprint(got) != fmt.Sprint(want) || time.Until(deadline) < time.Hour {
		w.t.Errorf("%+v, next deadline %s; want %+v", got, deadline, want)
	}
	w.listed(nil, "list", "--customer", "NOBODY")
	w.want(console.Misused, "", "Temporal cannot search for quotes", "list", "--customer", "NOBODY' OR CustomerCode = 'BOLT")
	w.listed(nil, "list", "--customer", "BOLT", "--stage", "closed")
	w.testListOfClosed()
	out := w.want(console.Done, string(bolt), "", "list", "--customer", "BOLT")
	for _, column := range []string{"id", "stage", "customer", "carrier", "exceptions", "next deadline"} {
		if !strings.Contains(out, column) {
			w.t.Errorf("no column %s in\n%s", column, out)
		}
	}
	if n := len(consoletest.FromJSON[[]item](w.t, w.want(console.Done, "", "there are more than 1: narrow it down, or raise --limit", "--json", "list", "--limit", "1"))); n != 1 {
		w.t.Errorf("%d listed, want 1", n)
	}
}

// testListOfClosed: that a shipment is closed is told by its workflow alone, and people need not know.
func (w *world) testListOfClosed() {
	id := w.release("WATCH")
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted}, freight.Scan{Milestone: freight.PickedUp}, freight.Scan{Milestone: freight.Delivered})
	w.state(w.temporal, id, "closed", func(s freight.Shipment) bool { return s.Stage == freight.StageClosed })
	for _, args := range [][]string{{"list", "--customer", "WATCH", "--stage", "closed"}, {"list", "--customer", "WATCH", "--all"}} {
		if got := w.listed([]freight.ShipmentID{id}, args...)[0]; got.Stage != "closed" || got.Status != "Completed" || !got.Deadline.IsZero() {
			w.t.Errorf("%v: %+v", args, got)
		}
	}
	w.listed(nil, "list", "--customer", "WATCH", "--stage", "fulfilment", "--all") // whatever it showed last
}

func (w *world) testStatus() {
	id := w.release("ACME")
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderAccepted}, freight.Scan{Milestone: freight.PickedUp})
	w.state(w.temporal, id, "picked up", func(s freight.Shipment) bool { return s.HighWater == 2 && s.Stage == freight.StageTransit })
	out := w.want(console.Done, string(id)+"  transit", "", "status", string(id))
	for _, part := range []string{"customer ACME, carrier FASTFRT", "http://ui.example.com/namespaces/default/workflows/shipment%2F" + string(id), string(freight.PickedUp)} {
		if !strings.Contains(out, part) {
			w.t.Errorf("no %q in\n%s", part, out)
		}
	}
	s := consoletest.FromJSON[freight.Shipment](w.t, w.want(console.Done, "", "", "--json", "status", "shipment/"+string(id)))
	if s.ID != id || s.Stage != freight.StageTransit || s.Release.Customer != "ACME" {
		w.t.Errorf("%+v", s)
	}
	w.want(console.Failed, "", "there is no shipment acme-99999 open in namespace default: see waybill list --all", "status", "acme-99999")
	w.want(console.Misused, "", "is no shipment id such as acme-1042", "status", "S00042")
}

func (w *world) testExceptions() {
	id := w.release("ACME")
	w.scan(w.temporal, id, freight.Scan{Milestone: freight.TenderDeclined})
	s := w.state(w.temporal, id, "declined", func(s freight.Shipment) bool { return len(s.Exceptions.OpenKinds()) == 1 })
	n := fmt.Sprint(s.Exceptions[0].ID)
	if got := w.listed([]freight.ShipmentID{id}, "exception", "list", "--kind", "tender_declined")[0]; fmt.Sprint(got.Exceptions) != "[tender_declined]" {
		w.t.Errorf("%+v", got)
	}
	w.listed([]freight.ShipmentID{id}, "exception", "list")
	w.want(console.Done, "tender_declined", "", "exception", "show", string(id))
	w.want(console.Done, "exception "+n+" tender_declined (operations", "", "status", string(id))
	resolve := func(number, action, reason string) []string {
		return []string{"exception", "resolve", string(id), number, "--action", action, "--reason", reason, "--by", "olga"}
	}
	w.want(console.Failed, "", "refused: there is no exception 9: see waybill exception list", resolve("9", "retry", "r")...)
	w.want(console.Failed, "", "refused: a tender_declined allows [retry cancel], not dismiss", resolve(n, "dismiss", "r")...)
	w.want(console.Done, "applied: retry on exception "+n+" of "+string(id)+"\n", "", resolve(n, "retry", "another carrier")...)
	refused := consoletest.FromJSON[freight.ResolveReply](w.t, w.want(console.Failed, "", "refused: exception "+n+" was resolved by olga with retry", append([]string{"--json"}, resolve(n, "retry", "another carrier")...)...))
	if refused.Refusal == "" || refused.By != "olga" || refused.Action != freight.Retry {
		w.t.Errorf("the reply for programs: %+v", refused)
	}
	w.want(console.Done, "retry by olga: another carrier", "", "exception", "show", string(id))
	w.want(console.Failed, "", "there is no shipment acme-99999", "exception", "resolve", "acme-99999", "1", "--action", "retry", "--reason", "r")
	w.want(console.Misused, "", "is no exception's number: see waybill exception show", "exception", "resolve", string(id), "first", "--action", "retry", "--reason", "r")
	if es := consoletest.FromJSON[freight.Exceptions](w.t, w.want(console.Done, "", "", "--json", "exception", "show", string(w.release("ACME")))); es == nil || len(es) > 0 {
		w.t.Errorf("a shipment without exceptions has %v", es)
	}
}

func (w *world) testCancel() {
	id := w.release("ACME")
	out := w.want(console.Done, `"asked": true`, "see waybill status "+string(id), "--json", "cancel", string(id), "--reason", "customer withdrew", "--by", "olga")
	if got := consoletest.FromJSON[map[string]any](w.t, out); got["shipment"] != string(id) {
		w.t.Errorf("%v", got)
	}
	s := w.state(w.temporal, id, "cancelled", func(s freight.Shipment) bool { return s.Stage == freight.StageCancelled })
	if s.Cancel.By != "olga" || s.Cancel.Reason != "customer withdrew" {
		w.t.Errorf("%+v", s.Cancel)
	}
	w.listed([]freight.ShipmentID{id}, "list", "--stage", "cancelled")
	if err := w.temporal.GetWorkflow(w.t.Context(), "shipment/"+string(id), "").Get(w.t.Context(), nil); err != nil {
		w.t.Error(err)
	}
	w.want(console.Failed, "", "there is no shipment "+string(id)+" open", "cancel", string(id), "--reason", "again")
	w.want(console.Failed, "", "there is no shipment acme-99999", "cancel", "acme-99999", "--reason", "r")
}

// TestFinanceDecidesDisputesFromTheCommandLine signs with real keys and has them judged by the real activity.
func TestFinanceDecidesDisputesFromTheCommandLine(t *testing.T) {
	w := newWorld(t)
	r := w.serveHouse(func(*house) {})
	id, p := w.disputed("400.00 USD")
	dispute := string(p.Dispute)
	w.listed([]freight.ShipmentID{freight.ShipmentID(dispute)}, "dispute", "list")
	out := w.want(console.Done, "dispute "+dispute, "", "dispute", "show", dispute)
	for _, part := range []string{"claimed 400.00 USD, by contract " + p.Expected.String(), "proposal " + p.Hash(), "workflows/dispute%2F" + string(id) + "%2F1"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	decide := func(verdict, key string, more ...string) []string {
		return append([]string{"dispute", verdict, dispute, "--reason", "gate log", "--key", w.keys[key]}, more...)
	}
	w.want(console.Failed, "", "is over the limit of 0.01 USD for bob: ask an approver with a higher one", decide("approve", "bob.key")...)
	w.want(console.Failed, "", `refused: the signature is not that of approver "ann"`, decide("approve", "forged.key")...)
	w.want(console.Failed, "", "make one with waybill approver keygen", "dispute", "approve", dispute, "--reason", "r", "--key", w.keys["ann.key"]+"x")
	w.want(console.Misused, "", "is not between "+p.Expected.String()+" and 400.00 USD", decide("approve", "ann.key", "--amount", "400.01 USD")...)
	w.want(console.Misused, "", "write an amount and a currency", decide("approve", "ann.key", "--amount", "400")...)
	refused := consoletest.FromJSON[freight.DecisionReply](t, w.want(console.Failed, "", "refused:", append([]string{"--json"}, decide("approve", "bob.key")...)...))
	if refused.Applied || refused.Refusal == "" {
		t.Errorf("the reply for programs: %+v", refused)
	}
	w.want(console.Done, "refused: the signature", "", "dispute", "show", dispute)
	w.want(console.Done, "applied: approve at 390.00 USD on dispute "+dispute+"\n", "", decide("approve", "ann.key", "--amount", "390.00 USD")...)
	w.want(console.Failed, "", "the dispute was decided by ann: approve at 390.00 USD", decide("reject", "ann.key")...)
	s := w.state(w.temporal, id, "ruled", func(s freight.Shipment) bool { return len(s.Rulings) == 1 })
	if g := s.Rulings[0]; g.By != "ann" || g.Reason != "gate log" || g.Amount.String() != "390.00 USD" || g.Verdict != freight.Approve {
		t.Errorf("the shipment applied %+v", g)
	}
	w.listed(nil, "dispute", "list")
	w.listed([]freight.ShipmentID{freight.ShipmentID(dispute)}, "dispute", "list", "--all")
	w.want(console.Failed, "", "there is no dispute acme-99999/1 open in namespace default: see waybill dispute list --all", "dispute", "show", "acme-99999/1")
	w.want(console.Misused, "", "is no dispute id such as acme-1042/1", "dispute", "show", "acme-99999")

	_, p = w.disputed("300.00 USD")
	dispute = string(p.Dispute)
	t.Setenv("WAYBILL_APPROVER_KEY", w.keys["ann.key"])
	reply := consoletest.FromJSON[freight.DecisionReply](t, w.want(console.Done, "", "", "--json", "dispute", "reject", "dispute/"+dispute, "--reason", "no detention on the gate log"))
	if !reply.Applied || reply.Document == "" {
		t.Errorf("%+v", reply)
	}
	d := consoletest.FromJSON[freight.Dispute](t, w.want(console.Done, "", "", "--json", "dispute", "show", dispute))
	if d.Ruling == nil || d.Ruling.Verdict != freight.Reject || !d.Ruling.Amount.Equal(p.Expected) {
		t.Errorf("%+v", d.Ruling)
	}
	r.end()
}

// TestADecisionThatExpiredOnItsWayIsRefused has a worker whose clock is past the decision's life.
func TestADecisionThatExpiredOnItsWayIsRefused(t *testing.T) {
	w := newWorld(t)
	w.serveHouse(func(h *house) { h.keeper.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	_, p := w.disputed("400.00 USD")
	w.want(console.Failed, "", "refused: decision expired at", "dispute", "approve", string(p.Dispute), "--reason", "r", "--key", w.keys["ann.key"])
}

// TestWhatNobodyAnswersIsQueuedAndSaidToBe: the person is told soon, and the decision is applied later.
func TestWhatNobodyAnswersIsQueuedAndSaidToBe(t *testing.T) {
	w := newWorld(t)
	held := make(chan struct{})
	r := w.serveHouse(func(h *house) { h.keeper.Now = func() time.Time { <-held; return time.Now() } })
	id, p := w.disputed("400.00 USD")
	began := time.Now()
	w.want(console.Failed, "", "queued: no worker has answered yet; it is applied when one does, unless it expires first at", "dispute", "approve", string(p.Dispute), "--reason", "r", "--key", w.keys["ann.key"], "--wait", "1s")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	close(held)
	w.state(w.temporal, id, "ruled", func(s freight.Shipment) bool { return len(s.Rulings) == 1 })
	r.end()
	began = time.Now()
	w.want(console.Failed, "", "no worker answers for shipment "+string(id)+": start waybill-worker", "status", string(id), "--wait", "2s")
	w.want(console.Failed, "", "queued: no worker has answered yet; it is applied when one does: see waybill exception show", "exception", "resolve", string(id), "1", "--action", "retry", "--reason", "r", "--wait", "2s")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}

// TestWhereNoWorkerEverRanItIsSaidAtOnce does not wait for --wait to run out.
func TestWhereNoWorkerEverRanItIsSaidAtOnce(t *testing.T) {
	w := newWorld(t)
	picking := fmt.Sprint(w.sell("ACME"))
	w.want(console.Done, "", "", "release", picking, "--tenant", "acme")
	began := time.Now()
	w.want(console.Failed, "", "no worker answers for shipment acme-"+picking, "status", "acme-"+picking, "--wait", "1m")
	w.want(console.Failed, "", "queued", "exception", "resolve", "acme-"+picking, "1", "--action", "retry", "--reason", "r", "--wait", "1m")
	w.want(console.Failed, "", "no worker answers for dispute acme-"+picking+"/1", "dispute", "approve", "acme-"+picking+"/1", "--reason", "r", "--key", w.keys["ann.key"], "--wait", "1m")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to say so", took)
	}
}
