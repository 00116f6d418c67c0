package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to do to the store what nobody should

	"waybill/activities/odoo/odootest"
	"waybill/internal/cluster/clustertest"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// desk is where an administrator sits: a configuration file and what it names.
type desk struct {
	t      *testing.T
	dir    string
	config string
	in     string
}

const passwordInFile = "env:WB_TEST_ODOO"

func newDesk(t *testing.T, odooURL string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	d.config = d.write("waybill.yaml", fmt.Sprintf(`tenant: acme
store: {url: "sqlite:%s/waybill.db"}
odoo:
  url: %s
  db: demo
  status: {login: admin, password: "%[3]s"}
  money: {login: admin, password: "%[3]s"}
  released_since: "2026-01-01T00:00:00Z"
bridge: {sources: [{name: tms, owner: transport team, contact: transport@example.com, secrets: [x]}]}
`, d.dir, odooURL, passwordInFile))
	t.Setenv("WB_TEST_ODOO", "admin")
	return d
}

func (d *desk) write(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// want runs a command and wants an exit code and texts in what it printed.
func (d *desk) want(code int, inOut, inWords string, args ...string) (out string) {
	d.t.Helper()
	return consoletest.Program{Command: command, Always: []string{"--config", d.config}, In: d.in}.Want(d.t, code, inOut, inWords, args...)
}

func (d *desk) store() *store.Store {
	d.t.Helper()
	s, err := store.Open(d.t.Context(), "sqlite:"+filepath.Join(d.dir, "waybill.db"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestMisuseIsSaidBeforeAnythingIsTried(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	for _, tt := range []struct{ args, words string }{
		{"", "say which"},
		{"odoo", "say which"},
		{"odoo chek", `unknown command "chek" for "waybill-admin odoo"`},
		{"odoo setup", `"admin-password-file" not set`},
		{"temporal setup --retention", "flag needs an argument"},
		{"temporal setup --retention soon", "invalid argument"},
		{"inbox list --state lost", "want one of pending, done, dead, unmatched, late, discarded, unexpected"},
		{"inbox list --limit 0", "want a number from 1"},
		{"inbox show", "accepts 1 arg(s)"},
		{"audit verify", "accepts 1 arg(s)"},
	} {
		d.want(console.Misused, "", tt.words, strings.Fields(tt.args)...)
	}
	d.want(console.Failed, "", "set TEMPORAL_ADDRESS", "temporal", "check")
}

func TestOnlyTheConfigurationThatACommandUsesMustBeGood(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	d.config = d.write("store.yaml", "store: {url: \"sqlite:"+d.dir+"/waybill.db\"}\n")
	d.store()
	d.want(console.Done, "[]", "", "--json", "inbox", "list")
	d.want(console.Failed, "", d.config+": odoo.url", "odoo", "check")
	d.config = d.write("typo.yaml", "stoer: {url: x}\n")
	d.want(console.Failed, "", "stoer: there is no such key", "inbox", "list")
}

func TestOdooSetupMakesWhatCheckMisses(t *testing.T) {
	d := newDesk(t, odootest.Start(t))
	out := d.want(console.Failed, "missing: ", "missing", "odoo", "check")
	if !strings.Contains(out, "waybill-admin odoo setup") {
		t.Errorf("it does not say what to do:\n%s", out)
	}
	password := d.write("password", "admin\n")
	d.want(console.Done, "made field stock.picking.x_waybill_shipment\n", "waybill-admin odoo check", "odoo", "setup", "--admin-password-file", password)
	d.want(console.Done, "everything was there\n", "", "odoo", "setup", "--admin-password-file", password)
	d.want(console.Done, "everything is in place\n", "excess: status user: may create account.move", "odoo", "check")
	d.in = "admin\n"
	if v := consoletest.FromJSON[setupDone](t, d.want(console.Done, "", "", "--json", "odoo", "setup", "--admin-password-file", "-")); v.Made == nil || len(v.Made) > 0 {
		t.Errorf("made again: %+v", v)
	}
	if v := consoletest.FromJSON[console.Verdict](t, d.want(console.Done, "", "", "--json", "odoo", "check")); !v.OK || v.Missing == nil || len(v.Missing) > 0 {
		t.Errorf("%+v", v)
	}
}

func TestOdooSetupNeverTakesAnEmptyOrMissingPassword(t *testing.T) {
	d := newDesk(t, odootest.Start(t))
	d.want(console.Misused, "", "is empty", "odoo", "setup", "--admin-password-file", d.write("empty", "\n"))
	d.want(console.Failed, "", "none", "odoo", "setup", "--admin-password-file", filepath.Join(d.dir, "none"))
	d.want(console.Failed, "", "login or password is wrong", "odoo", "setup", "--admin-password-file", d.write("wrong", "wr0ng"))
}

// TestAUserOdooRefusesIsNamedOnceAndTriedOnce: Odoo locks out who tries often.
func TestAUserOdooRefusesIsNamedOnceAndTriedOnce(t *testing.T) {
	var logins atomic.Int64
	standIn := odootest.NewStandIn()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("authenticate")) {
			logins.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		standIn.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	d := newDesk(t, srv.URL)
	t.Setenv("WB_TEST_ODOO", "wr0ng-word")
	v := consoletest.FromJSON[console.Verdict](t, d.want(console.Failed, "", "2 missing", "--json", "odoo", "check"))
	if len(v.Missing) != 2 || !strings.Contains(v.Missing[0], `status user: login or password is wrong for "admin" in database "demo": set odoo.status.login and odoo.status.password`) || !strings.Contains(v.Missing[1], "set odoo.money.login") {
		t.Errorf("%q", v.Missing)
	}
	if n := logins.Load(); n != 2 {
		t.Errorf("%d logins were tried for two users", n)
	}
	if strings.Contains(fmt.Sprint(v), "wr0ng-word") {
		t.Error("the password was printed")
	}
}

func TestAnOdooThatIsDownIsSaidOnce(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	v := consoletest.FromJSON[console.Verdict](t, d.want(console.Failed, "", "1 missing", "--json", "odoo", "check"))
	if len(v.Missing) != 1 || !strings.Contains(v.Missing[0], "odoo.url") {
		t.Errorf("%q", v.Missing)
	}
}

func TestTemporalSetupMakesWhatCheckMisses(t *testing.T) {
	clustertest.Start(t)
	d := newDesk(t, "http://127.0.0.1:1")
	v := consoletest.FromJSON[console.Verdict](t, d.want(console.Failed, "", "7 missing", "--json", "temporal", "check"))
	if len(v.Missing) != 7 {
		t.Errorf("six attributes and the retention are missing, said: %q", v.Missing)
	}
	for _, m := range v.Missing {
		if !strings.Contains(m, "run waybill-admin temporal setup") {
			t.Errorf("it does not say what to do: %s", m)
		}
	}
	d.want(console.Misused, "", "want 24h or more", "temporal", "setup", "--retention", "1h")
	ready := consoletest.FromJSON[namespaceReady](t, d.want(console.Done, "", "", "--json", "temporal", "setup", "--retention", "200h"))
	if ready != (namespaceReady{"default", "200h0m0s"}) {
		t.Errorf("%+v", ready)
	}
	d.want(console.Done, "everything is in place\n", "", "temporal", "check")
	d.want(console.Done, "closed shipments are kept for 720h0m0s", "", "temporal", "setup")
}

func (d *desk) receive(s *store.Store, id string, body []byte) int64 {
	d.t.Helper()
	if _, err := s.Accept(d.t.Context(), store.Delivery{Source: "tms", ID: id, Body: body, Headers: map[string]string{"Content-Type": "application/json", "Webhook-Id": id}, VerifiedBy: "key 1", ReceivedAt: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), State: store.Pending}); err != nil {
		d.t.Fatal(err)
	}
	ds, err := s.Deliveries(d.t.Context(), "", "", 1)
	if err != nil || len(ds) != 1 {
		d.t.Fatal(ds, err)
	}
	return ds[0].Seq
}

func TestInboxShowsWhatWasReceivedToTheByteAndWhatToDo(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	s := d.store()
	binary := []byte{0xff, 0xd8, 0, 1}
	waiting := d.receive(s, "a", []byte(`{"id": "a", "text": "ü < 1"}`))
	dead := d.receive(s, "b", binary)
	if err := s.SetDelivery(t.Context(), dead, store.Dead, "no milestone X9"); err != nil {
		t.Fatal(err)
	}
	done := d.receive(s, "c", []byte("{}"))
	if err := s.SetDelivery(t.Context(), done, store.Done, ""); err != nil {
		t.Fatal(err)
	}
	d.want(console.Done, "no milestone X9", "", "inbox", "list")
	for state, want := range map[string]int64{"pending": waiting, "dead": dead, "done": done} {
		list := consoletest.FromJSON[[]listed](t, d.want(console.Done, "", "", "--json", "inbox", "list", "--state", state))
		if len(list) != 1 || list[0].Seq != want {
			t.Errorf("%s: %+v", state, list)
		}
	}
	if list := consoletest.FromJSON[[]listed](t, d.want(console.Done, "", "", "--json", "inbox", "list", "--source", "edi")); len(list) > 0 {
		t.Errorf("%+v", list)
	}
	newest := consoletest.FromJSON[[]listed](t, d.want(console.Done, "", "there may be more than 2", "--json", "inbox", "list", "--limit", "2"))
	if len(newest) != 2 || newest[0].Seq != done || newest[1].Seq != dead {
		t.Errorf("the newest are %+v", newest)
	}
	out := d.want(console.Done, "delivery 1 from tms, id a, received 2026-11-24T10:00:00Z, verified by key 1\nstate pending\nnext: the relay reads it", "", "inbox", "show", fmt.Sprint(waiting))
	if !strings.HasSuffix(out, "Content-Type: application/json\nWebhook-Id: a\n\n{\"id\": \"a\", \"text\": \"ü < 1\"}\n") {
		t.Errorf("the message is not as it was received:\n%s", out)
	}
	got := consoletest.FromJSON[shown](t, d.want(console.Done, "", "", "--json", "inbox", "show", fmt.Sprint(dead)))
	if got.Body != "" || got.BodyBase64 != "/9gAAQ==" || got.Bytes != 4 || got.Headers["Webhook-Id"] != "b" {
		t.Errorf("%+v", got)
	}
	for _, part := range []string{"no milestone X9", "transport team, transport@example.com", "another id"} {
		if !strings.Contains(got.Next, part) {
			t.Errorf("what to do lacks %q: %s", part, got.Next)
		}
	}
	d.want(console.Done, "next: nothing", "", "inbox", "show", fmt.Sprint(done))
	d.want(console.Done, "/9gAAQ==", "", "inbox", "show", fmt.Sprint(dead))
	d.want(console.Failed, "", "there is no delivery 99: see waybill-admin inbox list", "inbox", "show", "99")
	d.want(console.Misused, "", "is no delivery's number", "inbox", "show", "x")
}

// TestWhatNoShipmentTookIsShownWithWhatItWaitsFor files scans as the relay does.
func TestWhatNoShipmentTookIsShownWithWhatItWaitsFor(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	s := d.store()
	for i, pro := range []string{"PRO1", "PRO2", "PRO3"} {
		seq := d.receive(s, pro, []byte("{}"))
		scan := freight.Scan{Key: pro, Source: "tms", Milestone: freight.PickedUp, OccurredAt: time.Now().Add(time.Duration(i) * time.Second)}
		if _, err := s.Admit(t.Context(), seq, []store.Incoming{{Scan: scan, References: []freight.Reference{{Kind: freight.RefPRO, Carrier: "FASTFRT", Value: pro}}}}); err != nil {
			t.Fatal(err)
		}
	}
	d.want(console.Done, "pro PRO2", "registered", "inbox", "list", "--state", "unmatched")
	strays := consoletest.FromJSON[[]store.Stray](t, d.want(console.Done, "", "there are 3", "--json", "inbox", "list", "--state", "unmatched", "--limit", "2"))
	if len(strays) != 2 || strays[0].References[0].Value != "PRO1" || strays[0].Delivery != 1 {
		t.Errorf("%+v", strays)
	}
	for _, args := range [][]string{{"--state", "unmatched", "--source", "edi"}, {"--state", "late"}} {
		if strays := consoletest.FromJSON[[]store.Stray](t, d.want(console.Done, "[]", "", append([]string{"--json", "inbox", "list"}, args...)...)); len(strays) > 0 {
			t.Errorf("%v: %+v", args, strays)
		}
	}
	d.want(console.Done, "waits for a shipment, such as picked_up of pro PRO3", "", "inbox", "show", "3")
	q := freight.PlaceRequest{ID: "q1", Action: freight.Discard, Source: "tms", Reference: "PRO3", By: "ann", Reason: "not ours"}
	if r, err := s.Place(t.Context(), q); err != nil || r.Refusal != "" {
		t.Fatal(r, err)
	}
	d.want(console.Done, "by ann: not ours", "", "inbox", "list", "--state", "discarded")
	d.want(console.Done, "PRO3, scans: 1: not ours", "", "audit", "show", "unmatched/tms")
	d.want(console.Done, "audit trail of unmatched/tms is intact: 1 entries\n", "", "audit", "verify", "unmatched/tms")
}

func TestAStoreThatIsNotThereIsNotMade(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	d.want(console.Failed, "", "there is no store at "+d.dir, "inbox", "list")
	if _, err := os.Stat(filepath.Join(d.dir, "waybill.db")); err == nil {
		t.Error("an empty store was made: the next look would find that nothing was ever received")
	}
}

func record(t *testing.T, s *store.Store, n int) {
	t.Helper()
	e := store.Entry{View: freight.View{Shipment: "acme-7", Revision: int64(n), Stage: freight.StageTransit}}
	for i := range n {
		e.Audits = append(e.Audits, freight.AuditEntry{N: int64(i + 1), At: time.Date(2026, 11, 24, 10, i, 0, 0, time.UTC), Kind: freight.AuditResolved, Stage: freight.StageTransit, Actor: "ann", Detail: fmt.Sprintf("step %d", i+1)})
	}
	if _, err := s.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestAuditShowsWhoDidWhatAndProvesThatNobodyChangedItSince(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	record(t, d.store(), 3)
	d.want(console.Done, "step 2", "", "audit", "show", "acme-7")
	es := consoletest.FromJSON[[]freight.AuditEntry](t, d.want(console.Done, "", "", "--json", "audit", "show", "shipment/acme-7"))
	if len(es) != 3 || es[1].Actor != "ann" || es[1].Detail != "step 2" {
		t.Errorf("%+v", es)
	}
	d.want(console.Done, "audit trail of acme-7 is intact: 3 entries\n", "", "audit", "verify", "acme-7")
	for _, sub := range []string{"show", "verify"} {
		d.want(console.Failed, "", "no audit entry of shipment acme-8", "audit", sub, "acme-8")
		d.want(console.Misused, "", "is no shipment id such as acme-1042", "audit", sub, "ACME")
	}
}

// TestAChangedAuditTrailIsFound changes the store as somebody with its file could.
func TestAChangedAuditTrailIsFound(t *testing.T) {
	for name, change := range map[string]string{
		"an entry rewritten":       `UPDATE audit SET entry = replace(entry, 'step 2', 'step 9') WHERE n = 2`,
		"an entry taken out":       `DELETE FROM audit WHERE n = 2`,
		"an entry and its hash":    `UPDATE audit SET entry = replace(entry, 'ann', 'bob'), hash = 'aa' WHERE n = 2`,
		"two entries interchanged": `UPDATE audit SET n = CASE n WHEN 2 THEN 30 ELSE 20 END WHERE n IN (2, 3)`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, "http://127.0.0.1:1")
			record(t, d.store(), 3)
			tamper(t, filepath.Join(d.dir, "waybill.db"), change)
			d.want(console.Failed, "", "broken at entry 2", "audit", "verify", "acme-7")
			v := consoletest.FromJSON[verified](t, d.want(console.Failed, "", "compare it with a backup", "--json", "audit", "verify", "acme-7"))
			if v.Intact || v.BrokenAt != 2 || v.Fault == "" {
				t.Errorf("%+v", v)
			}
		})
	}
}

func tamper(t *testing.T, path, change string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	triggers, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = triggers.Close() }()
	var names []string
	for triggers.Next() {
		var n string
		if err := triggers.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if err := triggers.Err(); err != nil {
		t.Fatal(err)
	}
	for _, n := range names { // whoever can write the file can drop them
		if _, err := db.ExecContext(t.Context(), `DROP TRIGGER `+n); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := db.ExecContext(t.Context(), change); err != nil {
		t.Fatal(err)
	} else if n, _ := res.RowsAffected(); n == 0 {
		t.Fatal("nothing was changed: the test proves nothing")
	}
}
