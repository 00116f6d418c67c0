package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) exception() *cobra.Command {
	c := &cobra.Command{Use: "exception", Short: "See and resolve what shipments cannot go past alone"}
	c.AddCommand(a.exceptionList(), a.exceptionShow(), a.exceptionResolve())
	return c
}

func (a *app) exceptionList() *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use: "list", Short: "List shipments with open exceptions", Args: exactly(0),
		RunE: a.with(func(ctx context.Context, c client.Client, _ []string) error {
			name := protocol.ExceptionsAttribute.GetName()
			q := "WorkflowType = 'Shipment' AND ExecutionStatus = 'Running' AND " + name
			if kind != "" {
				return a.printList(ctx, c, q+" = "+quote(kind), 1000)
			}
			return a.printList(ctx, c, q+" IN ("+quoted(freight.ExceptionKinds())+")", 1000)
		}),
	}
	c.Flags().StringVar(&kind, "kind", "", "only this kind: "+join(freight.ExceptionKinds()))
	return c
}

func quoted[T ~string](ts []T) string {
	out := ""
	for i, t := range ts {
		if i > 0 {
			out += ", "
		}
		out += quote(string(t))
	}
	return out
}

func (a *app) exceptionShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SHIPMENT", Short: "Show a shipment's exceptions", Args: exactly(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			s, err := a.state(ctx, c, args[0])
			if err != nil {
				return err
			}
			return a.show(s.Exceptions, func() {
				var rows []table.Row
				for _, e := range s.Exceptions {
					state := "open, due " + e.DueBy.UTC().Format("2006-01-02 15:04")
					if !e.Open() {
						state = fmt.Sprintf("%s by %s: %s", e.Resolution.Action, e.Resolution.By, e.Resolution.Reason)
					}
					rows = append(rows, table.Row{e.ID, e.Kind, e.Owner, e.Detail, join(e.Actions), state})
				}
				a.table(table.Row{"no", "kind", "owner", "what happened", "actions", "state"}, rows)
			})
		}),
	}
}

func (a *app) exceptionResolve() *cobra.Command {
	var action, reason string
	c := &cobra.Command{
		Use: "resolve SHIPMENT NUMBER", Short: "Resolve an exception, and wait for the answer", Args: exactly(2),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return usageError{fmt.Errorf("%q is no exception's number", args[1])}
			}
			q := protocol.ResolveRequest{Exception: n, Action: freight.Action(action), By: person(), Reason: reason}
			if err := q.Check(); err != nil {
				return usageError{err}
			}
			return a.resolve(ctx, c, args[0], q)
		}),
	}
	c.Flags().StringVar(&action, "action", "", "retry, dismiss or cancel, as the exception allows")
	c.Flags().StringVar(&reason, "reason", "", "why: kept for auditors")
	return c
}

func (a *app) resolve(ctx context.Context, c client.Client, arg string, q protocol.ResolveRequest) error {
	id, err := shipmentID(arg)
	if err != nil {
		return err
	}
	asked := a.now()
	if err := protocol.ResolveAsked.Send(ctx, c, protocol.ShipmentWorkflowID(id), q); err != nil {
		return err
	}
	var reply freight.ResolveReply
	answered, err := a.poll(ctx, func(ctx context.Context) (bool, error) {
		s, err := protocol.ShipmentState.Ask(ctx, c, protocol.ShipmentWorkflowID(id))
		i := slices.IndexFunc(s.Replies, func(r freight.ResolveReply) bool {
			return r.Exception == q.Exception && r.Action == q.Action && r.By == q.By && r.Reason == q.Reason && !r.At.Before(asked.Add(-clockSlack))
		})
		if i < 0 {
			return false, err
		}
		reply = s.Replies[i]
		return true, nil
	})
	switch {
	case err != nil:
		return err
	case !answered:
		return errors.New("queued: no worker answers; it will be applied when one does")
	case reply.Refusal != "":
		return fmt.Errorf("refused: %s", reply.Refusal)
	}
	return a.show(reply, func() { fmt.Fprintf(a.out, "applied: %s on exception %d of %s\n", q.Action, q.Exception, id) })
}

// clockSlack is how far this machine's clock may be ahead of the server's.
const clockSlack = time.Minute
