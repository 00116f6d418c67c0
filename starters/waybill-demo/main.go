// waybill-demo is the whole system on one machine: real processes, real protocols, stand-in partners.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "waybill-demo:", err)
		os.Exit(1)
	}
}

// options are the demo's flags.
type options struct {
	shipments int
	seed      uint64
	exit      bool
	json      string
	dir       string
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "waybill-demo", Short: "Carry shipments from order to payment on this machine, through every situation, and check each cent",
		Long: `Carry shipments from order to payment on this machine, through every situation, and check each cent.

TEMPORAL_ADDRESS set uses that Temporal. ODOO_URL, ODOO_DB, ODOO_LOGIN and ODOO_PASSWORD set put a real Odoo in
the stand-in's place; the demo makes the customers, products and orders it needs there.`,
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	c.Flags().IntVar(&o.shipments, "shipments", 24, "how many shipments, 1 to 1000")
	c.Flags().Uint64Var(&o.seed, "seed", 1, "what decides quantities, carriers and order of events")
	c.Flags().BoolVar(&o.exit, "exit", false, "end when all is checked, instead of staying up")
	c.Flags().StringVar(&o.json, "json", "", "write the result to this file")
	c.Flags().StringVar(&o.dir, "dir", "var/demo", "where the demo keeps its files; emptied at the start")
	return c
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "demo: "+format+"\n", args...) }

func run(ctx context.Context, o options) error {
	if o.shipments < 1 || o.shipments > 1000 {
		return fmt.Errorf("--shipments %d: want 1 to 1000", o.shipments)
	}
	h, err := rig.Open(ctx, rig.Options{Dir: o.dir, Usual: true, Say: say})
	if err != nil {
		return err
	}
	defer h.Close()
	l, err := play(ctx, script.New(h, script.Options{Seed: o.seed, Shipments: o.shipments}))
	if err != nil {
		return err
	}
	if err := report(l, o.json); err != nil {
		return err
	}
	if !o.exit {
		invite(h, l)
		<-ctx.Done()
	}
	if n := len(l.Mismatches); n > 0 || l.Lost > 0 || l.Doubled > 0 {
		return fmt.Errorf("%d mismatches, %d lost, %d doubled", n, l.Lost, l.Doubled)
	}
	return nil
}

func play(ctx context.Context, s *script.Show) (*script.Ledger, error) {
	say("confirming orders for %d shipments; what is done is shown as it goes", len(s.Plans))
	stop := watch(ctx, s)
	err := s.Play(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	return s.Ledger(ctx)
}
