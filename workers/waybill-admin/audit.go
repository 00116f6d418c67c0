package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) audit() *cobra.Command {
	return console.Group("audit", "Who did what to a shipment, when and why, and whether that was changed since", a.auditShow(), a.auditVerify())
}

func (a *app) auditShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SHIPMENT|unmatched/SOURCE", Short: "Show a shipment's audit trail, or what people did with a source's unmatched scans", Args: cobra.ExactArgs(1),
		RunE: a.withStore(func(ctx context.Context, s *store.Store, args []string) error {
			id, err := trail(args[0])
			if err != nil {
				return err
			}
			es, err := s.Audit(ctx, id)
			if err != nil {
				return err
			}
			if len(es) == 0 {
				return unknown(id)
			}
			rows := make([]console.Row, len(es))
			for i, e := range es {
				rows[i] = console.Row{e.N, e.At.UTC().Format(time.DateTime), e.Kind, e.Stage, e.Actor, e.Detail}
			}
			return a.Show(es, func() { a.Table(console.Row{"no", "at (UTC)", "what", "stage", "who", "detail"}, rows) })
		}),
	}
}

// trail is the trail that a person names: a shipment's, or that of a source's unmatched scans.
func trail(arg string) (freight.ShipmentID, error) {
	if source, ok := protocol.UnmatchedOf(arg); ok {
		return store.TrailOf(source), nil
	}
	return console.Shipment(arg)
}

// verified is what audit verify found.
type verified struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Intact   bool               `json:"intact"`
	Entries  int64              `json:"entries,omitzero"`  // how many there are
	BrokenAt int64              `json:"brokenAt,omitzero"` // the first that does not fit
	Fault    string             `json:"fault,omitzero"`
}

func (a *app) auditVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify SHIPMENT|unmatched/SOURCE", Short: "Prove that a shipment's audit trail was not changed: each entry is chained to the one before", Args: cobra.ExactArgs(1),
		RunE: a.withStore(func(ctx context.Context, s *store.Store, args []string) error {
			id, err := trail(args[0])
			if err != nil {
				return err
			}
			n, err := s.VerifyChain(ctx, id)
			switch {
			case err != nil && n == 0:
				return err
			case err != nil:
				return a.broken(id, n, err)
			case n == 0:
				return unknown(id)
			}
			return a.Show(verified{Shipment: id, Intact: true, Entries: n}, func() { a.Print("audit trail of %s is intact: %d entries", id, n) })
		}),
	}
}

func (a *app) broken(id freight.ShipmentID, n int64, fault error) error {
	if err := a.Show(verified{Shipment: id, BrokenAt: n, Fault: fault.Error()}, func() {}); err != nil {
		return err
	}
	return fmt.Errorf("%w; compare it with a backup of the store and with the shipment's history in Temporal", fault)
}

func unknown(id freight.ShipmentID) error {
	return fmt.Errorf("the store has no audit entry of shipment %s: see waybill list --all for its id; a shipment that has just started is recorded within seconds", id)
}
