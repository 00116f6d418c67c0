package main

import (
	"context"
	"errors"
	"fmt"

	"waybill/activities/billing"
	"waybill/activities/finance"
	"waybill/activities/tms"
	"waybill/activities/wms"
	"waybill/config"
	"waybill/internal/partner"
	"waybill/internal/routing"
	"waybill/workers/guard"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// targets are the systems that routes name, beside the default of each kind; of the WMS there is none.
type targets struct {
	tms     map[string]*tms.TMS
	wms     map[string]*wms.Warehouse
	billing map[string]*billing.Engine
	finance map[string]*finance.Platform
	probes  map[string]func(context.Context) error // by "kind name", of each
	guards  map[string]*guard.Guard                // as probes; they guard nothing before the worker serves
}

// aim connects what the configuration has as targets. It calls none of them.
func (h *house) aim(cs []config.Target, reach func(target, name string, p config.Partner) *partner.Client) {
	h.targets = targets{tms: map[string]*tms.TMS{}, wms: map[string]*wms.Warehouse{}, billing: map[string]*billing.Engine{}, finance: map[string]*finance.Platform{}, probes: map[string]func(context.Context) error{}}
	for _, c := range cs {
		id := c.Kind + " " + c.Name
		client := reach(id, id, c.Partner())
		switch routing.Kind(c.Kind) {
		case routing.TMS:
			t := &tms.TMS{Client: client}
			h.targets.tms[c.Name], h.targets.probes[id] = t, t.Check
		case routing.WMS:
			t := &wms.Warehouse{Client: client}
			h.targets.wms[c.Name], h.targets.probes[id] = t, t.Check
		case routing.Billing:
			t := &billing.Engine{Client: client}
			h.targets.billing[c.Name], h.targets.probes[id] = t, t.Check
		case routing.Finance:
			t := &finance.Platform{Client: client}
			h.targets.finance[c.Name], h.targets.probes[id] = t, t.Check
		}
	}
}

// routes reads the rules, and says which of them name a target that is not there.
func routes(c *config.Config) (*routing.Table, error) {
	t, err := routing.Load(c.Routing.File)
	if err != nil {
		return nil, err
	}
	return t, t.CheckTargets(func(k routing.Kind, name string) bool {
		for _, g := range c.Targets {
			if g.Kind == string(k) && g.Name == name {
				return true
			}
		}
		return false
	})
}

// claim claims a delivery and decides, once for all, who serves its shipment: the answer stays in the shipment's
// history, whatever the rules become.
func (h *house) claim(ctx context.Context, q protocol.ClaimRequest) (freight.Release, error) {
	r, err := h.status.ClaimDelivery(ctx, q)
	if err != nil {
		return r, err
	}
	r.Route = h.routing.Route(routing.FactsOf(r))
	if r.Carrier == "" {
		r.Carrier = r.Route.Carrier
	}
	return r, nil
}

// byRoute is an activity that the system does which the shipment's route names: the default behind the guard of its
// queue, each other behind its own.
func byRoute[T, In, Out any](h *house, g *guard.Guard, k routing.Kind, usual T, others map[string]T, name func(In) string, f func(T, context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	serve := guarded(g, func(ctx context.Context, in In) (Out, error) { return f(usual, ctx, in) })
	other := byTarget(h, k, others, name, f)
	return func(ctx context.Context, in In) (Out, error) {
		if to := name(in); to == "" || to == routing.Default {
			return serve(ctx, in)
		}
		return other(ctx, in)
	}
}

// byTarget is an activity that a target does, behind its own guard. A call to one that is down waits outside the worker,
// since those to other targets of its queue go on; each time it comes back is an attempt, so it comes ever less often.
func byTarget[T, In, Out any](h *house, k routing.Kind, targets map[string]T, name func(In) string, f func(T, context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		to := name(in)
		target, ok := targets[to]
		if !ok {
			return out, protocol.Configuration.Of(fmt.Errorf("the shipment's route names the %s %q, which is not in targets of the configuration: put it back until its shipments are closed", k, to))
		}
		own := h.targets.guards[string(k)+" "+to]
		if wait := own.Away(); wait > 0 {
			return out, protocol.Throttled.After(errors.New("the "+string(k)+" "+to+" is down, or asked us to wait: it is probed, and asked again when it is back"), wait)
		}
		ended := own.Begin(ctx)
		defer func() { ended(err) }()
		return f(target, ctx, in)
	}
}
