// waybill-bridge takes partners' events at the edge. It reaches the inbox, and nothing else.
package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"waybill/config"
	"waybill/internal/store"
	"waybill/internal/telemetry"
	"waybill/starters/bridge"
	"waybill/starters/bridge/connectors/declared"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "waybill-bridge:", err)
		os.Exit(1)
	}
}

// run is the whole command; it returns when the context has ended and what was under way has been answered.
func run(ctx context.Context, args []string, out io.Writer) error {
	var file string
	var check bool
	c := &cobra.Command{
		Use: "waybill-bridge", Short: "Take partners' events over HTTP", SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			if err := c.ForBridge(); err != nil {
				return err
			}
			if check {
				return prove(cmd.Context(), c, out)
			}
			return serve(cmd.Context(), c, out)
		},
	}
	c.Flags().StringVar(&file, "config", os.Getenv("WAYBILL_CONFIG"), "configuration file; config/example.yaml has every key")
	c.Flags().BoolVar(&check, "check", false, "prove the store, every secret and the certificate, name what is missing, and end")
	c.SetArgs(args)
	c.SetOut(out)
	return c.ExecuteContext(ctx)
}

func serve(ctx context.Context, c *config.Config, out io.Writer) error {
	log, err := telemetry.Logger(c.Log.Level, c.Log.Format)
	if err != nil {
		return err
	}
	inbox, err := store.Open(ctx, c.Store.URL)
	if err != nil {
		return err
	}
	defer func() { _ = inbox.Close() }()
	cert, err := certificate(c.Bridge.TLS, log)
	if err != nil {
		return err
	}
	catalog, ms, err := speaking(c, log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	b, err := bridge.New(bridge.Options{Inbox: inboxOf(inbox), Sources: sources(c.Bridge.Sources, ms), Proxies: proxies(c.Bridge.Proxies), HintToken: hintToken(c.Bridge.HintToken), Log: log, Metrics: registry, Now: time.Now})
	if err != nil {
		return err
	}
	l, err := bridge.Listen(ctx, bridge.Listening{Address: c.Bridge.Listen, Connections: c.Bridge.MaxConnections, TLS: cert})
	if err != nil {
		return err
	}
	b.CheckKeys()
	log.Info("bridge_started", zap.Stringer("listen", l.Addr()), zap.Int("sources", len(c.Bridge.Sources)), zap.Bool("tls", cert != nil))
	fmt.Fprintln(out, "listening on", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Serve(ctx, l, c.Bridge.Drain) })
	g.Go(func() error { ms.watch(ctx, catalog, c.Connectors.LookEvery, log); return nil })
	if c.Bridge.MetricsListen != "" {
		g.Go(func() error { return telemetry.Serve(ctx, c.Bridge.MetricsListen, registry, b.Ready) })
	}
	return g.Wait()
}

// speaking finds out how each source speaks. A secret that cannot be read is told when the bridge has started, and the
// others are served; a source whose connector is not there is a mistake.
func speaking(c *config.Config, log *zap.Logger) (*declared.Catalog, manners, error) {
	catalog, err := declared.OpenCatalog(c.Connectors.Folder, c.Connectors.Tests, time.Now)
	if err != nil {
		return nil, nil, err
	}
	for _, fault := range catalog.Faults() {
		log.Error("connector_not_used", zap.Error(fault))
	}
	ms, err := mannersOf(c, catalog)
	for i, s := range c.Bridge.Sources {
		if !s.Plain() && ms[s.Name] == nil {
			return nil, nil, fmt.Errorf("source %d cannot be served: %w", i, err)
		}
	}
	return catalog, ms, nil
}

func proxies(texts []string) (ps []netip.Prefix) {
	for _, text := range texts {
		p, err := config.Addresses(text)
		if err == nil { // the configuration was checked
			ps = append(ps, p)
		}
	}
	return ps
}

func certificate(c config.TLS, log *zap.Logger) (*bridge.Certificate, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	return bridge.LoadCertificate(c.CertFile, c.KeyFile, log)
}
