package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/config"
	"waybill/internal/routing"
	"waybill/workers/guard"
	"waybill/workers/pace"
	"waybill/workers/puller"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// pull asks the tracking APIs, and listens for sources that fall silent, until the context ends.
func (h *house) pull(ctx context.Context, g *errgroup.Group, metrics *guard.Metrics) error {
	silence, err := puller.NewSilence(h.metrics)
	if err != nil {
		return err
	}
	ear := &puller.Ear{Store: h.store, Sources: h.config.Bridge.Sources, Floor: h.config.Silence.After, Log: h.log, Metrics: silence, Now: time.Now}
	g.Go(func() error { return ear.Run(ctx) })
	p := &puller.Puller{Store: h.store, Connectors: h.sources(), Silent: ear.Silent, Log: h.log, Now: time.Now}
	if p.Metrics, err = puller.NewMetrics(h.metrics); err != nil {
		return err
	}
	for _, c := range h.config.Pull {
		p.Targets = append(p.Targets, h.target(ctx, c.Settled(), metrics))
	}
	for _, c := range h.config.Tenders {
		p.Tenders = append(p.Tenders, h.tenders(c.Settled()))
	}
	g.Go(func() error { return p.Run(ctx) })
	return nil
}

// tenders is a TMS that is asked about tenders, behind the guard that its requests have.
func (h *house) tenders(c config.Tenders) puller.Tenders {
	t := puller.Tenders{Source: c.Source, Name: c.TMS, TMS: h.tms, Guard: h.guards[protocol.QueueTMS], After: c.After, Until: c.Until, Pace: pace.New(h.store, "pull/"+c.Source, c.PerSecond), PerSecond: c.PerSecond}
	if c.TMS != "" {
		t.TMS, t.Guard = h.targets.tms[c.TMS], h.targets.guards[string(routing.TMS)+" "+c.TMS]
	}
	return t
}

func (h *house) target(ctx context.Context, c config.Pull, metrics *guard.Metrics) puller.Target {
	t := h.tracking[c.Source]
	watch := guard.New(ctx, guard.Options{System: puller.System(c.Source), Probe: t.Client.Check, Every: probeTracking, Log: h.log, Metrics: metrics})
	source, _ := h.config.Source(c.Source) // it was checked
	var carriers []freight.CarrierCode
	for _, n := range c.Carriers {
		carriers = append(carriers, n.Carrier)
	}
	return puller.Target{
		Source: c.Source, Client: t.Client, Guard: watch, Number: t.Number, Carriers: carriers,
		After: c.After, Silent: c.AfterSilent, Until: c.Until, Pace: pace.New(h.store, "pull/"+c.Source, c.PerSecond), PerSecond: c.PerSecond,
		Charges: source.Connector == "", // our own events tell of them
	}
}

// probeTracking is between probes of a tracking API that is down: nothing waits for it by the second.
const probeTracking = 30 * time.Second
