// waybill-demo is the whole system on one machine: real processes, real protocols, stand-in partners.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
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

func run(ctx context.Context, o options) error {
	h, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer h.close()
	result, err := h.play(ctx)
	if err != nil {
		return err
	}
	if err := result.report(h, o); err != nil {
		return err
	}
	if !o.exit {
		h.invite()
		<-ctx.Done()
	}
	if n := len(result.Mismatches); n > 0 || result.Lost > 0 {
		return fmt.Errorf("%d mismatches, %d lost", n, result.Lost)
	}
	return nil
}
