// Package rig runs the whole system on one machine: Temporal, worker and bridge as the processes a company would
// run, and partners that speak their real wire protocols, each of which can be made to fail. The demo, the proof
// under faults and the figures all stand on it.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"waybill/activities/billing/billingtest"
	"waybill/activities/finance/financetest"
	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/activities/tms/tmstest"
	"waybill/internal/cluster"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

// Options say what to run.
type Options struct {
	Dir     string                        // where the run keeps its files; emptied at the start
	Workers int                           // worker processes; 0: 1
	Bridges int                           // bridge processes; 0: 1
	Store   string                        // URL of the store; "": a SQLite file in Dir. Of PostgreSQL its owner's: workers and bridges have roles of their own
	Tags    string                        // build tags of the binaries
	Relay   string                        // the relay section of the configuration; "": as below
	Look    time.Duration                 // between two looks at what is new in Odoo; 0: 1 s
	Quiet   time.Duration                 // from paid to closed; 0: 2 s
	Late    time.Duration                 // from delivered to where proof is missing, and from there to where charges are; 0: 2 and 14 days
	Sources []string                      // of the bridge, each as YAML, beside those of Sources
	More    string                        // sections of the configuration, as YAML
	Usual   bool                          // every process listens on its usual port, Temporal on 7233 and its UI on 8233, if that is free; else on any, so that runs may go beside each other
	Config  []string                      // dynamic configuration of the Temporal that is started, KEY=JSON each
	Say     func(format string, a ...any) // tells what is being done; nil: nobody
}

// House is everything that runs. TEMPORAL_ADDRESS set uses that Temporal; ODOO_URL, ODOO_DB, ODOO_LOGIN and
// ODOO_PASSWORD set put a real Odoo in the stand-in's place.
type House struct {
	Dir      string
	Bin      string
	UI       string // of Temporal, a URL; "" where it is not known
	Tenant   freight.TenantCode
	Temporal client.Client
	Dev      *cluster.Dev // nil where the Temporal is somebody else's
	ToWorker *Gate        // between the workers and Temporal
	Real     bool         // the Odoo is a real one

	Odoo    odoo.Caller     // straight to Odoo, as its administrator
	Login   odoo.Options    // of that connection, for whoever wants one of his own
	Proxy   *odootest.Proxy // between worker and Odoo: it counts, and loses replies
	Shop    *odootest.Shop
	Billing *billingtest.Engine
	TMS     *tmstest.TMS
	Finance *financetest.Platform
	Store   *store.Store

	OdooFaults, BillingFaults, TMSFaults, FinanceFaults *Faults

	Workers []*Process
	Bridges []*Process
	Metrics []string          // host:port of each worker's figures
	Secrets map[string]string // signing secrets by source

	o       Options
	env     []string
	bridges []string // host:port of each
	logs    *os.File
	servers []*http.Server
	lines   lines
	roles   roles
}

// Open builds and starts everything. What it started before it failed is stopped again.
func Open(ctx context.Context, o Options) (h *House, err error) {
	h = &House{o: o, Secrets: map[string]string{}}
	if h.o.Say == nil {
		h.o.Say = func(string, ...any) {}
	}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if err := h.makeFolder(); err != nil {
		return h, err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"building the binaries a company would run", h.build}, {"starting Temporal", h.startTemporal}, {"preparing Odoo", h.startOdoo},
		{"starting the partners", h.startPartners}, {"writing the configuration", h.writeConfig}, {"starting worker and bridge", h.startProcesses},
	} {
		h.o.Say("%s", step.what)
		if err := step.do(ctx); err != nil {
			return h, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return h, nil
}

func (h *House) makeFolder() (err error) {
	if h.Dir, err = filepath.Abs(h.o.Dir); err != nil {
		return err
	}
	if err := os.RemoveAll(h.Dir); err != nil {
		return fmt.Errorf("empty %s: %w", h.Dir, err)
	}
	h.Bin = filepath.Join(h.Dir, "bin")
	if err := os.MkdirAll(h.Bin, 0o750); err != nil {
		return err
	}
	h.logs, err = os.Create(h.Logs())
	return err
}

// Logs is the file that every process writes its log to.
func (h *House) Logs() string { return filepath.Join(h.Dir, "processes.log") }

func (h *House) build(ctx context.Context) error {
	return Build(ctx, h.Bin, h.o.Tags, "waybill/workers/waybill-worker", "waybill/workers/waybill-admin", "waybill/starters/waybill-bridge", "waybill/starters/waybill")
}

// Build builds programs into a folder.
func Build(ctx context.Context, into, tags string, packages ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-tags", tags, "-o", into + "/"}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// port finds a free one: the usual one where that is wanted and free.
func (h *House) port(usual int) int {
	if !h.o.Usual {
		usual = 0
	}
	for _, p := range []int{usual, 0} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	return usual
}

func (h *House) startTemporal(ctx context.Context) (err error) {
	h.UI = os.Getenv("WAYBILL_UI_URL")
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		h.Dev, err = cluster.StartDev(ctx, cluster.DevOptions{File: filepath.Join(h.Dir, "temporal.db"), Port: h.port(7233), UIPort: h.port(8233), Output: h.logs, Config: h.o.Config})
		if err != nil {
			return err
		}
		h.UI, address = h.Dev.UI, h.Dev.Address
		if err := os.Setenv("TEMPORAL_ADDRESS", address); err != nil {
			return err
		}
	}
	h.env = append(os.Environ(), "WAYBILL_UI_URL="+h.UI)
	if h.Temporal, err = cluster.Dial(ctx, cluster.Options{Logger: quiet{}}); err != nil {
		return err
	}
	if h.ToWorker, err = NewGate(address); err != nil {
		return err
	}
	const retention = 30 * 24 * time.Hour // a closed shipment stays to be looked at for a month
	return cluster.Setup(ctx, h.Temporal, cluster.Namespace(), retention)
}

// serve starts a server on a free port and returns its URL.
func (h *House) serve(handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	h.servers = append(h.servers, srv)
	go func() { _ = srv.Serve(l) }() // ends when the house closes it
	return "http://" + l.Addr().String(), nil
}

func (h *House) startOdoo(ctx context.Context) error {
	c := &h.lines
	upstream := os.Getenv("ODOO_URL")
	c.DB, c.Login, c.password = os.Getenv("ODOO_DB"), os.Getenv("ODOO_LOGIN"), os.Getenv("ODOO_PASSWORD")
	h.Real = upstream != ""
	if !h.Real {
		url, err := h.serve(odootest.NewStandIn())
		if err != nil {
			return err
		}
		upstream, c.DB, c.Login, c.password = url, "demo", "admin", "admin"
	}
	proxy, handler, err := odootest.ProxyTo(upstream)
	if err != nil {
		return err
	}
	h.Proxy, h.OdooFaults = proxy, NewFaults(handler)
	if c.OdooURL, err = h.serve(h.OdooFaults); err != nil {
		return err
	}
	password := c.password
	h.Login = odoo.Options{URL: upstream, DB: c.DB, Login: c.Login, Password: func() (string, error) { return password, nil }}
	h.Odoo = odoo.New(h.Login)
	_, err = odoo.Setup(ctx, h.Odoo, odoo.SetupOptions{FreightProduct: "WAYBILL-FREIGHT"})
	h.Shop = odootest.NewShop(h.Odoo)
	return err
}

func (h *House) startPartners(context.Context) (err error) {
	if h.Billing, err = billingtest.New(); err != nil {
		return err
	}
	h.TMS, h.Finance = tmstest.New(), financetest.New()
	h.BillingFaults, h.TMSFaults, h.FinanceFaults = NewFaults(h.Billing), NewFaults(h.TMS), NewFaults(h.Finance)
	c := &h.lines
	for _, s := range []struct {
		url     *string
		handler http.Handler
	}{{&c.Billing, h.BillingFaults}, {&c.TMS, h.TMSFaults}, {&c.Finance, h.FinanceFaults}} {
		if *s.url, err = h.serve(s.handler); err != nil {
			return err
		}
	}
	return nil
}

func (h *House) startProcesses(ctx context.Context) (err error) {
	if h.Store, err = store.Open(ctx, h.lines.StoreURL); err != nil {
		return err
	}
	if err := h.grantRoles(ctx); err != nil {
		return err
	}
	for i := range max(h.o.Workers, 1) {
		if _, err := h.AddWorker(i); err != nil {
			return err
		}
	}
	for i := range max(h.o.Bridges, 1) {
		h.addBridge(i)
	}
	for _, p := range append(append([]*Process{}, h.Workers...), h.Bridges...) {
		if err := p.Start(); err != nil {
			return err
		}
	}
	return h.BridgesReady(ctx)
}

// AddWorker adds a worker process, not started. It reaches billing engine and TMS by ways of its own, so that it can be
// told whose a call is.
func (h *House) AddWorker(i int) (*Process, error) {
	name, listen := fmt.Sprintf("worker %d", i+1), fmt.Sprintf("127.0.0.1:%d", h.port(9480+i))
	env := h.environment(h.roles.worker, "WAYBILL_METRICS_LISTEN="+listen, "TEMPORAL_ADDRESS="+h.ToWorker.Address)
	for _, to := range []struct {
		key     string
		partner *Faults
	}{{"WAYBILL_BILLING_URL", h.BillingFaults}, {"WAYBILL_TMS_URL", h.TMSFaults}} {
		url, err := h.serve(named(name, to.partner))
		if err != nil {
			return nil, err
		}
		env = append(env, to.key+"="+url)
	}
	p := &Process{Name: name, path: filepath.Join(h.Bin, "waybill-worker"), env: env, log: h.logs}
	h.Metrics, h.Workers = append(h.Metrics, listen), append(h.Workers, p)
	return p, nil
}

func (h *House) addBridge(i int) {
	listen := fmt.Sprintf("127.0.0.1:%d", h.port(8480+i))
	h.bridges = append(h.bridges, listen)
	env := h.environment(h.roles.bridge, "WAYBILL_BRIDGE_LISTEN="+listen)
	h.Bridges = append(h.Bridges, &Process{Name: fmt.Sprintf("bridge %d", i+1), path: filepath.Join(h.Bin, "waybill-bridge"), env: env, log: h.logs})
}

// BridgeAddresses are the host:port of each bridge.
func (h *House) BridgeAddresses() []string { return h.bridges }

// BridgesReady waits until every bridge takes deliveries.
func (h *House) BridgesReady(ctx context.Context) error {
	for _, b := range h.bridges {
		err := h.Await(ctx, "the bridge", 20*time.Second, func() (bool, error) {
			resp, err := http.Get("http://" + b + "/readyz")
			if err != nil {
				return false, nil
			}
			return resp.StatusCode < http.StatusMultipleChoices, resp.Body.Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Await waits until something is so.
func (h *House) Await(ctx context.Context, what string, within time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for looks := 0; ; looks++ {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s; see %s", what, within, h.Logs())
		case <-time.After(between(looks)):
		}
	}
}

// between is how long to wait until the next look: who has looked for two seconds looks less often, as hundreds who wait
// would otherwise be most of the load.
func between(looks int) time.Duration {
	const first, last = 100 * time.Millisecond, time.Second
	return min(first*time.Duration(1+max(looks-20, 0)/4), last)
}

// CLI runs the waybill command as a person would, and returns what it printed.
func (h *House) CLI(ctx context.Context, args ...string) (string, error) {
	return h.command(ctx, "waybill", args...)
}

// Admin runs the waybill-admin command.
func (h *House) Admin(ctx context.Context, args ...string) (string, error) {
	return h.command(ctx, "waybill-admin", args...)
}

func (h *House) command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(h.Bin, name), args...)
	cmd.Env = h.env
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(words.String()))
	}
	return string(out), nil
}

// Close stops everything that was started.
func (h *House) Close() {
	for _, p := range append(append([]*Process{}, h.Workers...), h.Bridges...) {
		p.Signal(15)
	}
	for _, p := range append(append([]*Process{}, h.Workers...), h.Bridges...) {
		p.Stop(15 * time.Second)
	}
	if h.Temporal != nil {
		h.Temporal.Close()
	}
	if h.ToWorker != nil {
		h.ToWorker.Close()
	}
	if h.Dev != nil {
		h.Dev.Stop()
		_ = os.Unsetenv("TEMPORAL_ADDRESS") // it was set for this Temporal
	}
	for _, s := range h.servers {
		_ = s.Close()
	}
	if h.Store != nil {
		_ = h.Store.Close()
	}
	h.dropRoles()
	if h.logs != nil {
		_ = h.logs.Close()
	}
}

// SwapStore lets f put another file in the store's place, while no process has it open but this one.
func (h *House) SwapStore(ctx context.Context, f func() error) (err error) {
	if err := errors.Join(h.Store.Close(), f()); err != nil {
		return err
	}
	h.Store, err = store.Open(ctx, h.lines.StoreURL)
	return err
}

// Check says whether every process still runs.
func (h *House) Check() error {
	var faults []error
	for _, p := range append(append([]*Process{}, h.Workers...), h.Bridges...) {
		if !p.Running() {
			faults = append(faults, fmt.Errorf("%s: %w; see %s", p.Name, errNotRunning, h.Logs()))
		}
	}
	return errors.Join(faults...)
}

// quiet keeps the Temporal client's log out of the words of whoever runs the rig.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
