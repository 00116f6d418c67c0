package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/activities/billing"
	"waybill/activities/finance"
	"waybill/activities/notify"
	"waybill/activities/odoo"
	"waybill/activities/record"
	"waybill/activities/tms"
	"waybill/activities/wms"
	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/internal/partner"
	"waybill/internal/routing"
	"waybill/internal/sabotage"
	"waybill/internal/store"
	"waybill/internal/telemetry"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workers/fence"
	"waybill/workers/guard"
	"waybill/workers/notifier"
	"waybill/workers/puller"
	"waybill/workers/relay"
	"waybill/workers/scout"
	"waybill/workflows/dispute"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
	"waybill/workflows/unmatched"
)

func command(on *console.Console) *cobra.Command {
	var file string
	var check bool
	c := &cobra.Command{
		Use: "waybill-worker", Short: "Run the stories, their activities, the relay and the scans of Odoo", Args: cobra.NoArgs,
		Long: "Run the stories, their activities, the relay and the scans of Odoo, until SIGTERM or SIGINT: then take nothing new, and let what is under way end.\n\n" +
			"Temporal is reached by its own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or a profile file.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check {
				return on.Judge(prove(cmd.Context(), on, file))
			}
			return run(cmd.Context(), on, file)
		},
	}
	c.Flags().StringVar(&file, "config", os.Getenv("WAYBILL_CONFIG"), "configuration file; config/example.yaml has every key")
	c.Flags().BoolVar(&check, "check", false, "prove every connection and right, name what is missing, and end")
	on.JSONFlag(c)
	return c
}

// house is an assembled worker. What could not be opened is nil.
type house struct {
	config   *config.Config
	log      *zap.Logger
	metrics  *prometheus.Registry
	temporal client.Client
	store    *store.Store
	policies *config.Policies
	routing  *routing.Table
	catalog  *declared.Catalog

	statusUser, moneyUser *odoo.Client

	status  *odoo.Status
	money   *odoo.Money
	billing *billing.Engine
	tms     *tms.TMS
	finance *finance.Platform
	keeper  *record.Keeper
	targets targets

	tracking map[string]puller.Tracker // by the source that is asked

	guards map[string]*guard.Guard // by task queue
	fence  *fence.Fence            // nil without store or Temporal
}

// run works until the context ends, or something that cannot go on.
func run(ctx context.Context, on *console.Console, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	if err := c.ForWorker(); err != nil {
		return err
	}
	log, err := telemetry.LoggerTo(on.Words, c.Log.Level, c.Log.Format)
	if err != nil {
		return err
	}
	h, err := open(ctx, c, log)
	defer h.close()
	if err != nil {
		return err
	}
	if err := h.fit(ctx); err != nil {
		return err
	}
	return h.serve(ctx)
}

// open opens all that can be, and says what could not.
func open(ctx context.Context, c *config.Config, log *zap.Logger) (*house, error) {
	h := &house{config: c, log: log, metrics: prometheus.NewRegistry()}
	var faults [8]error
	h.policies, faults[0] = config.LoadPolicies(c.Policies.File)
	h.store, faults[1] = store.Open(ctx, c.Store.URL, store.WithSubscribers(notifier.Subscriptions(c.Subscribers), notify.Renderer(c.Tenant)))
	h.catalog, faults[5] = declared.OpenCatalog(c.Connectors.Folder, c.Connectors.Tests, time.Now)
	sdk, err := telemetry.Metrics(h.metrics)
	faults[2] = err
	h.temporal, faults[3] = cluster.Dial(ctx, cluster.Options{Logger: telemetry.ForTemporal(h.log), Metrics: sdk, CodecKeyFile: c.Codec.KeyFile})
	calls, err := telemetry.Calls(h.metrics)
	if faults[4] = err; err == nil {
		h.connect(calls)
		h.tracking, faults[7] = puller.Trackers(c, calls)
	}
	h.routing, faults[6] = routes(c)
	if h.store != nil && h.temporal != nil && h.keeper != nil {
		h.fence = fence.New(fence.Options{Temporal: h.temporal, Store: h.store, Tenant: c.Tenant, Every: c.Store.MarkEvery, Log: log})
		h.keeper.Forgot = h.fence.Forgot
	}
	return h, errors.Join(faults[:]...)
}

func (h *house) connect(calls func(string) func(string, time.Duration, error)) {
	c := h.config
	login := func(l config.Login) *odoo.Client {
		observe := calls("odoo")
		return odoo.New(odoo.Options{URL: c.Odoo.URL, DB: c.Odoo.DB, Login: l.Login, Password: l.Password.Reveal, MaxConns: c.Odoo.MaxConnections, Timeout: c.Odoo.Timeout,
			Observe: func(model, method string, took time.Duration, err error) { observe(model+"."+method, took, err) }})
	}
	h.statusUser, h.moneyUser = login(c.Odoo.Status), login(c.Odoo.Money)
	h.status = &odoo.Status{Odoo: h.statusUser, Documents: h.store}
	h.money = &odoo.Money{Odoo: h.moneyUser, FreightProduct: c.Odoo.FreightProduct, Zone: c.Odoo.Books()}
	reach := func(target, name string, p config.Partner) *partner.Client {
		return partner.New(partner.Options{Name: name, URL: p.URL, Token: p.Token.Reveal, Timeout: p.Timeout, Observe: calls(target)})
	}
	h.billing = &billing.Engine{Client: reach("billing", "billing engine", c.Billing)}
	h.tms = &tms.TMS{Client: reach("tms", "TMS", c.TMS)}
	h.finance = &finance.Platform{Client: reach("finance", "finance platform", c.Finance)}
	h.aim(c.Targets, reach)
	h.keeper = &record.Keeper{Store: h.store, Terms: h.policies.TermsFor, Now: time.Now, Approvers: approvers(c.Approvers), Grace: c.Relay.UnmatchedAfter, SourceOwner: c.SourceOwner}
}

func approvers(as []config.Approver) (out []record.Approver) {
	for _, a := range as {
		out = append(out, record.Approver{ID: a.ID, Name: a.Name, PublicKey: a.PublicKey, Limit: a.Limit, Cumulative: a.Cumulative})
	}
	return out
}

func (h *house) close() {
	if h.temporal != nil {
		h.temporal.Close()
	}
	if h.store != nil {
		_ = h.store.Close() // nothing is open in it any more
	}
	_ = h.log.Sync() // a stream that cannot be synced was written
}

// serve works until the context ends, or something that cannot go on. Everything it starts ends with it.
func (h *house) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return telemetry.Serve(ctx, h.config.Metrics.Listen, h.metrics, h.ready) })
	g.Go(func() error {
		if err := h.fence.Pass(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		return h.work(ctx)
	})
	err := g.Wait()
	h.log.Info("worker_stopped", zap.Error(err))
	return err
}

// ready says why nothing can be worked on; nil if it can.
func (h *house) ready(ctx context.Context) error {
	return errors.Join(h.fence.Ready(), h.store.Health(ctx))
}

// work works on a store that is not older than Temporal.
func (h *house) work(ctx context.Context) error {
	since, err := time.Parse(time.RFC3339, h.config.Odoo.ReleasedSince)
	if err != nil {
		return err // the configuration was checked
	}
	g, ctx := errgroup.WithContext(ctx)
	metrics, err := guard.NewMetrics(h.metrics)
	if err != nil {
		return err
	}
	h.watch(ctx, metrics)
	ws, err := h.workers()
	if err != nil {
		return err
	}
	for _, w := range ws {
		g.Go(func() error { return w.Run(stopped(ctx)) })
	}
	s := &scout.Scout{Temporal: h.temporal, Guard: h.guards[protocol.QueueStatus], Status: h.status, Money: h.money, Store: h.store, Terms: h.policies.TermsFor, Tenant: h.config.Tenant, Since: since, Every: h.config.Odoo.ScanEvery, Hints: hintSource, Log: h.log}
	g.Go(func() error { return h.scan(ctx, s) })
	host, _ := os.Hostname() // an empty one is told apart by the process id
	r := &relay.Relay{Store: h.store, Temporal: h.temporal, Connectors: h.sources(), Skip: map[string]bool{hintSource: true}, Release: h.release, Holder: fmt.Sprintf("%s/%d", host, os.Getpid()), Log: h.log, Idle: h.config.Relay.Idle, Gather: h.config.Relay.Gather, Now: time.Now}
	g.Go(func() error { return r.Run(ctx) })
	backlog, err := relay.NewUnmatchedMetrics(h.metrics)
	if err != nil {
		return err
	}
	strays := &relay.Unmatched{Store: h.store, Temporal: h.temporal, Grace: h.config.Relay.UnmatchedAfter, Log: h.log, Metrics: backlog, Now: time.Now}
	g.Go(func() error { strays.Run(ctx); return nil })
	misread, err := relay.NewMisreadMetrics(h.metrics)
	if err != nil {
		return err
	}
	watch := &relay.MisreadWatch{Store: h.store, Metrics: misread, Log: h.log, Now: time.Now}
	g.Go(func() error { watch.Run(ctx); return nil })
	g.Go(func() error { h.catalog.Watch(ctx, h.config.Connectors.LookEvery, h.connectorNews); return nil })
	if err := h.pull(ctx, g, metrics); err != nil {
		return err
	}
	g.Go(func() error { return h.fence.Keep(ctx) })
	n, err := h.notifier()
	if err != nil {
		return err
	}
	g.Go(func() error { return n.Run(ctx) })
	g.Go(func() error { h.warn(ctx); return nil })
	h.log.Info("worker_started", zap.String("tenant", string(h.config.Tenant)), zap.String("release", release))
	return g.Wait()
}

// scan looks at Odoo once Odoo lets the user in. Until then each look would fail alike; that the login is refused
// is said once, by warn, and that it no longer is, here.
func (h *house) scan(ctx context.Context, s *scout.Scout) error {
	for odoo.Refused(h.statusUser.SignIn(ctx)) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(h.config.Odoo.ScanEvery): // a password is sent once a minute, a new one at once
		}
	}
	h.log.Info("scans_started")
	return s.Run(ctx)
}

// sources say which connector reads each source.
func (h *house) sources() declared.Sources {
	return declared.Sources{Catalog: h.catalog, Named: h.config.ConnectorNames()}
}

// connectorNews tells of a new version that is in use, and of one that is not and why.
func (h *house) connectorNews(text string) {
	level := zap.InfoLevel
	if len(h.catalog.Faults()) > 0 {
		level = zap.WarnLevel
	}
	h.log.Log(level, "connectors_changed", zap.String("news", text))
}

// hintSource is where the bridge keeps Odoo's hints.
const hintSource = "odoo-hint"

func stopped(ctx context.Context) <-chan any {
	c := make(chan any, 1)
	context.AfterFunc(ctx, func() { c <- nil })
	return c
}

// watch puts a guard before each outside system: while it is down, nothing is taken from its queues.
func (h *house) watch(ctx context.Context, metrics *guard.Metrics) {
	h.guards = map[string]*guard.Guard{}
	for queue, w := range map[string]struct {
		system string
		probe  func(context.Context) error
	}{
		protocol.QueueStatus: {"odoo, status user", reads(h.statusUser)}, protocol.QueuePost: {"odoo, money user", reads(h.moneyUser)},
		protocol.QueueBilling: {"billing engine", h.billing.Check}, protocol.QueueTMS: {"TMS", h.tms.Check},
		protocol.QueueFinance: {"finance platform", h.finance.Check}, protocol.QueueRecord: {"store", h.store.Health},
	} {
		h.guards[queue] = guard.New(ctx, guard.Options{System: w.system, Probe: w.probe, Log: h.log, Metrics: metrics})
	}
	h.targets.guards = map[string]*guard.Guard{}
	for id, probe := range h.targets.probes {
		h.targets.guards[id] = guard.New(ctx, guard.Options{System: id, Probe: probe, Log: h.log, Metrics: metrics})
	}
}

// reads asks Odoo for as little as there is, as a user.
func reads(c odoo.Caller) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.Call(ctx, "res.currency", "search_read", []any{[]any{[]any{"id", "=", 1}}}, map[string]any{"fields": []string{"name"}, "limit": 1})
		return err
	}
}

// workers makes one worker a task queue, each with its own limits and guard.
func (h *house) workers() (ws []worker.Worker, err error) {
	worker.SetStickyWorkflowCacheSize(h.config.Worker.CachedStories + 1) // of the whole process, fixed by its first worker, which holds one less
	for _, q := range []struct {
		name  string
		serve func(worker.Worker, *guard.Guard)
	}{
		{protocol.QueueStatus, h.serveStatus},
		{protocol.QueuePost, h.servePost},
		{protocol.QueueBilling, h.serveBilling},
		{protocol.QueueTMS, h.serveTMS},
		{protocol.QueueWMS, h.serveWMS},
		{protocol.QueueFinance, h.serveFinance},
		{protocol.QueueRecord, h.serveRecord},
	} {
		limit, g := h.config.Queue(q.name), h.guards[q.name]
		o := worker.Options{TaskQueueActivitiesPerSecond: limit.PerSecond, MaxConcurrentActivityTaskPollers: h.config.Worker.ActivityPollers, WorkerStopTimeout: stopWithin, DisableWorkflowWorker: true}
		if o.Tuner, err = guard.Tuner(g, limit.Concurrency); err != nil {
			return nil, err
		}
		w := worker.New(h.temporal, q.name, o)
		q.serve(w, g)
		ws = append(ws, w)
	}
	return append(ws, h.storyWorker()), nil
}

func (h *house) storyWorker() worker.Worker {
	w := worker.New(h.temporal, protocol.QueueStories, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize: h.config.Queue(protocol.QueueStories).Concurrency, MaxConcurrentWorkflowTaskPollers: h.config.Worker.StoryPollers,
		WorkerStopTimeout: stopWithin, LocalActivityWorkerOnly: true,
	})
	serveStories(w)
	return w
}

// stopWithin is how long what is under way may take when the worker is asked to end.
const stopWithin = 10 * time.Second

// guarded is an activity behind its guard.
func guarded[In, Out any](g *guard.Guard, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	if sabotage.Breaker {
		return f
	}
	return guard.Around(g, f)
}

func serveStories(w worker.Worker) {
	protocol.Shipment.Serve(w, shipment.Workflow)
	protocol.Dispute.Serve(w, dispute.Workflow)
	protocol.Unmatched.Serve(w, unmatched.Workflow)
}

func (h *house) serveStatus(w worker.Worker, g *guard.Guard) {
	protocol.ClaimDelivery.Serve(w, guarded(g, h.claim))
	protocol.UpdateStatus.Serve(w, guarded(g, h.status.UpdateStatus))
}

func (h *house) servePost(w worker.Worker, g *guard.Guard) {
	protocol.ReadBillable.Serve(w, guarded(g, h.money.ReadBillable))
	protocol.PostInvoice.Serve(w, h.keeper.Posting(guarded(g, h.money.PostInvoice)))
}

func (h *house) serveBilling(w worker.Worker, g *guard.Guard) {
	protocol.RateShipment.Serve(w, byRoute(h, g, routing.Billing, h.billing, h.targets.billing, func(q protocol.RatingRequest) string { return q.Target }, (*billing.Engine).RateShipment))
	protocol.CommitDraft.Serve(w, byRoute(h, g, routing.Billing, h.billing, h.targets.billing, func(q protocol.DraftRequest) string { return q.Target }, (*billing.Engine).CommitDraft))
}

func (h *house) serveTMS(w worker.Worker, g *guard.Guard) {
	request := byRoute(h, g, routing.TMS, h.tms, h.targets.tms, func(q protocol.TransportRequest) string { return q.Release.Route.TMS }, (*tms.TMS).RequestTransport)
	protocol.RequestCarrier.Serve(w, h.keeper.Tendering(request))
	protocol.CancelCarrier.Serve(w, byRoute(h, g, routing.TMS, h.tms, h.targets.tms, func(q protocol.TransportCancel) string { return q.Target }, (*tms.TMS).CancelTransport))
}

// serveWMS has no default, and so no guard of its queue: each warehouse is behind its own.
func (h *house) serveWMS(w worker.Worker, _ *guard.Guard) {
	protocol.RequestShipOrder.Serve(w, byTarget(h, routing.WMS, h.targets.wms, func(q protocol.ShipOrderRequest) string { return q.Target }, (*wms.Warehouse).RequestShipOrder))
	protocol.CancelShipOrder.Serve(w, byTarget(h, routing.WMS, h.targets.wms, func(q protocol.ShipOrderCancel) string { return q.Target }, (*wms.Warehouse).CancelShipOrder))
}

func (h *house) serveFinance(w worker.Worker, g *guard.Guard) {
	protocol.TellFinance.Serve(w, byRoute(h, g, routing.Finance, h.finance, h.targets.finance, func(q protocol.FinanceNotice) string { return q.Target }, (*finance.Platform).TellFinance))
}

func (h *house) serveRecord(w worker.Worker, g *guard.Guard) {
	protocol.Record.Serve(w, guarded(g, h.keeper.Record))
	protocol.ReadTerms.Serve(w, h.keeper.ReadTerms)
	protocol.VerifyDecision.Serve(w, guarded(g, h.keeper.VerifyDecision))
	protocol.ReadUnmatched.Serve(w, guarded(g, h.keeper.ReadUnmatched))
	protocol.ReadNumbers.Serve(w, guarded(g, h.keeper.ReadNumbers))
	protocol.PlaceUnmatched.Serve(w, guarded(g, h.keeper.PlaceUnmatched))
}
