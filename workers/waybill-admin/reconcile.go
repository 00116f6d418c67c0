package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"waybill/activities/odoo"
	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/workers/reconcile"
)

func (a *app) reconcile() *cobra.Command {
	var restored, dry bool
	c := &cobra.Command{
		Use: "reconcile", Short: "Compare Temporal, the store and Odoo; bring a restored store up to date", Args: cobra.NoArgs,
		Long: "Find what nobody works on: abandoned shipments, deliveries in Odoo without a shipment, posted invoices that no shipment knows.\n\n" +
			"With --after-restore, bring a store that was restored from a backup up to what Temporal knows. No worker works on such a store before.\n" +
			"It may be run again. Exit 1 if anything is left for a person.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry && !restored {
				return console.Usagef("--dry-run: without --after-restore nothing is changed anyway")
			}
			return a.withBooks(cmd.Context(), func(ctx context.Context, b *reconcile.Books) error {
				look := b.Find
				if restored {
					look = func(ctx context.Context) (reconcile.Report, error) { return b.AfterRestore(ctx, dry) }
				}
				r, err := look(ctx)
				if err != nil {
					return err
				}
				return a.reconciled(r, restored)
			})
		},
	}
	c.Flags().BoolVar(&restored, "after-restore", false, "bring a restored store up to date, and let work go on")
	c.Flags().BoolVar(&dry, "dry-run", false, "with --after-restore: say what would be done, and change nothing")
	return c
}

// withBooks opens all that is compared. The store may be a new and empty one: then all of it is learned again.
func (a *app) withBooks(ctx context.Context, f func(context.Context, *reconcile.Books) error) error {
	c, err := a.load((*config.Config).ForWorker)
	if err != nil {
		return err
	}
	temporal, err := cluster.Dial(ctx, cluster.Options{Logger: cluster.Silent{}, CodecKeyFile: c.Codec.KeyFile})
	if err != nil {
		return err
	}
	defer temporal.Close()
	s, err := store.Open(ctx, c.Store.URL)
	if err != nil {
		return err
	}
	status, money := connect(c.Odoo, c.Odoo.Status.Login, c.Odoo.Status.Password.Reveal), connect(c.Odoo, c.Odoo.Money.Login, c.Odoo.Money.Password.Reveal)
	b := &reconcile.Books{Temporal: temporal, Store: s, Status: &odoo.Status{Odoo: status}, Money: &odoo.Money{Odoo: money}, Tenant: c.Tenant, Now: time.Now}
	return errors.Join(f(ctx, b), s.Close())
}

func (a *app) reconciled(r reconcile.Report, restored bool) error {
	if r.Findings == nil {
		r.Findings = []reconcile.Finding{} // a program reads a list
	}
	if err := a.Show(r, func() { a.printReport(r, restored) }); err != nil {
		return err
	}
	switch {
	case r.Older && !restored:
		return fmt.Errorf("the store is older than Temporal: run waybill-admin reconcile --after-restore")
	case len(r.Findings) > 0:
		return fmt.Errorf("%d found", len(r.Findings))
	}
	return nil
}

func (a *app) printReport(r reconcile.Report, restored bool) {
	switch {
	case restored && r.Older && r.DryRun:
		a.Print("the store is a restored backup: %d of %d shipments have told more than it knows; nothing was changed", r.Behind, r.Shipments)
	case restored && r.Older:
		a.Print("learned again from %d shipments, of which %d had told more: %d audit entries are marked as lost, %d decisions count as used", r.Shipments, r.Behind, r.Lost, r.Decisions)
	case restored:
		a.Print("the store is not older than Temporal: %d shipments were compared, %d had told more", r.Shipments, r.Behind)
	default:
		a.Print("%d shipments in Temporal", r.Shipments)
	}
	for _, g := range r.Gaps {
		a.Print("deliveries received from %s to %s may be gone: ask partners to send again what they sent then; what comes twice is told apart", g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339))
	}
	for _, l := range r.Sources {
		a.Print("source %s: the last kept before is %s, received %s", l.Source, l.ID, l.ReceivedAt.UTC().Format(time.RFC3339))
	}
	for _, f := range r.Findings {
		a.Print("%s: %s: %s\n  do: %s", f.Kind, f.Shipment, f.Detail, f.Do)
	}
	if len(r.Findings) == 0 {
		a.Print("nothing is left for a person")
	}
}
