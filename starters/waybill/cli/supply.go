package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/console"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) exceptionSupply() *cobra.Command {
	var by, reason string
	kind, carrier := freight.RefTracking, ""
	c := &cobra.Command{
		Use: "supply SHIPMENT NUMBER...", Short: "Give numbers under which the carrier speaks of a shipment, and wait for the answer", Args: cobra.MinimumNArgs(2),
		Long: "Give numbers under which the carrier speaks of a shipment, and wait for the answer.\n\n" +
			"From then on they are the shipment's: what waits under them goes there, and the carrier is asked by them. A reference_missing ends by it.",
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			g := freight.NumbersGiven{By: by, Reason: reason}
			for _, n := range args[1:] {
				g.Numbers = append(g.Numbers, freight.Reference{Kind: kind, Carrier: freight.CarrierCode(carrier), Value: strings.TrimSpace(n)})
			}
			if err := g.Check(); err != nil {
				return console.Usage(err)
			}
			return a.supply(ctx, c, args[0], g)
		}),
	}
	console.Choice(c, &kind, "kind", "what the numbers are", []freight.ReferenceKind{freight.RefTracking, freight.RefPRO, freight.RefBOL})
	c.Flags().StringVar(&carrier, "carrier", "", "whose they are: its SCAC or the code agreed with it; the shipment's where it is not said")
	authored(c, &by)
	reasoned(c, &reason)
	return c
}

// supplied is what supply did.
type supplied struct {
	Shipment freight.ShipmentID  `json:"shipment"`
	Numbers  []freight.Reference `json:"numbers"` // of the carrier's, all that the shipment knows
}

func (a *app) supply(ctx context.Context, c client.Client, arg string, g freight.NumbersGiven) error {
	id, err := console.Shipment(arg)
	if err != nil {
		return err
	}
	workflowID := protocol.ShipmentWorkflowID(id)
	if err := protocol.NumbersKnown.Send(ctx, c, workflowID, g); err != nil {
		return a.advise(err, workflowID)
	}
	known := supplied{Shipment: id}
	answered, err := a.poll(ctx, func(ctx context.Context) (bool, error) {
		s, err := ask(ctx, a, c, protocol.ShipmentState, workflowID)
		known.Numbers = s.Numbers()
		return known.has(g.Numbers), err
	})
	switch {
	case err != nil:
		return err
	case !answered:
		return fmt.Errorf("queued: the shipment has not taken it yet; it does when a worker answers: see waybill status %s", id)
	}
	return a.Show(known, func() { a.Print("%s has %d numbers of its carrier's", id, len(known.Numbers)) })
}

// has reports whether the shipment knows all these numbers.
func (s supplied) has(rs []freight.Reference) bool {
	for _, r := range rs {
		if !slices.ContainsFunc(s.Numbers, func(o freight.Reference) bool { return o.Kind == r.Kind && o.Value == r.Value }) {
			return false
		}
	}
	return true
}
