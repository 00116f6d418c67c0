package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"waybill/activities/odoo"
	"waybill/config"
	"waybill/internal/cluster"
	"waybill/internal/console"
	"waybill/workflows/protocol"
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
	proofs := []func(context.Context) []string{h.storeLacks, h.temporalLacks, h.odooLacks}
	for _, p := range []struct {
		key string
		ask func(context.Context) error
	}{{"billing", h.billing.Check}, {"tms", h.tms.Check}, {"finance", h.finance.Check}} {
		proofs = append(proofs, func(ctx context.Context) []string { return partnerLacks(p.key, p.ask(ctx)) })
	}
	for id, ask := range h.targets.probes {
		proofs = append(proofs, func(ctx context.Context) []string { return partnerLacks("target "+id, ask(ctx)) })
	}
	found := make([][]string, len(proofs))
	var all sync.WaitGroup
	for i, proof := range proofs {
		all.Go(func() { found[i] = proof(ctx) })
	}
	all.Wait()
	return slices.Concat(found...)
}

func (h *house) storeLacks(ctx context.Context) []string {
	if h.store == nil {
		return nil // said when it was opened
	}
	if err := h.store.Health(ctx); err != nil {
		return []string{fmt.Sprintf("a store that can be written: %v: see the rights of store.url, and the room on its disk", err)}
	}
	return nil
}

func (h *house) temporalLacks(ctx context.Context) []string {
	if h.temporal == nil {
		return nil // said when it was dialled
	}
	return cluster.Check(ctx, h.temporal, cluster.Namespace())
}

func (h *house) odooLacks(ctx context.Context) []string {
	return odoo.Check(ctx, h.statusUser, h.moneyUser, h.config.Odoo.FreightProduct)
}

func partnerLacks(key string, err error) []string {
	switch {
	case err == nil:
		return nil
	case protocol.FaultOf(err) == protocol.Configuration:
		return []string{fmt.Sprintf("%s: %s: set %[1]s.token to one that it takes", key, protocol.Words(err))}
	}
	return []string{fmt.Sprintf("%s: %s: is it up, and is %[1]s.url right?", key, protocol.Words(err))}
}
