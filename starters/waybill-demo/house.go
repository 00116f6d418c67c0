package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"waybill/activities/billing/billingtest"
	"waybill/activities/finance/financetest"
	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms"
	"waybill/activities/tms/tmstest"
	"waybill/internal/approval"
	"waybill/internal/cluster"
	"waybill/internal/partner/partnertest"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// house is everything the demo starts, and stops.
type house struct {
	o         options
	bin       string
	env       []string
	processes []*exec.Cmd
	servers   []*http.Server
	logs      *os.File
	dev       *cluster.Dev
	temporal  client.Client
	ui        string

	odoo    odoo.Caller
	proxy   *odootest.Proxy
	shop    *odootest.Shop
	billing *billingtest.Engine
	tms     *tmstest.TMS
	finance *financetest.Platform
	store   *store.Store
	real    bool

	bridge  string
	secrets map[string]string
	key     string
	lines   config
	plans   []*shipmentPlan
	clean   sync.WaitGroup // clean shipments under way
	mu      sync.Mutex
	bySID   map[freight.ShipmentID]*shipmentPlan
	asked   map[freight.ShipmentID]chan tms.Request
	lostIDs map[freight.ShipmentID]bool
	began   time.Time
}

// config is what goes into the configuration file of the processes.
type config struct {
	odooURL, db, login, password, billing, tms, finance, metrics, public string
}

func open(ctx context.Context, o options) (h *house, err error) {
	h = &house{o: o, bySID: map[freight.ShipmentID]*shipmentPlan{}, asked: map[freight.ShipmentID]chan tms.Request{}, lostIDs: map[freight.ShipmentID]bool{}, secrets: map[string]string{}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.o.dir, err = filepath.Abs(o.dir); err != nil {
		return h, err
	}
	if err := os.RemoveAll(h.o.dir); err != nil {
		return h, fmt.Errorf("empty %s: %w", h.o.dir, err)
	}
	h.bin = filepath.Join(h.o.dir, "bin")
	if err := os.MkdirAll(h.bin, 0o750); err != nil {
		return h, err
	}
	if h.logs, err = os.Create(filepath.Join(h.o.dir, "processes.log")); err != nil {
		return h, err
	}
	log.SetOutput(h.logs)
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"building the binaries a company would run", h.build}, {"starting Temporal", h.startTemporal}, {"preparing Odoo", h.startOdoo},
		{"starting the partners", h.startPartners}, {"writing the configuration", h.writeConfig}, {"starting worker and bridge", h.startProcesses},
	} {
		say("%s", step.what)
		if err := step.do(ctx); err != nil {
			return h, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return h, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "demo: "+format+"\n", args...) }

func (h *house) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", h.bin, "./workers/waybill-worker", "./starters/waybill-bridge", "./starters/waybill")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// port finds a free one; want is taken if it is free.
func port(want int) int {
	for _, p := range []int{want, 0} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	return want
}

func (h *house) startTemporal(ctx context.Context) (err error) {
	h.ui = os.Getenv("WAYBILL_UI_URL")
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		h.dev, err = cluster.StartDev(ctx, cluster.DevOptions{File: filepath.Join(h.o.dir, "temporal.db"), Port: port(7233), UIPort: port(8233), Output: h.logs})
		if err != nil {
			return err
		}
		h.ui = h.dev.UI
		if err := os.Setenv("TEMPORAL_ADDRESS", h.dev.Address); err != nil {
			return err
		}
	}
	h.env = append(os.Environ(), "WAYBILL_UI_URL="+h.ui)
	if h.temporal, err = cluster.Dial(ctx, cluster.Options{Logger: quiet{}}); err != nil {
		return err
	}
	const retention = 30 * 24 * time.Hour // a closed shipment stays to be looked at for a month
	return cluster.Setup(ctx, h.temporal, cluster.Namespace(), retention)
}

// serve starts a server on a free port and returns its URL.
func (h *house) serve(handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	h.servers = append(h.servers, srv)
	go func() { _ = srv.Serve(l) }() // ends when the demo closes it
	return "http://" + l.Addr().String(), nil
}

func (h *house) startOdoo(ctx context.Context) error {
	c := &h.lines
	upstream := os.Getenv("ODOO_URL")
	c.db, c.login, c.password = os.Getenv("ODOO_DB"), os.Getenv("ODOO_LOGIN"), os.Getenv("ODOO_PASSWORD")
	h.real = upstream != ""
	if !h.real {
		url, err := h.serve(odootest.NewStandIn())
		if err != nil {
			return err
		}
		upstream, c.db, c.login, c.password = url, "demo", "admin", "admin"
	}
	proxy, handler, err := odootest.ProxyTo(upstream)
	if err != nil {
		return err
	}
	h.proxy = proxy
	if c.odooURL, err = h.serve(handler); err != nil {
		return err
	}
	password := c.password
	h.odoo = odoo.New(odoo.Options{URL: upstream, DB: c.db, Login: c.login, Password: func() (string, error) { return password, nil }})
	_, err = odoo.Setup(ctx, h.odoo, odoo.SetupOptions{FreightProduct: "WAYBILL-FREIGHT"})
	h.shop = odootest.NewShop(h.odoo)
	return err
}

func (h *house) startPartners(context.Context) (err error) {
	if h.billing, err = billingtest.New(); err != nil {
		return err
	}
	h.tms, h.finance = tmstest.New(), financetest.New()
	h.tms.OnRequest = h.onTender
	c := &h.lines
	for _, s := range []struct {
		url     *string
		handler http.Handler
	}{{&c.billing, h.billing}, {&c.tms, h.tms}, {&c.finance, h.finance}} {
		if *s.url, err = h.serve(s.handler); err != nil {
			return err
		}
	}
	return nil
}

const policies = `version: "demo-1"
owner: demo
default: &terms
  contract: ACME-2026
  currency: USD
  scope: goods_and_freight
  pod: document
  need_carrier_invoice: true
  charges_window: 336h
  tolerance_amount: 5.00 USD
  tolerance_percent: "2"
  clocks: {accept: 24h, deliver: 120h, pod: 48h, dispute: 72h, payment: 720h, quiet: 2s}
customers:
  - {customer: BOLT, contract: BOLT-2026, currency: USD, scope: freight, pod: signature, need_carrier_invoice: true, charges_window: 336h, tolerance_amount: 5.00 USD, tolerance_percent: "2", clocks: {accept: 24h, deliver: 120h, pod: 48h, dispute: 72h, payment: 720h, quiet: 2s}}
`

const configuration = `tenant: demo%[1]s
store: {url: "sqlite:%[2]s/waybill.db"}
odoo:
  url: %[3]s
  db: %[4]s
  status: {login: "%[5]s", password: "env:DEMO_ODOO_PASSWORD"}
  money: {login: "%[5]s", password: "env:DEMO_ODOO_PASSWORD"}
  released_since: "%[6]s"
  scan_every: 1s
billing: {url: "%[7]s", token: "env:DEMO_PARTNER_TOKEN"}
tms: {url: "%[8]s", token: "env:DEMO_PARTNER_TOKEN"}
finance: {url: "%[9]s", token: "env:DEMO_PARTNER_TOKEN"}
bridge:
  listen: %[10]s
  sources:
    - {name: tms, owner: demo, secrets: ["env:DEMO_TMS_SECRET"]}
    - {name: carrier, owner: demo, secrets: ["env:DEMO_CARRIER_SECRET"], documents: true}
relay: {idle: 100ms, gather: 300ms}
policies: {file: "%[2]s/policies.yaml"}
approvers: [{id: ann, name: Ann, public_key: "%[11]s", limit: 500.00 USD, cumulative: 100000.00 USD}]
metrics: {listen: "%[12]s"}
`

func (h *house) writeConfig(context.Context) error {
	key, err := approval.NewKey("ann")
	if err != nil {
		return err
	}
	h.key = filepath.Join(h.o.dir, "ann.key")
	if err := key.Save(h.key); err != nil {
		return err
	}
	c := h.lines
	h.bridge = fmt.Sprintf("127.0.0.1:%d", port(8480))
	metrics := fmt.Sprintf("127.0.0.1:%d", port(9480))
	since := time.Now().Add(-5 * time.Second).UTC().Format(time.RFC3339) // Odoo keeps seconds
	text := fmt.Sprintf(configuration, h.runName(), h.o.dir, c.odooURL, c.db, c.login, since, c.billing, c.tms, c.finance, h.bridge, key.Public(), metrics)
	if err := os.WriteFile(filepath.Join(h.o.dir, "waybill.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	h.env = append(h.env, "DEMO_ODOO_PASSWORD="+c.password, "DEMO_PARTNER_TOKEN="+partnertest.Token, "WAYBILL_CONFIG="+filepath.Join(h.o.dir, "waybill.yaml"), "WAYBILL_APPROVER_KEY="+h.key)
	for _, source := range []string{"tms", "carrier"} {
		b := make([]byte, 32)
		if _, err := rand.Read(b); err != nil {
			return err
		}
		h.secrets[source] = "whsec_" + base64.StdEncoding.EncodeToString(b)
		h.env = append(h.env, "DEMO_"+strings.ToUpper(source)+"_SECRET="+h.secrets[source])
	}
	return os.WriteFile(filepath.Join(h.o.dir, "policies.yaml"), []byte(policies), 0o600)
}

// runName keeps one run's shipments apart from another's on a Temporal that lasts.
func (h *house) runName() string {
	if h.dev != nil {
		return ""
	}
	return fmt.Sprintf("%x", time.Now().Unix()&0xffffff)
}

func (h *house) startProcesses(ctx context.Context) (err error) {
	if h.store, err = store.Open(ctx, "sqlite:"+filepath.Join(h.o.dir, "waybill.db")); err != nil {
		return err
	}
	for _, name := range []string{"waybill-worker", "waybill-bridge"} {
		cmd := exec.Command(filepath.Join(h.bin, name))
		cmd.Env, cmd.Stdout, cmd.Stderr = h.env, h.logs, h.logs
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return err
		}
		h.processes = append(h.processes, cmd)
	}
	return h.await(ctx, "the bridge", 20*time.Second, func() (bool, error) {
		resp, err := http.Get("http://" + h.bridge + "/readyz")
		if err != nil {
			return false, nil
		}
		return resp.StatusCode == http.StatusNoContent, resp.Body.Close()
	})
}

// await waits until something is so.
func (h *house) await(ctx context.Context, what string, within time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s; see %s", what, within, h.logs.Name())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// close stops everything the demo started.
func (h *house) close() {
	for _, p := range h.processes {
		_ = p.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	for _, p := range h.processes {
		done := make(chan struct{})
		go func() { _ = p.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(15 * time.Second):
			_ = p.Process.Kill()
			<-done
		}
	}
	if h.temporal != nil {
		h.temporal.Close()
	}
	if h.dev != nil {
		_ = h.dev.Stop()
	}
	for _, s := range h.servers {
		_ = s.Close()
	}
	if h.store != nil {
		_ = h.store.Close()
	}
	if h.logs != nil {
		_ = h.logs.Close()
	}
}

// quiet keeps the Temporal client's log out of the demo's own words.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
