package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/workers/doctor"
)

// checkWithin bounds a check of systems that answer nothing.
const checkWithin = 30 * time.Second

// prove names all that keeps a worker from working, each with what to do; none for nothing. It proves connections
// only by a configuration that is right.
func prove(ctx context.Context, on *console.Console, file string) []string {
	c, err := config.Load(file)
	if err != nil {
		return []string{err.Error()}
	}
	if faults := each(c.ForWorker()); len(faults) > 0 {
		on.Say("no connection was tried: mend the configuration first")
		_, err := config.LoadPolicies(c.Policies.File)
		if c.Policies.File != "" {
			faults = append(faults, each(err)...)
		}
		return faults
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	h, err := open(ctx, c, zap.NewNop())
	defer h.close()
	return append(each(err), h.lacks(ctx)...)
}

// each takes joined errors apart.
func each(err error) (texts []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			texts = append(texts, each(e)...)
		}
		return texts
	}
	if err != nil {
		texts = append(texts, err.Error())
	}
	return texts
}

// fit says what stories could not run without: nothing is served then, since a shipment would stand still and look
// healthy.
func (h *house) fit(ctx context.Context) error {
	lacks, err := cluster.Lacks(ctx, h.temporal, cluster.Namespace())
	if err != nil {
		h.log.Warn("temporal_not_checked", zap.Error(err)) // who may not list search attributes may still work
	}
	var faults []error
	for _, l := range lacks {
		faults = append(faults, errors.New(l))
	}
	return errors.Join(faults...)
}

// warn says at the start what is missing, each once. Work goes on: what is down comes back, and what is wrong can
// be mended while the shipments wait.
func (h *house) warn(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	for _, l := range h.lacks(within) {
		if ctx.Err() == nil {
			h.log.Warn("missing", zap.String("what", l))
		}
	}
}

// lacks asks every system that is connected, all at once.
func (h *house) lacks(ctx context.Context) []string {
	p := doctor.Patient{Temporal: h.temporal, Store: h.store, Status: h.statusUser, Money: h.moneyUser, FreightProduct: h.config.Odoo.FreightProduct,
		Partners: []doctor.Partner{{Key: "billing", Ask: h.billing.Check}, {Key: "tms", Ask: h.tms.Check}, {Key: "finance", Ask: h.finance.Check}}}
	if h.fence != nil {
		p.Compare = h.fence.Compare
	}
	for id, ask := range h.targets.probes {
		p.Partners = append(p.Partners, doctor.Partner{Key: "target " + id, Ask: ask})
	}
	for i, c := range h.config.Pull {
		t, ok := h.tracking[c.Source]
		if !ok {
			continue // said when it was opened
		}
		p.Partners = append(p.Partners, doctor.Partner{Key: fmt.Sprintf("pull[%d]", i), Ask: t.Client.Check})
	}
	if h.catalog != nil {
		p.Sources = h.sources()
	}
	return p.Lacks(ctx)
}
