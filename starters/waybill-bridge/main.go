// waybill-bridge takes partners' events at the edge. It reaches the inbox, and nothing else.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"waybill/config"
	"waybill/internal/store"
	"waybill/internal/telemetry"
	"waybill/starters/bridge"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "waybill-bridge:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "waybill-bridge", Short: "Take partners' events over HTTP", SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), file) },
	}
	c.Flags().StringVar(&file, "config", os.Getenv("WAYBILL_CONFIG"), "configuration file; config/example.yaml has every key")
	return c
}

// documentLimit bounds a body from a source that sends documents.
const documentLimit = 4 << 20

func run(ctx context.Context, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	if err := c.ForBridge(); err != nil {
		return err
	}
	log, err := telemetry.Logger(c.Log.Level, c.Log.Format)
	if err != nil {
		return err
	}
	inbox, err := store.Open(ctx, c.Store.URL)
	if err != nil {
		return err
	}
	defer func() { _ = inbox.Close() }()
	registry := prometheus.NewRegistry()
	b, err := bridge.New(bridge.Options{Inbox: inbox, Sources: sources(c.Bridge.Sources, log), HintToken: reveal(c.Bridge.HintToken, log), Log: log, Metrics: registry, Now: time.Now})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, b.Drain)
	log.Info("bridge_started", zap.String("listen", c.Bridge.Listen), zap.Int("sources", len(c.Bridge.Sources)))
	return telemetry.Until(ctx, bridge.Server(c.Bridge.Listen, b), 15*time.Second)
}

// reveal reads a secret anew at each use; one that cannot be read opens nothing.
func reveal(s config.Secret, log *zap.Logger) func() string {
	return func() string {
		v, err := s.Reveal()
		if err != nil {
			log.Error("secret_unreadable", zap.Error(err))
		}
		return v
	}
}

func sources(cs []config.Source, log *zap.Logger) (ss []bridge.Source) {
	for _, c := range cs {
		s := bridge.Source{Name: c.Name, PerSecond: c.PerSecond, Burst: c.Burst}
		if c.Documents {
			s.Limit = documentLimit
		}
		s.Secrets = func() (live []string) {
			for _, secret := range c.Secrets {
				if v := reveal(secret, log)(); v != "" {
					live = append(live, v)
				}
			}
			return live
		}
		ss = append(ss, s)
	}
	return ss
}
