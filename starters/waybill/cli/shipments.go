package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"waybill/internal/console"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// listed is a shipment or dispute as a list has it.
type listed struct {
	ID         string   `json:"id"`
	Stage      string   `json:"stage"`
	Customer   string   `json:"customer"`
	Carrier    string   `json:"carrier,omitzero"`
	Exceptions []string `json:"exceptions,omitempty"`
	Deadline   string   `json:"deadline,omitzero"`
	Status     string   `json:"workflow"`
	Link       string   `json:"link"`
}

func (a *app) list() *cobra.Command {
	var stage freight.Stage
	var exception freight.ExceptionKind
	var promise freight.SLAState
	var customer, carrier string
	var all bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List shipments", Args: cobra.NoArgs,
		RunE: a.with(func(ctx context.Context, c client.Client, _ []string) error {
			if err := errors.Join(searchable("customer", customer), searchable("carrier", carrier)); err != nil {
				return err
			}
			q := []string{"WorkflowType = 'Shipment'"}
			if kind := endangered[promise]; kind != "" {
				q, promise = append(q, protocol.ExceptionsAttribute.GetName()+" = "+quote(string(kind))), ""
			}
			for _, f := range []struct{ name, value string }{
				{protocol.CustomerAttribute.GetName(), customer},
				{protocol.CarrierAttribute.GetName(), carrier}, {protocol.ExceptionsAttribute.GetName(), string(exception)},
				{protocol.PromiseAttribute.GetName(), string(promise)},
			} {
				if f.value != "" {
					q = append(q, f.name+" = "+quote(f.value))
				}
			}
			if stage != "" {
				q = append(q, inStage(stage))
			}
			if !all && !ended(stage) {
				q = append(q, "ExecutionStatus = 'Running'")
			}
			return a.printList(ctx, c, strings.Join(q, " AND "), limit)
		}),
	}
	console.Choice(c, &stage, "stage", "only in this stage", freight.Stages())
	console.Choice(c, &exception, "exception", "only with this exception open", freight.ExceptionKinds())
	console.Choice(c, &promise, "promise", "only those whose promise to the customer stands so", []freight.SLAState{freight.Unknown, freight.AtRisk, freight.Late})
	console.Limit(c, &limit, listLimit)
	c.Flags().StringVar(&customer, "customer", "", "only of this customer")
	c.Flags().StringVar(&carrier, "carrier", "", "only with this carrier")
	c.Flags().BoolVar(&all, "all", false, "closed ones too")
	return c
}

// endangered are the exceptions by which shipments are found whose promise stands so; one that is unknown has none.
var endangered = map[freight.SLAState]freight.ExceptionKind{freight.AtRisk: freight.DeliveryAtRisk, freight.Late: freight.DeliveryOverdue}

// inStage selects the shipments in a stage. That one is closed its workflow says by being complete: its last stage may be
// any before.
func inStage(s freight.Stage) string {
	const complete = "ExecutionStatus = 'Completed'"
	name := protocol.StageAttribute.GetName()
	switch s {
	case freight.StageClosed:
		return complete + " AND " + name + " != " + quote(string(freight.StageCancelled))
	case freight.StageCancelled:
		return name + " = " + quote(string(s))
	}
	return name + " = " + quote(string(s)) + " AND ExecutionStatus != 'Completed'"
}

// ended reports whether a stage is one of those that only shipments without a running workflow are in.
func ended(s freight.Stage) bool { return s == freight.StageClosed || s == freight.StageCancelled }

// listLimit is how much a person can read; more is for the store's views.
const listLimit = 200

func join[T ~string](ts []T) string {
	var words []string
	for _, t := range ts {
		words = append(words, string(t))
	}
	return strings.Join(words, ", ")
}

// quote makes a text a value of a visibility query.
func quote(s string) string { return "'" + s + "'" }

// searchable refuses what Temporal cannot search for: it looks for an escaped quote or backslash with the escape in it.
func searchable(flag, value string) error {
	if strings.ContainsAny(value, `'"\`) {
		return console.Usagef("--%s %q: Temporal cannot search for quotes and backslashes: filter the output of waybill list --json", flag, value)
	}
	return nil
}

func (a *app) printList(ctx context.Context, c client.Client, query string, limit int) error {
	found, err := a.find(ctx, c, query, limit)
	if err != nil {
		return err
	}
	if len(found) > limit {
		found = found[:limit]
		a.Say("there are more than %d: narrow it down, or raise --limit", limit)
	}
	slices.SortFunc(found, func(x, y listed) int { return strings.Compare(x.ID, y.ID) })
	return a.Show(found, func() {
		var rows []console.Row
		for _, l := range found {
			rows = append(rows, console.Row{l.ID, l.Stage, l.Customer, l.Carrier, strings.Join(l.Exceptions, " "), l.Deadline, l.Status})
		}
		a.Table(console.Row{"id", "stage", "customer", "carrier", "exceptions", "next deadline", "workflow"}, rows)
	})
}

// find lists what a query selects: one more than limit where there is more.
func (a *app) find(ctx context.Context, c client.Client, query string, limit int) ([]listed, error) {
	found := []listed{}
	var page []byte
	for len(found) <= limit {
		resp, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page, PageSize: int32(min(limit+1, 200))}) //nolint:gosec // at most 200
		if err != nil {
			return nil, fmt.Errorf("list: %w; waybill-admin temporal check names missing search attributes", err)
		}
		for _, e := range resp.GetExecutions() {
			found = append(found, a.listed(e))
		}
		if page = resp.GetNextPageToken(); len(page) == 0 {
			break
		}
	}
	return found, nil
}

func (a *app) listed(e *workflowpb.WorkflowExecutionInfo) listed {
	l := listed{Status: e.GetStatus().String(), Link: a.link(e.GetExecution().GetWorkflowId())}
	if l.ID = e.GetExecution().GetWorkflowId(); e.GetType().GetName() != protocol.Unmatched.Name {
		_, l.ID, _ = strings.Cut(l.ID, "/")
	}
	read := func(name string, into any) {
		if p := e.GetSearchAttributes().GetIndexedFields()[name]; p != nil {
			_ = converter.GetDefaultDataConverter().FromPayload(p, into) // one that does not decode is shown empty
		}
	}
	read(protocol.StageAttribute.GetName(), &l.Stage)
	read(protocol.CustomerAttribute.GetName(), &l.Customer)
	read(protocol.CarrierAttribute.GetName(), &l.Carrier)
	read(protocol.ExceptionsAttribute.GetName(), &l.Exceptions)
	switch {
	case e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		read(protocol.DeadlineAttribute.GetName(), &l.Deadline)
	case l.Stage != string(freight.StageCancelled) && e.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		l.Stage = string(freight.StageClosed)
	}
	return l
}

// state asks a shipment for all it knows.
func (a *app) state(ctx context.Context, c client.Client, arg string) (freight.Shipment, error) {
	id, err := console.Shipment(arg)
	if err != nil {
		return freight.Shipment{}, err
	}
	return ask(ctx, a, c, protocol.ShipmentState, protocol.ShipmentWorkflowID(id))
}

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status SHIPMENT", Short: "Show where a shipment stands, why it waits, and what to do", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			s, err := a.state(ctx, c, args[0])
			if err != nil {
				return err
			}
			return a.Show(s, func() { a.printState(s) })
		}),
	}
}

// markText says what happened, to which parcel, and whether it was taken back.
func markText(j freight.Journey, m freight.Mark) string {
	text := string(m.Milestone)
	if m.Parcel != "" {
		text += ", parcel " + string(m.Parcel)
	}
	if j.Retracted(m) {
		text += ", taken back by " + m.Source
	}
	return text
}

func (a *app) printState(s freight.Shipment) {
	p := a.Print
	p("%s  %s  (order %s, delivery %s, customer %s, carrier %s)", s.ID, s.Stage, s.Release.OrderName, s.Release.PickingName, s.Release.Customer, s.Carrier())
	p("%s", a.link(protocol.ShipmentWorkflowID(s.ID)))
	for _, m := range s.Journey.Marks {
		p("  %s  %s", m.At.UTC().Format("2006-01-02 15:04"), markText(s.Journey, m))
	}
	for _, inv := range s.Journey.Invoices {
		p("carrier invoice %s of %s over %s", inv.Number, inv.Carrier, inv.Total)
	}
	for _, f := range s.Findings {
		p("  %-7s %-5s %s %s", f.Rule, f.Verdict, f.ChargeRef, f.Reason)
	}
	for _, e := range s.Exceptions {
		if e.Open() {
			p("exception %d %s (%s, due %s): %s\n  %s", e.ID, e.Kind, e.Owner, e.DueBy.UTC().Format("2006-01-02 15:04"), e.Detail, e.Advice)
		}
	}
	for _, d := range s.OpenDisputes() {
		p("dispute %s: %s claimed, %s by contract: waybill dispute show %s", d.Dispute, d.Claimed, d.Expected, d.Dispute)
	}
	for _, i := range s.Intents {
		p("asking: %s since %s", i.Step, i.At.UTC().Format("15:04:05"))
	}
	switch {
	case s.Invoice != nil:
		p("invoice %s of %s: net %s, tax %s, total %s; payment %s", s.Invoice.Number, s.Invoice.Date, s.Invoice.Net, s.Invoice.Tax, s.Invoice.Total, cmp.Or(string(s.Payment.State), "not seen"))
	case s.Plan != nil:
		p("invoice validated over %s net, not posted yet", s.Plan.Net)
	}
}

func (a *app) release() *cobra.Command {
	var tenant, by string
	c := &cobra.Command{
		Use: "release PICKING", Short: "Start the shipment of a delivery by hand, as the scan of Odoo would", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			picking, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return console.Usagef("%q is no id of a delivery in Odoo, such as 1042", args[0])
			}
			id, err := freight.ShipmentIDOf(freight.TenantCode(tenant), picking)
			if err != nil {
				return console.Usage(err)
			}
			started, err := protocol.StartShipment(ctx, c, protocol.ShipmentInput{ID: id, Picking: picking, ReleasedBy: by}, "", "")
			if err != nil {
				return err
			}
			if !started {
				a.Say("%s was started before; nothing was done", id)
			}
			result := released{id, started, a.link(protocol.ShipmentWorkflowID(id))}
			return a.Show(result, func() { a.Print("%s", id) })
		}),
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the tenant of the worker's configuration")
	_ = c.MarkFlagRequired("tenant") // the flag is there
	authored(c, &by)
	return c
}

// released is what release did.
type released struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Started  bool               `json:"started"` // false: it had been
	Link     string             `json:"link"`
}

func (a *app) cancel() *cobra.Command {
	var by, reason string
	c := &cobra.Command{
		Use: "cancel SHIPMENT", Short: "Ask for a shipment to be cancelled; freight that moves is not", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c client.Client, args []string) error {
			id, err := console.Shipment(args[0])
			if err != nil {
				return err
			}
			workflowID := protocol.ShipmentWorkflowID(id)
			request := freight.CancelRequest{By: by, Reason: reason, At: time.Now()}
			if err := protocol.CancelAsked.Send(ctx, c, workflowID, request); err != nil {
				return a.advise(err, workflowID)
			}
			a.Say("asked; freight that has been picked up goes on, with an exception: see waybill status %s", id)
			return a.Show(asked{id, true, a.link(workflowID)}, func() { a.Print("%s", id) })
		}),
	}
	authored(c, &by)
	reasoned(c, &reason)
	return c
}

// asked is what cancel did.
type asked struct {
	Shipment freight.ShipmentID `json:"shipment"`
	Asked    bool               `json:"asked"`
	Link     string             `json:"link"`
}
