package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/console"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) exceptionAssign() *cobra.Command {
	var by, reason string
	c := &cobra.Command{
		Use: "assign SOURCE REFERENCE SHIPMENT", Short: "Say whose a reference is that no shipment took, and wait for the answer", Args: cobra.ExactArgs(3),
		Long: "Say whose a reference is that no shipment took, as waybill exception show unmatched/SOURCE lists it, and wait for the answer.\n\n" +
			"The reference is the shipment's from then on, and all that waits under it goes there.",
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			id, err := console.Shipment(args[2])
			if err != nil {
				return err
			}
			return a.place(ctx, c, freight.PlaceRequest{Action: freight.Assign, Source: args[0], Reference: args[1], Shipment: id, By: by, Reason: reason})
		}),
	}
	authored(c, &by)
	reasoned(c, &reason)
	return c
}

func (a *app) exceptionDiscard() *cobra.Command {
	var by, reason string
	c := &cobra.Command{
		Use: "discard SOURCE REFERENCE", Short: "Say that a reference is of none of our shipments, and wait for the answer", Args: cobra.ExactArgs(2),
		Long: "Say that a reference is of none of our shipments, as waybill exception show unmatched/SOURCE lists it, and wait for the answer.\n\n" +
			"What waits under it is told to no shipment. It is kept: waybill-admin inbox list --state discarded.",
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			return a.place(ctx, c, freight.PlaceRequest{Action: freight.Discard, Source: args[0], Reference: args[1], By: by, Reason: reason})
		}),
	}
	authored(c, &by)
	reasoned(c, &reason)
	return c
}

// place sends a request to what shows the source's unmatched scans, and waits for its answer.
func (a *app) place(ctx context.Context, c client.Client, q freight.PlaceRequest) error {
	q.ID, q.Source = rand.Text(), strings.TrimPrefix(q.Source, "unmatched/")
	if err := q.Check(); err != nil {
		return console.Usage(err)
	}
	workflowID := protocol.UnmatchedWorkflowID(q.Source)
	if err := protocol.TellUnmatched(ctx, c, q.Source, protocol.PlaceAsked, q); err != nil {
		return a.advise(err, workflowID)
	}
	var reply freight.PlaceReply
	answered, err := a.poll(ctx, func(ctx context.Context) (bool, error) {
		u, err := ask(ctx, a, c, protocol.UnmatchedState, workflowID)
		i := slices.IndexFunc(u.Replies, func(r freight.PlaceReply) bool { return r.ID == q.ID })
		if i >= 0 {
			reply = u.Replies[i]
		}
		return i >= 0, err
	})
	switch {
	case err != nil:
		return err
	case !answered:
		return fmt.Errorf("queued: no worker has answered yet; it is carried out when one does: see waybill exception show %s", workflowID)
	case reply.Refusal != "":
		return errors.Join(a.Show(reply, func() {}), fmt.Errorf("refused: %s", reply.Refusal))
	}
	return a.Show(reply, func() {
		a.Print("%s", cmp.Or(reply.Note, fmt.Sprintf("%s: %s of %s%s, scans: %d", q.Action, q.Reference, q.Source, to(q.Shipment), reply.Scans)))
	})
}

func to(id freight.ShipmentID) string {
	if id == "" {
		return ""
	}
	return " to " + string(id)
}

// showUnmatched shows what waits of a source.
func (a *app) showUnmatched(ctx context.Context, c client.Client, source string) error {
	u, err := ask(ctx, a, c, protocol.UnmatchedState, protocol.UnmatchedWorkflowID(source))
	if err != nil {
		return err
	}
	return a.Show(u, func() {
		a.Print("source %s: %d scans that no shipment took; who sends them: %s, %s", u.Source, u.Scans, cmp.Or(u.Owner, "not configured"), cmp.Or(u.Contact, "no contact configured"))
		a.Print("%s", a.link(protocol.UnmatchedWorkflowID(source)))
		var rows []console.Row
		for _, w := range u.Waiting {
			rows = append(rows, console.Row{w.Reference, w.Kind, w.Carrier, w.Scans, w.Milestone, w.OccurredAt.UTC().Format("2006-01-02 15:04"), u.At.Sub(w.Since).Round(time.Minute), w.Why, likely(w.Candidates)})
		}
		a.Table(console.Row{"reference", "kind", "carrier", "scans", "first", "occurred (UTC)", "waits since", "why", "may be of"}, rows)
		if u.More {
			a.Say("others wait behind these: waybill-admin inbox list --state unmatched --source %s has all", u.Source)
		}
	})
}

func likely(cs []freight.Candidate) string {
	var texts []string
	for _, c := range cs {
		texts = append(texts, fmt.Sprintf("%s %s", c.Shipment, c.Why))
	}
	return strings.Join(texts, "; ")
}
