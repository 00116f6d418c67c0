package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"waybill/internal/console"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

func (a *app) exception() *cobra.Command {
	return console.Group("exception", "See and resolve what shipments cannot go past alone, and what no shipment took", a.exceptionList(), a.exceptionShow(), a.exceptionResolve(), a.exceptionSupply(), a.exceptionAssign(), a.exceptionDiscard())
}

func (a *app) exceptionList() *cobra.Command {
	var kind freight.ExceptionKind
	c := &cobra.Command{
		Use: "list", Short: "List shipments with open exceptions, and sources of which something is unmatched", Args: cobra.NoArgs,
		RunE: a.with(func(ctx context.Context, c client.Client, _ []string) error {
			kinds := exceptionKinds()
			if kind != "" {
				kinds = []freight.ExceptionKind{kind}
			}
			return a.printList(ctx, c, "WorkflowType IN ('Shipment', "+quote(protocol.Unmatched.Name)+") AND ExecutionStatus = 'Running' AND "+protocol.ExceptionsAttribute.GetName()+" IN ("+quoted(kinds)+")", listLimit)
		}),
	}
	console.Choice(c, &kind, "kind", "only this kind", exceptionKinds())
	return c
}

// exceptionKinds are those of shipments, and that of sources.
func exceptionKinds() []freight.ExceptionKind {
	return append(freight.ExceptionKinds(), protocol.ExceptionUnmatched)
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
		Use: "show SHIPMENT|unmatched/SOURCE", Short: "Show a shipment's exceptions, or what no shipment took of a source", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			if source, ok := protocol.UnmatchedOf(args[0]); ok {
				return a.showUnmatched(ctx, c, source)
			}
			s, err := a.state(ctx, c, args[0])
			if err != nil {
				return err
			}
			if s.Exceptions == nil {
				s.Exceptions = freight.Exceptions{} // a program reads a list
			}
			return a.Show(s.Exceptions, func() {
				var rows []console.Row
				for _, e := range s.Exceptions {
					state := "open, due " + e.DueBy.UTC().Format("2006-01-02 15:04")
					if !e.Open() {
						state = fmt.Sprintf("%s by %s: %s", e.Resolution.Action, e.Resolution.By, e.Resolution.Reason)
					}
					rows = append(rows, console.Row{e.ID, e.Kind, e.Owner, e.Detail, join(e.Actions), state})
				}
				a.Table(console.Row{"no", "kind", "owner", "what happened", "actions", "state"}, rows)
			})
		}),
	}
}

func (a *app) exceptionResolve() *cobra.Command {
	var action freight.Action
	var by, reason string
	c := &cobra.Command{
		Use: "resolve SHIPMENT NUMBER", Short: "Resolve an exception, and wait for the answer", Args: cobra.ExactArgs(2),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return console.Usagef("%q is no exception's number: see waybill exception show %s", args[1], args[0])
			}
			q := protocol.ResolveRequest{Exception: n, Action: action, By: by, Reason: reason}
			if err := q.Check(); err != nil {
				return console.Usage(err)
			}
			return a.resolve(ctx, c, args[0], q)
		}),
	}
	console.Choice(c, &action, "action", "what to do, as the exception allows", []freight.Action{freight.Retry, freight.Waive, freight.Dismiss, freight.Abandon})
	_ = c.MarkFlagRequired("action") // the flag is there
	authored(c, &by)
	reasoned(c, &reason)
	return c
}

func (a *app) resolve(ctx context.Context, c client.Client, arg string, q protocol.ResolveRequest) error {
	id, err := console.Shipment(arg)
	if err != nil {
		return err
	}
	workflowID := protocol.ShipmentWorkflowID(id)
	before, err := ask(ctx, a, c, protocol.ShipmentState, workflowID)
	if err != nil && !silence(err) {
		return err
	}
	old, _ := replyTo(q, before.Replies)
	if err := protocol.ResolveAsked.Send(ctx, c, workflowID, q); err != nil {
		return a.advise(err, workflowID)
	}
	var reply freight.ResolveReply
	answered, err := a.poll(ctx, func(ctx context.Context) (found bool, err error) {
		s, err := ask(ctx, a, c, protocol.ShipmentState, workflowID)
		reply, found = replyTo(q, s.Replies)
		return found && reply.At.After(old.At), err
	})
	switch {
	case err != nil:
		return err
	case !answered:
		return fmt.Errorf("queued: no worker has answered yet; it is applied when one does: see waybill exception show %s", id)
	case reply.Refusal != "":
		return errors.Join(a.Show(reply, func() {}), fmt.Errorf("refused: %s", reply.Refusal))
	}
	return a.Show(reply, func() { a.Print("applied: %s on exception %d of %s", q.Action, q.Exception, id) })
}

// replyTo is the newest reply to a request such as q.
func replyTo(q protocol.ResolveRequest, rs []freight.ResolveReply) (freight.ResolveReply, bool) {
	for _, r := range slices.Backward(rs) {
		if r.Exception == q.Exception && r.Action == q.Action && r.By == q.By && r.Reason == q.Reason {
			return r, true
		}
	}
	return freight.ResolveReply{}, false
}
