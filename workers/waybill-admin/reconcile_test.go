package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/internal/cluster"
	"waybill/internal/cluster/clustertest"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/partner/partnertest"
	"waybill/internal/store"
	"waybill/workers/fence"
	"waybill/workers/reconcile"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// books is a desk with a Temporal, an Odoo and a store, and the configuration of a worker.
type books struct {
	*desk
	temporal client.Client
	admin    *odoo.Client
}

func newBooks(t *testing.T) *books {
	t.Helper()
	c := clustertest.Start(t)
	if err := cluster.Setup(t.Context(), c, cluster.Namespace(), cluster.Retention); err != nil {
		t.Fatal(err)
	}
	url := odootest.Start(t)
	b := &books{newDesk(t, url), c, odoo.New(odoo.Options{URL: url, DB: "demo", Login: "admin", Password: func() (string, error) { return "admin", nil }})}
	t.Setenv("WB_TEST_TOKEN", partnertest.Token)
	if _, err := odoo.Setup(t.Context(), b.admin, odoo.SetupOptions{FreightProduct: "WAYBILL-FREIGHT"}); err != nil {
		t.Fatal(err)
	}
	b.config = b.write("worker.yaml", fmt.Sprintf(`tenant: acme
store: {url: "sqlite:%s/waybill.db"}
odoo:
  url: %s
  db: demo
  status: {login: admin, password: "%[3]s"}
  money: {login: admin, password: "%[3]s"}
  released_since: "2026-01-01T00:00:00Z"
billing: {url: "http://127.0.0.1:1", token: "env:WB_TEST_TOKEN"}
tms: {url: "http://127.0.0.1:1", token: "env:WB_TEST_TOKEN"}
finance: {url: "http://127.0.0.1:1", token: "env:WB_TEST_TOKEN"}
policies: {file: "%[4]s/none.yaml"}
`, b.dir, url, passwordInFile, b.dir))
	return b
}

// runs starts a shipment that a story knows much of, and that nobody serves.
func (b *books) runs(s freight.Shipment) {
	b.t.Helper()
	in := protocol.ShipmentInput{ID: s.ID, Picking: 7, ReleasedBy: "test", Resume: &s}
	if started, err := protocol.StartShipment(b.t.Context(), b.temporal, in, "ACME", "S1"); err != nil || !started {
		b.t.Fatal(started, err)
	}
	b.listed("ExecutionStatus = 'Running'")
}

// listed waits until Temporal's list has one.
func (b *books) listed(query string) {
	b.t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		n, err := b.temporal.CountWorkflow(b.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: query + " AND WorkflowType = 'Shipment'"})
		if err == nil && n.GetCount() == 1 {
			return
		}
		select {
		case <-deadline:
			b.t.Fatal(query, n, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func known() freight.Shipment {
	now := time.Now()
	return freight.Shipment{
		ID: "acme-7", Stage: freight.StageSettlement, Since: now, Entered: now, HighWater: 5, Views: 4, Audits: 3,
		Terms:   freight.Terms{Policy: "default", Currency: "USD", Scope: freight.GoodsAndFreight, POD: freight.PODStatus, Clocks: freight.Clocks{Payment: 720 * time.Hour, Quiet: time.Hour}},
		Release: freight.Release{Order: 1, OrderName: "S1", Picking: 7, Customer: "ACME"},
		Plan:    &freight.InvoicePlan{Key: "waybill.inv_acme-7_1"}, Invoice: &freight.Invoice{Move: 9, Number: "INV/1"},
	}
}

func (b *books) report(code int, words string, args ...string) reconcile.Report {
	b.t.Helper()
	return consoletest.FromJSON[reconcile.Report](b.t, b.want(code, "", words, append([]string{"--json", "reconcile"}, args...)...))
}

func TestRestoredStoreIsFencedUntilItHasLearnedAgainWhatTheStoriesKnow(t *testing.T) {
	b := newBooks(t)
	s := b.store()
	if err := s.Advance(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	b.receive(s, "last before", []byte("{}"))
	if err := cluster.RaiseStoreMark(t.Context(), b.temporal, "acme", 4); err != nil { // as the store that was lost had it
		t.Fatal(err)
	}
	b.runs(known())
	f := fence.New(fence.Options{Temporal: b.temporal, Store: s, Tenant: "acme"})
	older := func() bool {
		err := f.Compare(t.Context())
		return err != nil && strings.Contains(err.Error(), "reconcile --after-restore")
	}
	if !older() {
		t.Fatal("a worker would work on the restored store")
	}
	if r := b.report(console.Failed, "run waybill-admin reconcile --after-restore"); !r.Older {
		t.Errorf("%+v", r)
	}
	if r := b.report(console.Done, "", "--after-restore", "--dry-run"); r.Behind != 1 || !r.Older || len(r.Gaps) != 1 || !older() {
		t.Errorf("a dry run has %+v, and the store is older: %t", r, older())
	}
	if _, ok, _ := s.View(t.Context(), "acme-7"); ok {
		t.Error("a dry run wrote to the store")
	}
	r := b.report(console.Done, "", "--after-restore")
	if r.Behind != 1 || r.Shipments != 1 || r.Lost == 0 || len(r.Gaps) != 1 || len(r.Sources) != 1 || r.Sources[0].ID != "last before" {
		t.Errorf("%+v", r)
	}
	if older() {
		t.Error("it has learned, and is still fenced")
	}
	if behind, err := s.Behind(t.Context(), known()); err != nil || behind {
		t.Errorf("behind %t, %v", behind, err)
	}
	again := b.report(console.Done, "", "--after-restore")
	if again.Older || again.Lost != 0 || len(again.Gaps) != 1 || again.Gaps[0] != r.Gaps[0] && !again.Gaps[0].From.Equal(r.Gaps[0].From) {
		t.Errorf("again %+v, want nothing new, and the window still named", again)
	}
}

// bill posts an invoice that names a shipment, past Waybill.
func (b *books) bill(shipment string) int64 {
	b.t.Helper()
	shop := odootest.NewShop(b.admin)
	customer, err := shop.Customer(b.t.Context(), "ACME", "75001")
	if err != nil {
		b.t.Fatal(err)
	}
	line := []any{0, 0, map[string]any{"name": "by hand", "quantity": 1, "price_unit": 10.0}}
	v, err := b.admin.Call(b.t.Context(), "account.move", "create", []any{map[string]any{"move_type": "out_invoice", "partner_id": customer, "x_waybill_shipment": shipment, "invoice_line_ids": []any{line}}}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	move, _ := v.(int64)
	if _, err := b.admin.Call(b.t.Context(), "account.move", "action_post", []any{[]int64{move}}, nil); err != nil {
		b.t.Fatal(err)
	}
	return move
}

func TestReconcileFindsWhatNobodyWorksOn(t *testing.T) {
	b := newBooks(t)
	b.store()
	b.want(console.Done, "nothing is left for a person", "", "reconcile")
	b.want(console.Misused, "", "--after-restore", "reconcile", "--dry-run")
	b.runs(known())
	if err := b.temporal.TerminateWorkflow(t.Context(), protocol.ShipmentWorkflowID("acme-7"), "", "by hand"); err != nil {
		t.Fatal(err)
	}
	b.listed("ExecutionStatus = 'Terminated'")
	move := b.bill("acme-8")
	r := b.report(console.Failed, "found")
	kinds := map[reconcile.Kind]freight.ShipmentID{}
	for _, f := range r.Findings {
		kinds[f.Kind] = f.Shipment
		if f.Do == "" || f.Detail == "" {
			t.Errorf("it does not say what to do: %+v", f)
		}
	}
	if kinds[reconcile.Abandoned] != "acme-7" || kinds[reconcile.NoShipment] != "acme-8" || len(r.Findings) != 2 {
		t.Errorf("of move %v: %+v", move, r.Findings)
	}
}

func TestDoctorAsksEverythingAtOnceAndSaysWhatToDo(t *testing.T) {
	b := newBooks(t)
	b.store()
	v := consoletest.FromJSON[console.Verdict](t, b.want(console.Failed, "", "4 missing", "--json", "doctor"))
	for i, part := range []string{"none.yaml", "billing: ", "tms: ", "finance: "} {
		if i >= len(v.Missing) || !strings.Contains(v.Missing[i], part) {
			t.Errorf("no word of %q in %q", part, v.Missing)
		}
	}
	if err := cluster.RaiseStoreMark(t.Context(), b.temporal, "acme", 4); err != nil {
		t.Fatal(err)
	}
	b.want(console.Failed, "reconcile --after-restore", "5 missing", "doctor")
	b.strays("tms", "WRONG-1")
	b.want(console.Failed, "source tms tells: scans that wait unmatched: 1, the oldest since", "6 missing", "doctor")
}

// strays files an event of three hours ago that no shipment takes.
func (b *books) strays(source, bol string) {
	b.t.Helper()
	s, err := store.Open(b.t.Context(), "sqlite:"+filepath.Join(b.dir, "waybill.db"), store.WithClock(func() time.Time { return time.Now().Add(-3 * time.Hour) }))
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Accept(b.t.Context(), store.Delivery{Source: source, ID: bol, Body: []byte("{}")}); err != nil {
		b.t.Fatal(err)
	}
	ds, err := s.Deliveries(b.t.Context(), store.Pending, source, 1)
	if err != nil || len(ds) != 1 {
		b.t.Fatal(ds, err)
	}
	scan := freight.Scan{Key: bol, Source: source, Milestone: freight.PickedUp, Classifier: freight.Actual, OccurredAt: time.Now().Add(-3 * time.Hour)}
	if _, err := s.Admit(b.t.Context(), ds[0].Seq, []store.Incoming{{Scan: scan, References: []freight.Reference{{Kind: freight.RefBOL, Value: bol}}}}); err != nil {
		b.t.Fatal(err)
	}
}

func TestOdooSetupMakesTheTwoUsersAndShowsTheirPasswordsOnce(t *testing.T) {
	d := newDesk(t, odootest.Start(t))
	d.in = "admin\n"
	args := []string{"--json", "odoo", "setup", "--admin-password-file", "-", "--users", "1"}
	done := consoletest.FromJSON[setupDone](t, d.want(console.Done, "", "", args...))
	if len(done.Users) != 2 || done.Users[0].Login != odoo.StatusLogin || done.Users[1].Login != odoo.MoneyLogin || done.Users[0].Password == "" {
		t.Errorf("%+v", done)
	}
	if again := consoletest.FromJSON[setupDone](t, d.want(console.Done, "", "", args...)); len(again.Users) > 0 || len(again.Made) > 0 {
		t.Errorf("made again: %+v", again)
	}
}
