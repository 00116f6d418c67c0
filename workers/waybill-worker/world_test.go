package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"waybill/activities/billing/billingtest"
	"waybill/activities/finance/financetest"
	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms/tmstest"
	"waybill/config"
	"waybill/internal/approval"
	"waybill/internal/cluster"
	"waybill/internal/cluster/clustertest"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/partner/partnertest"
	"waybill/internal/telemetry"
	"waybill/starters/waybill/cli"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// world is a whole company: a real Temporal, an Odoo and partners on their real wire protocols, and a worker in this
// process, configured by a file as it would be anywhere.
type world struct {
	t    *testing.T
	dir  string
	file string

	temporal client.Client // as somebody without the codec's keys
	shop     *odootest.Shop
	logins   atomic.Int64 // tried at Odoo
	refuse   atomic.Value // what the billing engine refuses with, "" for nothing
	forbid   atomic.Value // the shipment for which the billing engine gives us no right, "" for none
	tms      *tmstest.TMS
	held     atomic.Pointer[hold] // nil: the TMS answers at once
	keys     map[string]string    // approvers' key files
	sent     map[freight.ShipmentID]int64
}

const productKg = 10

// newWorld opens a company. Nothing of ours runs in it yet, and the Temporal is as setup leaves it.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, temporal: clustertest.Start(t), dir: t.TempDir(), keys: map[string]string{}, sent: map[freight.ShipmentID]int64{}}
	w.refuse.Store("")
	w.forbid.Store(freight.ShipmentID(""))
	if err := cluster.Setup(t.Context(), w.temporal, cluster.Namespace(), cluster.Retention); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WB_TEST_ODOO", "admin")
	t.Setenv("WB_TEST_TOKEN", partnertest.Token)
	t.Setenv("WAYBILL_UI_URL", "http://ui.example.com/")
	engine, err := billingtest.New()
	if err != nil {
		t.Fatal(err)
	}
	w.tms = tmstest.New()
	w.configure(w.startOdoo(), w.serve(w.refusing(engine)), w.serve(w.holding(w.tms)), w.serve(financetest.New()))
	return w
}

func (w *world) serve(h http.Handler) string {
	srv := httptest.NewServer(h)
	w.t.Cleanup(srv.Close)
	return srv.URL
}

// startOdoo opens a shop in an Odoo that counts how often somebody signs in.
func (w *world) startOdoo() string {
	w.t.Helper()
	standIn := odootest.NewStandIn()
	url := w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // one that cannot be read is no sign-in
		if bytes.Contains(body, []byte("authenticate")) {
			w.logins.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		standIn.ServeHTTP(rw, r)
	}))
	admin := odoo.New(odoo.Options{URL: url, DB: "demo", Login: "admin", Password: func() (string, error) { return "admin", nil }})
	if _, err := odoo.Setup(w.t.Context(), admin, odoo.SetupOptions{FreightProduct: "WAYBILL-FREIGHT"}); err != nil {
		w.t.Fatal(err)
	}
	w.logins.Store(0)
	w.shop = odootest.NewShop(admin)
	return url
}

// refusing is the billing engine, which refuses to rate as long as it is told to, or gives us no right to for a shipment.
func (w *world) refusing(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if why, _ := w.refuse.Load().(string); why != "" && r.Method == http.MethodPost {
			rw.Header().Set("Content-Type", "application/problem+json")
			rw.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(rw, `{"title": "Refused", "detail": %q}`, why)
			return
		}
		if id, _ := w.forbid.Load().(freight.ShipmentID); id != "" && r.Header.Get("X-Waybill-Shipment") == string(id) {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		engine.ServeHTTP(rw, r)
	})
}

// hold keeps the TMS from answering.
type hold struct{ asked, answer chan struct{} }

// hold makes the TMS wait with its first answer until the second channel is closed; the first is closed when it is
// asked.
func (w *world) hold() (asked, answer chan struct{}) {
	h := &hold{make(chan struct{}), make(chan struct{})}
	w.held.Store(h)
	return h.asked, h.answer
}

func (w *world) holding(tms http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if h := w.held.Load(); h != nil && r.Method == http.MethodPost && w.held.CompareAndSwap(h, nil) {
			close(h.asked)
			<-h.answer
		}
		tms.ServeHTTP(rw, r)
	})
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

const terms = `version: "1"
owner: test
default:
  contract: ACME-2026
  currency: USD
  scope: goods_and_freight
  pod: status
  need_carrier_invoice: true
  charges_window: 336h
  tolerance_amount: 5.00 USD
  tolerance_percent: "2"
  clocks: {accept: 24h, deliver: 120h, pod: 48h, dispute: 72h, payment: 720h, quiet: 2s}
customers:
  - customer: WATCH
    currency: USD
    scope: none
    pod: status
    charges_window: 336h
    clocks: {accept: 24h, deliver: 120h, pod: 48h, dispute: 72h, payment: 720h, quiet: 2s}
`

// configure writes the files that a company would. Nothing is released by itself: released_since lies ahead.
func (w *world) configure(odooURL, billing, tms, finance string) {
	ann, bob := w.approver("ann", "ann.key"), w.approver("bob", "bob.key")
	w.approver("ann", "forged.key")
	w.file = w.write("waybill.yaml", fmt.Sprintf(`tenant: acme
store: {url: "sqlite:%[1]s/waybill.db"}
odoo:
  url: %[2]s
  db: demo
  status: {login: admin, password: "env:WB_TEST_ODOO"}
  money: {login: admin, password: "env:WB_TEST_ODOO"}
  released_since: "2126-01-01T00:00:00Z"
  scan_every: 200ms
billing: {url: "%[3]s", token: "env:WB_TEST_TOKEN"}
tms: {url: "%[4]s", token: "env:WB_TEST_TOKEN"}
finance: {url: "%[5]s", token: "env:WB_TEST_TOKEN"}
policies: {file: "%[6]s"}
approvers:
  - {id: ann, name: Ann, public_key: "%[7]s", limit: 500.00 USD, cumulative: 9000.00 USD}
  - {id: bob, name: Bob, public_key: "%[8]s", limit: 0.01 USD, cumulative: 0.01 USD}
metrics: {listen: "127.0.0.1:%[9]d"}
`, w.dir, odooURL, billing, tms, finance, w.write("policies.yaml", terms), ann, bob, clustertest.FreePort(w.t)))
}

func (w *world) approver(id, file string) (public string) {
	w.t.Helper()
	k, err := approval.NewKey(id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[file] = filepath.Join(w.dir, file)
	if err := k.Save(w.keys[file]); err != nil {
		w.t.Fatal(err)
	}
	return k.Public()
}

// log is what a worker says, to be read while it speaks.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a worker in this process.
type running struct {
	log   *log
	ended chan struct{}
	code  int
	stop  context.CancelFunc
}

// start runs the command as a company would.
func (w *world) start(args ...string) *running {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	r := &running{log: &log{}, ended: make(chan struct{}), stop: stop}
	var out bytes.Buffer
	c := &console.Console{Out: &out, Words: r.log}
	go func() {
		defer close(r.ended)
		r.code = c.Run(ctx, command(c), append([]string{"--config", w.file}, args...))
	}()
	w.t.Cleanup(r.end)
	return r
}

// serveHouse runs a worker whose house was changed first.
func (w *world) serveHouse(change func(*house)) *running {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	r := &running{log: &log{}, ended: make(chan struct{}), stop: stop}
	c, err := config.Load(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	logger, err := telemetry.LoggerTo(r.log, "info", "json")
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := open(ctx, c, logger)
	if err != nil {
		w.t.Fatal(err)
	}
	change(h)
	go func() {
		defer close(r.ended)
		defer h.close()
		if err := h.serve(ctx); err != nil {
			h.log.Error("serve", zap.Error(err))
			r.code = console.Failed
		}
	}()
	w.t.Cleanup(r.end)
	w.says(r, "scans_started")
	return r
}

// end tells the worker to stop, and waits until it has.
func (r *running) end() {
	r.stop()
	<-r.ended
}

// says waits until the worker has said something.
func (w *world) says(r *running, text string) {
	w.t.Helper()
	w.until("the worker says "+text, func() bool { return strings.Contains(r.log.String(), text) }, r.log.String)
}

// until waits for something to become so.
func (w *world) until(what string, so func() bool, instead func() string) {
	w.t.Helper()
	deadline := time.After(40 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); !so(); {
		select {
		case <-deadline:
			w.t.Fatalf("not within 40 s: %s; instead:\n%s", what, instead())
		case <-tick.C:
		}
	}
}

// want runs the waybill command as a person would, and wants an exit code and texts in what it printed.
func (w *world) want(code int, inOut, inWords string, args ...string) (out string) {
	w.t.Helper()
	return consoletest.Program{Command: cli.Command}.Want(w.t, code, inOut, inWords, args...)
}

// sell confirms an order of a customer, and returns its delivery.
func (w *world) sell(customer string) (picking int64) {
	w.t.Helper()
	id, err := w.shop.Customer(w.t.Context(), customer, "75001")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.shop.Product(w.t.Context(), "WB-CRATE", productKg); err != nil {
		w.t.Fatal(err)
	}
	carrier, product, err := w.shop.Carrier(w.t.Context(), "FASTFRT")
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := w.shop.Sell(w.t.Context(), id, carrier, product, odootest.Line{Product: "WB-CRATE", Quantity: 4, Price: 25})
	if err != nil || len(o.Pickings) != 1 {
		w.t.Fatal(o, err)
	}
	return o.Pickings[0]
}

// release starts the shipment of a new order by hand, and waits until the TMS was asked to move it.
func (w *world) release(customer string) freight.ShipmentID {
	w.t.Helper()
	picking := fmt.Sprint(w.sell(customer))
	id := freight.ShipmentID(strings.TrimSpace(w.want(console.Done, "acme-"+picking+"\n", "", "release", picking, "--tenant", "acme")))
	w.until("the TMS is asked", func() bool {
		for _, q := range w.tms.Requests() {
			if q.Shipment == id {
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprint(w.tms.Requests()) })
	return id
}

// scan sends scans to a shipment, numbered as the relay would.
func (w *world) scan(c client.Client, id freight.ShipmentID, scans ...freight.Scan) {
	w.t.Helper()
	for i := range scans {
		w.sent[id]++
		scans[i].Number, scans[i].Key = w.sent[id], fmt.Sprintf("%s-%d", id, w.sent[id])
		scans[i].Source, scans[i].Classifier, scans[i].Carrier = "carrier", freight.Actual, "FASTFRT"
		scans[i].OccurredAt = time.Now().Add(time.Duration(w.sent[id]) * time.Millisecond)
	}
	if err := protocol.Scans.Send(w.t.Context(), c, protocol.ShipmentWorkflowID(id), protocol.ScanBatch{Scans: scans}); err != nil {
		w.t.Fatal(err)
	}
}

// carry brings a shipment to the customer, with a detention charge that its contract does not have.
func (w *world) carry(c client.Client, id freight.ShipmentID, invoice, detention string) {
	w.t.Helper()
	var scans []freight.Scan
	for _, m := range []freight.Milestone{freight.TenderAccepted, freight.PickedUp, freight.OutForDelivery, freight.Delivered} {
		scans = append(scans, freight.Scan{Milestone: m})
	}
	amount := freight.MustMoney(detention)
	inv := freight.CarrierInvoice{Carrier: "FASTFRT", Number: invoice, Total: amount, Lines: []freight.Charge{{Ref: invoice + "/1", Code: freight.Detention, Amount: amount, Quantity: "3", Unit: "h"}}}
	w.scan(c, id, append(scans, freight.Scan{Milestone: freight.ChargesReceived, Invoice: &inv})...)
}

// state waits until a shipment is as wanted.
func (w *world) state(c client.Client, id freight.ShipmentID, what string, want func(freight.Shipment) bool) (s freight.Shipment) {
	w.t.Helper()
	var err error
	w.until(fmt.Sprintf("%s: %s", id, what), func() bool {
		s, err = protocol.ShipmentState.Ask(w.t.Context(), c, protocol.ShipmentWorkflowID(id))
		return err == nil && want(s)
	}, func() string { return fmt.Sprintf("%+v, %v", s, err) })
	return s
}

// disputed releases and carries a shipment until its charge is disputed.
func (w *world) disputed(detention string) (freight.ShipmentID, freight.Proposal) {
	w.t.Helper()
	id := w.release("ACME")
	w.carry(w.temporal, id, "CI-"+string(id), detention)
	s := w.state(w.temporal, id, "disputed", func(s freight.Shipment) bool { return len(s.OpenDisputes()) == 1 })
	return id, s.OpenDisputes()[0]
}
