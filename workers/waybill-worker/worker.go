package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/activities/billing"
	"waybill/activities/finance"
	"waybill/activities/odoo"
	"waybill/activities/record"
	"waybill/activities/tms"
	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/partner"
	"waybill/internal/store"
	"waybill/internal/telemetry"
	"waybill/workers/relay"
	"waybill/workers/scout"
	"waybill/workflows/dispute"
	"waybill/workflows/protocol"
	"waybill/workflows/shipment"
)

func command() *cobra.Command {
	var file string
	var check bool
	c := &cobra.Command{
		Use: "waybill-worker", Short: "Run the stories, their activities, the relay and the scans of Odoo",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), file, check) },
	}
	c.Flags().StringVar(&file, "config", os.Getenv("WAYBILL_CONFIG"), "configuration file; config/example.yaml has every key")
	c.Flags().BoolVar(&check, "check", false, "prove every connection and right, name what is missing, and end")
	return c
}

// house is an assembled worker.
type house struct {
	config   *config.Config
	log      *zap.Logger
	metrics  *prometheus.Registry
	temporal client.Client
	store    *store.Store
	policies *config.Policies
	status   *odoo.Status
	money    *odoo.Money
	billing  *billing.Engine
	tms      *tms.TMS
	finance  *finance.Platform
	keeper   *record.Keeper
}

func run(ctx context.Context, file string, check bool) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	if err := c.ForWorker(); err != nil {
		return err
	}
	h, err := assemble(ctx, c)
	if err != nil {
		return err
	}
	defer h.close()
	if missing := h.check(ctx); len(missing) > 0 {
		if check {
			return errors.New("missing:\n  " + strings.Join(missing, "\n  "))
		}
		for _, m := range missing {
			h.log.Warn("check", zap.String("missing", m))
		}
	} else if check {
		fmt.Println("everything is in place")
	}
	if check {
		return nil
	}
	return h.serve(ctx)
}

func assemble(ctx context.Context, c *config.Config) (h *house, err error) {
	h = &house{config: c, metrics: prometheus.NewRegistry()}
	if h.log, err = telemetry.Logger(c.Log.Level, c.Log.Format); err != nil {
		return nil, err
	}
	if h.policies, err = config.LoadPolicies(c.Policies.File); err != nil {
		return nil, err
	}
	if h.store, err = store.Open(ctx, c.Store.URL); err != nil {
		return nil, err
	}
	sdk, err := telemetry.Metrics(h.metrics)
	if err != nil {
		return nil, err
	}
	if h.temporal, err = cluster.Dial(ctx, cluster.Options{Logger: telemetry.ForTemporal(h.log), Metrics: sdk, CodecKeyFile: c.Codec.KeyFile}); err != nil {
		return nil, err
	}
	calls, err := telemetry.Calls(h.metrics)
	if err != nil {
		return nil, err
	}
	h.connect(calls)
	return h, nil
}

func (h *house) connect(calls func(string) func(string, time.Duration, error)) {
	c := h.config
	login := func(l config.Login) *odoo.Client {
		observe := calls("odoo")
		return odoo.New(odoo.Options{URL: c.Odoo.URL, DB: c.Odoo.DB, Login: l.Login, Password: l.Password.Reveal, MaxConns: c.Odoo.MaxConnections, Timeout: c.Odoo.Timeout,
			Observe: func(model, method string, took time.Duration, err error) { observe(model+"."+method, took, err) }})
	}
	attempt := func(ctx context.Context) int32 { return activity.GetInfo(ctx).Attempt }
	h.status = &odoo.Status{Odoo: login(c.Odoo.Status), Documents: h.store, Attempt: attempt}
	h.money = &odoo.Money{Odoo: login(c.Odoo.Money), FreightProduct: c.Odoo.FreightProduct}
	reach := func(name string, p config.Partner) *partner.Client {
		return partner.New(partner.Options{Name: name, URL: p.URL, Token: p.Token.Reveal, Timeout: p.Timeout})
	}
	h.billing = &billing.Engine{Client: reach("billing engine", c.Billing)}
	h.tms = &tms.TMS{Client: reach("TMS", c.TMS)}
	h.finance = &finance.Platform{Client: reach("finance platform", c.Finance)}
	h.keeper = &record.Keeper{Store: h.store, Terms: h.policies.TermsFor, Now: time.Now, Approvers: approvers(c.Approvers)}
}

func approvers(as []config.Approver) (out []record.Approver) {
	for _, a := range as {
		out = append(out, record.Approver{ID: a.ID, Name: a.Name, PublicKey: a.PublicKey, Limit: a.Limit, Cumulative: a.Cumulative})
	}
	return out
}

func (h *house) close() {
	h.temporal.Close()
	_ = h.store.Close() // nothing is open in it any more
}

// check names what is missing.
func (h *house) check(ctx context.Context) (missing []string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := h.store.Health(ctx); err != nil {
		missing = append(missing, err.Error())
	}
	missing = append(missing, cluster.Check(ctx, h.temporal, cluster.Namespace())...)
	return append(missing, odoo.Check(ctx, h.status.Odoo, h.money.Odoo, h.config.Odoo.FreightProduct)...)
}

// serve works until the context ends, or something that cannot go on.
func (h *house) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range h.workers() {
		g.Go(func() error { return w.Run(stopped(ctx)) })
	}
	since, err := time.Parse(time.RFC3339, h.config.Odoo.ReleasedSince)
	if err != nil {
		return err
	}
	s := &scout.Scout{Temporal: h.temporal, Status: h.scanner(), Money: h.money, Store: h.store, Terms: h.policies.TermsFor, Tenant: h.config.Tenant, Since: since, Every: h.config.Odoo.ScanEvery, Hints: hintSource, Log: h.log}
	g.Go(func() error { return s.Run(ctx) })
	host, _ := os.Hostname() // an empty one is told apart by the process id
	r := &relay.Relay{Store: h.store, Temporal: h.temporal, Skip: map[string]bool{hintSource: true}, Holder: fmt.Sprintf("%s/%d", host, os.Getpid()), Log: h.log, Idle: h.config.Relay.Idle, Gather: h.config.Relay.Gather, Now: time.Now}
	g.Go(func() error { return r.Run(ctx) })
	g.Go(func() error { return telemetry.Serve(ctx, h.config.Metrics.Listen, h.metrics, h.store.Health) })
	h.log.Info("worker_started", zap.String("tenant", string(h.config.Tenant)), zap.String("release", release))
	return g.Wait()
}

// hintSource is where the bridge keeps Odoo's hints.
const hintSource = "odoo-hint"

// scanner is the status user outside an activity.
func (h *house) scanner() *odoo.Status {
	return &odoo.Status{Odoo: h.status.Odoo, Attempt: func(context.Context) int32 { return 1 }}
}

func stopped(ctx context.Context) <-chan any {
	c := make(chan any, 1)
	context.AfterFunc(ctx, func() { c <- nil })
	return c
}

// workers makes one worker a task queue, each with its own limits.
func (h *house) workers() (ws []worker.Worker) {
	for _, q := range []struct {
		name  string
		serve func(worker.Worker)
	}{
		{protocol.QueueStories, serveStories},
		{protocol.QueueStatus, h.serveStatus},
		{protocol.QueuePost, h.servePost},
		{protocol.QueueBilling, h.serveBilling},
		{protocol.QueueTMS, h.serveTMS},
		{protocol.QueueFinance, h.serveFinance},
		{protocol.QueueRecord, h.serveRecord},
	} {
		limit := h.config.Queue(q.name)
		w := worker.New(h.temporal, q.name, worker.Options{
			TaskQueueActivitiesPerSecond: limit.PerSecond, MaxConcurrentActivityExecutionSize: limit.Concurrency,
			WorkerStopTimeout: 10 * time.Second, DisableWorkflowWorker: q.name != protocol.QueueStories, LocalActivityWorkerOnly: q.name == protocol.QueueStories,
		})
		q.serve(w)
		ws = append(ws, w)
	}
	return ws
}

func serveStories(w worker.Worker) {
	protocol.Shipment.Serve(w, shipment.Workflow)
	protocol.Dispute.Serve(w, dispute.Workflow)
}

func (h *house) serveStatus(w worker.Worker) {
	protocol.ClaimDelivery.Serve(w, h.status.ClaimDelivery)
	protocol.UpdateStatus.Serve(w, h.status.UpdateStatus)
}

func (h *house) servePost(w worker.Worker) {
	protocol.ReadBillable.Serve(w, h.money.ReadBillable)
	protocol.PostInvoice.Serve(w, h.money.PostInvoice)
}

func (h *house) serveBilling(w worker.Worker) {
	protocol.RateShipment.Serve(w, h.billing.RateShipment)
	protocol.CommitDraft.Serve(w, h.billing.CommitDraft)
}

func (h *house) serveTMS(w worker.Worker) {
	protocol.RequestCarrier.Serve(w, h.tms.RequestTransport)
	protocol.CancelCarrier.Serve(w, h.tms.CancelTransport)
}

func (h *house) serveFinance(w worker.Worker) { protocol.TellFinance.Serve(w, h.finance.TellFinance) }

func (h *house) serveRecord(w worker.Worker) {
	protocol.Record.Serve(w, h.keeper.Record)
	protocol.ReadTerms.Serve(w, h.keeper.ReadTerms)
	protocol.VerifyDecision.Serve(w, h.keeper.VerifyDecision)
}
